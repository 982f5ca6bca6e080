"""A host whose protocols are known, and what the Protocols view shows of it."""

from __future__ import annotations

from textual.pilot import Pilot

from netdash.model.protocols import UDP
from netdash.model.snapshot import InterfaceProtocols, Snapshot
from netdash.ui.app import Dashboard
from netdash.ui.widgets.line_table import LineTable
from netdash.ui.widgets.text_line import TextLine
from tests.ui.apps import take
from tests.ui.fixtures import flow, interface, snapshot, station
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


def detail(app: Dashboard) -> str:
    return app.main_screen.query_one("#protocol-detail", TextLine).text
