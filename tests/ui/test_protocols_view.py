"""The Protocols view: its pages and their keys, the interface that is chosen; its screens are in test_matrix."""

from __future__ import annotations

from textual.pilot import Pilot

from netdash.ui.scope import InterfaceScope, ProcessScope, Scope
from netdash.ui.widgets.line_table import LineTable
from tests.ui.apps import SnapCompare, dashboard, settle, take
from tests.ui.fixtures import FakeSource, interface, snapshot
from tests.ui.protocol_host import host, lines, place, show
from tests.ui.scenes import protocols


class TestLooks:
    """One picture, for the colours; test_matrix has the sizes."""

    def test_picture(self, snap_compare: SnapCompare) -> None:
        app = dashboard(FakeSource())

        async def prepare(pilot: Pilot[int]) -> None:
            await show(app, pilot, *[host(tick) for tick in range(6)])

        assert snap_compare(app, terminal_size=(120, 36), run_before=prepare)


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
        await pilot.press("right_square_bracket")
        assert place(app).startswith(" ◂ eth0 ▸")
        rows = {line.split()[0]: line.split() for line in lines(app, "#protocol-table")}
        assert rows["IPv4"][1:3] == ["3.51k", "9.62MB"]
        for key, name in (
            ("right_square_bracket", "eth1"),
            ("left_square_bracket", "eth0"),
            ("left_square_bracket", "all physical"),
        ):
            await pilot.press(key)
            assert name in place(app)
        await pilot.press("left_square_bracket")
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


async def test_sizes_above_the_mtu_say_so() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 40)) as pilot:
        await show(app, pilot, host(0), host(1))
        await pilot.press("z")
        await pilot.pause()
        above = [line.strip() for line in lines(app, "#protocol-sizes") if ">MTU" in line]
        assert [line.split()[1] for line in above] == ["1519-9018", "9019"]


async def test_pages_by_click() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await show(app, pilot, host(0), host(1))
        await pilot.click("#protocol-pages", offset=(62, 0))
        await settle(pilot, lambda: app.focused is app.main_screen.query_one("#protocol-counters"))
        assert not app.main_screen.query_one("#protocol-table").display
        await pilot.press("S")
        assert app.focused is app.main_screen.query_one("#protocol-stations")


async def test_the_process_of_the_scope_is_not_counted_and_that_is_said() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(120, 24)) as pilot:
        app.state.scope = Scope(process=ProcessScope(1, 1, "x"))
        await show(app, pilot, host(0), host(1))
        assert "packets are not counted by process" in place(app)


async def test_pages() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await show(app, pilot, *[host(tick) for tick in range(3)])

        def displayed() -> set[str]:
            return {str(table.id) for table in app.main_screen.query(LineTable) if table.display and table.id}

        assert displayed() & IDS == {"protocol-table", "protocol-counters"}
        await pilot.press("s")
        assert displayed() & IDS == {"protocol-general"}
        await pilot.press("s")
        await pilot.pause()
        assert displayed() & IDS == {"protocol-sizes"}
        assert app.focused is app.main_screen.query_one("#protocol-sizes")
        assert lines(app, "#protocol-sizes")[0].split()[:2] == ["1-75", "2.12k"]
        await pilot.press("end")
        await pilot.pause()
        assert lines(app, "#protocol-sizes")[-1].split()[:3] == [">MTU", "9019", "up"]
        await pilot.press("s")
        assert displayed() & IDS == {"protocol-ports"}
        await pilot.press("s")
        assert displayed() & IDS == {"protocol-stations"}
        await pilot.press("s")
        assert displayed() & IDS == {"protocol-counters"}
        for key, name in (("i", "general"), ("z", "sizes"), ("p", "ports"), ("m", "stations"), ("K", "counters")):
            await pilot.press(key)
            assert displayed() & IDS == {f"protocol-{name}"}
            assert app.focused is app.main_screen.query_one(f"#protocol-{name}")
        await pilot.press("d")
        await pilot.resize_terminal(160, 40)
        await settle(pilot, lambda: displayed() & IDS == {"protocol-table", "protocol-counters", "protocol-sizes"})


IDS = {
    "protocol-table",
    "protocol-counters",
    "protocol-sizes",
    "protocol-ports",
    "protocol-stations",
    "protocol-general",
}


async def test_every_interface_and_into_one() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(140, 30)) as pilot:
        await pilot.press("5", "i")
        assert lines(app, "#protocol-general") == ["  waiting for the first interval"]
        await show(app, pilot, host(0), host(1), host(2))
        eth0, eth1, lo = [line.split() for line in lines(app, "#protocol-general")]
        each = (482 + 1272) + 2 * 48 + 4
        assert eth0[:4] == ["eth0", f"{each * 2 / 1000:.2f}k", "3.51k", "192"]
        assert eth0[4:] == ["2.12k", "1.58k", "0", "0", "8", "2", "0", "230kb", "41.5Mb", "1.85k"]
        assert eth1[0] == "eth1"
        assert lo == ["lo", *["0"] * 10, "0b", "0b", "0"]
        await pilot.press("down", "enter")
        await settle(pilot, lambda: place(app).startswith(" ◂ eth1 ▸"))
        assert app.focused is app.main_screen.query_one("#protocol-counters")
        await pilot.press("i")
        await take(app, pilot, snapshot(3, flow_layer="sockets", interfaces=[interface("new", 7)]))
        assert lines(app, "#protocol-general")[0].split() == ["new", *["–"] * 13]


async def test_the_scope_chooses_the_interface() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await show(app, pilot, host(0), host(1))
        app.state.scope = Scope(interface=InterfaceScope(3, "eth1"))
        await take(app, pilot, host(2))
        assert place(app).startswith(" ◂ eth1 ▸")
        await pilot.press("right_square_bracket")
        assert place(app).startswith(" ◂ lo ▸")
        await take(app, pilot, snapshot(3, interfaces=[interface()], protocols={"eth0": protocols()}))
        assert place(app).startswith(" ◂ all physical: eth0 ▸")


async def test_hostile_names_are_drawn_as_text() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        name = "[b]x[/b]\x1b[2J"
        last = snapshot(1, interfaces=[interface(name)], counters={f"{name}.{name}": 2**63, "": 1, ".": 1})
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
