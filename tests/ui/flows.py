"""What the tests of the Flows view share: flows of all kinds, and what stands on the screen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from textual.pilot import Pilot

from netdash.model.protocols import ICMP, UDP
from netdash.model.snapshot import Snapshot
from netdash.model.tables import FLOW_ECHO, FLOW_FRAGMENT, FLOW_OVERFLOW, Attribution
from netdash.ui.app import Dashboard
from netdash.ui.widgets.line_table import LineTable
from netdash.ui.widgets.text_line import TextLine
from tests.ui.apps import take
from tests.ui.fixtures import flow, interface, process, snapshot


def nameless(flags: int = 0, ethertype: int = 0, **figures: int) -> NDArray[np.void]:
    """A flow without addresses."""
    row = flow("0.0.0.0", flags, "0.0.0.0", 0, protocol=0, ethertype=ethertype, state=0, flags=flags, **figures)
    row["local"] = row["remote"] = 0
    return row


def host(tick: int) -> Snapshot:
    """A host with all kinds of flows, at one moment."""
    own = "2001:db8:1234:5678:9abc:def0:1234:5678"
    owned = Attribution.SOCKET
    ping, unreachable = {"protocol": ICMP, "state": 0}, {"protocol": ICMP, "state": 0, "rx_bytes": 590, "tx_bytes": 0}
    flows = [
        flow(
            "10.77.0.1",
            57976,
            "203.0.113.9",
            5201,
            pid=4321,
            attribution=Attribution.EXACT,
            rx_bytes=6200,
            tx_bytes=960_000 + tick,
            rtt_us=12_300,
            retransmits=3,
        ),
        flow("10.77.0.1", 443, "198.51.100.7", 40022, pid=812, attribution=owned, rx_bytes=30_000, tx_bytes=412_000),
        flow(
            "10.77.0.1",
            53,
            "192.0.2.53",
            53535,
            protocol=UDP,
            state=0,
            pid=300,
            attribution=Attribution.LISTENER,
            rx_bytes=800,
            tx_bytes=2900,
        ),
        flow(own, 48390, "2001:db8::2", 22, pid=99, attribution=owned, rx_bytes=90_000, tx_bytes=8000, vlan=0x1064),
        flow(
            "192.168.7.20",
            50000,
            "203.0.113.80",
            80,
            attribution=Attribution.FORWARDED,
            rx_bytes=52_000,
            tx_bytes=0,
            state=0,
        ),
        flow(
            "10.77.0.1",
            7,
            "10.77.0.2",
            0,
            flags=FLOW_ECHO,
            pid=555,
            attribution=owned,
            rx_bytes=98,
            tx_bytes=98,
            **ping,
        ),
        flow("10.77.0.1", 0, "10.77.0.9", 0x0303, **unreachable),
        flow("10.77.0.1", 0, "203.0.113.66", 0, protocol=UDP, state=0, flags=FLOW_FRAGMENT, rx_bytes=4000, tx_bytes=0),
        nameless(ethertype=0x0806, rx_bytes=60, tx_bytes=42, attribution=Attribution.KERNEL),
        nameless(FLOW_OVERFLOW, rx_bytes=44_000, tx_bytes=0),
    ]
    names = {4321: "iperf3", 812: "nginx", 300: "dnsmasq", 99: "sshd", 555: "ping"}
    return snapshot(
        tick,
        interfaces=[interface(), interface("lo", 1, kind="loopback")],
        flows=flows if tick else [],
        processes=[process(pid, name) for pid, name in names.items()],
    )


async def settle(app: Dashboard, pilot: Pilot[int]) -> None:
    """Waits for what is sorted in a thread."""
    await pilot.pause()
    while any(worker.group == "arrange" and not worker.is_finished for worker in app.workers):
        await pilot.pause(0.005)
    await pilot.pause()


async def show(app: Dashboard, pilot: Pilot[int], *snapshots: Snapshot) -> None:
    """Takes `snapshots` in the Flows view."""
    await pilot.press("2")
    await take(app, pilot, *snapshots)
    await settle(app, pilot)


def lines(app: Dashboard) -> list[str]:
    """The table's lines below the titles."""
    table = app.main_screen.query_one("#flow-table", LineTable)
    return [text for y in range(1, table.size.height) if (text := table.render_line(y).text.rstrip())]


def titles(app: Dashboard) -> str:
    return app.main_screen.query_one("#flow-table", LineTable).render_line(0).text


def text_of(app: Dashboard, name: str) -> str:
    return app.main_screen.query_one(name, TextLine).text


def status(app: Dashboard) -> str:
    return text_of(app, "#flow-status")


def locals_of(app: Dashboard) -> list[str]:
    """The first word of every line."""
    return [line.split()[0] for line in lines(app)]


def ports(*numbers: int) -> list[NDArray[np.void]]:
    """A flow for each local port; the higher the port, the more it moves."""
    return [flow("10.0.0.1", number, "203.0.113.9", 443, rx_bytes=number * 100, tx_bytes=1) for number in numbers]
