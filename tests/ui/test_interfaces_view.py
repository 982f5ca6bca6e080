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
from netdash.ui.view import View
from netdash.ui.views.interfaces import InterfacesView
from netdash.ui.widgets.area_graph import AreaGraph
from netdash.ui.widgets.line_table import LineTable
from netdash.ui.widgets.rate_figures import RateFigures
from netdash.ui.widgets.text_line import TextLine
from tests.ui.apps import SnapCompare, dashboard, settle, take
from tests.ui.fixtures import FakeSource, interface, snapshot

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


HOSTILE = ["[red]up[/]", "\x1b[31mesc\x07", "\u202eltr\u202c", "a\nb\tc", "wide漢字漢字", "%n%s${x}", "\x9b2J"]


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


async def rows(app: Dashboard, pilot: Pilot[int]) -> list[str]:
    """The table's lines, the titles first."""
    await pilot.pause()
    table = app.main_screen.query_one(LineTable)
    return [table.render_line(y).text.rstrip() for y in range(table.size.height)]


CASES = [("many", size) for size in SIZES] + [(case, (80, 24)) for case in ("none", "one", "hostile")]


@pytest.mark.parametrize(("case", "size"), CASES, ids=[f"{case}-{size[0]}x{size[1]}" for case, size in CASES])
def test_screen(snap_compare: SnapCompare, case: str, size: tuple[int, int]) -> None:
    taken = {
        "none": [snapshot(tick) for tick in range(2)],
        "one": [snapshot(tick, interfaces=[interface(addresses=("10.0.0.1/24",))]) for tick in range(20)],
        "many": host_until(400),
        "hostile": [
            snapshot(tick, interfaces=[interface(name, i + 2) for i, name in enumerate(HOSTILE)]) for tick in range(5)
        ],
    }[case]
    app = dashboard(FakeSource())

    async def prepare(pilot: Pilot[int]) -> None:
        await rush(app, pilot, taken)

    assert snap_compare(app, terminal_size=size, run_before=prepare)


@pytest.mark.parametrize("looks", ["ascii", "16-colours", "notes-and-lost"])
def test_looks(snap_compare: SnapCompare, looks: str) -> None:
    app = dashboard(
        FakeSource(), Options(ascii_only=looks == "ascii"), color_system="standard" if looks == "16-colours" else "256"
    )
    noted = looks == "notes-and-lost"
    notes = ("processes of other users are not known: start with sudo", "other") if noted else ()

    async def prepare(pilot: Pilot[int]) -> None:
        last = snapshot(120, interfaces=host(120), lost_packets=17 * noted, notes=notes)
        await rush(app, pilot, [*host_until(120), last])

    assert snap_compare(app, terminal_size=(80, 24), run_before=prepare)


async def test_order_physical_first_loopback_last() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await take(app, pilot, *host_until(2))
        names = [line.split()[0] for line in (await rows(app, pilot))[1:]]
        assert names == ["eth0", "eth1", "docker0", "veth1a2b3c4", "wg0", "lo"]


async def test_cells() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        busy = interface(rx_bytes=125_000_000, tx_bytes=0, rx_packets=90_000, tx_packets=0, rx_dropped=3)
        await take(app, pilot, snapshot(1, interfaces=[busy], interval=2.0), snapshot(2, interfaces=[busy]))
        expected = "eth0 up physical 1Gb 1.00Gb 0b 100% 90.0k 0 0 6"
        assert (await rows(app, pilot))[1].split() == expected.split()


async def test_baseline_and_reset_are_not_zero() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        unknown = interface(rx_bytes=None, tx_bytes=None, rx_packets=None, tx_packets=None)
        await take(app, pilot, snapshot(0, interfaces=[unknown]))
        expected = "eth0 up physical 1Gb – – – – – 0 0"
        assert (await rows(app, pilot))[1].split() == expected.split()


async def test_states() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        states = ["up", "down", "unknown", "lowerlayerdown", "dormant", "odd"]
        some = [interface(f"eth{i}", i + 2, state=state) for i, state in enumerate(states)]
        await take(app, pilot, snapshot(1, interfaces=some))
        shown = [line.split()[1] for line in (await rows(app, pilot))[1:7]]
        assert shown == ["up", "down", "unkn", "lower", "dorm", "odd"]


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

        async def names() -> list[str]:
            return [line.split()[0] for line in (await rows(app, pilot))[1:]]

        await pilot.press("r")
        assert (await names())[0] == "eth0"
        await pilot.press("R")
        assert (await names())[-1] == "eth0"
        await pilot.press("T")
        assert (await names())[0] == "eth0"
        await pilot.press("T")
        assert await names() == ["eth0", "eth1", "docker0", "veth1a2b3c4", "wg0", "lo"]
        await pilot.click("#interface-table", offset=(2, 0))
        assert await names() == ["docker0", "eth0", "eth1", "lo", "veth1a2b3c4", "wg0"]
        assert (await rows(app, pilot))[0].startswith("Interface▲")


async def test_selection_of_the_command_line() -> None:
    app = dashboard(FakeSource(), Options(interfaces=InterfaceSelection(("eth*",))))
    async with app.run_test(size=(80, 24)) as pilot:
        await take(app, pilot, *host_until(2))
        assert [line.split()[0] for line in (await rows(app, pilot))[1:] if line] == ["eth0", "eth1"]


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
        assert (await rows(app, pilot))[1].split()[-2:] == ["6", "0"]


def test_measures_are_of_the_wire_in_every_mode() -> None:
    view: View = InterfacesView(dashboard(FakeSource()).state)
    assert all("payload" not in measure for measure in view.measures())
