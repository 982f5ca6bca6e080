"""A recording as a stream: parts of its time, clocks that were set, a host that slept, an interface renamed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from netdash.errors import NetdashError, UsageError
from netdash.model.snapshot import Snapshot
from netdash.options import Options
from netdash.recording.reader import RecordingStore
from netdash.sources.recording import recording_source
from tests.unit.recording.test_recording import HOUR_BEGIN, record, snapshot
from tests.unit.sinks.builders import ETH0, baseline

BEGIN = "2026-11-22T14:00"


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def ends(*shifts: float) -> list[Snapshot]:
    """Intervals that end so many seconds after a full hour, while the monotonic clock goes on by a second each."""
    return [replace(snapshot(number), time=HOUR_BEGIN + shift) for number, shift in enumerate(shifts)]


async def read(path: Path, **options: object) -> list[Snapshot]:
    """What `-r` gives."""
    with closing(RecordingStore(str(path))) as store:
        source = recording_source(store, Options(read_file=str(path), **options))  # type: ignore[arg-type]
        return [each async for each in source.snapshots()]


def shifts(snapshots: list[Snapshot]) -> list[float]:
    """Of the intervals, without the baseline."""
    return [each.time - HOUR_BEGIN for each in snapshots if each.interval > 0]


def text(shift: float) -> str:
    """A moment as `--from` takes it."""
    return datetime.fromtimestamp(HOUR_BEGIN + shift, UTC).isoformat()


async def test_a_baseline_comes_first_wherever_it_begins(tmp_path: Path) -> None:
    path = tmp_path / "a"
    record(path, [baseline(), *ends(*range(1, 100))])
    whole = await read(path)
    assert (whole[0].interval, len(whole)) == (0.0, 100)
    part = await read(path, from_moment=text(49.5), to_moment=text(60))
    assert (part[0].interval, part[0].time, len(part[0].flows)) == (0.0, HOUR_BEGIN + 49, 0)
    assert shifts(part) == list(range(50, 61))
    assert [interface.rx_bytes for interface in part[1].interfaces] == [i.rx_bytes for i in snapshot(50).interfaces]


async def test_parts_where_the_clock_was_set(tmp_path: Path) -> None:
    """Set back by two hours, later a day ahead for a moment: each interval counts where its own time lies."""
    path = tmp_path / "a"
    jumps = [0, 1, 2, -7200, -7199, 86_400, 3, 4]
    record(path, ends(*jumps))
    assert shifts(await read(path)) == jumps
    assert shifts(await read(path, from_moment=text(0.5))) == [1, 2, 86_400, 3, 4]
    assert shifts(await read(path, to_moment=text(2))) == [0, 1, 2, -7200, -7199]
    assert shifts(await read(path, from_moment=text(-8000), to_moment=text(-7000))) == [-7200, -7199]
    assert shifts(await read(path, from_moment=text(1.5), to_moment=text(4))) == [2, 3, 4]
    with pytest.raises(NetdashError, match=r"nothing was recorded then; .* 2026-11-22T12:00:00 to 2026-11-23T14:00:00"):
        await read(path, from_moment=text(5), to_moment=text(3600))


async def test_a_clock_that_was_wrong_at_the_start(tmp_path: Path) -> None:
    """A board without a battery begins in 1970; a time of day is that of the last day, not of the first."""
    path = tmp_path / "a"
    wrong = [-HOUR_BEGIN + 86_400 + number for number in range(5)]
    record(path, ends(*wrong, *range(100)))
    assert shifts(await read(path, from_moment="14:01:30")) == list(range(91, 100))
    assert shifts(await read(path, from_moment="10s ago")) == list(range(90, 100))


async def test_of_several_nights_the_last_is_meant(tmp_path: Path) -> None:
    path = tmp_path / "a"
    nights = [day * 86_400 + second for day in range(3) for second in range(0, 300, 10)]
    record(path, ends(*nights))
    found = shifts(await read(path, from_moment="14:01", to_moment="14:02"))
    assert found == [2 * 86_400 + second for second in range(70, 130, 10)]


async def test_a_host_that_slept(tmp_path: Path) -> None:
    """The gap stays a gap: no interval is as long as the sleep, no figure is spread over it."""
    path = tmp_path / "a"
    record(path, ends(0, 1, 2, 9000, 9001))
    found = await read(path)
    assert shifts(found) == [0, 1, 2, 9000, 9001]
    assert {each.interval for each in found if each.interval} == {1.0}
    with pytest.raises(NetdashError, match="nothing was recorded then"):
        await read(path, from_moment=text(2.5), to_moment=text(8999.5))
    with closing(RecordingStore(str(path))) as store:
        table = store.timetable()
        assert [table.at(HOUR_BEGIN + shift) - table.first for shift in (2, 5000, 8999, 9000)] == [2, 2, 2, 3]


async def test_an_interface_that_was_renamed(tmp_path: Path) -> None:
    path = tmp_path / "a"
    renamed = replace(ETH0, name="lan0")
    record(path, [snapshot(0), snapshot(1), snapshot(2, interfaces=(renamed,)), snapshot(3, interfaces=(renamed,))])
    names = [[i.name for i in each.interfaces if i.index == ETH0.index] for each in await read(path)]
    assert names == [["eth0"], ["eth0"], ["eth0"], ["lan0"], ["lan0"]]


@pytest.mark.parametrize("option", ["from_moment", "to_moment"])
async def test_a_wrong_time(tmp_path: Path, option: str) -> None:
    record(tmp_path / "a", ends(0, 1))
    with pytest.raises(UsageError, match="'noon' is no moment"):
        await read(tmp_path / "a", **{option: "noon"})
