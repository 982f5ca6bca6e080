"""Deterministic snapshots for the tests of the dashboard, and a source that gives them out on demand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from netdash.errors import NetdashError
from netdash.model.hashing import address_words, hash_columns
from netdash.model.protocols import ESTABLISHED, ETHERTYPE_IPV4, ETHERTYPE_IPV6, TCP
from netdash.model.snapshot import (
    FlowLayer,
    Health,
    Interface,
    InterfaceProtocols,
    Mode,
    Process,
    ProcessLayer,
    Snapshot,
)
from netdash.model.tables import (
    FLOW_ROW,
    IPV4_PREFIX,
    SOCKET_ROW,
    STATION_ROW,
    UNKNOWN,
    Attribution,
    empty,
    pack_address,
)

START_TIME = 1_795_356_000.0
"""2026-11-22 14:00:00 UTC: the end of the baseline's interval."""
START_MONOTONIC_NS = 1_000_000_000_000
HOST = "web-01"


def interface(
    name: str = "eth0",
    index: int = 2,
    *,
    kind: str = "physical",
    state: str = "up",
    speed_bps: int | None = 1_000_000_000,
    master: str | None = None,
    addresses: tuple[str, ...] = (),
    rx_bytes: int | None = 1_250_000,
    tx_bytes: int | None = 125_000,
    rx_packets: int | None = 1_000,
    tx_packets: int | None = 500,
    rx_errors: int | None = 0,
    tx_errors: int | None = 0,
    rx_dropped: int | None = 0,
    tx_dropped: int | None = 0,
) -> Interface:
    """An interface; by default a gigabit NIC that took 10 Mbit and sent 1 Mbit."""
    return Interface(
        name=name,
        index=index,
        kind=kind,
        state=state,
        speed_bps=speed_bps,
        mtu=1500,
        mac=f"02:00:00:00:00:{index & 0xFF:02x}",
        addresses=addresses,
        master=master,
        rx_bytes=rx_bytes,
        tx_bytes=tx_bytes,
        rx_packets=rx_packets,
        tx_packets=tx_packets,
        rx_errors=rx_errors,
        tx_errors=tx_errors,
        rx_dropped=rx_dropped,
        tx_dropped=tx_dropped,
        rx_multicast=0,
        collisions=0,
    )


def process(
    pid: int = 4321,
    name: str = "iperf3",
    *,
    start_ticks: int = 1000,
    user: str = "root",
    command: str | None = None,
    unit: str | None = None,
    container: str | None = None,
    rx_bytes: int | None = 1_000_000,
    tx_bytes: int | None = 100_000,
    rx_payload: int | None = 950_000,
    tx_payload: int | None = 90_000,
    connections: int = 1,
    exited: bool = False,
) -> Process:
    """A process with one connection."""
    return Process(
        pid=pid,
        start_ticks=start_ticks,
        start=START_TIME - 100.0,
        name=name,
        command=command if command is not None else f"/usr/bin/{name} --serve",
        user=user,
        unit=unit,
        container=container,
        rx_bytes=rx_bytes,
        tx_bytes=tx_bytes,
        rx_packets=None if rx_bytes is None else rx_bytes // 1000,
        tx_packets=None if tx_bytes is None else tx_bytes // 1000,
        rx_payload=rx_payload,
        tx_payload=tx_payload,
        connections=connections,
        exited=exited,
    )


def flow(
    local: str = "10.0.0.1",
    local_port: int = 41822,
    remote: str = "203.0.113.9",
    remote_port: int = 443,
    *,
    ifindex: int = 2,
    protocol: int = TCP,
    ethertype: int | None = None,
    vlan: int = 0,
    pid: int = UNKNOWN,
    attribution: int = Attribution.NONE,
    state: int = ESTABLISHED,
    flags: int = 0,
    rx_bytes: int = 10_000,
    tx_bytes: int = 1_000,
    rx_packets: int | None = None,
    tx_packets: int | None = None,
    rx_payload: int = UNKNOWN,
    tx_payload: int = UNKNOWN,
    rtt_us: int = 0,
    retransmits: int = 0,
) -> NDArray[np.void]:
    """A table of one FLOW_ROW. The id follows from interface, VLAN, protocol and five-tuple."""
    row = np.zeros(1, FLOW_ROW)
    packed_local, packed_remote = pack_address(local), pack_address(remote)
    if ethertype is None:
        ethertype = ETHERTYPE_IPV4 if packed_local[:12] == IPV4_PREFIX else ETHERTYPE_IPV6
    row["ifindex"], row["ethertype"], row["vlan"], row["protocol"] = ifindex, ethertype, vlan, protocol
    row["local"] = np.frombuffer(packed_local, np.uint8)
    row["remote"] = np.frombuffer(packed_remote, np.uint8)
    row["local_port"], row["remote_port"] = local_port, remote_port
    row["pid"], row["attribution"], row["state"], row["flags"] = pid, attribution, state, flags
    row["rx_bytes"], row["tx_bytes"] = rx_bytes, tx_bytes
    row["rx_packets"] = max(rx_bytes, 0) // 1000 if rx_packets is None else rx_packets
    row["tx_packets"] = max(tx_bytes, 0) // 1000 if tx_packets is None else tx_packets
    row["rx_payload"], row["tx_payload"] = rx_payload, tx_payload
    row["rtt_us"], row["retransmits"] = rtt_us, retransmits
    numbers = [row[name].astype(np.uint64) for name in ("ifindex", "vlan", "protocol", "local_port", "remote_port")]
    row["id"] = hash_columns(*numbers, *address_words(row["local"]), *address_words(row["remote"]))
    return row


def socket(
    local: str = "10.0.0.1",
    local_port: int = 41822,
    remote: str = "203.0.113.9",
    remote_port: int = 443,
    *,
    cookie: int = 1,
    inode: int = 100,
    pid: int = UNKNOWN,
    uid: int = 0,
    protocol: int = TCP,
    state: int = ESTABLISHED,
    wildcard: bool = False,
    rqueue: int = 0,
    wqueue: int = 0,
    rtt_us: int = 0,
    retransmits: int = 0,
    cwnd: int = 10,
    mss: int = 1448,
    rx_payload: int = UNKNOWN,
    tx_payload: int = UNKNOWN,
    rx_payload_total: int = 0,
    tx_payload_total: int = 0,
) -> NDArray[np.void]:
    """A table of one SOCKET_ROW; `wildcard`: any local address, no remote one."""
    row = np.zeros(1, SOCKET_ROW)
    packed_local, packed_remote = pack_address(local), pack_address(remote)
    row["family"] = 2 if packed_local[:12] == IPV4_PREFIX else 10
    if not wildcard:
        row["local"] = np.frombuffer(packed_local, np.uint8)
        row["remote"] = np.frombuffer(packed_remote, np.uint8)
        row["remote_port"] = remote_port
    row["local_port"] = local_port
    row["cookie"], row["inode"], row["pid"], row["uid"] = cookie, inode, pid, uid
    row["protocol"], row["state"], row["has_info"] = protocol, state, protocol == TCP
    row["rqueue"], row["wqueue"], row["rtt_us"], row["retransmits"] = rqueue, wqueue, rtt_us, retransmits
    row["cwnd"], row["mss"] = cwnd, mss
    row["rx_payload"], row["tx_payload"] = rx_payload, tx_payload
    row["rx_payload_total"], row["tx_payload_total"] = rx_payload_total, tx_payload_total
    return row


def station(
    mac: str, ifindex: int = 2, *, rx_packets: int = 10, tx_packets: int = 5, ip: bool = True
) -> NDArray[np.void]:
    """A table of one STATION_ROW with frames of 100 bytes; `ip`: all of them IP, else none."""
    row = np.zeros(1, STATION_ROW)
    row["ifindex"], row["mac"] = ifindex, np.frombuffer(bytes.fromhex(mac.replace(":", "")), np.uint8)
    for way, packets in (("rx", rx_packets), ("tx", tx_packets)):
        row[f"{way}_packets"], row[f"{way}_bytes"], row[f"{way}_ip_packets"] = packets, packets * 100, packets * ip
    return row


def table(rows: Iterable[NDArray[np.void]], dtype: np.dtype[np.void] = FLOW_ROW) -> NDArray[np.void]:
    """Tables of one row each as one table."""
    parts = list(rows)
    return np.concatenate(parts) if parts else empty(dtype)


def snapshot(
    tick: int = 1,
    *,
    interval: float = 1.0,
    host: str = HOST,
    flow_layer: FlowLayer = "ebpf",
    process_layer: ProcessLayer = "scan",
    lost_packets: int = 0,
    notes: tuple[str, ...] = (),
    interfaces: Iterable[Interface] = (),
    processes: Iterable[Process] = (),
    flows: Iterable[NDArray[np.void]] = (),
    sockets: Iterable[NDArray[np.void]] = (),
    protocols: Mapping[str, InterfaceProtocols] | None = None,
    stations: Iterable[NDArray[np.void]] = (),
    counters: Mapping[str, int] | None = None,
    gauges: Mapping[str, int] | None = None,
) -> Snapshot:
    """The snapshot that ends `tick` seconds after the baseline (tick 0, whose interval is 0)."""
    return Snapshot(
        time=START_TIME + tick,
        monotonic_ns=START_MONOTONIC_NS + tick * 1_000_000_000,
        interval=interval if tick else 0.0,
        host=host,
        mode=Mode(flow_layer, process_layer),
        health=Health(lost_packets=lost_packets, notes=notes),
        interfaces=tuple(interfaces),
        processes=tuple(processes),
        flows=table(flows),
        sockets=table(sockets, SOCKET_ROW),
        protocols=dict(protocols or {}),
        stations=table(stations, STATION_ROW),
        counters=dict(counters or {}),
        gauges=dict(gauges or {}),
    )


class FakeSource:
    """A SnapshotSource that yields what a test gives it, when the test gives it."""

    def __init__(self, *snapshots: Snapshot) -> None:
        self._queue: asyncio.Queue[Snapshot | NetdashError | None] = asyncio.Queue()
        for item in snapshots:
            self._queue.put_nowait(item)
        self.intervals: list[float] = []
        """What `set_interval` was asked for."""
        self.closed = False

    def give(self, *snapshots: Snapshot) -> None:
        """Lets the source yield `snapshots`."""
        for item in snapshots:
            self._queue.put_nowait(item)

    def fail(self, error: NetdashError) -> None:
        """Lets the source raise `error`."""
        self._queue.put_nowait(error)

    async def snapshots(self) -> AsyncIterator[Snapshot]:
        """Yields until `stop`."""
        while (item := await self._queue.get()) is not None:
            if isinstance(item, NetdashError):
                raise item
            yield item

    async def set_interval(self, seconds: float) -> None:
        """Notes the wish."""
        self.intervals.append(seconds)

    async def stop(self) -> None:
        """Ends the iterator."""
        self._queue.put_nowait(None)

    async def close(self) -> None:
        """Notes that it was closed."""
        self.closed = True
