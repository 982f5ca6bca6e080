"""Small snapshots for the tests of the sinks: one fixed example, and rows to change it by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from netdash.model.protocols import ETHERTYPE_IPV4, ETHERTYPE_IPV6, ICMP, TCP, UDP
from netdash.model.snapshot import (
    Accounting,
    Health,
    Interface,
    InterfaceProtocols,
    Mode,
    Process,
    SizeBucket,
    Snapshot,
    Traffic,
)
from netdash.model.tables import (
    FLOW_ECHO,
    FLOW_FRAGMENT,
    FLOW_OVERFLOW,
    FLOW_ROW,
    SOCKET_ROW,
    STATION_ROW,
    UNKNOWN,
    Attribution,
    pack_address,
)

TIME = 1_795_356_202.104
"""2026-11-22T14:03:22.104Z"""

HOST = "vm"

ETH0 = Interface(
    name="eth0",
    index=4,
    kind="physical",
    state="up",
    speed_bps=10_000_000_000,
    mtu=1500,
    mac="2a:8b:7a:b4:64:c0",
    addresses=("10.0.0.1/24", "fd77::1/64"),
    master=None,
    rx_bytes=48_600,
    tx_bytes=7_510_000,
    rx_packets=700,
    tx_packets=5_000,
    rx_errors=0,
    tx_errors=0,
    rx_dropped=2,
    tx_dropped=0,
    rx_multicast=3,
    collisions=0,
)

TUN0 = replace(
    ETH0,
    name="tun0",
    index=7,
    kind="tun",
    state="unknown",
    speed_bps=None,
    mac=None,
    addresses=(),
    rx_bytes=None,
    tx_bytes=None,
    rx_packets=None,
    tx_packets=None,
)

IPERF = Process(
    pid=123,
    start_ticks=77,
    start=TIME - 60,
    name="iperf3",
    command="iperf3 -c 203.0.113.9 -p 443",
    user="root",
    unit="iperf.service",
    container=None,
    parents=((1, "systemd"), (7, "sshd")),
    rx_bytes=48_600,
    tx_bytes=7_500_000,
    rx_packets=690,
    tx_packets=4_990,
    rx_payload=0,
    tx_payload=7_200_000,
    connections=2,
    exited=False,
)

IDLE = replace(
    IPERF,
    pid=200,
    start_ticks=78,
    name="sshd",
    rx_bytes=0,
    tx_bytes=0,
    rx_packets=0,
    tx_packets=0,
    rx_payload=None,
    tx_payload=0,
    connections=1,
)


def flow(**fields: object) -> NDArray[np.void]:
    """One FLOW_ROW of a TCP connection; `local`, `remote` as text, everything else by its column's name."""
    defaults: dict[str, object] = {
        "id": 1,
        "ifindex": 4,
        "pid": 123,
        "ethertype": ETHERTYPE_IPV4,
        "local_port": 41822,
        "remote_port": 443,
        "protocol": TCP,
        "attribution": Attribution.EXACT,
        "state": 1,
        "local": "10.0.0.1",
        "remote": "203.0.113.9",
        "rx_bytes": 48_600,
        "tx_bytes": 7_510_000,
        "rx_packets": 690,
        "tx_packets": 4_990,
        "rx_payload": 0,
        "tx_payload": 7_200_000,
        "rtt_us": 1_500,
        "retransmits": 2,
    }
    return _row(FLOW_ROW, defaults | fields)


def socket_row(**fields: object) -> NDArray[np.void]:
    """One SOCKET_ROW of the same connection."""
    defaults: dict[str, object] = {
        "cookie": 9,
        "inode": 27364,
        "pid": 123,
        "local_port": 41822,
        "remote_port": 443,
        "family": 4,
        "protocol": TCP,
        "state": 1,
        "has_info": 1,
        "local": "10.0.0.1",
        "remote": "203.0.113.9",
        "wqueue": 8_192,
        "rtt_us": 1_500,
        "rttvar_us": 200,
        "cwnd": 10,
        "mss": 1448,
        "retransmits": 2,
        "delivery_rate_bytes": 1_000_000,
        "rx_payload_total": 0,
        "tx_payload_total": 9_000_000,
        "rx_payload": 0,
        "tx_payload": 7_200_000,
    }
    return _row(SOCKET_ROW, defaults | fields)


def _row(dtype: np.dtype[np.void], fields: dict[str, object]) -> NDArray[np.void]:
    row = np.zeros(1, dtype)
    for name, value in fields.items():
        row[name] = np.frombuffer(pack_address(value), np.uint8) if isinstance(value, str) else value
    return row


def silent(**fields: object) -> NDArray[np.void]:
    """A flow that moved nothing."""
    nothing = dict.fromkeys(("rx_bytes", "tx_bytes", "rx_packets", "tx_packets", "rx_payload", "tx_payload"), 0)
    return flow(**nothing | fields)


UDP6 = {
    "id": 2,
    "pid": UNKNOWN,
    "ethertype": ETHERTYPE_IPV6,
    "local": "2001:db8:1111:2222:3333:4444:5555:6666",
    "remote": "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff",
    "local_port": 60_000,
    "remote_port": 53_535,
    "protocol": UDP,
    "attribution": Attribution.NONE,
    "state": 0,
    "rx_bytes": 1_000,
    "tx_bytes": 0,
    "rx_packets": 10,
    "tx_packets": 0,
    "rx_payload": UNKNOWN,
    "tx_payload": UNKNOWN,
    "rtt_us": 0,
    "retransmits": 0,
}
PING = UDP6 | {
    "id": 3,
    "ethertype": ETHERTYPE_IPV4,
    "local": "10.0.0.1",
    "remote": "10.0.0.2",
    "protocol": ICMP,
    "flags": FLOW_ECHO,
    "local_port": 77,
    "remote_port": 0,
    "attribution": Attribution.KERNEL,
}
UNREACHABLE = PING | {"id": 4, "flags": 0, "local_port": 0, "remote_port": 3 << 8 | 1}
FRAGMENT = UDP6 | {"id": 5, "flags": FLOW_FRAGMENT, "local_port": 0, "remote_port": 0}
OVERFLOW = PING | {"id": 6, "flags": FLOW_OVERFLOW, "protocol": 0, "local_port": 0, "attribution": Attribution.NONE}
ARP = PING | {"id": 7, "flags": 0, "ethertype": 0x0806, "protocol": 0, "local": "::", "remote": "::", "local_port": 0}
TAGGED = PING | {"id": 8, "vlan": 0x1000 | 42, "ifindex": 99, "attribution": Attribution.FORWARDED}

FLOWS = np.concatenate(
    [flow(), flow(id=9, vlan=0x1000, tx_bytes=1, rx_bytes=0), silent(id=10)]
    + [flow(**fields) for fields in (UDP6, PING, UNREACHABLE, FRAGMENT, OVERFLOW, ARP, TAGGED)]
)

SOCKETS = np.concatenate(
    [
        socket_row(),
        socket_row(
            cookie=10,
            pid=UNKNOWN,
            protocol=UDP,
            state=7,
            has_info=0,
            local="::",
            remote="::",
            local_port=5353,
            remote_port=0,
            wqueue=0,
            drops=4,
            rx_payload=UNKNOWN,
            tx_payload=UNKNOWN,
        ),
        socket_row(
            cookie=11,
            family=6,
            state=10,
            has_info=0,
            local="::",
            remote="::",
            local_port=22,
            remote_port=0,
            wqueue=128,
        ),
    ]
)


def station(mac: str, **fields: int) -> NDArray[np.void]:
    """One STATION_ROW of eth0."""
    packed = {"mac": np.frombuffer(bytes.fromhex(mac.replace(":", "")), np.uint8)}
    return _row(STATION_ROW, {"ifindex": 4, **packed, **fields})


STATIONS = np.concatenate(
    [
        station("000000000000", rx_packets=1, rx_bytes=60, rx_ip_packets=UNKNOWN, tx_ip_packets=UNKNOWN),
        station(
            "02:00:00:00:00:0b",
            rx_packets=700,
            rx_bytes=48_000,
            tx_packets=4_990,
            tx_bytes=7_509_000,
            rx_ip_packets=700,
            tx_ip_packets=4_990,
        ),
        station("ff:ff:ff:ff:ff:ff", tx_packets=1, tx_bytes=42),
    ]
)

PROTOCOLS = InterfaceProtocols(
    ipv4=Traffic(690, 47_000, 4_990, 7_509_000),
    ipv6=Traffic(10, 1_000, 0, 0),
    tcp=Traffic(690, 47_000, 4_990, 7_509_000),
    udp=Traffic(10, 1_000, 0, 0),
    non_ip=Traffic(1, 42, 1, 42),
    broadcast=Traffic(1, 42, 0, 0),
    sizes=(SizeBucket(1, 75, 690, 12), SizeBucket(76, 1500, 11, 4_979), SizeBucket(1501, None, 0, 0)),
)


def example(**changes: object) -> Snapshot:
    """One interval of a host that sends over one interface."""
    snapshot = Snapshot(
        time=TIME,
        monotonic_ns=10**9,
        interval=1.0,
        host=HOST,
        mode=Mode("ebpf", "exact"),
        health=Health(3, 1, ("process names of other users need CAP_SYS_PTRACE",)),
        accounting={"eth0": Accounting("segments", 7_558_600, 7_558_600, 7_548_600, 4_000, 1_000, 5_000)},
        interfaces=(ETH0, TUN0),
        processes=(IPERF, IDLE),
        flows=FLOWS,
        sockets=SOCKETS,
        protocols={"eth0": PROTOCOLS},
        stations=STATIONS,
        counters={"Tcp.RetransSegs": 2, "Udp.RcvbufErrors": 0},
        gauges={"sockstat.TCP.inuse": 5},
    )
    return replace(snapshot, **changes)  # type: ignore[arg-type]  # fields by name, checked when they are used


def baseline() -> Snapshot:
    """What comes before the first interval: names and states."""
    snapshot = example(interval=0.0, time=TIME - 1, accounting={}, counters={}, flows=np.zeros(0, FLOW_ROW))
    return replace(snapshot, processes=(), protocols={}, stations=STATIONS[:0])
