"""The Interfaces view: what it shows of one, many and hostile interfaces; screens at three sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import sin

import pytest
from textual.pilot import Pilot

from netdash.model.select import InterfaceSelection
from netdash.model.snapshot import Interface, Snapshot
from netdash.options import Options
from netdash.ui.app import Dashboard
from netdash.ui.scope import Scope
from netdash.ui.view import View
from netdash.ui.views.interface_graphs import GraphSlot
from netdash.ui.views.interfaces import InterfacesView
from netdash.ui.widgets.area_graph import AreaGraph
from netdash.ui.widgets.line_table import LineTable
from netdash.ui.widgets.rate_figures import RateFigures
from netdash.ui.widgets.text_line import TextLine
from tests.ui.apps import SnapCompare, dashboard, settle, take
from tests.ui.fixtures import FakeSource, interface, snapshot
from tests.ui.golden import Golden

SIZES = [(80, 24), (120, 36), (200, 50)]


def host(tick: int) -> list[Interface]:
    """A host with containers and a tunnel, at one moment."""

    def wave(phase: float) -> int:
        return int(1e6 * (1.5 + sin(tick / 9 + phase) + 0.3 * sin(tick * 1.7 + phase)))

    def of(row: Interface, rx_bytes: int | None, tx_bytes: int | None, packets: int | None) -> Interface:
        return replace(row, rx_bytes=rx_bytes, tx_bytes=tx_bytes, rx_packets=packets, tx_packets=packets)

    eth0 = interface("eth0", 2, addresses=("192.168.1.20/24", "2001:db8::20/64"), rx_dropped=int(tick % 7 == 0))
    docker0 = interface("docker0", 4, kind="bridge", speed_bps=None, addresses=("172.17.0.1/16",))
    veth = interface("veth1a2b3c4", 5, kind="veth", speed_bps=10**10, master="docker0", rx_errors=int(tick == 3))
    return [
        of(interface("lo", 1, kind="loopback", speed_bps=None, addresses=("127.0.0.1/8",)), 5000, 5000, 20),
        of(eth0, wave(0) * 10, wave(2), 15_000),
        of(interface("eth1", 3, state="down", speed_bps=None), 0, 0, 0),
        of(docker0, wave(1), wave(3), 2_500),
        of(veth, wave(1), wave(3), 2_500),
        of(interface("wg0", 6, kind="wireguard", speed_bps=None), None, None, None),
    ]


HOSTILE = [
    "[red]up[/]",
    "\x1b[31mesc\x07",
    "[kworker/0:1]",
    "n" * 200,
    "caf\udce9",
    "\u202eltr\u202c",
    "a\nb\tc",
    "wide漢字漢字",
    "%n%s${x}",
    "\x9b2J",
]


def host_until(count: int) -> list[Snapshot]:
    """The host over time."""
    return [snapshot(tick, interfaces=host(tick)) for tick in range(count)]


async def rush(app: Dashboard, pilot: Pilot[int], snapshots: Sequence[Snapshot]) -> None:
    """Takes all, but draws the last one only, and waits until the screen is at rest."""
    for each in snapshots[:-1]:
        await app.state.advance(each)
    await take(app, pilot, snapshots[-1])
    before, now = "", app.export_screenshot()
    while before != now:
        await pilot.pause()
        before, now = now, app.export_screenshot()


async def names(app: Dashboard, pilot: Pilot[int]) -> list[str]:
    """The table's first column, as it stands in the tree."""
    await pilot.pause()
    model = app.main_screen.query_one(LineTable).model
    texts = [cell[0] for index in range(len(model)) if isinstance(cell := model.cells(index)[0], tuple)]
    return [text.removeprefix("  ") if model.cells(0)[0][0].startswith("  ") else text for text in texts]


async def rows(app: Dashboard, pilot: Pilot[int]) -> list[str]:
    """The table's lines, the titles first."""
    await pilot.pause()
    table = app.main_screen.query_one(LineTable)
    return [table.render_line(y).text.rstrip() for y in range(table.size.height)]


def test_picture(snap_compare: SnapCompare) -> None:
    app = dashboard(FakeSource())

    async def prepare(pilot: Pilot[int]) -> None:
        await rush(app, pilot, host_until(400))

    assert snap_compare(app, terminal_size=(120, 36), run_before=prepare)


@pytest.mark.parametrize(
    "case", ["80x24", "120x36", "200x50", "ascii", "16-colours", "none", "one", "hostile", "notes"]
)
async def test_screen(golden: Golden, case: str) -> None:
    notes = ("processes of other users are not known: start with sudo", "other")
    noted = snapshot(120, interfaces=host(120), lost_packets=17, notes=notes)
    taken = {
        "none": [snapshot(tick) for tick in range(2)],
        "one": [snapshot(tick, interfaces=[interface(addresses=("10.0.0.1/24",))]) for tick in range(20)],
        "hostile": [
            snapshot(tick, interfaces=[interface(name, i + 2) for i, name in enumerate(HOSTILE)]) for tick in range(5)
        ],
        "notes": [*host_until(120), noted],
    }.get(case, host_until(400))
    columns, lines = map(int, case.split("x")) if "x" in case and case[0].isdigit() else (80, 24)
    looks = "standard" if case == "16-colours" else "256"
    app = dashboard(FakeSource(), Options(ascii_only=case == "ascii"), color_system=looks)
    async with app.run_test(size=(columns, lines)) as pilot:
        await rush(app, pilot, taken)
        golden(app)


async def test_order_physical_first_loopback_last() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await take(app, pilot, *host_until(2))
        assert await names(app, pilot) == ["Σ physical", "eth0", "eth1", "▾ docker0", "  veth1a2b3c4", "wg0", "lo"]


async def test_cells() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        busy = interface(rx_bytes=125_000_000, tx_bytes=0, rx_packets=90_000, tx_packets=0, rx_dropped=3)
        await take(app, pilot, snapshot(1, interfaces=[busy], interval=2.0), snapshot(2, interfaces=[busy]))
        expected = "eth0 up physical 1Gb 1.00Gb 0b 100! 0% 90.0k 0 0 6!"
        assert (await rows(app, pilot))[1].split() == expected.split()


async def test_baseline_and_reset_are_not_zero() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        unknown = interface(rx_bytes=None, tx_bytes=None, rx_packets=None, tx_packets=None)
        await take(app, pilot, snapshot(0, interfaces=[unknown]))
        expected = "eth0 up physical 1Gb – – – – – – 0 0"
        assert (await rows(app, pilot))[1].split() == expected.split()


async def test_states() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        states = ["up", "down", "unknown", "lowerlayerdown", "dormant", "odd"]
        some = [interface(f"eth{i}", i + 2, state=state) for i, state in enumerate(states)]
        await take(app, pilot, snapshot(1, interfaces=some))
        shown = [line.split()[1] for line in (await rows(app, pilot))[2:8]]
        assert shown == ["up", "down", "unkn", "lowr", "dorm", "odd"]


async def test_first_look_goes_to_the_busiest_and_stays() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        quiet, busy = interface("eth0", 2, rx_bytes=0, tx_bytes=0), interface("eth1", 3)
        await take(app, pilot, snapshot(0, interfaces=[quiet, busy]), snapshot(1, interfaces=[quiet, busy]))
        table = app.main_screen.query_one(LineTable)
        assert table.cursor_key == (3, "eth1")
        await take(app, pilot, snapshot(2, interfaces=[interface("eth0", 2), interface("eth1", 3, rx_bytes=0)]))
        assert table.cursor_key == (3, "eth1")
        assert app.main_screen.query_one("#interface-facts", TextLine).text.startswith(" eth1  up, physical, 1Gb/s")


async def test_sorting() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(120, 24)) as pilot:
        await take(app, pilot, *host_until(3))

        await pilot.press("r")
        assert (await names(app, pilot))[1] == "eth0"
        await pilot.press("R")
        assert (await names(app, pilot))[-1] == "eth0"
        await pilot.press("T")
        assert (await names(app, pilot))[1] == "eth0"
        await pilot.press("T")
        assert (await names(app, pilot))[1:] == ["eth0", "eth1", "▾ docker0", "  veth1a2b3c4", "wg0", "lo"]
        await pilot.click("#interface-table", offset=(2, 0))
        assert (await names(app, pilot))[1:] == ["▾ docker0", "  veth1a2b3c4", "eth0", "eth1", "lo", "wg0"]
        assert (await rows(app, pilot))[0].startswith("Interface▲")


async def test_every_column_sorts() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(200, 24)) as pilot:
        await take(app, pilot, *host_until(3))
        table = app.main_screen.query_one(LineTable)
        seen: list[str] = []
        for _ in table.model.columns:
            await pilot.press("c")
            title = (await rows(app, pilot))[0]
            seen.append(title)
        assert len(set(seen)) == len(seen)
        await pilot.press("C")
        assert len(await names(app, pilot)) == 7


async def test_selection_of_the_command_line() -> None:
    app = dashboard(FakeSource(), Options(interfaces=InterfaceSelection(("eth*",))))
    async with app.run_test(size=(80, 24)) as pilot:
        await take(app, pilot, *host_until(2))
        assert [line.split()[0] for line in (await rows(app, pilot))[1:] if line] == ["Σ", "eth0", "eth1"]


async def test_nothing_matches() -> None:
    app = dashboard(FakeSource(), Options(interfaces=InterfaceSelection(("tun*",))))
    async with app.run_test(size=(80, 24)) as pilot:
        await take(app, pilot, *host_until(2))
        assert "no interface matches tun*" in "\n".join(await rows(app, pilot))


async def test_vanished_interface_under_the_cursor() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await take(app, pilot, snapshot(1, interfaces=[interface("eth0", 2), interface("eth1", 3)]))
        await pilot.press("end")
        await take(app, pilot, snapshot(2, interfaces=[interface("eth0", 2)]))
        facts = app.main_screen.query_one("#interface-facts", TextLine)
        assert facts.text.startswith(" eth0 ")
        await take(app, pilot, snapshot(3))
        assert facts.text == ""


@pytest.mark.parametrize("count", [1, 7, 60])
async def test_lines_are_shared_between_table_and_graph(count: int) -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        many = [interface(f"eth{i}", i + 2) for i in range(count)]
        await take(app, pilot, snapshot(1, interfaces=many))
        table, graph = app.main_screen.query_one(LineTable), app.main_screen.query_one(AreaGraph)
        for columns, lines in [*SIZES, (80, 20), (60, 12), (40, 10)]:
            await pilot.resize_terminal(columns, lines)
            least = 11 if lines >= 24 else 0

            def is_shared(lines: int = lines, least: int = least) -> bool:
                used = table.size.height + 2 + graph.size.height
                return used == lines - 3 and table.size.height >= min(4, lines - 5) and graph.size.height >= least

            await settle(pilot, is_shared)
            assert app.main_screen.query_one(RateFigures).size.height == graph.size.height


async def test_a_faulty_counter_is_counted_since_the_start() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await take(app, pilot, *(snapshot(t, interfaces=[interface(tx_errors=2, rx_errors=None)]) for t in range(1, 4)))
        assert (await rows(app, pilot))[1].split()[-2:] == ["6!", "0"]


async def test_folding() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        few = [interface("br0", 2, kind="bridge"), interface("eth0", 3, master="br0")]
        few += [interface(f"veth{i}", 10 + i, kind="veth", master="br0") for i in range(3)]
        await take(app, pilot, snapshot(1, interfaces=few))
        table = app.main_screen.query_one(LineTable)
        unfolded = ["▾ br0", "    eth0", "    veth0", "    veth1", "    veth2"]
        assert await names(app, pilot) == unfolded
        table.select((11, "veth1"))
        await pilot.press("e")
        assert await names(app, pilot) == ["▸ br0 +3", "    eth0"]
        assert table.cursor_key == (2, "br0")
        await pilot.press("e")
        assert await names(app, pilot) == unfolded
        await pilot.press("E")
        assert await names(app, pilot) == ["▸ br0 +3", "    eth0"]
        await pilot.press("E")
        assert await names(app, pilot) == unfolded
        table.select((3, "eth0"))
        crowd = [*few[:2], *(interface(f"veth{i}", 10 + i, kind="veth", master="br0") for i in range(30))]
        await take(app, pilot, snapshot(2, interfaces=crowd))
        assert len(await names(app, pilot)) == 32


async def test_many_are_folded_at_first() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        crowd = [interface("br0", 2, kind="bridge")]
        crowd += [interface(f"veth{i}", 10 + i, kind="veth", master="br0") for i in range(300)]
        await take(app, pilot, snapshot(1, interfaces=crowd))
        assert await names(app, pilot) == ["▸ br0 +300"]
        await pilot.press("e")
        assert len(await names(app, pilot)) == 301


async def test_the_sum_counts_a_transfer_once_and_has_a_graph() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(120, 24)) as pilot:
        await take(app, pilot, *host_until(4))
        table = app.main_screen.query_one(LineTable)
        assert table.select((-1, "Σ physical"))
        await pilot.pause()
        total = host(3)[1]
        series = app.state.histories.interfaces.series(-1, "Σ physical")
        assert series is not None
        assert series.rx.current == total.rx_bytes
        assert app.main_screen.query_one("#interface-facts", TextLine).text.startswith(" Σ physical  up, 2 links")
        await pilot.press("enter")
        await settle(pilot, lambda: app.main_screen.view is not None and app.main_screen.view.view_id == "processes")
        assert app.state.scope == Scope()


async def test_graph_scales() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await take(app, pilot, *[snapshot(tick, interfaces=[interface()]) for tick in range(4)])
        graph = app.main_screen.query_one("#interface-graph", AreaGraph)

        def shown() -> tuple[str, str]:
            return graph.render_line(0).text.split("│")[0].strip(), graph.render_line(
                graph.size.height - 1
            ).text.split()[0]

        assert shown() == ("10.0Mb", "auto")
        await pilot.press("m")
        assert shown() == ("1.00Gb", "=speed")
        await pilot.press("m")
        assert shown() == ("1.00Gb", "fixed")
        await pilot.press("left_square_bracket", "left_square_bracket")
        assert shown() == ("200Mb", "fixed")
        await pilot.press("right_square_bracket")
        assert shown() == ("500Mb", "fixed")
        await pilot.press("m")
        assert shown() == ("10.0Mb", "auto")


async def test_graph_spans() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await rush(app, pilot, host_until(400))
        graph = app.main_screen.query_one("#interface-graph", AreaGraph)
        axes = []
        for _ in range(4):
            await pilot.press("t")
            axes.append(graph.render_line(graph.size.height - 1).text.split()[1])
        assert axes == ["-45s", "-4m", "-10m", "-1m30s"]


async def test_several_graphs_around_the_cursor() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(120, 36)) as pilot:
        many = [interface(f"eth{i}", i + 2) for i in range(12)]
        await take(app, pilot, snapshot(1, interfaces=many), snapshot(2, interfaces=many))
        await pilot.press("a")

        def titles() -> list[str]:
            slots = [slot for slot in app.main_screen.query(GraphSlot) if slot.display]
            return [slot.query_one(TextLine).text.split()[0] for slot in slots]

        await settle(pilot, lambda: len(titles()) == 4)
        await pilot.press("end")
        await settle(pilot, lambda: titles()[-1] == "›eth11")
        await pilot.press("a")
        await pilot.pause()
        assert app.main_screen.query_one("#interface-large").display


def test_measures_are_of_the_wire_in_every_mode() -> None:
    view: View = InterfacesView(dashboard(FakeSource()).state)
    assert all("payload" not in measure for measure in view.measures())
