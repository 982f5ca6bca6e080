"""The Protocols view: its three tables, every key; its screens are in test_matrix."""

from __future__ import annotations

from textual.pilot import Pilot

from netdash.model.protocols import LISTEN, UDP
from netdash.model.snapshot import InterfaceProtocols, Snapshot
from netdash.model.tables import UNKNOWN
from netdash.ui.app import Dashboard
from netdash.ui.scope import InterfaceScope, ProcessScope, Scope
from netdash.ui.views.counter_rules import RULES
from netdash.ui.views.counter_texts import TROUBLE, is_trouble, meaning
from netdash.ui.views.service_table import SORTS
from netdash.ui.views.station_table import STATION_SORTS
from netdash.ui.widgets.line_table import LineTable
from netdash.ui.widgets.text_line import TextLine
from tests.ui.apps import SnapCompare, dashboard, settle, take
from tests.ui.fixtures import FakeSource, flow, interface, snapshot, socket, station
from tests.ui.scenes import protocols


def host(tick: int) -> Snapshot:
    """A host with two physical interfaces, at one moment."""
    counters = {
        "Tcp.InSegs": 530,
        "Tcp.OutSegs": 600,
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
        flows=[
            flow("10.0.0.1", 22, "10.0.0.9", 50000, rx_bytes=400, tx_bytes=90_000),
            flow("10.0.0.1", 40000, "203.0.113.9", 443, rx_bytes=1_000_000, tx_bytes=20_000),
            flow("10.0.0.1", 40001, "203.0.113.9", 443, ifindex=3, rx_bytes=3000, tx_bytes=200),
            flow("10.0.0.1", 40002, "192.0.2.53", 53, protocol=UDP, rx_bytes=300, tx_bytes=80),
        ],
        stations=[
            station("02:00:00:00:00:fe", rx_packets=12_000, tx_packets=7000),
            station("00:1b:21:aa:bb:cc", 3, rx_packets=300, tx_packets=0, ip=False),
            station("02:00:00:00:00:03", rx_packets=40, tx_packets=50),
            station("ff:ff:ff:ff:ff:ff", rx_packets=0, tx_packets=2, ip=False),
        ],
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


def detail(app: Dashboard) -> str:
    return app.main_screen.query_one("#protocol-detail", TextLine).text


async def test_what_is_abnormal_comes_first_with_its_limit_and_what_to_look_at() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await show(app, pilot, *[host(tick) for tick in range(5)])
        rows = lines(app, "#protocol-counters")
        assert rows[0].split()[:4] == ["!", "Tcp.RetransSegs", "12", "24"]
        assert rows[0].endswith("segments sent again: lost on the way")
        assert rows[1].split()[:4] == ["!", "Udp6.RcvbufErrors", "1", "4"]
        assert rows[2].split()[:3] == ["TcpExt.ListenOverflows", "0", "3"]
        assert "Tcp.ActiveOpens" not in "".join(rows)
        assert "K kernel !2" in app.main_screen.query_one("#protocol-pages", TextLine).text
        assert detail(app).startswith(" ! 2.0% of segments sent (bad: >1%)  look: Sockets: retr")
        await pilot.press("down")
        await pilot.pause()
        assert detail(app).startswith(" ! 1/s (bad whenever it moves)  look: Sockets by drops")
        await pilot.press("down")
        await pilot.pause()
        assert detail(app) == " TcpExt.ListenOverflows: accept queue full: server too slow"


async def test_figures_that_go_up_and_down_stand_below_the_counters() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        gauges = {"Sockstat.TCP.tw": 7, "Sockstat.TCP.orphan": 0, "Ip.DefaultTTL": 64, "Tcp.CurrEstab": 35}
        await show(app, pilot, snapshot(0), snapshot(1, counters={"Tcp.InSegs": 5}, gauges=gauges))
        await pilot.press("K")
        assert [line.split()[:3] for line in lines(app, "#protocol-counters")] == [
            ["Tcp.InSegs", "5", "5"],
            ["Sockstat.TCP.tw", "now", "7"],
            ["Tcp.CurrEstab", "now", "35"],
        ]
        assert lines(app, "#protocol-counters")[1].endswith("TCP connections in TIME-WAIT")


async def test_below_its_limit_a_sign_of_trouble_is_not_abnormal() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        counters = {"Tcp.RetransSegs": 5, "Tcp.OutSegs": 1000, "Tcp.OutRsts": 5, "TcpExt.TCPTimeouts": 0}
        await show(app, pilot, snapshot(0), snapshot(1, counters=counters))
        assert not any(line.startswith("!") for line in lines(app, "#protocol-counters"))
        await take(app, pilot, snapshot(2, counters=counters | {"Tcp.RetransSegs": 11, "Tcp.OutRsts": 6}))
        marked = [line.split()[1] for line in lines(app, "#protocol-counters") if line.startswith("!")]
        assert marked == ["Tcp.OutRsts", "Tcp.RetransSegs"]


def test_every_rule_has_words() -> None:
    assert set(RULES) <= set(TROUBLE)
    assert all(0.0 < rule.limit < 1.0 and rule.whole for rule in RULES.values() if rule.of)


async def test_ports_with_direction() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(120, 30)) as pilot:
        await show(app, pilot, host(0), host(1), host(2))
        await pilot.press("p")
        await pilot.pause()
        rows = [line.split() for line in lines(app, "#protocol-ports")]
        assert rows[0][:5] == ["tcp", "443", "there", "2.05k", "2.05MB"]
        assert rows[0][5:] == ["40", "40.4kB", "2.01k", "2.01MB", "162kb", "8.02Mb"]
        assert [row[1] for row in rows] == ["443", "22", "53"]
        assert rows[1][2] == "here"
        await pilot.press("P")
        assert [line.split()[1] for line in lines(app, "#protocol-ports")] == ["22", "53", "443"]
        await pilot.press("R")
        assert [line.split()[1] for line in lines(app, "#protocol-ports")] == ["443", "53", "22"]
        await pilot.press("T")
        assert [line.split()[1] for line in lines(app, "#protocol-ports")] == ["443", "22", "53"]
        for _ in SORTS:
            await pilot.press("c")
        await pilot.press("C", "r")
        await pilot.click("#protocol-ports", offset=(8, 0))
        assert [line.split()[1] for line in lines(app, "#protocol-ports")] == ["22", "53", "443"]
        await pilot.press("right_square_bracket", "right_square_bracket")
        assert [line.split()[1] for line in lines(app, "#protocol-ports")] == ["443"]


async def test_a_listener_makes_its_port_the_service() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(120, 30)) as pilot:
        taken = snapshot(
            1,
            interfaces=[interface()],
            flows=[flow("10.0.0.1", 9000, "10.0.0.9", 1024)],
            sockets=[socket(local_port=9000, state=LISTEN, wildcard=True)],
        )
        await show(app, pilot, snapshot(0), taken)
        await pilot.press("p")
        await pilot.pause()
        assert lines(app, "#protocol-ports")[0].split()[:3] == ["tcp", "9000", "here"]


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


async def test_rates_below_one_are_not_rounded_to_zero() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await show(app, pilot, snapshot(0), snapshot(60, interval=60.0, counters={"Tcp.InErrs": 3}))
        assert lines(app, "#protocol-counters")[0].split()[:4] == ["!", "Tcp.InErrs", "0.05", "3"]
        assert detail(app).startswith(" ! 0.05/s (bad")


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


async def test_stations() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(140, 30)) as pilot:
        await show(app, pilot, host(0), host(1), host(2))
        await pilot.press("m")
        await pilot.pause()
        router, own, other, everybody = [line.split() for line in lines(app, "#protocol-stations")]
        assert router == [
            "02:00:00:00:00:fe",
            "eth0",
            *("24.0k", "24.0k", "2.40MB", "9.60Mb"),
            *("14.0k", "14.0k", "1.40MB", "5.60Mb"),
        ]
        assert other[:6] == ["02:00:00:00:00:03", "eth0", "own", "eth1", "80", "80"]
        assert own[:6] == ["00:1b:21:aa:bb:cc", "eth1", "600", "0", "60.0kB", "240kb"]
        assert everybody[:3] == ["ff:ff:ff:ff:ff:ff", "eth0", "broadcast"]
        assert detail(app).startswith(" 02:00:00:00:00:fe on eth0  not IP: ▼ 0 ▲ 0 packets")
        await pilot.press("down")
        await settle(pilot, lambda: "00:1b:21:aa:bb:cc on eth1  not IP: ▼ 600 ▲ 0" in detail(app))
        await pilot.press("right_square_bracket", "right_square_bracket")
        assert [line.split()[0] for line in lines(app, "#protocol-stations")] == ["00:1b:21:aa:bb:cc"]


async def test_stations_are_sorted_by_every_column() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(140, 30)) as pilot:
        await show(app, pilot, host(0), host(1), host(2))
        await pilot.press("m", "T")

        def order() -> str:
            return " ".join(line.split()[0][-2:] for line in lines(app, "#protocol-stations"))

        assert order() == "fe cc 03 ff"
        await pilot.press("R")
        assert order() == "ff 03 cc fe"
        await pilot.press("T")
        seen = set()
        for _ in STATION_SORTS:
            await pilot.press("c")
            seen.add(order())
        assert seen == {"cc 03 fe ff", "03 fe ff cc", "fe cc 03 ff", "fe 03 ff cc"}
        await pilot.press("P", "r", "C")
        await pilot.click("#protocol-stations", offset=(2, 0))
        assert order() == "cc 03 fe ff"
        await pilot.click("#protocol-stations", offset=(2, 0))
        assert order() == "ff fe 03 cc"
        await pilot.press("z", "T", "c", "R", "m")
        assert order() == "ff fe 03 cc"


async def test_stations_that_are_not_known_or_not_counted() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("5", "m")
        assert lines(app, "#protocol-stations") == ["  waiting for the first interval"]
        lost = station("00:00:00:00:00:00", 0, rx_packets=3, tx_packets=0)
        lost["rx_ip_packets"] = lost["tx_ip_packets"] = UNKNOWN
        await show(app, pilot, snapshot(0), snapshot(1, interfaces=[interface()], stations=[lost]))
        assert lines(app, "#protocol-stations")[0].split()[:3] == ["others", "–", "3"]
        assert "not IP" not in detail(app)
        await take(app, pilot, snapshot(2, flow_layer="sockets", interfaces=[interface("eth7", 9)]))
        await pilot.press("right_square_bracket")
        assert lines(app, "#protocol-stations") == ["  packets are not counted here"]


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


def test_meanings() -> None:
    assert is_trouble("Udp6.InErrors")
    assert meaning("Udp6.InErrors") == TROUBLE["Udp.InErrors"]
    assert not is_trouble("Tcp.InSegs")
    assert meaning("No.Such") == ""
    assert all(len(text) <= 38 for text in TROUBLE.values())


async def test_enter_on_a_port_goes_to_its_flows_and_back() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(120, 36)) as pilot:
        await show(app, pilot, *[host(tick) for tick in range(3)])
        for keys, words, ends in (
            (("p",), "dport:443 proto:tcp", {"10.0.0.1:40000", "10.0.0.1:40001"}),
            (("right_square_bracket",), "dport:443 proto:tcp", {"10.0.0.1:40000"}),
            (("end",), "dport:53 proto:udp", {"10.0.0.1:40002"}),
            (("home", "down"), "sport:22 proto:tcp", {"10.0.0.1:22"}),
        ):
            await pilot.press(*keys, "enter")
            await settle(pilot, lambda: app.main_screen.view is not None and app.main_screen.view.view_id == "flows")
            assert app.state.scope.trail.endswith(words)
            shown = lines(app, "#flow-table")
            assert {line.split()[0] for line in shown if line[0] != " "} == ends
            await pilot.press("escape")
            await settle(pilot, lambda: app.main_screen.view is not None and app.main_screen.view.view_id != "flows")
            assert app.state.scope == Scope()
