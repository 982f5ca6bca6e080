"""The Flows view: every key, clicks on titles, and the bars."""

from __future__ import annotations

import pytest

from netdash.model.units import Units
from netdash.ui.views import flows as flows_view
from netdash.ui.views.flow_lines import scale_text
from netdash.ui.views.flow_rows import Bars
from netdash.ui.views.flows import FlowsView
from netdash.ui.widgets.line_table import LineTable
from tests.ui.apps import dashboard, settle, take
from tests.ui.fixtures import FakeSource, flow, snapshot
from tests.ui.flows import lines, locals_of, ports, show, status, titles


async def test_rates_windows_and_reverse() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        burst = flow("10.0.0.2", 1, "203.0.113.9", 443, rx_bytes=90_000)
        steady = flow("10.0.0.1", 1, "203.0.113.9", 443, rx_bytes=20_000)
        await show(app, pilot, snapshot(0), snapshot(1, flows=[burst, steady]))
        for tick in range(2, 6):
            await take(app, pilot, snapshot(tick, flows=[steady]))
        await pilot.press("t")
        assert locals_of(app) == ["10.0.0.1:1", "10.0.0.2:1"]
        assert "▼2 s" in titles(app)
        await pilot.press("r")
        assert "▼10 s" in titles(app)
        assert status(app).startswith(" 2 flows by 10 s rate")
        await pilot.press("R")
        assert "▲10 s" in titles(app)
        assert locals_of(app) == ["10.0.0.2:1", "10.0.0.1:1"]
        await pilot.press("r", "r")
        assert "▼2 s" in titles(app)


async def test_sorting_by_addresses_and_ports_is_numeric() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(120, 36)) as pilot:
        ends = [
            ("10.0.0.9", 5000, "203.0.113.9", 443),
            ("10.0.0.10", 80, "203.0.113.8", 50000),
            ("2001:db8::1", 22, "2001:db8::9", 9999),
            ("9.0.0.1", 5001, "203.0.113.7", 8443),
        ]
        await show(app, pilot, snapshot(0), snapshot(1, flows=[flow(*end) for end in ends]))
        await pilot.press("t", "S")
        assert locals_of(app) == ["9.0.0.1:5001", "10.0.0.9:5000", "10.0.0.10:80", "[2001:db8::1]:22"]
        assert "local▲" in titles(app)
        await pilot.press("D")
        assert [line.split()[2] for line in lines(app)][:3] == [
            "203.0.113.7:8443",
            "203.0.113.8:50000",
            "203.0.113.9:443",
        ]
        await pilot.press("P")
        assert locals_of(app) == ["[2001:db8::1]:22", "10.0.0.10:80", "10.0.0.9:5000", "9.0.0.1:5001"]
        assert "by port" in status(app)
        await pilot.press("R")
        assert locals_of(app)[0] == "9.0.0.1:5001"


async def test_silent_flows_are_shown_by_totals_only() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        quiet = flow("10.0.0.7", 7, rx_bytes=10**6)
        await show(app, pilot, snapshot(0), snapshot(1, flows=[quiet]), snapshot(60, flows=ports(9)))
        await pilot.press("t")
        assert locals_of(app) == ["10.0.0.1:9"]
        assert "1 silent (T shows)" in status(app)
        await pilot.press("T")
        assert locals_of(app) == ["10.0.0.7:7", "10.0.0.1:9"]


async def test_frozen_rows_stay_and_new_ones_come_at_the_end() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await show(app, pilot, snapshot(0), snapshot(1, flows=ports(3, 2)))
        await pilot.press("t", "o")
        assert locals_of(app) == ["10.0.0.1:3", "10.0.0.1:2"]
        await take(app, pilot, snapshot(2, flows=ports(2, 2, 2, 900)))
        assert locals_of(app) == ["10.0.0.1:3", "10.0.0.1:2", "10.0.0.1:900"]
        assert "order frozen, 1 new at the end" in status(app)
        await take(app, pilot, snapshot(3, flows=ports(800, 900)))
        assert locals_of(app)[-1] == "10.0.0.1:800"
        assert "2 new at the end" in status(app)
        await pilot.press("o")
        assert locals_of(app)[0] == "10.0.0.1:900"
        assert "frozen" not in status(app)


async def test_an_order_that_a_thread_still_makes_is_frozen_when_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows_view, "_SORTED_AT_ONCE", 0)
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await show(app, pilot, snapshot(0), snapshot(1, flows=ports(3, 2, 1)))
        await settle(pilot, lambda: len(locals_of(app)) == 6)
        view = app.main_screen.query_one(FlowsView)
        view.action_sort("port")
        view.action_freeze()
        await settle(pilot, lambda: "by port" in status(app) and "order frozen, 0 new" in status(app))
        await pilot.press("t")
        await settle(pilot, lambda: locals_of(app) == ["10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3"])
        assert "order frozen" in status(app)


async def test_line_modes_show_what_they_say() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await show(app, pilot, snapshot(0), snapshot(1, flows=[flow(rx_bytes=3000, tx_bytes=1000)]))
        seen = {}
        for mode in ("sum", "sent", "received", "two"):
            await pilot.press("t")
            seen[mode] = [line.split()[-4:] for line in lines(app)]
        assert seen["sum"] == [["4.00kB", "32.0kb", "32.0kb", "32.0kb"]]
        assert seen["sent"] == [["1.00kB", "8.00kb", "8.00kb", "8.00kb"]]
        assert seen["received"] == [["3.00kB", "24.0kb", "24.0kb", "24.0kb"]]
        assert seen["two"] == seen["sent"] + seen["received"]


async def test_hidden_ports_join_flows() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(120, 36)) as pilot:
        await show(app, pilot, snapshot(0), snapshot(1, flows=[*ports(1, 2, 7), flow("10.0.0.3", 5, rx_bytes=1)]))
        await pilot.press("t", "p")
        first = lines(app)[0].split()
        assert first[:3] == ["10.0.0.1", "↔", "203.0.113.9"]
        assert "tcp, 3 flows" in lines(app)[0]
        assert first[-4] == "1.00kB"
        assert status(app).startswith(" 2 host pairs")
        await pilot.press("p")
        assert len(lines(app)) == 4


class Names:
    """Knows one address and one port."""

    def name(self, address: bytes) -> str | None:
        return "host.example" if address[-1] == 9 else None

    def service(self, port: int, protocol: int) -> str | None:
        return "https" if port == 443 else None


async def test_names_of_hosts_and_services() -> None:
    app = dashboard(FakeSource())
    app.state.resolver = Names()
    async with app.run_test(size=(120, 24)) as pilot:
        app.state.names = False
        await show(app, pilot, snapshot(0), snapshot(1, flows=[flow()]))
        assert "203.0.113.9:443" in lines(app)[0]
        await pilot.press("n")
        assert "host.example:443" in lines(app)[0]
        await pilot.press("N")
        assert "host.example:https" in lines(app)[0]
        await pilot.press("n", "N")
        assert "203.0.113.9:443" in lines(app)[0]


async def test_bars_have_a_scale_that_names_their_rates() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await show(app, pilot, snapshot(0), snapshot(1, flows=[flow(rx_bytes=0, tx_bytes=125_000)]))
        table, scale = app.main_screen.query_one("#flow-table", LineTable), app.main_screen.query_one("#flow-scale")
        assert table.model.bar(0) == pytest.approx(1.0)
        assert table.model.bar(1) == 0.0
        await pilot.press("L")
        assert table.model.bar(0) == pytest.approx(1.0)
        assert "bars 2 s log" in status(app)
        await pilot.press("B")
        assert "bars 10 s log" in status(app)
        await pilot.press("b")
        assert not scale.display
        assert table.model.bar(0) is None


def test_scale_marks_stand_where_bars_of_their_rate_end() -> None:
    units = Units(bits=False)
    linear = scale_text(Bars(top=1000.0), units, 50)
    assert [linear.index(text) + len(text) for text in ("200B│", "400B│", "1.00kB│")] == [10, 20, 50]
    log = scale_text(Bars(top=100_000.0, log=True), units, 50)
    assert [log.index(text) + len(text) for text in ("10B│", "100B│", "100kB│")] == [10, 20, 50]
    bars = Bars(top=100_000.0, log=True)
    assert [bars.share(rate) for rate in (0.0, 0.5, 10.0, 100_000.0)] == pytest.approx([0.0, 0.0, 0.2, 1.0])


@pytest.mark.parametrize("width", range(30))
def test_a_narrow_scale_has_no_broken_labels(width: int) -> None:
    labels = scale_text(Bars(top=1e6), Units(), width).split("│")
    assert len(scale_text(Bars(top=1e6), Units(), width)) <= width
    assert all(label.strip().endswith("Mb") for label in labels[:-1])


async def test_a_click_on_a_title_sorts() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await show(app, pilot, snapshot(0), snapshot(1, flows=ports(3, 2)))
        await pilot.click("#flow-table", offset=(2, 0))
        assert "by local address" in status(app)
        await pilot.click("#flow-table", offset=(70, 0))
        assert "by 10 s rate" in status(app)


async def test_paused_the_view_answers_keys_with_what_it_took() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await show(app, pilot, snapshot(0), snapshot(1, flows=ports(3, 2)))
        await pilot.press("t", "space")
        await take(app, pilot, snapshot(2, flows=ports(9)))
        await pilot.press("S")
        assert locals_of(app) == ["10.0.0.1:2", "10.0.0.1:3"]
        await pilot.press("space")
        assert "10.0.0.1:9" in locals_of(app)
