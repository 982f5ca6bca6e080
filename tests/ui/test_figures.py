"""Every figure of iftop, nload, nethogs, iptraf-ng, ss and sar is at most two keys away: docs/coming-from.md."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from netdash.model.protocols import LISTEN, UDP
from netdash.model.snapshot import Accounting, InterfaceProtocols, SizeBucket, Snapshot, Traffic
from tests.ui.apps import dashboard, take
from tests.ui.fixtures import FakeSource, flow, interface, process, snapshot, socket, station, table
from tests.ui.golden import screen_text

DOCUMENT = Path(__file__).parents[2] / "docs" / "coming-from.md"

WAYS: list[tuple[str, list[str]]] = [
    # iftop
    (
        "2",
        ["10.0.0.1:41822 → 203.0.113.9:443", "▼2 s 10 s 40 s", "▲ TX cum:", "▼ RX cum:", "TOTAL cum:", "peak:", "Mb│"],
    ),
    ("2 t", ["10.0.0.1:41822 ↔ 203.0.113.9:443"]),
    ("2 p", ["10.0.0.1 → 203.0.113.9 ", "host pairs"]),
    ("2 s", ["* → 203.0.113.9:443", "remote ends"]),
    ("2 d", ["10.0.0.1:41822 → * ", "local ends"]),
    ("2 S", ["by local address"]),
    ("2 D", ["by remote address"]),
    ("2 P", ["by port"]),
    ("2 T", ["by total"]),
    ("2 o", ["order frozen"]),
    # nload
    ("", ["eth0 up, physical", "192.0.2.5/24", "mtu 1500", "▼ Incoming", "▲ Outgoing"]),
    ("", ["Curr: 10.0 Mb/s", "Avg: 10.0 Mb/s", "Min: 10.0 Mb/s", "Max: 10.0 Mb/s", "Ttl: 2.50 MB"]),
    ("a", ["eth1 up ▼ 10.0 Mb/s avg 10.0Mb max 10.0Mb"]),
    ("m", ["scale"]),
    ("t", ["graphs of 1 min"]),
    # nethogs
    (
        "3",
        ["4321 root curl", "▼ rate ▲ rate", "▼ total ▲ total", "TOTAL wire bytes", "* no process known", "* forwarded"],
    ),
    ("3", ["kernel counter 2.00kB counted 2.00kB processes 1.40kB forwarded 400B kernel's own 120B unattributed !80B"]),
    ("3 s", ["▼▲ rate"]),
    ("3 r", ["▼▼ rate"]),
    ("3 m", ["by totals since the start"]),
    ("3 c", ["/usr/bin/curl --serve"]),
    ("3 e", ["→ 203.0.113.9:443 eth0"]),
    ("3 p", ["TOTAL payload"]),
    # iptraf-ng
    ("2", ["3 flows"]),
    ("2 enter", ["packets ▼ 24 ▲ 6", "flags PSH ACK"]),
    (
        "5",
        [
            "Total 180 18.0kB",
            "IPv4 60",
            "IPv6 60",
            "TCP 60",
            "UDP 60",
            "ICMP 0",
            "other IP 0",
            "non-IP 60",
            "broadcast 60",
        ],
    ),
    ("5", ["▼ pkts ▼ bytes ▲ pkts ▲ bytes ▼ rate ▲ rate ▼ pk/s ▲ pk/s", "since 14:00:00"]),
    ("5 ]", ["◂ eth0 ▸"]),
    ("5 i", ["packets IPv4 IPv6 TCP UDP ICMP other IP non-IP bcast mcast ▼ rate ▲ rate", "eth0 90 30 30 30 30 0 0 30"]),
    ("5 z", ["1-75 12", ">MTU 1519 up 4"]),
    ("5 p", ["tcp 443", "packets bytes → pkts → bytes ← pkts ← bytes → rate ← rate"]),
    ("5 m", ["▼ pkts ▼ IP ▼ bytes ▼ rate ▲ pkts ▲ IP ▲ bytes ▲ rate", "02:00:00:00:00:fe eth0 20 20", "broadcast 0 0"]),
    ("5 K", ["IpExt.InCsumErrors 3", "Tcp.RetransSegs 3", "Udp.RcvbufErrors 3", "Softnet.dropped 3", "Tcp.InSegs 3"]),
    ("5 K", ["Sockstat.TCP.tw now 4"]),
    # ss
    ("4", ["tcp !ESTAB 4.30k 8.00k 10.0.0.1:41822 203.0.113.9:443 curl (4321)", "tcp 2 listen 1 estab 1 udp 1"]),
    ("4", ["user root", "inode 100", "tcp LISTEN 0 ≤0 *:22", "udp UNCONN 0 0 *:53", "rtt 12.0ms cwnd 10 retr 2"]),
    ("4 s", ["2 listening"]),
    ("4 enter", ["round trip 12.0ms", "window 10 × 1448 B", "in flight 0", "rto 204ms ssthresh 7 path MTU 1500"]),
    ("4 enter", ["pacing 8.00 Mb/s timer on in 0.2 s", "sent again 2 segments, 0B lost now 0 segments ▼ 0 ▲ 0"]),
    ("4 enter", ["not sent yet 5B delivers 8.00 Mb/s", "busy 4000 ms by the receiver's window 25%"]),
    # sar
    ("1", ["▼ bit/s ▲ bit/s ▼% ▲% ▼pk/s ▲pk/s err drop", "mcast/s"]),
]


def host(tick: int) -> Snapshot:
    """A bit of everything."""
    taken = snapshot(
        tick,
        interfaces=[interface(addresses=("192.0.2.5/24",)), interface("eth1", 3)],
        processes=[process(4321, "curl")],
        protocols={name: _protocols() for name in ("eth0", "eth1")} if tick else {},
        stations=[station("02:00:00:00:00:fe"), station("ff:ff:ff:ff:ff:ff", rx_packets=0, tx_packets=1, ip=False)],
        counters=dict.fromkeys(
            ("IpExt.InCsumErrors", "Tcp.RetransSegs", "Udp.RcvbufErrors", "Softnet.dropped", "Tcp.InSegs"), 3
        ),
        gauges={"Sockstat.TCP.tw": 4},
    )
    if not tick:
        return taken
    connection = flow(pid=4321, attribution=1, rx_bytes=1_000_000, tx_bytes=9000, rx_packets=12, tx_packets=3)
    connection["tcp_flags"] = 0x18
    flows = [
        connection,
        flow("10.0.0.1", 1, "198.51.100.7", 53, protocol=UDP, rx_bytes=70, tx_bytes=7),
        flow("10.1.0.1", 9, "198.51.100.8", 99, attribution=4, rx_bytes=50, tx_bytes=5),
    ]
    health = socket(pid=4321, rqueue=4300, wqueue=8000, rtt_us=12_000, retransmits=2, rx_payload=10**6, tx_payload=0)
    figures = {"rto_us": 204_000, "ssthresh": 7, "pmtu": 1500, "pacing_rate_bytes": 10**6, "timer": 1, "timer_ms": 200}
    figures |= {"busy_us": 4_000_000, "rwnd_limited_us": 1_000_000, "not_sent_bytes": 5, "delivery_rate_bytes": 10**6}
    for name, figure in figures.items():
        health[name] = figure
    listeners = [
        socket(local_port=22, cookie=2, state=LISTEN, wildcard=True),
        socket(local_port=53, cookie=3, state=7, protocol=UDP, wildcard=True),
    ]
    accounting = Accounting("segments", 1000, 1000, 700, 200, 60, 40)
    return replace(
        taken,
        flows=table(flows),
        sockets=table([health, *listeners], taken.sockets.dtype),
        accounting={"eth0": accounting, "eth1": accounting},
    )


def _protocols() -> InterfaceProtocols:
    some = Traffic(10, 1000, 5, 500)
    sizes = (SizeBucket(1, 75, 3, 2), SizeBucket(76, 1518, 7, 3), SizeBucket(1519, None, 1, 0))
    return InterfaceProtocols(ipv4=some, ipv6=some, tcp=some, udp=some, non_ip=some, broadcast=some, sizes=sizes)


@pytest.mark.parametrize("keys", sorted({keys for keys, _ in WAYS}), ids=lambda keys: keys or "start")
async def test_within_two_keys(keys: str) -> None:
    app = dashboard(FakeSource())
    app.state.names = False
    pressed = [{"]": "right_square_bracket"}.get(key, key) for key in keys.split()]
    assert len(pressed) <= 2
    phrases = [phrase for way, phrases in WAYS if way == keys for phrase in phrases]
    async with app.run_test(size=(220, 50)) as pilot:
        await take(app, pilot, *map(host, range(3)))
        await pilot.press(*pressed)
        missing: list[str] = phrases
        for _ in range(100):
            await pilot.pause(0.01)
            text = " ".join(screen_text(app).split())
            missing = [phrase for phrase in phrases if phrase.strip() not in text]
            if not missing:
                return
    pytest.fail(f"not on the screen: {missing}\n{text}")


def test_the_document_names_these_ways() -> None:
    text = DOCUMENT.read_text("utf-8").replace("Enter", "enter")
    for keys in {keys for keys, _ in WAYS} - {"", "1"}:
        assert f"`{keys}`" in text or f"`{keys.split()[-1]}`" in text, keys
