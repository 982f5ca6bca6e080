"""The Flows view: its rows, the sums, hostile and many flows, and screens at three sizes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from netdash.model.protocols import ICMP, ICMPV6
from netdash.model.tables import FLOW_ROW, UNKNOWN, Attribution
from netdash.model.units import Units
from netdash.options import Options
from netdash.ui.scope import InterfaceScope, ProcessScope, Scope
from tests.ui.apps import dashboard, take
from tests.ui.fixtures import FakeSource, flow, interface, process, snapshot
from tests.ui.flows import host, lines, locals_of, settle, show, status, text_of
from tests.ui.golden import Golden

SIZES = [(80, 24), (120, 36), (200, 50)]
HOSTILE = "[red]x[/] \x1b[31m\u202eevil"


async def test_screens(golden: Golden) -> None:
    for columns, rows in SIZES:
        app = dashboard(FakeSource())
        async with app.run_test(size=(columns, rows)) as pilot:
            await show(app, pilot, *[host(tick) for tick in range(6)])
            await pilot.press("down", "down")
            await pilot.pause()
            golden(app, f"{columns}x{rows}")


LOOKS: dict[str, tuple[Options, Sequence[str], tuple[int, int]]] = {
    "sum": (Options(), "t", (80, 24)),
    "sum-wide": (Options(), "t", (200, 50)),
    "log-bars": (Options(), "LB", (80, 24)),
    "hosts": (Options(), "p", (120, 36)),
    "frozen": (Options(), "o", (80, 24)),
    "ascii": (Options(ascii_only=True), "", (80, 24)),
    "iec-bytes": (Options(units=Units(bits=False, iec=True)), "T", (80, 24)),
}


async def test_looks(golden: Golden) -> None:
    for look, (options, keys, size) in LOOKS.items():
        app = dashboard(FakeSource(), options)
        async with app.run_test(size=size) as pilot:
            await show(app, pilot, *[host(tick) for tick in range(6)])
            await pilot.press(*keys)
            app.main_screen.tell("")
            await pilot.pause()
            golden(app, look)


async def test_two_lines_a_flow_with_both_directions() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await show(app, pilot, host(0), host(1))
        sent, received = lines(app)[:2]
        assert sent.split() == ["10.77.0.1:57976", "→", "203.0.113.9:5201", "960kB", "7.68Mb", "7.68Mb", "7.68Mb"]
        assert received.split() == [
            *("iperf3", "(4321)", "←", "tcp", "ESTAB", "eth0", "6.20kB", "49.6kb", "49.6kb", "49.6kb")
        ]


async def test_packets_and_flags_where_both_ends_have_room() -> None:
    app = dashboard(FakeSource())
    app.state.names = False
    async with app.run_test(size=(260, 24)) as pilot:
        flags = [0x02, 0x18, 0x10]
        rows = [flow(local_port=port, rx_bytes=1000, tx_bytes=10, rx_packets=port, tx_packets=1) for port in (30, 20)]
        for row, flag in zip(rows, flags, strict=False):
            row["tcp_flags"] = flag
        await show(app, pilot, snapshot(0), *[snapshot(tick, flows=rows) for tick in (1, 2)])
        await pilot.press("t")
        await pilot.pause()
        assert {line.split()[0][-2:]: line.split()[-6:-4] for line in lines(app)} == {
            "30": ["S", "62"],
            "20": ["PA", "42"],
        }
        view = app.main_screen.view
        assert view is not None
        await view.run_action("sort('packets')")
        assert locals_of(app) == ["10.0.0.1:30", "10.0.0.1:20"]
        assert "by packets ±1%" in status(app)
        await take(
            app,
            pilot,
            snapshot(3, flow_layer="sockets", flows=[flow(rx_payload=5, tx_payload=5, rx_packets=-1, tx_packets=-1)]),
        )
        assert lines(app)[0].split()[-5] == "–"


async def test_before_the_first_interval_and_without_flows_it_says_so() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        assert lines(app) == ["  waiting for the first interval"]
        await show(app, pilot, snapshot(0), snapshot(1))
        assert lines(app) == ["  no flow in the last 40 s"]


async def test_the_sums_are_those_of_the_physical_interfaces_or_of_the_scope() -> None:
    app = dashboard(FakeSource())
    both = [interface(), interface("br0", 5, kind="bridge")]
    flows = [flow(rx_bytes=1000, tx_bytes=500), flow(ifindex=5, rx_bytes=3000, tx_bytes=500, pid=7)]
    async with app.run_test(size=(80, 24)) as pilot:
        await show(app, pilot, snapshot(0, interfaces=both), snapshot(1, interfaces=both, flows=flows))
        received = text_of(app, "#flow-received")
        assert received.startswith(" ▼ RX    cum: 1.00kB   peak: 8.00kb")
        assert status(app).endswith("wire bytes of eth0 ")
        app.state.scope = Scope(interface=InterfaceScope(5, "br0"))
        await show(app, pilot, snapshot(2, interfaces=both, flows=flows))
        assert "cum: 6.00kB" in text_of(app, "#flow-received")
        assert status(app).endswith("wire bytes of br0 ")
        assert len(lines(app)) == 2
        app.state.scope = Scope(process=ProcessScope(7, 1, "p"))
        await show(app, pilot, snapshot(3, interfaces=both, flows=flows))
        assert text_of(app, "#flow-both").startswith("   TOTAL cum: 10.5kB   peak:      –")


async def test_special_rows_have_names() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(200, 50)) as pilot:
        v6 = flow("fe80::1", 0, "ff02::2", 133 << 8, protocol=ICMPV6, state=0)
        odd = flow("10.0.0.1", 0, "10.0.0.2", 99 << 8 | 7, protocol=ICMP, state=0)
        base = host(1)
        flows = np.concatenate([base.flows, v6, odd])
        await show(
            app, pilot, host(0), snapshot(1, interfaces=base.interfaces, flows=[flows], processes=base.processes)
        )
        await pilot.press("t")
        text = "\n".join(lines(app))
        for words in (
            "icmp echo id 7",
            "icmp port unreachable",
            "icmp6 router solicit",
            "icmp type 99 code 7",
            "udp fragments",
            "other flows, eth0",
            "without their own row",
            "arp frames",
            "(not IP)",
            "eth0 v100",
            "dnsmasq (300)~",
            "~ owns the port",
            "forwarded",
            "kernel",
            "? no process",
            "12.3ms",
        ):
            assert words in text


async def test_unknown_figures_are_dashes() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await show(app, pilot, snapshot(0), snapshot(1, flows=[flow(rx_bytes=UNKNOWN, tx_bytes=UNKNOWN)]))
        assert lines(app)[0].split()[-4:] == ["–"] * 4


async def test_payload_is_called_so() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        sockets = [flow(rx_bytes=UNKNOWN, tx_bytes=UNKNOWN, rx_payload=1000, tx_payload=0)]
        await show(app, pilot, snapshot(0, flow_layer="sockets"), snapshot(1, flow_layer="sockets", flows=sockets))
        assert "TCP payload " in status(app)
        assert "8.00kb" in lines(app)[1]


async def test_a_later_process_with_the_same_pid_does_not_get_the_flow() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        owned = flow(pid=7, attribution=Attribution.SOCKET)
        await show(app, pilot, snapshot(0), snapshot(1, flows=[owned], processes=[process(7, "old")]))
        assert "old (7)" in lines(app)[1]
        later = process(7, "new", start_ticks=99)
        object.__setattr__(later, "start", snapshot(20).time)
        await take(app, pilot, snapshot(30, processes=[later]))
        assert lines(app)[1].split()[0] == "(7)"


async def test_hostile_names_are_drawn_as_text() -> None:
    app = dashboard(FakeSource())

    class Evil:
        def name(self, address: bytes) -> str | None:
            return HOSTILE

    app.state.resolver = Evil()
    async with app.run_test(size=(200, 24)) as pilot:
        bad = flow(pid=7, attribution=200, state=255, ethertype=0x0800)
        names = [interface(HOSTILE)]
        await show(
            app,
            pilot,
            snapshot(0, interfaces=names),
            snapshot(1, interfaces=names, flows=[bad], processes=[process(7, HOSTILE)]),
        )
        text = "\n".join([*lines(app), status(app)])
        assert "[red]x[/]" in text
        assert "\x1b" not in "\n".join(lines(app))
        assert "\u202e" not in "\n".join(lines(app))


def many(count: int, tick: int) -> NDArray[np.void]:
    """Flows with ids, addresses and ports of their own."""
    rows = np.zeros(count, FLOW_ROW)
    rows[:] = flow()[0]
    number = np.arange(count)
    rows["id"] = number + 1
    rows["remote"][:, 13], rows["remote"][:, 14], rows["remote"][:, 15] = (
        number >> 16,
        number >> 8 & 0xFF,
        number & 0xFF,
    )
    rows["local_port"] = number % 50_000 + 1000
    rows["rx_bytes"] = (number * 7919 + tick) % 100_003
    return rows


@pytest.mark.parametrize("count", [10_000, 50_000])
async def test_many_flows(count: int) -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await show(app, pilot, snapshot(0), snapshot(1, flows=[many(count, 1)]), snapshot(2, flows=[many(count, 2)]))

        async def sorted_by(key: str) -> list[str]:
            await pilot.press(key)
            await settle(app, pilot)
            return lines(app)

        await sorted_by("t")
        assert status(app).startswith(f" {count} flows")
        first = (await sorted_by("D"))[0]
        assert "203.0.0.0" in first
        last = await sorted_by("end")
        assert f":{(count - 1) % 50_000 + 1000}" in last[-1]
        await sorted_by("p")
        assert status(app).startswith(f" {count} host pairs")
        assert await sorted_by("P")
