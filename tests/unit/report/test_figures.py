"""Every figure of a report beside one that was worked out without SQL."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from netdash.errors import NetdashError, UsageError
from netdash.recording.dimensions import DIMENSIONS
from netdash.recording.query import StoppedError, TableQuery
from netdash.recording.retention import Limits
from netdash.report.build import Report, build
from netdash.report.span import Period, Wanted, find_span
from tests.unit.recording.traffic import HOUR, MIDNIGHT, Minutes, many_hosts, minutes, record, snapshots
from tests.unit.report.reference import check, steps

BEGIN = int(MIDNIGHT) - 2 * HOUR
"""22:00: midnight is within."""

Recorded = tuple[Path, Minutes]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Two runs over a midnight, with nothing for 37 minutes in between."""
    path = tmp_path_factory.mktemp("report") / "a.netdash"
    first = list(snapshots(3.2, start=BEGIN, seed=5, step=30.0))
    second = list(snapshots(1.4, start=BEGIN + 3.2 * HOUR + 37 * 60, seed=6, step=30.0))
    record(path, first)
    record(path, second)
    return path, minutes([*first, *second])


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Lets a test set TZ."""
    yield monkeypatch
    monkeypatch.undo()
    time.tzset()


def made(path: Path, wanted: Wanted, top: int = 10) -> Report:
    """The report."""
    with TableQuery(str(path)) as query:
        return build(query, find_span(query, wanted), top)


@pytest.mark.parametrize("step", ["minute", "hour"])
@pytest.mark.parametrize(
    "limits", [(None, None), (900, 3 * HOUR), (5040, 5100), (2 * HOUR, 4 * HOUR), (1800, 5 * HOUR)]
)
def test_all_figures(recorded: Recorded, step: str, limits: tuple[int | None, int | None]) -> None:
    path, reference = recorded
    texts = [
        None if offset is None else time.strftime("%Y-%m-%dT%H:%M", time.localtime(BEGIN + offset)) for offset in limits
    ]
    report = made(path, Wanted(texts[0], texts[1], None, "minute" if step == "minute" else "hour"), 3)
    assert report.span.step_seconds == {"minute": 60, "hour": HOUR}[step]
    begin = min(reference.seconds) if limits[0] is None else BEGIN + limits[0]
    end = max(reference.seconds) + 60 if limits[1] is None else BEGIN + limits[1]
    assert report.span.whole == Period(begin, end)
    (period,) = report.periods
    check(period, steps(reference, begin, end, report.span.step_seconds), 3, reference)


@pytest.mark.parametrize("zone_name", ["UTC", "Asia/Kolkata", "America/St_Johns"])
@pytest.mark.parametrize(("every", "step"), [("hour", "minute"), ("day", "minute"), ("day", "hour")])
def test_hours_and_days_are_local(
    recorded: Recorded, zone: pytest.MonkeyPatch, zone_name: str, every: str, step: str
) -> None:
    path, reference = recorded
    zone.setenv("TZ", zone_name)
    time.tzset()
    report = made(
        path, Wanted(None, None, "hour" if every == "hour" else "day", "hour" if step == "hour" else "minute")
    )
    parts = "%Y-%m-%d %H" if every == "hour" else "%Y-%m-%d"
    names = [time.strftime(parts, time.localtime(period.period.begin)) for period in report.periods]
    assert len(set(names)) == len(names)
    assert names == sorted({time.strftime(parts, time.localtime(m)) for m in range(*_ends(report), 60)})
    assert [p.period.begin for p in report.periods[1:]] == [p.period.end for p in report.periods[:-1]]
    for period in report.periods:
        expected = steps(reference, period.period.begin, period.period.end, report.span.step_seconds)
        check(period, expected, 10, reference)


def _ends(report: Report) -> tuple[int, int]:
    return report.span.whole.begin, report.span.whole.end


def test_a_day_may_have_23_hours(zone: pytest.MonkeyPatch, tmp_path: Path) -> None:
    zone.setenv("TZ", "Europe/Berlin")
    time.tzset()
    start = time.mktime((2026, 3, 28, 22, 0, 0, 0, 0, -1))
    record(tmp_path / "a", snapshots(30.0, start=start, step=600.0))
    report = made(tmp_path / "a", Wanted(every="day"))
    assert [(p.period.end - p.period.begin) / HOUR for p in report.periods][1] == 23.0


def test_hours_alone_have_no_percentiles(recorded: Recorded) -> None:
    report = made(recorded[0], Wanted(every="hour", step="hour"))
    rows = [row for period in report.periods for section in period.sections.values() for row in section.rows]
    assert rows
    assert all(row.rx.percentile is None and row.tx.percentile is None for row in rows)


def test_what_is_not_recorded_is_told(recorded: Recorded) -> None:
    coverage = made(recorded[0], Wanted(step="minute")).coverage
    # The last interval of the first run ends on a full minute, and makes one of its own.
    assert coverage.gaps == (Period(BEGIN + 3 * HOUR + 13 * 60, BEGIN + 3 * HOUR + 49 * 60),)
    assert coverage.gap_count == 1
    assert coverage.recorded_seconds == pytest.approx((3.2 + 1.4) * HOUR)
    assert [(each.flows, each.processes) for each in coverage.layers] == [("ebpf", "exact")]


def test_intervals_of_minutes_leave_no_gaps(tmp_path: Path) -> None:
    record(tmp_path / "a", snapshots(5.0, start=MIDNIGHT + 7, step=300.0))
    assert made(tmp_path / "a", Wanted()).coverage.gaps == ()


def test_the_less_busy_are_told_apart_from_the_others(tmp_path: Path) -> None:
    record(tmp_path / "a", many_hosts())
    (period,) = made(tmp_path / "a", Wanted(step="hour")).periods
    hosts = period.sections["remote"]
    assert [row.keys[0] for row in hosts.rows] == [f"198.51.100.{number}" for number in range(120, 110, -1)]
    assert hosts.unnamed is not None
    assert hosts.unnamed.rx.bytes == sum(1000 * number for number in range(1, 21))
    assert hosts.others is not None
    # The first one is known by name in the second hour, in which it moved nothing.
    assert hosts.others.count == 91
    assert hosts.others.rx.bytes == sum(1000 * number for number in range(21, 111))


def test_a_recording_under_way_is_told_up_to_its_last_minute(tmp_path: Path) -> None:
    written = list(snapshots(1.3))
    record(tmp_path / "a", written, finish=False)
    report = made(tmp_path / "a", Wanted(step="hour"))
    last = int(written[-1].time // 60 * 60)
    assert report.span.whole.end == last
    reference = minutes(s for s in written if s.time < last)
    check(report.periods[0], steps(reference, report.span.whole.begin, last, HOUR), 10, reference)


def test_a_recording_without_tables_of_hours(tmp_path: Path) -> None:
    written = list(snapshots(1.3))
    record(tmp_path / "a", written)
    with closing(sqlite3.connect(tmp_path / "a")) as connection:
        for name in ("hour", *(dimension.table for dimension in DIMENSIONS)):
            connection.execute(f"DROP TABLE {name}")
        connection.commit()
    report, reference = made(tmp_path / "a", Wanted(step="hour")), minutes(written)
    check(report.periods[0], steps(reference, *_ends(report), HOUR), 10, reference)


def test_hours_whose_minutes_are_gone(tmp_path: Path) -> None:
    path, written = tmp_path / "a", list(snapshots(4.0, step=60.0))
    record(path, written)
    with closing(sqlite3.connect(path)) as connection:
        for table in ("interface_minute", "process_minute", "remote_minute"):
            connection.execute(f"DELETE FROM {table} WHERE minute < ?", (MIDNIGHT + 2 * HOUR + 300,))
        connection.commit()
    report, reference = made(path, Wanted()), minutes(written)
    assert report.span.whole.begin == MIDNIGHT
    check(report.periods[0], steps(reference, *_ends(report), HOUR), 10, reference)
    with pytest.raises(NetdashError, match="leave out --step"):
        made(path, Wanted(step="minute"))
    late = made(path, Wanted(begin="03:00"))
    assert late.span.step_seconds == 60


def test_nothing_then_and_nothing_yet(tmp_path: Path) -> None:
    path = tmp_path / "a"
    record(path, list(snapshots(0.01)), finish=False)
    with pytest.raises(NetdashError, match="no sum of a minute yet"):
        made(path, Wanted())
    record(path, snapshots(0.5))
    with pytest.raises(NetdashError, match=r"nothing was recorded then; .* holds 2026-11-22T00:00:00 to "):
        made(path, Wanted(begin="2026-11-23", end="2026-11-24"))
    with pytest.raises(UsageError, match="is no moment"):
        made(path, Wanted(begin="sometime"))


def test_too_many_periods_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    record(path, [*snapshots(0.1), *snapshots(0.1, start=MIDNIGHT + 20_000 * HOUR)], Limits(max_age_seconds=1e9))
    with pytest.raises(UsageError, match="more than 10000 hours"):
        made(path, Wanted(every="hour"))


def test_it_can_be_stopped(recorded: Recorded) -> None:
    with TableQuery(str(recorded[0]), lambda: True) as query, pytest.raises(StoppedError):
        build(query, find_span(query, Wanted()), 10)
