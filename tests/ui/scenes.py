"""A host as every view sees it: busy, silent, with one row of each kind, with ten thousand, with hostile names."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.model.hashing import address_words, hash_columns
from netdash.model.packets import WatchedPacket
from netdash.model.protocols import CLOSE, ICMP, LISTEN, UDP
from netdash.model.snapshot import Accounting, Interface, InterfaceProtocols, Process, SizeBucket, Snapshot, Traffic
from netdash.model.tables import Attribution, pack_address
from tests.ui.fixtures import flow, interface, process, snapshot, socket, station
from tests.ui.packets import packet
from tests.unit.kernel.flow_frames import ipv4, udp

TICKS: Final = 6
"""Seconds that every scene lasts."""
MANY: Final = 10_000
HOSTILE_NAMES: Final = (
    "[red]x[/red]",
    "\x1b[31mesc\x07\x1b]0;title\x07",
    "\u202eltr\u202c\u2066\u200b",
    "[kworker/0:1]",
    "n" * 200,
    "caf\udce9\udcff",
    "a\nb\tc\rd",
    "wide漢字漢字" * 9,
    "\x9b2J\x90q",
    "e\u0301\u0301\U0001f469\u200d\U0001f4bb",
    "\u180e\ufff9x\ufffb\U000e0041\ue000",
)
"""What a terminal, a markup parser or a measure of widths could trip over."""

_HERE: Final = "10.77.0.1"
_LONG_ADDRESS: Final = "2001:db8:1234:5678:9abc:def0:1234:5678"
_TIME_WAIT, _CLOSE_WAIT = 6, 8
_SIZE_LIMITS: Final = (*range(75, 1501, 75), 1518, 9018)


class KnownNames:
    """A resolver that knows all its names at once."""

    def __init__(self, names: Mapping[bytes, str]) -> None:
        self._names = names

    def name(self, address: bytes) -> str | None:
        """See Resolver."""
        return self._names.get(address)

    def service(self, port: int, protocol: int) -> str | None:
        """See ServiceNames."""
        return {22: "ssh", 53: "domain", 443: "https"}.get(port)


RESOLVER: Final = KnownNames(
    {
        pack_address("203.0.113.9"): "mirror.example.net",
        pack_address("192.0.2.53"): "a-resolver-with-a-rather-long-name.dc7.europe-west.example.com",
    }
)
HOSTILE_RESOLVER: Final = KnownNames(
    {pack_address(f"203.0.113.{index}"): name for index, name in enumerate(HOSTILE_NAMES)}
)


def busy() -> list[Snapshot]:
    """Some of everything, for a few seconds."""
    return list(map(_busy, range(TICKS)))


def _busy(tick: int) -> Snapshot:
    wave = 1 + tick % 3
    taken = snapshot(
        tick,
        interfaces=[
            interface("lo", 1, kind="loopback", speed_bps=None, addresses=("127.0.0.1/8", "::1/128")),
            interface("eth0", addresses=("10.77.0.1/24", f"{_LONG_ADDRESS}/64"), rx_bytes=4_000_000 * wave),
            interface("eth1", 3, state="down", speed_bps=None, rx_bytes=0, tx_bytes=0, rx_packets=0, tx_packets=0),
            interface("docker0", 4, kind="bridge", speed_bps=None, addresses=("172.17.0.1/16",), rx_dropped=3),
            interface("veth1a2b3c4", 5, kind="veth", speed_bps=10**10, master="docker0", rx_errors=int(tick == 3)),
            interface("wg0", 6, kind="wireguard", speed_bps=None, rx_bytes=None, tx_bytes=None),
        ],
        processes=_processes(tick),
        flows=_flows(tick) if tick else [],
        sockets=_sockets(),
        protocols={"eth0": protocols(wave), "eth1": InterfaceProtocols(), "lo": protocols(1)} if tick else {},
        stations=[
            station("02:00:00:00:00:fe", rx_packets=12_000, tx_packets=7000),
            station("00:1b:21:aa:bb:cc", 3, rx_packets=300, tx_packets=0, ip=False),
            station("ff:ff:ff:ff:ff:ff", rx_packets=0, tx_packets=2, ip=False),
        ],
        counters=_counters(tick) if tick else {},
        gauges={"Sockstat.sockets.used": 214, "Sockstat.TCP.tw": 31, "Sockstat.TCP.orphan": 0},
    )
    accounting = Accounting("segments", 1_468_000, 1_468_000, 1_411_898, 52_000, 102, 4000)
    return replace(taken, accounting={"eth0": accounting} if tick else {})


def _processes(tick: int) -> list[Process]:
    shell = ((1200, "bash"), (1100, "sshd"), (1, "systemd"))
    processes = [
        replace(process(4321, "iperf3", rx_bytes=6200, tx_bytes=960_000, connections=2), parents=shell),
        process(812, "nginx", user="www-data", command="nginx: worker process", unit="nginx.service", connections=120),
        process(300, "dnsmasq", user="dnsmasq", unit="dnsmasq.service", rx_bytes=800, tx_bytes=2900, connections=0),
        process(7777, "postgres", user="postgres", container="db-7", rx_bytes=0, tx_bytes=0, connections=12),
        process(31337, "mystery", rx_bytes=None, tx_bytes=None, rx_payload=None, tx_payload=None),
    ]
    if tick <= 3:
        processes.append(process(555, "curl", user="alice", rx_bytes=7_000_000, tx_bytes=9000, exited=tick == 3))
    return processes


def _flows(tick: int) -> list[NDArray[np.void]]:
    owned = Attribution.SOCKET
    busiest = flow(_HERE, 57976, "203.0.113.9", 5201, pid=4321, attribution=Attribution.EXACT, rx_bytes=6200)
    busiest["tx_bytes"], busiest["rtt_us"], busiest["retransmits"] = 960_000 * (1 + tick % 3), 12_300, 3
    busiest["rx_packets"], busiest["tx_packets"], busiest["tcp_flags"] = 110, 660, 0x18
    flows = [
        busiest,
        flow(_HERE, 443, "198.51.100.7", 40022, pid=812, attribution=owned, rx_bytes=30_000, tx_bytes=412_000),
        flow(_HERE, 53, "192.0.2.53", 53535, protocol=UDP, state=0, pid=300, attribution=Attribution.LISTENER),
        flow(_LONG_ADDRESS, 48390, "2001:db8::2", 22, pid=99, attribution=owned, rx_bytes=90_000, vlan=0x1064),
        flow("192.168.7.20", 50000, "203.0.113.80", 80, attribution=Attribution.FORWARDED, rx_bytes=52_000, state=0),
        flow(_HERE, 0, "10.77.0.9", 0x0303, protocol=ICMP, state=0, rx_bytes=590, tx_bytes=0),
    ]
    if tick <= 3:
        flows.append(flow(_HERE, 33000, "203.0.113.7", 443, pid=555, attribution=owned, rx_bytes=7_000_000))
    return flows


def _sockets() -> list[NDArray[np.void]]:
    loaded = socket(_HERE, 57976, "203.0.113.9", 5201, pid=4321, rtt_us=12_300, retransmits=3, wqueue=812_000, cwnd=210)
    figures = {"rto_us": 204_000, "ssthresh": 70, "pmtu": 1500, "pacing_rate_bytes": 10**6, "timer": 1, "timer_ms": 200}
    figures |= {"busy_us": 4_000_000, "rwnd_limited_us": 1_000_000, "unacked": 90, "delivery_rate_bytes": 10**6}
    for name, figure in figures.items():
        loaded[name] = figure
    return [
        loaded,
        socket(_HERE, 443, "198.51.100.7", 40022, cookie=2, pid=812, rtt_us=80_000, tx_payload=400_000, rqueue=4300),
        socket(local_port=443, cookie=3, pid=812, state=LISTEN, wildcard=True, rqueue=3, wqueue=511),
        socket(local_port=22, cookie=4, pid=99, state=LISTEN, wildcard=True, wqueue=128),
        socket("127.0.0.1", 5432, "127.0.0.1", 50001, cookie=5, pid=7777, rx_payload=0, tx_payload=0, rtt_us=40),
        socket(_HERE, 50002, "203.0.113.80", 80, cookie=6, state=_TIME_WAIT),
        socket(_HERE, 50003, "203.0.113.81", 80, cookie=7, state=_CLOSE_WAIT, pid=555, rqueue=1),
        socket(local_port=53, cookie=8, pid=300, state=CLOSE, protocol=UDP, wildcard=True, rqueue=212_992),
        socket(_LONG_ADDRESS, 48390, "2001:db8::2", 22, cookie=9, pid=99, rx_payload=90_000, rtt_us=1_520_000),
    ]


def protocols(factor: int = 1) -> InterfaceProtocols:
    """What an interface carried in a second."""
    bounds = zip((1, *(limit + 1 for limit in _SIZE_LIMITS)), (*_SIZE_LIMITS, None), strict=True)
    return InterfaceProtocols(
        ipv4=Traffic(482 * factor, 25_064 * factor, 1272 * factor, 4_785_728 * factor),
        ipv6=Traffic(48, 3456, 48, 396_672),
        tcp=Traffic(530, 28_520, 530, 4_370_280),
        udp=Traffic(0, 0, 790, 812_120),
        non_ip=Traffic(3, 180, 1, 42),
        broadcast=Traffic(1, 60, 0, 0),
        sizes=tuple(SizeBucket(a, b, 529 // (i + 1), i * i * 9 % 700) for i, (a, b) in enumerate(bounds)),
    )


def _counters(tick: int) -> dict[str, int]:
    return {
        "Tcp.InSegs": 530,
        "Tcp.OutSegs": 600,
        "Tcp.RetransSegs": 12 if tick > 2 else 0,
        "TcpExt.ListenOverflows": 3 if tick == 2 else 0,
        "Udp.RcvbufErrors": 1,
        "TcpExt.TCPHPHits": 100,
        "Softnet.dropped": 0,
    }


def silent() -> list[Snapshot]:
    """Nothing at all."""
    return [snapshot(0), snapshot(1)]


def single() -> list[Snapshot]:
    """One of each."""
    return [
        snapshot(
            tick,
            interfaces=[interface(addresses=("10.0.0.1/24",))],
            processes=[process()],
            flows=[flow(pid=4321, attribution=Attribution.EXACT)] if tick else [],
            sockets=[socket(pid=4321, rtt_us=900, rx_payload=900, tx_payload=90)],
            protocols={"eth0": protocols(1)} if tick else {},
            stations=[station("02:00:00:00:00:fe")],
            counters={"Tcp.InSegs": 10} if tick else {},
        )
        for tick in range(3)
    ]


@cache
def many() -> list[Snapshot]:
    """Ten thousand of each."""
    interfaces = [interface("eth0"), *(interface(f"veth{n}", n, kind="veth") for n in range(3, MANY + 2))]
    processes = [
        process(n, f"worker-{n}", user=f"user{n % 90}", unit=f"job-{n}.service", rx_bytes=n * 10, tx_bytes=n)
        for n in range(1, MANY + 1)
    ]
    numbers = np.arange(MANY)
    flows = _distinct(flow(attribution=Attribution.SOCKET), numbers)
    flows["pid"], flows["rx_bytes"] = numbers + 1, 1000 + 10 * numbers
    columns = [flows[name].astype(np.uint64) for name in ("ifindex", "vlan", "protocol", "local_port", "remote_port")]
    flows["id"] = hash_columns(*columns, *address_words(flows["local"]), *address_words(flows["remote"]))
    sockets = _distinct(socket(), numbers)
    sockets["cookie"], sockets["pid"], sockets["rx_payload"] = numbers + 1, numbers + 1, numbers
    stations = np.repeat(station("02:00:00:00:00:fe"), MANY)
    stations["mac"][:, 4], stations["mac"][:, 5] = numbers // 256, numbers % 256
    counters = {f"TcpExt.Counter{n}": n + 1 for n in range(MANY)}
    carried = protocols(1)
    return [
        replace(
            snapshot(
                tick,
                interfaces=interfaces,
                processes=processes,
                stations=[stations],
                counters=counters if tick else {},
                protocols={each.name: carried for each in interfaces} if tick else {},
            ),
            flows=flows if tick else flows[:0],
            sockets=sockets,
        )
        for tick in range(3)
    ]


def _distinct(row: NDArray[np.void], numbers: NDArray[np.intp]) -> NDArray[np.void]:
    """Connections from a port of their own each, to hosts and ports of their own."""
    rows = np.repeat(row, len(numbers))
    rows["local_port"] = 20_000 + numbers
    rows["remote_port"] = 30_000 + numbers
    rows["remote"][:, 14], rows["remote"][:, 15] = numbers // 256, numbers % 256
    return rows


def hostile() -> list[Snapshot]:
    """Every name is one that somebody could have chosen to do harm."""
    return list(map(_hostile, range(3)))


def _hostile(tick: int) -> Snapshot:
    interfaces: list[Interface] = []
    processes: list[Process] = []
    flows: list[NDArray[np.void]] = []
    sockets: list[NDArray[np.void]] = []
    for index, name in enumerate(HOSTILE_NAMES):
        pid, remote = 4000 + index, f"203.0.113.{index}"
        interfaces.append(interface(name, 2 + index, addresses=(name,)))
        owner = process(pid, name, user=name, command=f"{name} {name}", unit=name, container=name)
        processes.append(replace(owner, parents=((1, name),), rx_bytes=9000 - index))
        amount = 10_000 + 1000 * ((index + 8) % len(HOSTILE_NAMES))
        flows.append(
            flow(_HERE, 50_000, remote, 443, ifindex=2 + index, pid=pid, attribution=1, rx_bytes=amount, tx_bytes=100)
        )
        sockets.append(socket(_HERE, 50_000, remote, 443, cookie=index + 1, pid=pid, uid=index, rx_payload=amount))
    return snapshot(
        tick,
        host=HOSTILE_NAMES[1] + HOSTILE_NAMES[2],
        notes=HOSTILE_NAMES if tick else (),
        interfaces=interfaces,
        processes=processes,
        flows=flows if tick else [],
        sockets=sockets,
        protocols={name: protocols(1) for name in HOSTILE_NAMES} if tick else {},
        stations=[station("02:00:00:00:00:fe", 2 + index) for index in range(len(HOSTILE_NAMES))],
        counters={f"{name}.{name}": 2**70 for name in HOSTILE_NAMES} | {"": 1, ".": 1} if tick else {},
    )


def usual_packets() -> list[WatchedPacket]:
    """A few segments in both directions."""
    return [packet(number, outgoing=bool(number % 2)) for number in range(5)]


@cache
def many_packets() -> list[WatchedPacket]:
    """As many as are kept."""
    return [packet(number, outgoing=bool(number % 2)) for number in range(MANY)]


def hostile_packets() -> list[WatchedPacket]:
    """DNS queries for names that nobody has."""
    names = [name.encode("utf-8", "surrogateescape")[:60] for name in HOSTILE_NAMES]
    queries = [
        struct.pack("!6H", 1, 0x100, 1, 0, 0, 0) + bytes([len(name)]) + name + bytes((0, 0, 1, 0, 1)) for name in names
    ]
    return [packet(number, ipv4(UDP, udp(query))) for number, query in enumerate(queries)]
