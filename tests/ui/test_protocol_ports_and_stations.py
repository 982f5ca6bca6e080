"""The Protocols view: its pages of ports and of stations."""

from __future__ import annotations

from netdash.model.protocols import LISTEN
from netdash.model.tables import UNKNOWN
from netdash.ui.scope import Scope
from netdash.ui.views.service_table import SORTS
from netdash.ui.views.station_table import STATION_SORTS
from tests.ui.apps import dashboard, settle, take
from tests.ui.fixtures import FakeSource, flow, interface, snapshot, socket, station
from tests.ui.protocol_host import detail, host, lines, show


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
