"""The Processes view: its rows, every key, complete sums, and screens at two sizes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from textual.pilot import Pilot

from netdash.model.protocols import UDP
from netdash.model.snapshot import Accounting, Snapshot
from netdash.model.tables import UNKNOWN, Attribution
from netdash.options import Options
from netdash.ui.app import Dashboard
from netdash.ui.scope import InterfaceScope, ProcessScope, Scope
from netdash.ui.widgets.accounting_line import AccountingLine
from netdash.ui.widgets.key_line import KeyLine
from netdash.ui.widgets.line_table import LineTable
from netdash.ui.widgets.tab_line import TabLine
from netdash.ui.widgets.text_line import TextLine
from tests.ui.apps import dashboard, settle, take
from tests.ui.fixtures import FakeSource, flow, interface, process, snapshot
from tests.ui.golden import Golden

HOSTILE = "[b]x[/b] \x1b[2J\u202eevil"


def host(tick: int) -> Snapshot:
    """Processes of all kinds, at one moment."""
    processes = [
        process(4321, "iperf3", rx_bytes=6200, tx_bytes=960_000, connections=2),
        process(
            812,
            "nginx",
            user="www-data",
            command="nginx: worker process [a]",
            unit="nginx.service",
            rx_bytes=30_000,
            tx_bytes=412_000,
            connections=120,
        ),
        process(300, "dnsmasq", user="dnsmasq", unit="dnsmasq.service", rx_bytes=800, tx_bytes=2900, connections=0),
        process(7777, "postgres", container="docker 3f2a9c1b", rx_bytes=0, tx_bytes=0, connections=12),
        process(31337, "mystery", rx_bytes=None, tx_bytes=None),
    ]
    if tick <= 3:
        processes.append(process(555, "curl", user="alice", rx_bytes=7_000_000, tx_bytes=9000, exited=tick == 3))
    if tick <= 2:
        processes.append(process(556, "wget", user="bob", rx_bytes=700, tx_bytes=90))
    flows = [
        flow("192.168.7.20", 50000, "203.0.113.80", 80, attribution=Attribution.FORWARDED, rx_bytes=52_000, tx_bytes=0),
        flow("10.77.0.1", 53, "192.0.2.53", 53535, protocol=UDP, pid=300, attribution=Attribution.LISTENER),
        flow("10.77.0.1", 443, pid=812, attribution=Attribution.SOCKET, rx_bytes=30_000, tx_bytes=412_000),
        flow("10.77.0.1", 0, "203.0.113.66", 0, protocol=UDP, rx_bytes=4000, tx_bytes=0),
        flow("10.77.0.1", 8, "203.0.113.66", 0, attribution=Attribution.KERNEL, rx_bytes=60, tx_bytes=42),
    ]
    taken = snapshot(
        tick,
        interfaces=[interface(), interface("lo", 1, kind="loopback")],
        processes=processes,
        flows=flows if tick else [],
    )
    accounting = Accounting("segments", 1_468_000, 1_468_000, 1_411_898, 52_000, 102, 4000)
    return replace(taken, accounting={"eth0": accounting} if tick else {})


async def show(app: Dashboard, pilot: Pilot[int], *snapshots: Snapshot) -> None:
    """Takes `snapshots` in the Processes view."""
    await pilot.press("3")
    await take(app, pilot, *snapshots)
    while any(worker.group == "rows" and not worker.is_finished for worker in app.workers):
        await pilot.pause(0.005)
    await pilot.pause()


def lines(app: Dashboard) -> list[str]:
    """The table's lines below the titles."""
    table = app.main_screen.query_one("#process-table", LineTable)
    return [text for y in range(1, table.size.height) if (text := table.render_line(y).text.rstrip())]


def pids(app: Dashboard) -> list[str]:
    return [line.split()[0] for line in lines(app)]


def titles(app: Dashboard) -> str:
    return app.main_screen.query_one("#process-table", LineTable).render_line(0).text


def total(app: Dashboard) -> str:
    return app.main_screen.query_one("#process-total", TextLine).text


async def test_screens(golden: Golden) -> None:
    for columns, rows in ((80, 24), (120, 36), (200, 50)):
        app = dashboard(FakeSource())
        async with app.run_test(size=(columns, rows)) as pilot:
            await show(app, pilot, *[host(tick) for tick in range(6)])
            golden(app, f"{columns}x{rows}")


async def test_looks(golden: Golden) -> None:
    for look in ("ascii", "16-colours", "commands", "interface"):
        colours = "standard" if look == "16-colours" else "256"
        app = dashboard(FakeSource(), Options(ascii_only=look == "ascii"), color_system=colours)
        async with app.run_test(size=(80, 24)) as pilot:
            if look == "interface":
                app.state.scope = Scope(interface=InterfaceScope(2, "eth0"))
            await show(app, pilot, *[host(tick) for tick in range(6)])
            if look == "commands":
                await pilot.press("c")
            await pilot.pause()
            golden(app, look)


async def test_cells_and_what_is_not_known() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await show(app, pilot, snapshot(0), host(1))
        by_pid = {line.split()[0]: line.split() for line in lines(app)}
        assert by_pid["4321"] == ["4321", "root", "iperf3", "2", "49.6kb", "7.68Mb", "6.20kB", "960kB"]
        assert by_pid["31337"][-4:] == ["–"] * 4


async def test_before_the_first_interval_nothing_is_called_zero() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3")
        assert lines(app) == ["  waiting for the first interval"]
        await show(app, pilot, host(0))
        assert "0b" not in "".join(lines(app))
        assert total(app).split()[-4:] == ["–"] * 4


async def test_the_sum_is_complete() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(120, 36)) as pilot:
        await show(app, pilot, *[host(tick) for tick in range(5)])
        text = "\n".join(lines(app))
        for words in (
            "* forwarded traffic",
            "* no process known",
            "* kernel's own",
            "exited 14:00:03: curl",
            "no socket: wget",
        ):
            assert words in text
        last = 6200 + 30_000 + 800 + 52_000 + 4000 + 60
        assert total(app).split()[-6] == f"{last * 8 / 1000:.0f}kb"
        every = 4 * last + 3 * 7_000_000 + 2 * 700
        assert total(app).split()[-2] == f"{every / 1e6:.1f}MB"
        assert "7 processes, 1 exited" in total(app)


async def test_ended_processes_leave_after_a_minute_and_their_bytes_stay_in_the_sum() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        ended = process(555, "curl", rx_bytes=5_000_000, tx_bytes=0, exited=True)
        await show(app, pilot, snapshot(0), snapshot(1, processes=[ended]), snapshot(100))
        assert "* gone processes" in lines(app)[0]
        assert "5.00MB" in total(app)


async def test_sorting() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        rows = [
            process(1, "b", rx_bytes=3, tx_bytes=10, connections=9),
            process(2, "C", rx_bytes=1, tx_bytes=30),
            process(3, "a", rx_bytes=20, tx_bytes=1),
        ]
        busy_before = [process(1, "b", rx_bytes=1000, tx_bytes=0)]
        await show(app, pilot, snapshot(0), snapshot(1, processes=busy_before), snapshot(2, processes=rows))
        assert pids(app) == ["2", "3", "1"]
        for key, expected in (("r", "312"), ("s", "213"), ("T", "123"), ("N", "312"), ("b", "231")):
            await pilot.press(key)
            assert "".join(pids(app)) == expected, key
        await pilot.press("R")
        assert pids(app) == ["1", "3", "2"]
        await pilot.press("r")
        assert "▼▼ rate" in titles(app)
        await pilot.click("#process-table", offset=(40, 0))
        assert pids(app)[0] == "1"


async def test_enter_goes_to_the_flows_of_the_process() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await show(app, pilot, host(0), host(1))
        await pilot.press("s", "enter")
        await pilot.pause()
        assert app.state.scope == Scope(process=ProcessScope(4321, 1000, "iperf3"))
        assert app.main_screen.view is not None
        assert app.main_screen.view.view_id == "flows"
        await pilot.press("3")
        await pilot.pause()
        assert pids(app) == ["4321"]
        await pilot.press("escape")
        await pilot.pause()
        assert len(pids(app)) > 1


async def test_enter_on_what_is_no_process_says_so() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await show(app, pilot, snapshot(0), snapshot(1, flows=[flow(attribution=Attribution.FORWARDED)]))
        await pilot.press("enter")
        await pilot.pause()
        assert app.state.scope == Scope()
        assert app.main_screen.query_one(KeyLine).notice == "forwarded traffic: no process to look into"


@pytest.mark.parametrize("count", [3, 25_000])
async def test_one_interface_alone(count: int) -> None:
    app = dashboard(FakeSource())
    app.state.scope = Scope(interface=InterfaceScope(5, "eth1"))
    owned = Attribution.SOCKET
    own = [
        flow(ifindex=5, pid=1, attribution=owned, rx_bytes=100, tx_bytes=7),
        flow(ifindex=5, local_port=2, pid=99, attribution=owned, rx_bytes=11, tx_bytes=0),
    ]
    others = [flow(ifindex=2, local_port=port % 60_000, pid=1, attribution=owned) for port in range(count)]
    for number, row in enumerate(others):
        row["id"] = number
    async with app.run_test(size=(80, 24)) as pilot:
        one = snapshot(1, flows=own + others, processes=[process(1, "one")])
        two = snapshot(2, flows=others, processes=[process(1, "one")])
        await show(app, pilot, snapshot(0), one)
        assert lines(app)[0].split() == ["1", "root", "one", "1", "800b", "56b", "100B", "7B"]
        assert "* no process known" in lines(app)[1]
        await show(app, pilot, two)
        assert lines(app)[0].split()[3:] == ["0", "0b", "0b", "100B", "7B"]
        assert len(lines(app)) == 2


async def test_payload_is_called_so() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        only = process(1, "one", rx_bytes=None, tx_bytes=None, rx_payload=1000, tx_payload=None)
        await show(app, pilot, snapshot(0, flow_layer="sockets"), snapshot(1, flow_layer="sockets", processes=[only]))
        assert total(app).startswith(" TOTAL TCP payload")
        assert not app.main_screen.query_one("#process-accounting").display
        assert lines(app)[0].split()[-4:] == ["8.00kb", "–", "1.00kB", "–"]


async def test_wire_bytes_or_payload() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        moved = process(1, "one", rx_bytes=1000, tx_bytes=200, rx_payload=900, tx_payload=None)
        one = flow(pid=1, attribution=Attribution.SOCKET, rx_bytes=1000, tx_bytes=200, rx_payload=900)
        passing = flow(local_port=2, attribution=Attribution.FORWARDED, rx_bytes=500, tx_bytes=0)
        taken = [snapshot(tick, processes=[moved], flows=[one, passing]) for tick in (1, 2)]
        await show(app, pilot, snapshot(0), *taken)
        tabs = app.main_screen.query_one(TabLine)
        assert lines(app)[0].split()[-4:] == ["8.00kb", "1.60kb", "2.00kB", "400B"]
        await pilot.press("p", "e")
        await pilot.pause()
        assert lines(app)[0].split()[-4:] == ["7.20kb", "–", "1.80kB", "–"]
        assert lines(app)[1].split()[-4:] == ["7.20kb", "–", "–", "–"], (
            "of a connection only the last interval is known"
        )
        assert lines(app)[2].split()[-4:] == ["–"] * 4, "of what is passed on nothing is payload"
        assert total(app).startswith(" TOTAL payload, by ▼+▲ rate, 1 process")
        assert "payload that processes moved" in tabs.render_line(0).text or "payload" in tabs.render_line(0).text
        app.state.scope = Scope(interface=InterfaceScope(2, "eth0"))
        await take(app, pilot, snapshot(3, interfaces=[interface()], processes=[moved], flows=[one]))
        assert lines(app)[0].split()[-4:] == ["8.00kb", "1.60kb", "3.00kB", "600B"]
        assert total(app).startswith(" TOTAL wire bytes")
        await pilot.press("p", "p")
        assert "here are wire bytes" in app.main_screen.query_one(KeyLine).notice


async def test_payload_cannot_be_chosen_where_it_is_all_there_is() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await show(app, pilot, snapshot(0, flow_layer="sockets"), snapshot(1, flow_layer="sockets"))
        await pilot.press("p")
        await settle(pilot, lambda: "all that is known" in app.main_screen.query_one(KeyLine).notice)


async def test_rates_or_totals_of_a_direction() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        before = [process(1, "a", rx_bytes=9000, tx_bytes=1), process(2, "b", rx_bytes=1, tx_bytes=8000)]
        now = [process(1, "a", rx_bytes=5, tx_bytes=70), process(2, "b", rx_bytes=60, tx_bytes=6)]
        await show(app, pilot, snapshot(0), snapshot(1, processes=before), snapshot(2, processes=now))
        for key, expected in (
            ("r", "21"),
            ("m", "12"),
            ("m", "21"),
            ("s", "12"),
            ("m", "21"),
            ("b", "12"),
            ("m", "12"),
        ):
            await pilot.press(key)
            assert "".join(pids(app)) == expected, key
        assert "by ▼+▲ total" in total(app)


async def test_where_all_bytes_went() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(140, 24)) as pilot:
        parts = [Accounting("segments", 1000 * n, 1000 * n, 700 * n, 200 * n, 60 * n, 40 * n) for n in (1, 2, 50)]
        names = ("eth0", "eth1", "br0")
        nics = [interface("eth0"), interface("eth1", 3), interface("br0", 4, kind="bridge")]
        taken = replace(snapshot(1, interfaces=nics), accounting=dict(zip(names, parts, strict=True)))
        await show(app, pilot, snapshot(0, interfaces=nics), taken)
        line = app.main_screen.query_one("#process-accounting", AccountingLine)
        assert line.text.split()[2:6] == ["3.00kB", "counted", "3.00kB", "processes"]
        assert "unattributed !120B" in line.text
        assert line.text.endswith("last interval of eth0, eth1 ")
        app.state.scope = Scope(interface=InterfaceScope(4, "br0"))
        await take(app, pilot, replace(taken, monotonic_ns=taken.monotonic_ns + 1))
        assert "counted 50.0kB" in line.text
        assert line.text.endswith("last interval of br0 ")
        app.state.scope = Scope()
        await take(app, pilot, replace(taken, monotonic_ns=taken.monotonic_ns + 2, accounting={"eth0": parts[0]}))
        assert line.text == "", "what is not known of one is not known of the sum"


async def test_sparklines_where_there_is_room() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(150, 24)) as pilot:
        steady = process(2, "b", rx_bytes=None, tx_bytes=5)
        rising = [
            snapshot(tick, processes=[process(1, "a", rx_bytes=tick * 10, tx_bytes=0), steady]) for tick in range(1, 8)
        ]
        await show(app, pilot, snapshot(0), *rising)
        assert "▼+▲ last 21" in titles(app)
        assert lines(app)[0].endswith(" ▂▃▄▅▆▇▇")
        await pilot.press("a")
        await pilot.pause()
        assert lines(app)[0].split()[-1].endswith("▇")
        await pilot.resize_terminal(139, 24)
        await settle(pilot, lambda: "last" not in titles(app))
        app.state.scope = Scope(interface=InterfaceScope(2, "eth0"))
        await pilot.resize_terminal(150, 24)
        await take(app, pilot, snapshot(9, interfaces=[interface()]))
        assert "last" not in titles(app), "of some flows alone the past is not known"


async def test_hostile_names_are_drawn_as_text() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(160, 24)) as pilot:
        evil = process(1, HOSTILE, user=HOSTILE, unit=HOSTILE, command=HOSTILE * 50)
        await show(app, pilot, snapshot(0), snapshot(1, processes=[evil]))
        for _ in range(2):
            assert "[b]x[/b]" in lines(app)[0]
            assert "\x1b" not in lines(app)[0]
            assert "\u202e" not in lines(app)[0]
            await pilot.press("c")


async def test_ten_thousand_processes() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        rows = [process(pid, f"p{pid}", rx_bytes=pid, tx_bytes=UNKNOWN + 1) for pid in range(1, 10_001)]
        await show(app, pilot, snapshot(0), snapshot(1, processes=rows))
        assert pids(app)[0] == "10000"
        await pilot.press("end")
        assert pids(app)[-1] == "1"
        await pilot.press("home", "N")
        assert "10000 processes" in total(app)
