"""The one type that flows through the house: what was moved in one interval, by whom and where."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from netdash.model.tables import FLOW_ROW, SOCKET_ROW, STATION_ROW, empty

FlowLayer = Literal["ebpf", "ring", "sockets", "pcap", "recording"]
ProcessLayer = Literal["exact", "hooks", "scan", "own", "none"]


class Layer(StrEnum):
    """Which bytes a figure counts."""

    WIRE = "wire"
    """Link-layer frames with their headers."""
    PAYLOAD = "payload"
    """What the application moved."""


@dataclass(frozen=True, slots=True)
class Mode:
    """Which layer each kind of figure comes from."""

    flows: FlowLayer
    processes: ProcessLayer

    @property
    def layer(self) -> Layer:
        """What the bytes of flows and processes are in this mode."""
        return Layer.PAYLOAD if self.flows == "sockets" else Layer.WIRE


@dataclass(frozen=True, slots=True)
class Health:
    """What was missed, and what is missing."""

    lost_packets: int = 0
    evicted_flows: int = 0
    """Flows that had no row of their own because a table was full; their bytes are counted."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Accounting:
    """Where an interface's bytes went, both directions together, in the measure of the interface's own counter."""

    counts: Literal["segments", "super-packets"]
    kernel_bytes: int | None
    counted_bytes: int | None
    attributed_bytes: int
    forwarded_bytes: int
    kernel_socket_bytes: int
    unattributed_bytes: int


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface; byte and packet figures are of the interval, None after a counter reset."""

    name: str
    index: int
    kind: str
    state: str
    speed_bps: int | None
    mtu: int
    mac: str | None
    addresses: tuple[str, ...]
    master: str | None
    rx_bytes: int | None
    tx_bytes: int | None
    rx_packets: int | None
    tx_packets: int | None
    rx_errors: int | None
    tx_errors: int | None
    rx_dropped: int | None
    tx_dropped: int | None
    rx_multicast: int | None
    collisions: int | None
    parent: str | None = None
    """The device below it in this namespace: a VLAN's, a macvlan's, a tunnel's."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process that has a network socket or traffic; figures are of the interval.

    `rx_bytes`, `tx_bytes`: wire bytes of its flows, None where packets are not counted; `rx_payload`, `tx_payload`:
    payload, None where a part of it has no counter.
    """

    pid: int
    start_ticks: int
    """Clock ticks since boot (proc_pid_stat(5) field 22): with the pid it names a process for good."""
    start: float
    """Seconds since the epoch."""
    name: str
    command: str
    user: str
    unit: str | None
    container: str | None
    """Name of its container, or the short id where the name is not known."""
    rx_bytes: int | None
    tx_bytes: int | None
    rx_packets: int | None
    tx_packets: int | None
    rx_payload: int | None
    tx_payload: int | None
    connections: int
    exited: bool
    container_id: str | None = None
    """First 12 digits."""
    parents: tuple[tuple[int, str], ...] = ()
    """Pid and name of its ancestors, the nearest first, at most 8; empty where they are not known."""
    net_namespace: int | None = None
    """Inode number of the network namespace of its sockets; of several, of its first socket."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Packets and bytes in and out, wire."""

    rx_packets: int = 0
    rx_bytes: int = 0
    tx_packets: int = 0
    tx_bytes: int = 0

    def __add__(self, other: Traffic) -> Traffic:
        return Traffic(
            self.rx_packets + other.rx_packets,
            self.rx_bytes + other.rx_bytes,
            self.tx_packets + other.tx_packets,
            self.tx_bytes + other.tx_bytes,
        )


@dataclass(frozen=True, slots=True)
class SizeBucket:
    """Wire packets of `first` to `last` bytes; `last` None = no limit."""

    first: int
    last: int | None
    rx_packets: int
    tx_packets: int


@dataclass(frozen=True, slots=True)
class InterfaceProtocols:
    """What an interface carried, by protocol, in one interval; wire packets and bytes."""

    ipv4: Traffic = Traffic()
    ipv6: Traffic = Traffic()
    tcp: Traffic = Traffic()
    udp: Traffic = Traffic()
    icmp: Traffic = Traffic()
    other_ip: Traffic = Traffic()
    non_ip: Traffic = Traffic()
    broadcast: Traffic = Traffic()
    multicast: Traffic = Traffic()
    sizes: tuple[SizeBucket, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """Everything of one interval. All deltas span exactly `interval` seconds of the monotonic clock.

    A baseline (the very first) has `interval` 0.0: names and states, no figures yet.
    """

    time: float
    """Wall clock at the interval's end, seconds since the epoch."""
    monotonic_ns: int
    """CLOCK_MONOTONIC at the interval's end."""
    interval: float
    """Seconds."""
    host: str
    mode: Mode
    health: Health = field(default_factory=Health)
    accounting: dict[str, Accounting] = field(default_factory=dict)
    interfaces: tuple[Interface, ...] = ()
    processes: tuple[Process, ...] = ()
    flows: NDArray[np.void] = field(default_factory=lambda: empty(FLOW_ROW))
    sockets: NDArray[np.void] = field(default_factory=lambda: empty(SOCKET_ROW))
    protocols: dict[str, InterfaceProtocols] = field(default_factory=dict)
    stations: NDArray[np.void] = field(default_factory=lambda: empty(STATION_ROW))
    """STATION_ROW: traffic by MAC address of the interfaces with Ethernet headers."""
    counters: dict[str, int] = field(default_factory=dict)
    """Kernel protocol counters, differences of the interval."""
    gauges: dict[str, int] = field(default_factory=dict)
    """Kernel figures that go up and down (sockets in use), as they are now."""
