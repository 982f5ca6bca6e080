"""A host whose connections last for some seconds, interval after interval, without a collector and without waiting."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.made_up import BEGIN, INTERFACE, PROCESS
from netdash.model.protocols import ESTABLISHED, TCP
from netdash.model.snapshot import Interface, InterfaceProtocols, Mode, Process, SizeBucket, Snapshot, Traffic
from netdash.model.tables import FLOW_ROW, SOCKET_ROW, STATION_ROW, Attribution

NEW_FLOWS: Final = 2_000
"""A second."""
_LASTING_SECONDS: Final = 3
"""Of a connection."""
_STEADY_FLOWS: Final = 500
_STEADY_PROCESSES: Final = 100
_NEW_PROCESSES: Final = 10
"""A second; each lives as long as its connections."""
_CONTAINER_SECONDS: Final = 10
"""So often a container with an interface of its own comes, and the one before it goes."""
_STATIONS: Final = 200
_NEW_STATIONS: Final = 2
_FIRST_PID: Final = 1_000
_PIDS: Final = 1 << 22
"""PID_MAX_LIMIT of Linux with 64 bits."""


def churn(intervals: int) -> Iterator[Snapshot]:
    """The baseline, then one snapshot a second of made-up traffic; what is seen once is never seen again."""
    chance = np.random.default_rng(1)
    steady = _connections(chance, _STEADY_FLOWS, np.arange(_STEADY_FLOWS) % _STEADY_PROCESSES)
    passing: list[NDArray[np.void]] = []
    yield replace(_snapshot(chance, 0, steady[:0]), interval=0.0)
    for number in range(1, intervals + 1):
        born = _STEADY_PROCESSES + number * _NEW_PROCESSES
        passing.append(_connections(chance, NEW_FLOWS, born + np.arange(NEW_FLOWS) % _NEW_PROCESSES))
        del passing[:-_LASTING_SECONDS]
        yield _snapshot(chance, number, np.concatenate([steady, *passing]))


def _connections(chance: np.random.Generator, count: int, owners: NDArray[np.intp]) -> NDArray[np.void]:
    flows = np.zeros(count, FLOW_ROW)
    flows["id"] = chance.integers(1, 2**63, count)
    flows["ifindex"], flows["ethertype"], flows["protocol"] = INTERFACE.index, 0x0800, TCP
    flows["pid"] = _FIRST_PID + owners % (_PIDS - _FIRST_PID)
    flows["local_port"] = chance.integers(32_768, 60_999, count)
    # Half of them to services, half between peers that have any port.
    flows["remote_port"] = np.where(chance.random(count) < 0.5, 443, chance.integers(1_024, 65_535, count))
    flows["attribution"], flows["state"], flows["tcp_flags"] = Attribution.EXACT, ESTABLISHED, 0x18
    flows["local"][:, 10:12], flows["remote"][:, 10:12] = 255, 255
    flows["local"][:, 12:] = (10, 0, 0, 1)
    flows["remote"][:, 12:] = chance.integers(1, 255, (count, 4))
    return flows


def _snapshot(chance: np.random.Generator, number: int, flows: NDArray[np.void]) -> Snapshot:
    size = len(flows)
    for way in ("rx", "tx"):
        payload = np.exp(chance.normal(7, 2, size)).astype(np.int64)
        packets = payload // 1448 + 1
        flows[f"{way}_payload"], flows[f"{way}_packets"], flows[f"{way}_bytes"] = payload, packets, payload + 66
    flows["rtt_us"] = chance.integers(500, 50_000, size)
    sums = [int(flows[name].sum()) for name in ("rx_packets", "rx_bytes", "tx_packets", "tx_bytes")]
    traffic = Traffic(*sums)
    sizes = tuple(SizeBucket(75 * n + 1, 75 * n + 75, int(chance.integers(0, 99)), 7) for n in range(20))
    interfaces = _interfaces(number, traffic)
    protocols = InterfaceProtocols(ipv4=traffic, tcp=traffic, sizes=sizes)
    return Snapshot(
        time=BEGIN + number,
        monotonic_ns=(1_000 + number) * 10**9,
        interval=1.0,
        host="bench",
        mode=Mode("ebpf", "exact"),
        interfaces=interfaces,
        processes=_processes(flows),
        flows=flows,
        sockets=_sockets(chance, flows),
        protocols={interface.name: protocols for interface in interfaces},
        stations=_stations(number),
        counters={f"Tcp.Counter{n}": int(chance.integers(0, 1000)) if n < 20 else 0 for n in range(90)},
        gauges={f"sockstat.Gauge{n}": 100 + n for n in range(20)},
    )


def _interfaces(number: int, traffic: Traffic) -> tuple[Interface, ...]:
    physical = replace(INTERFACE, rx_bytes=traffic.rx_bytes, tx_bytes=traffic.tx_bytes, rx_packets=traffic.rx_packets)
    container = number // _CONTAINER_SECONDS
    veth = replace(INTERFACE, name=f"veth{container:x}", index=10 + container, kind="veth", speed_bps=None)
    return physical, veth


def _processes(flows: NDArray[np.void]) -> tuple[Process, ...]:
    pids, members = np.unique(flows["pid"], return_counts=True)
    return tuple(
        replace(
            PROCESS,
            pid=pid,
            start_ticks=pid,
            name=f"worker-{pid}",
            command=f"/usr/bin/worker --number {pid} --configuration /etc/worker/{pid}.conf",
            rx_bytes=1_000 * count,
            tx_bytes=500 * count,
            connections=count,
        )
        for pid, count in zip(pids.tolist(), members.tolist(), strict=True)
    )


def _sockets(chance: np.random.Generator, flows: NDArray[np.void]) -> NDArray[np.void]:
    sockets = np.zeros(len(flows), SOCKET_ROW)
    for name in (
        "pid",
        "local_port",
        "remote_port",
        "protocol",
        "state",
        "local",
        "remote",
        "rx_payload",
        "tx_payload",
    ):
        sockets[name] = flows[name]
    sockets["cookie"], sockets["inode"] = flows["id"] >> np.uint64(20), flows["id"] & np.uint64(0xFFFFFF)
    sockets["family"], sockets["has_info"], sockets["cwnd"], sockets["mss"] = 2, 1, 10, 1448
    sockets["rtt_us"] = sockets["min_rtt_us"] = flows["rtt_us"]
    sockets["delivery_rate_bytes"] = chance.integers(1_000, 10**7, len(flows))
    return sockets


def _stations(number: int) -> NDArray[np.void]:
    stations = np.zeros(_STATIONS, STATION_ROW)
    stations["ifindex"] = INTERFACE.index
    stations["mac"][:, 0] = 2
    numbers = (number * _NEW_STATIONS + np.arange(_STATIONS)).astype(">u4")
    stations["mac"][:, 2:] = numbers.view(np.uint8).reshape(-1, 4)
    stations["rx_packets"], stations["rx_bytes"] = 10, 1_000
    return stations
