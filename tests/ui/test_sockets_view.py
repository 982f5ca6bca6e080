"""The Sockets view: its rows, every key; its screens are in test_matrix."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from textual.pilot import Pilot

from netdash.model.protocols import CLOSE, LISTEN, UDP
from netdash.model.snapshot import Snapshot
from netdash.model.tables import SOCKET_ROW
from netdash.options import Options
from netdash.ui.app import Dashboard
from netdash.ui.scope import InterfaceScope, ProcessScope, Scope
from netdash.ui.views.socket_choice import SORT_WORDS
from netdash.ui.widgets.columns import place_columns
from netdash.ui.widgets.key_line import KeyLine
from netdash.ui.widgets.line_table import LineTable
from netdash.ui.widgets.text_line import TextLine
from tests.ui.apps import SnapCompare, dashboard, settle, take
from tests.ui.fixtures import FakeSource, flow, interface, process, snapshot, socket, table
from tests.ui.flows import lines as flow_lines

SYN_SENT, TIME_WAIT, CLOSE_WAIT = 2, 6, 8


def host(tick: int) -> Snapshot:
    """Sockets in all states, at one moment."""
    here = "10.77.0.1"
    long = "2001:db8:1234:5678:9abc:def0:1234:5678"
    sockets = [
        socket(
            here,
            57976,
            "203.0.113.9",
            5201,
            cookie=1,
            pid=4321,
            rtt_us=12_300,
            retransmits=3,
            wqueue=812_000,
            rx_payload=300,
            tx_payload=900_000,
            cwnd=210,
        ),
        socket(
            here,
            443,
            "198.51.100.7",
            40022,
            cookie=2,
            pid=812,
            rtt_us=80_000,
            rx_payload=30_000,
            tx_payload=400_000,
            rqueue=4300,
        ),
        socket(local_port=443, cookie=3, pid=812, state=LISTEN, wildcard=True, rqueue=3, wqueue=511),
        socket(local_port=22, cookie=4, pid=99, state=LISTEN, wildcard=True, wqueue=128),
        socket("127.0.0.1", 5432, "127.0.0.1", 50001, cookie=5, pid=7777, rx_payload=0, tx_payload=0, rtt_us=40),
        socket(here, 50002, "203.0.113.80", 80, cookie=6, state=TIME_WAIT),
        socket(here, 50003, "203.0.113.81", 80, cookie=7, state=CLOSE_WAIT, pid=555, rqueue=1),
        socket(local_port=53, cookie=8, pid=300, state=CLOSE, protocol=UDP, wildcard=True, rqueue=212_992),
        socket(long, 48390, "2001:db8::2", 22, cookie=9, pid=99, rx_payload=90_000, tx_payload=8000, rtt_us=1_520_000),
        socket(here, 50009, "203.0.113.89", 80, cookie=10, state=SYN_SENT, pid=31337, retransmits=4),
    ]
    names = {4321: "iperf3", 812: "nginx", 300: "dnsmasq", 99: "sshd", 555: "curl", 7777: "postgres"}
    return snapshot(
        tick,
        interfaces=[interface(addresses=("10.77.0.1/24",)), interface("lo", 1, addresses=("127.0.0.1/8", "junk"))],
        sockets=sockets,
        processes=[process(pid, name) for pid, name in names.items()],
    )


async def show(app: Dashboard, pilot: Pilot[int], *snapshots: Snapshot) -> None:
    """Takes `snapshots` in the Sockets view."""
    await pilot.press("4")
    await take(app, pilot, *snapshots)


def lines(app: Dashboard) -> list[str]:
    """The table's lines below the titles."""
    table = app.main_screen.query_one("#socket-table", LineTable)
    return [text for y in range(1, table.size.height) if (text := table.render_line(y).text.rstrip())]


def locals_of(app: Dashboard) -> list[str]:
    """Local ends; for a screen of 120 cells."""
    return [line.split()[4] for line in lines(app)]


def text_of(app: Dashboard, name: str) -> str:
    return app.main_screen.query_one(name, TextLine).text


class TestLooks:
    """One picture, for the colours; test_matrix has the sizes."""

    def test_picture(self, snap_compare: SnapCompare) -> None:
        app = dashboard(FakeSource())

        async def prepare(pilot: Pilot[int]) -> None:
            await show(app, pilot, host(0), host(1))

        assert snap_compare(app, terminal_size=(120, 36), run_before=prepare)


async def test_cells() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(160, 24)) as pilot:
        await show(app, pilot, host(0), host(1))
        sender = "tcp ESTAB 0 812k 10.77.0.1:57976 203.0.113.9:5201 iperf3 (4321) 2.40kb 7.20Mb 12.3ms 3 – root 210 –"
        assert lines(app)[0].split() == sender.split()
        listener = next(line for line in lines(app) if "*:443" in line)
        assert " ".join(listener.split()) == "tcp LISTEN 3 ≤511 *:443 * nginx (812) – – – – – root – –"
        assert any(line.split()[:2] == ["udp", "!UNCONN"] for line in lines(app))


async def test_a_baseline_has_no_rates() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(120, 24)) as pilot:
        await pilot.press("4")
        assert lines(app) == ["  waiting for the first interval"]
        await show(app, pilot, host(0))
        assert lines(app)[0].split()[-4:-2] == ["–", "–"]


async def test_kinds() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(120, 24)) as pilot:
        await show(app, pilot, host(0), host(1))
        assert len(lines(app)) == 10
        await pilot.press("s")
        assert sorted(locals_of(app)) == ["*:22", "*:443", "*:53"]
        assert "3 listening by" in text_of(app, "#socket-counts")
        await pilot.press("s")
        assert {line.split()[1] for line in lines(app)} == {"ESTAB"}
        assert "4 established by" in text_of(app, "#socket-counts")
        await pilot.press("s")
        assert sorted(locals_of(app)) == ["*:53", "10.77.0.1:50009"]
        await pilot.press("s")
        assert len(lines(app)) == 10
        counts = text_of(app, "#socket-counts")
        assert counts.startswith(" ! 2 troubled  tcp 9 estab 4 listen 2 ")
        assert " udp 1 " in counts


async def test_sorting() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(120, 24)) as pilot:
        await show(app, pilot, host(0), host(1))
        assert locals_of(app)[:2] == ["10.77.0.1:57976", "10.77.0.1:443"]
        await pilot.press("Q")
        assert locals_of(app)[:4] == ["10.77.0.1:57976", "*:53", "10.77.0.1:443", "*:443"]
        await pilot.press("P")
        assert [end.rpartition(":")[2] for end in locals_of(app)][:4] == ["22", "53", "443", "443"]
        await pilot.press("R")
        assert locals_of(app)[0] == "10.77.0.1:57976"
        await pilot.press("S")
        assert locals_of(app)[:4] == ["*:22", "*:53", "*:443", "10.77.0.1:443"]
        await pilot.press("D")
        assert [line.split()[5] for line in lines(app)][3:5] == ["127.0.0.1:50001", "198.51.100.7:40022"]
        await pilot.press("r")
        assert locals_of(app)[0] == "10.77.0.1:57976"
        await pilot.click("#socket-table", offset=(10, 0))
        assert "by state" in text_of(app, "#socket-counts")
        assert {line.split()[1] for line in lines(app)[:2]} == {"LISTEN"}


class Names:
    """Knows one address and one port."""

    def name(self, address: bytes) -> str | None:
        return "host.example" if address[-1] == 9 else None

    def service(self, port: int, protocol: int) -> str | None:
        return "targus" if port == 5201 else None


async def test_names() -> None:
    app = dashboard(FakeSource(), Options(numeric=True))
    app.state.resolver = Names()
    async with app.run_test(size=(160, 24)) as pilot:
        await show(app, pilot, host(0), host(1))
        assert "203.0.113.9:5201" in lines(app)[0]
        await pilot.press("n", "N")
        assert "host.example:targus" in lines(app)[0]


async def test_scope() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(120, 24)) as pilot:
        await show(app, pilot, host(0), host(1))
        app.state.scope = Scope(process=ProcessScope(99, 1000, "sshd"))
        await take(app, pilot, host(2))
        assert len(lines(app)) == 2
        app.state.scope = Scope(interface=InterfaceScope(1, "lo"))
        await take(app, pilot, host(3))
        assert set(locals_of(app)) == {"127.0.0.1:5432", "*:443", "*:22", "*:53"}
        assert "sockets of lo by" in text_of(app, "#socket-counts")


async def test_nothing_to_show_says_why() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await show(app, pilot, snapshot(0), snapshot(1))
        await pilot.press("s")
        assert lines(app) == ["  no listening socket"]


async def test_hostile_values_are_drawn_as_text() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(160, 24)) as pilot:
        full = np.frombuffer(b"\xff" * SOCKET_ROW.itemsize, SOCKET_ROW).copy()
        evil = process(-1 & 0x7FFF, "[i]x[/i]\x1b[2J")
        mine = socket(pid=evil.pid, cookie=3)
        await show(app, pilot, snapshot(0), snapshot(1, sockets=[full, mine], processes=[evil]))
        text = "\n".join(lines(app))
        assert "[i]x[/i]" in text
        assert "\x1b" not in text
        assert len(lines(app)) == 2


def many(count: int) -> NDArray[np.void]:
    rows = np.repeat(socket(rx_payload=5, tx_payload=0), count)
    rows["cookie"] = np.arange(count) + 1
    rows["local_port"] = np.arange(count) % 60_000 + 1
    rows["rx_payload"] = np.arange(count)
    return rows


async def test_ten_thousand_sockets() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(120, 24)) as pilot:
        await show(app, pilot, snapshot(0), snapshot(1, sockets=[many(10_000)]))
        assert locals_of(app)[0] == "10.0.0.1:10000"
        await pilot.press("end")
        assert locals_of(app)[-1] == "10.0.0.1:1"
        await pilot.press("home", "P")
        assert locals_of(app)[0] == "10.0.0.1:1"


async def test_every_column_sorts_by_key_and_by_click() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(300, 24)) as pilot:
        await show(app, pilot, host(0), host(1))
        table = app.main_screen.query_one("#socket-table", LineTable)
        keys = [column.key for column in table.model.columns]
        assert set(keys) <= set(SORT_WORDS)
        seen = []
        for _ in keys:
            await pilot.press("c")
            seen.append(text_of(app, "#socket-counts").rpartition(" by ")[2].strip())
        assert seen == [SORT_WORDS[key] for key in keys]
        await pilot.press("C")
        assert f"by {SORT_WORDS[keys[-2]]}" in text_of(app, "#socket-counts")
        x = next(
            placed.x for placed in place_columns(table.model.columns, table.size.width) if placed.column.key == "rtt"
        )
        await pilot.click("#socket-table", offset=(x + 1, 0))
        assert "1520ms" in lines(app)[0]
        await pilot.click("#socket-table", offset=(x + 1, 0))
        assert "1520ms" in lines(app)[-1]


async def test_what_is_wrong_comes_first_and_in_plain_words() -> None:
    app = dashboard(FakeSource())
    full = socket(local_port=80, cookie=1, state=LISTEN, wildcard=True, rqueue=129, wqueue=128)
    fine = socket(cookie=2, rx_payload=900, tx_payload=10)
    resent = [socket(cookie=3, retransmits=count, tx_payload=5, rx_payload=0) for count in (7, 7, 9)]
    async with app.run_test(size=(120, 24)) as pilot:
        await show(app, pilot, *(snapshot(tick, sockets=[full, fine, resent[tick]]) for tick in range(3)))
        assert [line.split()[1] for line in lines(app)] == ["ESTAB", "!ESTAB", "!LISTEN"]
        assert "7+2" not in lines(app)[1]
        assert "9+2" in lines(app)[1]
        await pilot.press("exclamation_mark")
        assert [line.split()[1] for line in lines(app)] == ["!ESTAB", "!LISTEN", "ESTAB"]
        assert text_of(app, "#socket-first") == " ! segments sent again now: lost on the way"
        await pilot.press("down")
        await pilot.pause()
        assert text_of(app, "#socket-first").startswith(" ! accept queue full")
        assert "waiting 129 of at most 128" in text_of(app, "#socket-second")


def view_of(app: Dashboard) -> str:
    return app.main_screen.view.view_id if app.main_screen.view else ""


async def test_enter_goes_to_the_connection_on_the_interface_in_scope_else_where_most_is_moved() -> None:
    app = dashboard(FakeSource())
    ends = ("10.77.0.1", 57976, "203.0.113.9", 5201)
    flows = [flow(*ends, ifindex=5, rx_bytes=900), flow(*ends, rx_bytes=5), flow(*ends[:3], 5202, rx_bytes=10**6)]
    async with app.run_test(size=(120, 24)) as pilot:
        await show(app, pilot, host(0), replace(host(1), flows=table(flows)))
        await pilot.press("enter")
        await settle(pilot, lambda: view_of(app) == "connection")
        assert app.state.scope.connection is not None
        assert (app.state.scope.connection.interface, app.state.scope.trail) == ("#5", "203.0.113.9:5201")
        await pilot.press("escape")
        await settle(pilot, lambda: view_of(app) == "sockets")
        assert app.state.scope == Scope()
        app.state.scope = Scope(interface=InterfaceScope(2, "eth0"))
        await take(app, pilot, replace(host(2), flows=table(flows)))
        await pilot.press("enter")
        await settle(pilot, lambda: app.state.scope.connection is not None)
        assert app.state.scope.trail == "eth0 › 203.0.113.9:5201"
        await pilot.pause()


async def test_enter_on_a_listener_goes_to_the_flows_of_its_port_whoever_serves_them() -> None:
    app = dashboard(FakeSource())
    flows = [
        flow("10.77.0.1", 443, "198.51.100.7", 40022, pid=4321, attribution=2),
        flow("10.77.0.1", 443, "198.51.100.8", 40023, protocol=UDP),
        flow("10.77.0.1", 40001, "198.51.100.8", 443),
    ]
    async with app.run_test(size=(120, 24)) as pilot:
        await show(app, pilot, host(0), replace(host(1), flows=table(flows)))
        await pilot.press("s", "P", "down", "down", "enter")
        await settle(pilot, lambda: view_of(app) == "flows")
        assert app.state.scope.trail == "sport:443 proto:tcp"
        await pilot.press("t")
        await pilot.pause()
        assert [line.split()[2] for line in flow_lines(app)] == ["198.51.100.7:40022"]
        await pilot.press("4")
        await pilot.pause()
        assert "of sport:443 proto:tcp" in text_of(app, "#socket-counts")
        assert [line.split()[4] for line in lines(app)] == ["*:443"]
        await pilot.press("escape")
        assert app.state.scope == Scope()


async def test_enter_on_a_connection_that_moved_nothing_goes_to_its_process() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(120, 24)) as pilot:
        await show(app, pilot, host(0), host(1))
        await pilot.press("enter")
        await settle(pilot, lambda: app.state.scope.process == ProcessScope(4321, 1000, "iperf3"))
        assert view_of(app) == "flows"
        assert "moved nothing since the start" in app.main_screen.query_one(KeyLine).notice


async def test_enter_without_a_process_says_so() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(120, 24)) as pilot:
        await show(app, pilot, snapshot(0), snapshot(1, sockets=[socket()]))
        await pilot.press("enter")
        await settle(pilot, lambda: "not known" in app.main_screen.query_one(KeyLine).render_line(0).text)
        assert app.state.scope == Scope()
