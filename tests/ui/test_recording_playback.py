"""The dashboard on a real recording whose clock was set, whose host slept and whose interface got another name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from netdash.model.snapshot import Snapshot
from netdash.options import Options
from netdash.recording.reader import RecordingStore
from netdash.ui.app import Dashboard
from netdash.ui.widgets.key_line import KeyLine
from tests.ui.apps import settle
from tests.ui.fixtures import START_TIME, interface
from tests.ui.test_time_travel import arrived, header, lines, second
from tests.unit.recording.test_recording import record

SHIFTS = (
    *range(30),
    *range(-7200, -7170),  # set back by two hours
    *range(50, 80),  # and right again
    *range(9000, 9030),  # after a sleep
)
RENAMED = 75


def recorded(number: int) -> Snapshot:
    """The interval with this number; the monotonic clock goes on by a second each."""
    shown = second(number)
    name = "eth0" if number < RENAMED else "lan0"
    interfaces = (interface(name, rx_bytes=100_000 + 1000 * number),)
    return replace(shown, time=START_TIME + SHIFTS[number], interfaces=interfaces)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RecordingStore]:
    path = tmp_path / "a.netdash"
    record(path, [recorded(number) for number in range(len(SHIFTS))])
    with closing(RecordingStore(str(path))) as opened:
        yield opened


async def test_every_moment_is_reached_and_says_when_it_was(store: RecordingStore) -> None:
    app = Dashboard(None, Options(), store=store)
    async with app.run_test(size=(140, 30)) as pilot:
        await settle(pilot, lambda: app.state.snapshot is not None)

        async def after(*keys: str) -> str:
            await pilot.press(*keys)
            await arrived(app, pilot)
            return header(app).partition("PAUSED 2026-11-22 ")[2]

        assert (await after("space", "home")).startswith("14:00:00 start")
        assert (await after("shift+right")).startswith("14:00:10")
        assert (await after("ctrl+right")).startswith("14:00:29")
        assert (await after("right")).startswith("12:00:00  clock set back 2 h")
        assert (await after("left")).startswith("14:00:29")
        assert (await after("g", *"12:00:10", "enter")).startswith("12:00:10")
        assert (await after("shift+left")).startswith("12:00:00")
        assert (await after("ctrl+left")).startswith("14:00:29")
        assert (await after("g", *"14:01", "enter")).startswith("14:01:00")
        assert (await after("g", *"15:00", "enter")).startswith("14:01:19")
        assert (await after("right")).startswith("16:30:00  gap 2 h 28 min")
        assert (await after("end")).startswith("16:30:29 end")
        assert (await after("g", *"17:00", "enter")).startswith("16:30:29 end")
        assert "outside" in app.main_screen.query_one(KeyLine).notice


async def test_rates_and_totals_do_not_mind_the_clock(store: RecordingStore) -> None:
    """Right after a step of the clock the graphs reach back over it, and the totals count from the start."""
    app = Dashboard(None, Options(), store=store)
    async with app.run_test(size=(140, 30)) as pilot:
        await settle(pilot, lambda: app.state.snapshot is not None)
        for number in (31, 62, 91, 40):
            app.state.player.go_to_number(store.timetable().first + number)
            app.go()
            await arrived(app, pilot)
            totals = app.state.histories.flows.totals()[0]
            assert totals.total_bytes == sum(100_000 + 1000 * each for each in range(1, number + 1))
            shown = app.state.snapshot
            assert shown is not None
            series = app.state.histories.interfaces.series(2, shown.interfaces[0].name)
            assert series is not None
            assert len(series.samples) == (number if number < RENAMED else number - RENAMED + 1)


async def test_a_renamed_interface_has_the_name_of_then(store: RecordingStore) -> None:
    """Also after its processes were looked at under the other name; every figure is of then."""
    app = Dashboard(None, Options(), store=store)
    async with app.run_test(size=(140, 30)) as pilot:
        await settle(pilot, lambda: app.state.snapshot is not None)

        async def screen(*keys: str) -> str:
            await pilot.press(*keys)
            await arrived(app, pilot)
            return "\n".join(lines(app))

        interfaces = await screen("space", "end")
        assert "lan0" in interfaces
        assert "eth0" not in interfaces
        assert "iperf3" in await screen("enter")
        assert header(app).startswith(" web-01 lan0 ")
        app.state.player.go_to_number(store.timetable().first + 10)
        app.go()
        assert "iperf3" in await screen()
        interfaces = await screen("1")
        assert "eth0" in interfaces
        assert "lan0" not in interfaces
        assert "Curr:   880 kb/s" in interfaces
