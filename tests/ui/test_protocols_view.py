"""The Protocols view: its three tables, every key, and screens at three sizes."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from netdash.model.snapshot import InterfaceProtocols, SizeBucket, Snapshot, Traffic
from netdash.options import Options
from netdash.ui.app import Dashboard
from netdash.ui.state import InterfaceScope, Scope
from netdash.ui.views.counter_texts import TROUBLE, is_trouble, meaning
from netdash.ui.widgets.line_table import LineTable
from netdash.ui.widgets.text_line import TextLine
from tests.ui.apps import SnapCompare, dashboard, take
from tests.ui.fixtures import FakeSource, interface, snapshot

LIMITS = (*range(75, 1501, 75), 1518, 9018)
BOUNDS = list(zip((1, *(limit + 1 for limit in LIMITS)), (*LIMITS, None), strict=True))


def protocols(factor: int = 1) -> InterfaceProtocols:
    """What an interface carried."""
    return InterfaceProtocols(
        ipv4=Traffic(482 * factor, 25_064 * factor, 1272 * factor, 4_785_728 * factor),
        ipv6=Traffic(48, 3456, 48, 396_672),
        tcp=Traffic(530, 28_520, 530, 4_370_280),
        udp=Traffic(0, 0, 790, 812_120),
        non_ip=Traffic(3, 180, 1, 42),
        broadcast=Traffic(1, 60, 0, 0),
        sizes=tuple(SizeBucket(a, b, 529 // (i + 1), i * i * 9 % 700) for i, (a, b) in enumerate(BOUNDS)),
    )


def host(tick: int) -> Snapshot:
    """A host with two physical interfaces, at one moment."""
    counters = {
        "Tcp.InSegs": 530,
        "Tcp.RetransSegs": 12 if tick > 2 else 0,
        "TcpExt.ListenOverflows": 3 if tick == 2 else 0,
        "Udp6.RcvbufErrors": 1,
        "Tcp.ActiveOpens": 0,
        "TcpExt.TCPHPHits": 100,
    }
    return snapshot(
        tick,
        interfaces=[interface(), interface("eth1", 3), interface("lo", 1, kind="loopback")],
        protocols={"eth0": protocols(), "eth1": protocols(2), "lo": InterfaceProtocols()} if tick else {},
        counters=counters if tick else {},
        gauges={"Sockstat.sockets.used": 214},
    )


async def show(app: Dashboard, pilot: Pilot[int], *snapshots: Snapshot) -> None:
    """Takes `snapshots` in the Protocols view."""
    await pilot.press("5")
    await take(app, pilot, *snapshots)


def lines(app: Dashboard, name: str) -> list[str]:
    """A table's lines below the titles."""
    table = app.main_screen.query_one(name, LineTable)
    return [text for y in range(1, table.size.height) if (text := table.render_line(y).text.rstrip())]


def place(app: Dashboard) -> str:
    return app.main_screen.query_one("#protocol-interface", TextLine).text


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (160, 40)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_screen(snap_compare: SnapCompare, size: tuple[int, int]) -> None:
    app = dashboard(FakeSource())

    async def prepare(pilot: Pilot[int]) -> None:
        await show(app, pilot, *[host(tick) for tick in range(6)])

    assert snap_compare(app, terminal_size=size, run_before=prepare)


@pytest.mark.parametrize("ascii_only", [False, True])
def test_sizes(snap_compare: SnapCompare, ascii_only: bool) -> None:
    app = dashboard(FakeSource(), Options(ascii_only=ascii_only))

    async def prepare(pilot: Pilot[int]) -> None:
        await show(app, pilot, *[host(tick) for tick in range(6)])
        await pilot.press("s")

    assert snap_compare(app, terminal_size=(80, 24), run_before=prepare)


async def test_protocols_of_all_physical_and_of_one() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(120, 36)) as pilot:
        await show(app, pilot, host(0), host(1), host(2))
        assert place(app).startswith(" ◂ all physical: eth0, eth1 ▸")
        rows = {line.split()[0]: line.split() for line in lines(app, "#protocol-table")}
        in_packets, in_bytes = 482 * 3 + 48 * 2 + 3 * 2, 25_064 * 3 + 3456 * 2 + 180 * 2
        assert rows["Total"][3:5] == [f"{in_packets * 2 / 1000:.2f}k", f"{in_bytes * 2 / 1000:.0f}kB"]
        assert rows["Total"][7] == f"{in_bytes * 8 / 1000:.0f}kb"
        assert rows["broadcast"][1:5] == ["4", "240B", "4", "240B"]
        await pilot.press("right")
        assert place(app).startswith(" ◂ eth0 ▸")
        rows = {line.split()[0]: line.split() for line in lines(app, "#protocol-table")}
        assert rows["IPv4"][1:3] == ["3.51k", "9.62MB"]
        for key, name in (("right_square_bracket", "eth1"), ("left_square_bracket", "eth0"), ("left", "all physical")):
            await pilot.press(key)
            assert name in place(app)
        await pilot.press("left")
        assert place(app).startswith(" ◂ lo ▸")


async def test_where_packets_are_not_counted_it_says_so_and_shows_no_zero() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("5")
        assert lines(app, "#protocol-counters") == ["  waiting for the first interval"]
        await show(app, pilot, snapshot(0), snapshot(1, flow_layer="sockets", interfaces=[interface()]))
        assert lines(app, "#protocol-table")[0].split() == ["Total", *["–"] * 8]
        assert "packets are not counted" in place(app)
        assert lines(app, "#protocol-counters") == ["  no kernel counter moved so far"]


async def test_trouble_comes_first_with_plain_words() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await show(app, pilot, *[host(tick) for tick in range(5)])
        rows = lines(app, "#protocol-counters")
        assert rows[0].split()[:4] == ["!", "Tcp.RetransSegs", "12", "24"]
        assert rows[0].endswith("segments sent again: lost on the way")
        assert rows[1].split()[:4] == ["!", "Udp6.RcvbufErrors", "1", "4"]
        assert rows[2].split()[:4] == ["!", "TcpExt.ListenOverflows", "0", "3"]
        assert "Tcp.ActiveOpens" not in "".join(rows)
        line = app.main_screen.query_one("#protocol-trouble", TextLine).text
        assert "2 signs of trouble now" in line
        assert "214 sockets in use" in line


async def test_rates_below_one_are_not_rounded_to_zero() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await show(app, pilot, snapshot(0), snapshot(60, interval=60.0, counters={"Tcp.InErrs": 3}))
        assert lines(app, "#protocol-counters")[0].split()[:4] == ["!", "Tcp.InErrs", "0.05", "3"]


async def test_sizes_and_counters_change_places_and_stand_side_by_side() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await show(app, pilot, *[host(tick) for tick in range(3)])
        counters = app.main_screen.query_one("#protocol-counters", LineTable)
        sizes = app.main_screen.query_one("#protocol-sizes", LineTable)
        assert (counters.display, sizes.display) == (True, False)
        await pilot.press("s")
        await pilot.pause()
        assert (counters.display, sizes.display) == (False, True)
        assert app.focused is sizes
        assert lines(app, "#protocol-sizes")[0].split()[:2] == ["1-75", "2.12k"]
        await pilot.press("end")
        await pilot.pause()
        assert lines(app, "#protocol-sizes")[-1].split()[:2] == ["9019", "up"]
        await pilot.resize_terminal(160, 40)
        await pilot.pause()
        assert (counters.display, sizes.display) == (True, True)


async def test_the_scope_chooses_the_interface() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await show(app, pilot, host(0), host(1))
        app.state.scope = Scope(interface=InterfaceScope(3, "eth1"))
        await take(app, pilot, host(2))
        assert place(app).startswith(" ◂ eth1 ▸")
        await pilot.press("right")
        assert place(app).startswith(" ◂ lo ▸")
        await take(app, pilot, snapshot(3, interfaces=[interface()], protocols={"eth0": protocols()}))
        assert place(app).startswith(" ◂ all physical: eth0 ▸")


async def test_hostile_names_are_drawn_as_text() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        name = "[b]x[/b]\x1b[2J"
        last = snapshot(1, interfaces=[interface(name)], counters={f"{name}.{name}": 2**70, "": 1, ".": 1})
        await show(app, pilot, snapshot(0), last)
        assert "[b]x[/b]" in place(app)
        assert "[b]x[/b]" in "".join(lines(app, "#protocol-counters"))
        assert "\x1b" not in "".join(lines(app, "#protocol-counters"))


async def test_many_interfaces_and_counters() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        names = [f"veth{i}" for i in range(1000)]
        last = snapshot(
            1,
            interfaces=[interface(name, i + 2, kind="veth") for i, name in enumerate(names)],
            protocols=dict.fromkeys(names, protocols()),
            counters={f"X.c{i}": i + 1 for i in range(2000)},
        )
        await show(app, pilot, snapshot(0), last)
        assert len(lines(app, "#protocol-table")) == 10
        await pilot.press("end")
        assert "X.c999" in lines(app, "#protocol-counters")[-1]


def test_meanings() -> None:
    assert is_trouble("Udp6.InErrors")
    assert meaning("Udp6.InErrors") == TROUBLE["Udp.InErrors"]
    assert not is_trouble("Tcp.InSegs")
    assert meaning("No.Such") == ""
    assert all(len(text) <= 38 for text in TROUBLE.values())
