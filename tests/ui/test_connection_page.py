"""The page of one connection: reached from Flows and Processes, left to where one came from, true at any moment."""

from __future__ import annotations

from netdash.model.snapshot import Snapshot
from netdash.ui.app import Dashboard
from netdash.ui.scope import Scope
from netdash.ui.widgets.area_graph import AreaGraph
from netdash.ui.widgets.text_lines import TextLines
from tests.ui.apps import dashboard, settle, take
from tests.ui.fixtures import FakeSource, flow, interface, process, snapshot, socket


def _snapshot(tick: int) -> Snapshot:
    flows = [
        flow(pid=4321, attribution=1, rx_bytes=125_000 * tick, tx_bytes=12_500, rtt_us=12_300),
        flow(pid=4321, attribution=1, ifindex=4, rx_bytes=125_000 * tick, tx_bytes=12_500),
        flow("10.0.0.1", 22, "198.51.100.7", 50022, rx_bytes=10, tx_bytes=20),
    ]
    return snapshot(
        tick,
        interfaces=[interface("eth0", 2, master="br0"), interface("br0", 4, kind="bridge")],
        processes=[process(4321, "curl", user="alice", unit="backup.service")],
        flows=flows,
        sockets=[socket(pid=4321)],
    )


def _text(app: Dashboard) -> str:
    return "\n".join(lines.text for lines in app.main_screen.query(TextLines))


async def _opened(app: Dashboard, pilot: object) -> None:
    from textual.pilot import Pilot

    assert isinstance(pilot, Pilot)
    await take(app, pilot, *map(_snapshot, range(4)))
    await pilot.press("2", "enter")
    await settle(pilot, lambda: "curl" in _text(app))


async def test_it_tells_all_and_esc_leads_back() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(120, 36)) as pilot:
        await _opened(app, pilot)
        text = _text(app)
        for expected in ("203.0.113.9:443", "alice", "backup.service", "eth0", "br0", "ESTABLISHED", "round trip"):
            assert expected in text, expected
        assert app.main_screen.view is not None
        assert app.main_screen.view.view_id == "connection"
        await pilot.press("escape")
        await settle(pilot, lambda: app.main_screen.view is not None and app.main_screen.view.view_id == "flows")
        assert app.state.scope == Scope()


async def test_tabs_lead_away_and_keep_the_scope() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(120, 36)) as pilot:
        await _opened(app, pilot)
        await pilot.press("tab")
        await settle(pilot, lambda: app.main_screen.view is not None and app.main_screen.view.view_id == "processes")
        assert app.state.scope.connection is not None
        await pilot.press("escape")
        assert app.state.scope == Scope()
        assert app.main_screen.view is not None
        assert app.main_screen.view.view_id == "processes"


async def test_the_past_is_read_from_memory_and_drawn_as_it_was() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(120, 36)) as pilot:
        await _opened(app, pilot)
        graph = app.main_screen.query_one(AreaGraph)
        await settle(pilot, lambda: len(graph._rx) == 4)
        assert list(graph._rx)[1:] == [125_000.0, 250_000.0, 375_000.0]
        await pilot.press("space", "left")
        await settle(pilot, lambda: len(graph._rx) == 3)
        assert "so far ▼ 375kB" in _text(app)
