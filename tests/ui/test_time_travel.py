"""Going back in time on the screen: in every view the figures of then, and a header that says so."""

from __future__ import annotations

from threading import Event

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from netdash.model.snapshot import InterfaceProtocols, Snapshot, Traffic
from netdash.model.snapshot_memory import SnapshotMemory
from netdash.options import Options
from netdash.ui.app import Dashboard
from netdash.ui.keymap import DASHBOARD_KEYS, TABLE_KEYS, TIME_KEYS
from netdash.ui.registry import VIEWS
from netdash.ui.widgets.header_line import HeaderLine
from netdash.ui.widgets.key_line import KeyLine
from netdash.ui.widgets.line_table import LineTable
from tests.ui.apps import dashboard, settle, take
from tests.ui.fixtures import FakeSource, flow, interface, process, snapshot, socket


def second(tick: int, peak: int = -1) -> Snapshot:
    """Figures by which every view can be told from that of another second."""
    rate = 100_000 + tick * 1000 + (5_000_000 if tick == peak else 0)
    return snapshot(
        tick,
        interfaces=[interface(rx_bytes=rate, rx_errors=1)],
        processes=[process(rx_bytes=rate)],
        flows=[flow(rx_bytes=rate, pid=4321, attribution=2)] if tick else [],
        sockets=[socket(pid=4321, rqueue=tick, rx_payload=rate)],
        protocols={"eth0": InterfaceProtocols(tcp=Traffic(tick, rate, 0, 0))},
        counters={"Tcp.RetransSegs": tick},
    )


def header(app: Dashboard) -> str:
    return app.main_screen.query_one(HeaderLine).text


def lines(app: Dashboard) -> list[str]:
    """The chosen view as it stands on the screen."""
    view = app.main_screen.view
    assert view is not None
    region = view.region
    strips = app.main_screen._compositor.render_strips()
    return ["".join(segment.text for segment in strip) for strip in strips[region.y : region.bottom]]


async def arrived(app: Dashboard, pilot: Pilot[int]) -> None:
    """Waits until what is wanted is on the screen and what comes next is ready."""
    await settle(pilot, lambda: app.state.settled and not app._travelling)
    await pilot.pause()


@pytest.mark.parametrize("entry", VIEWS, ids=lambda entry: entry.view_id)
async def test_every_view_shows_what_was_shown(entry: object) -> None:
    """Line for line, also in a view that is first chosen in the past; then now again, with all that came meanwhile."""
    number = str(VIEWS.index(entry) + 1)
    app = dashboard(FakeSource())
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.press(number)
        seen = []
        for tick in range(5):
            await take(app, pilot, second(tick))
            seen.append(lines(app))
        await pilot.press("1", "space", "left", "left")
        await arrived(app, pilot)
        await take(app, pilot, second(5))
        await pilot.press(number)
        await pilot.pause()
        assert lines(app) == seen[2]
        await pilot.press("right")
        await arrived(app, pilot)
        assert lines(app) == seen[3]
        assert "PAUSED 14:00:03  −2 s" in header(app)
        await take(app, pilot, second(6))
        assert lines(app) == seen[3]
        assert "PAUSED 14:00:03  −3 s" in header(app)
        await pilot.press("left", "left", "left", "left")
        await arrived(app, pilot)
        assert "PAUSED 14:00:00  −6 s, oldest" in header(app)
        await pilot.press("home")
        await arrived(app, pilot)
        assert "PAUSED" not in header(app)
        assert "14:00:06" in header(app)
        back = lines(app)
    plain = dashboard(FakeSource())
    async with plain.run_test(size=(120, 30)) as pilot:
        await pilot.press(number)
        await take(plain, pilot, *(second(tick) for tick in range(7)))
        now = lines(plain)
    assert back == now


async def test_every_key() -> None:
    """Steps of seconds, peaks, a time that is asked for, playing and back."""
    app = dashboard(FakeSource())
    async with app.run_test(size=(120, 30)) as pilot:
        await take(app, pilot, *(second(tick, peak=40) for tick in range(200)))

        async def after(*keys: str) -> str:
            await pilot.press(*keys)
            await arrived(app, pilot)
            return header(app).partition("PAUSED ")[2][:8]

        assert await after("space") == "14:03:19"
        assert await after("shift+left") == "14:03:09"
        assert await after("ctrl+left") == "14:02:09"
        assert await after("ctrl+right") == "14:03:09"
        assert await after("shift+right") == "14:03:19"
        assert await after("space", "left_curly_bracket") == "14:00:40"
        assert await after("right_curly_bracket") == "14:00:40"
        assert "no peak after this" in app.main_screen.query_one(KeyLine).notice
        await pilot.press("g")
        await pilot.press(*"14:0x", "enter")
        assert isinstance(app.focused, Input), "what is no moment stays to be mended"
        assert await after("backspace", "1", "enter") == "14:01:00"
        assert await after("g", *"+30s", "enter") == "14:01:30"
        assert await after("g", "left", "escape") == "14:01:30"
        assert await after("g", *"09:00", "enter") == "14:00:00"
        assert "outside" in app.main_screen.query_one(KeyLine).notice
        await pilot.press("greater_than_sign", "greater_than_sign")
        assert "► ×2 14:00:0" in header(app)
        await pilot.press("less_than_sign")
        assert "► ×1 14:00:0" in header(app)
        await pilot.press("end")
        await arrived(app, pilot)
        assert "14:03:19" in header(app)
        assert app.state.player.following


async def test_keys_belong_to_the_view_while_it_is_live() -> None:
    """Home and End are rows of a table and ← is nothing, until it is paused."""
    app = dashboard(FakeSource())
    async with app.run_test(size=(120, 30)) as pilot:
        last = snapshot(1, interfaces=[interface(), interface("eth1", 3)])
        await take(app, pilot, second(0), last)
        table = app.main_screen.query_one(LineTable)
        await pilot.press("end")
        assert table.cursor_index > 0
        await pilot.press("left", "home")
        assert (table.cursor_index, app.state.paused) == (0, False)
        await pilot.press("space", "left")
        await arrived(app, pilot)
        assert "14:00:00" in header(app)


async def test_nothing_is_lost_while_it_is_paused() -> None:
    """Totals afterwards are those of a dashboard that never paused."""
    app = dashboard(FakeSource())
    async with app.run_test(size=(120, 30)) as pilot:
        await take(app, pilot, second(0), second(1))
        await pilot.press("space", "left")
        await arrived(app, pilot)
        await take(app, pilot, *(second(tick) for tick in range(2, 6)))
        await pilot.press("space")
        await arrived(app, pilot)
        assert app.state.histories.flows.totals()[0].total_bytes == sum(100_000 + tick * 1000 for tick in range(1, 6))
        assert app.state.faults[2, "eth0"].errors == 6


def recording(*ticks: int) -> SnapshotMemory:
    """A store of these seconds."""
    memory = SnapshotMemory()
    for tick in ticks:
        memory.append(second(tick))
    return memory


async def test_recording_plays_steps_and_is_followed() -> None:
    """The same dashboard on a store: from its start, paused, to its end, and on as it grows."""
    store = recording(*range(10))
    app = Dashboard(None, Options(), store=store)
    async with app.run_test(size=(140, 30)) as pilot:
        await settle(pilot, lambda: app.state.snapshot is not None)
        assert "RECORDING ► ×1 2026-11-22 14:00:0" in header(app)
        await pilot.press("space", "home")
        await arrived(app, pilot)
        assert "RECORDING PAUSED 2026-11-22 14:00:00 start" in header(app)
        await pilot.press("2", "right", "right")
        await arrived(app, pilot)
        assert "14:00:02" in header(app)
        assert "totals since 14:00:00" in header(app)
        assert app.state.histories.flows.totals()[0].total_bytes == 203_000
        await pilot.press("plus")
        assert "intervals that it was recorded with" in app.main_screen.query_one(KeyLine).notice
        await pilot.press("end")
        await arrived(app, pilot)
        assert "14:00:09 end" in header(app)
        await pilot.press("space")
        assert "► follows" in header(app)
        store.append(second(10))
        await settle(pilot, lambda: "14:00:10" in header(app))
        await pilot.press("space", "left")
        store.append(second(3710))
        await settle(pilot, lambda: app.state.player.table.last == 11)
        await pilot.press("right", "right")
        await arrived(app, pilot)
        assert "gap 1 h 1 min" in header(app)


async def test_recording_begins_where_it_is_wanted() -> None:
    """--from."""
    app = Dashboard(None, Options(), store=recording(*range(10)), start=second(7).time)
    async with app.run_test(size=(140, 30)) as pilot:
        await settle(pilot, lambda: app.state.snapshot is not None)
        await pilot.press("space")
        assert "14:00:07" in header(app) or "14:00:08" in header(app)


def test_keys_in_time_collide_with_no_key_that_works_everywhere() -> None:
    """With those of tables they do, on purpose: paused, Home leads to now."""
    every = {key for each in DASHBOARD_KEYS for key in each.key.split(",")}
    times = [key for each in TIME_KEYS for key in each.key.split(",")]
    assert len(times) == len(set(times))
    assert not every & set(times)
    assert {key for each in TABLE_KEYS for key in each.key.split(",")} & set(times) == {"home", "end"}


class Slow(SnapshotMemory):
    """A store of so many seconds, one of which takes its time to be read."""

    def __init__(self, seconds: int, slow: int) -> None:
        super().__init__()
        self.slow, self.go_on = slow, Event()
        for each in range(seconds):
            self.append(second(each))

    def read(self, number: int) -> Snapshot:
        if number == self.slow:
            self.go_on.wait(30)
        return super().read(number)


@pytest.mark.parametrize("width", [80, 140])
async def test_how_far_the_graphs_are_is_told(width: int) -> None:
    """The moment stands there at once, with its rates; what was long before it comes after."""
    store = Slow(200, slow=100)
    app = Dashboard(None, Options(), store=store)
    try:
        async with app.run_test(size=(width, 30)) as pilot:
            await settle(pilot, lambda: app.state.snapshot is not None)
            await pilot.press("space", "end")
            await settle(pilot, lambda: "graphs 50%" in header(app))
            assert app.state.settled
            store.go_on.set()
            await arrived(app, pilot)
            assert "graphs" not in header(app)
    finally:
        store.go_on.set()


@pytest.mark.parametrize(("ascii_only", "mark"), [(False, " … "), (True, " ... ")])
async def test_a_moment_that_is_still_on_its_way_is_marked(ascii_only: bool, mark: str) -> None:
    """As long as the rows are those of another moment than the header names."""
    store = Slow(5, slow=1)
    app = Dashboard(None, Options(ascii_only=ascii_only), store=store)
    try:
        async with app.run_test(size=(140, 30)) as pilot:
            await settle(pilot, lambda: app.state.snapshot is not None)
            await pilot.press("space")
            await pilot.press("right")
            assert mark in header(app)
            store.go_on.set()
            await arrived(app, pilot)
            assert mark not in header(app)
    finally:
        store.go_on.set()
