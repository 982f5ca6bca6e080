"""Snapshots added up to metrics, as Prometheus names them (https://prometheus.io/docs/practices/naming/)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock
from typing import Final, Literal

from netdash import __version__
from netdash.model.sanitize import sanitize
from netdash.model.snapshot import Interface, Process, Snapshot
from netdash.sinks.name_slots import OTHER, NameSlots

_NAME_LIMIT: Final = 64
_MAX_INTERFACES: Final = 64
"""Of veth devices, which come and go with containers, and of all others, each."""
_MAX_PROCESSES: Final = 100
_MAX_KERNEL_NAMES: Final = 2000

Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Family:
    """One metric. Counters begin with 0 when netdash starts and never go down."""

    name: str
    """Without the suffix _total of counters."""
    help: str
    labels: tuple[str, ...]
    kind: Literal["counter", "gauge"] = "counter"


_BY_INTERFACE: Final = {
    "rx_bytes": ("receive_bytes", "Wire bytes received, by the kernel's counter."),
    "tx_bytes": ("transmit_bytes", "Wire bytes sent, by the kernel's counter."),
    "rx_packets": ("receive_packets", "Packets received, by the kernel's counter."),
    "tx_packets": ("transmit_packets", "Packets sent, by the kernel's counter."),
    "rx_errors": ("receive_errors", "Receive errors, by the kernel's counter."),
    "tx_errors": ("transmit_errors", "Transmit errors, by the kernel's counter."),
    "rx_dropped": ("receive_dropped", "Received packets that were dropped, by the kernel's counter."),
    "tx_dropped": ("transmit_dropped", "Packets to send that were dropped, by the kernel's counter."),
    "rx_multicast": ("receive_multicast_packets", "Multicast packets received, by the kernel's counter."),
    "collisions": ("collisions", "Collisions, by the kernel's counter."),
}
"""Fields of Interface, and what they are called here."""

_BY_PROCESS: Final = {
    "rx_bytes": ("receive_bytes", "Wire bytes of the flows of processes of that name, received, where they are known."),
    "tx_bytes": ("transmit_bytes", "Wire bytes of the flows of processes of that name, sent, where they are known."),
    "rx_payload": ("receive_payload_bytes", "Payload that processes of that name received, where it is known."),
    "tx_payload": ("transmit_payload_bytes", "Payload that processes of that name sent, where it is known."),
}

_BY_PROTOCOL: Final = {
    "rx_bytes": (
        "receive_bytes",
        "Wire bytes received by protocol; tcp, udp, icmp and other_ip are parts of ipv4 and ipv6.",
    ),
    "tx_bytes": (
        "transmit_bytes",
        "Wire bytes sent by protocol; tcp, udp, icmp and other_ip are parts of ipv4 and ipv6.",
    ),
    "rx_packets": ("receive_packets", "Packets received by protocol."),
    "tx_packets": ("transmit_packets", "Packets sent by protocol."),
}

_PROTOCOLS: Final = ("ipv4", "ipv6", "tcp", "udp", "icmp", "other_ip", "non_ip", "broadcast", "multicast")


def _families(prefix: str, figures: dict[str, tuple[str, str]], *labels: str) -> Iterable[Family]:
    for name, text in figures.values():
        yield Family(f"netdash_{prefix}_{name}", text, labels)


INFO: Final = Family(
    "netdash_info", "Version, and how flows and processes are counted.", ("version", "flows", "processes"), "gauge"
)
UP: Final = Family("netdash_interface_up", "Whether the interface is up.", ("interface",), "gauge")
SPEED: Final = Family("netdash_interface_speed_bytes", "Nominal speed, bytes per second.", ("interface",), "gauge")
KERNEL_COUNTER: Final = Family(
    "netdash_kernel_events", "The kernel's protocol counters (/proc/net/snmp, netstat, …).", ("counter",)
)
KERNEL_GAUGE: Final = Family(
    "netdash_kernel_gauge", "The kernel's protocol figures that go up and down.", ("gauge",), "gauge"
)
OBSERVED: Final = Family("netdash_observed_seconds", "Time that the counters are of.", ())
LOST: Final = Family("netdash_lost_packets", "Packets that were not counted for flows.", ())
EVICTED: Final = Family("netdash_evicted_flows", "Flows that had no row of their own because a table was full.", ())
LAST: Final = Family("netdash_last_interval_timestamp_seconds", "End of the last interval.", (), "gauge")

FAMILIES: Final = (
    INFO,
    OBSERVED,
    LAST,
    LOST,
    EVICTED,
    *_families("interface", _BY_INTERFACE, "interface"),
    UP,
    SPEED,
    *_families("protocol", _BY_PROTOCOL, "interface", "protocol"),
    *_families("process", _BY_PROCESS, "process"),
    KERNEL_COUNTER,
    KERNEL_GAUGE,
)


class Metrics:
    """What was counted since the start. `add` and `read` may be called in different threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._values: dict[str, dict[Labels, float]] = {family.name: {} for family in FAMILIES}
        self._has_figures = False
        self._processes = NameSlots(_MAX_PROCESSES)
        self._interfaces = {True: set[str](), False: set[str]()}
        """Names with a series, veth devices apart."""

    def read(self) -> dict[str, dict[Labels, float]]:
        """Values by family and labels, all of one moment."""
        with self._lock:
            return {name: dict(values) for name, values in self._values.items()}

    def add(self, snapshot: Snapshot) -> None:
        """Adds an interval; a baseline adds nothing, but tells what there is."""
        with self._lock:
            self._add(snapshot)

    def _add(self, snapshot: Snapshot) -> None:
        self._has_figures = snapshot.interval > 0
        mode, health = snapshot.mode, snapshot.health
        self._values[INFO.name] = {(__version__, mode.flows, mode.processes): 1.0}
        self._values[LAST.name] = {(): snapshot.time}
        self._count(OBSERVED.name, (), snapshot.interval)
        self._count(LOST.name, (), health.lost_packets)
        self._count(EVICTED.name, (), health.evicted_flows)
        self._add_interfaces(snapshot.interfaces)
        for interface, protocols in snapshot.protocols.items():
            label = self._interface_label(interface)
            for protocol in _PROTOCOLS:
                traffic = getattr(protocols, protocol)
                for field, (name, _) in _BY_PROTOCOL.items():
                    self._count(f"netdash_protocol_{name}", (label, protocol), getattr(traffic, field))
        self._add_processes(snapshot.processes)
        for counter, difference in snapshot.counters.items():
            self._count(KERNEL_COUNTER.name, self._kernel_labels(KERNEL_COUNTER.name, counter), difference)
        gauges = sorted(snapshot.gauges.items())[:_MAX_KERNEL_NAMES]
        self._values[KERNEL_GAUGE.name] = {(sanitize(name, _NAME_LIMIT),): float(value) for name, value in gauges}

    def _add_interfaces(self, interfaces: Iterable[Interface]) -> None:
        ups: dict[Labels, float] = {}
        speeds: dict[Labels, float] = {}
        for interface in interfaces:
            label = self._interface_label(interface.name, veth=interface.kind == "veth")
            for field, (name, _) in _BY_INTERFACE.items():
                self._count(f"netdash_interface_{name}", (label,), getattr(interface, field))
            if label != OTHER:
                # Of a loopback and a tunnel the kernel says "unknown" while they work.
                ups[(label,)] = float(interface.state in ("up", "unknown"))
                if interface.speed_bps is not None:
                    speeds[(label,)] = interface.speed_bps / 8
        self._values[UP.name], self._values[SPEED.name] = ups, speeds

    def _add_processes(self, processes: Iterable[Process]) -> None:
        sums: dict[str, dict[str, int]] = {}
        for process in processes:
            figures = sums.setdefault(sanitize(process.name, _NAME_LIMIT), {})
            for field in _BY_PROCESS:
                value = getattr(process, field)
                if value is not None:
                    figures[field] = figures.get(field, 0) + value
        moved = {name: _moved(figures) for name, figures in sums.items()}
        for name in sorted(sums, key=lambda each: (-moved[each], each)):
            if moved[name] > 0:
                label = self._processes.label(name, moved[name])
                for field, (metric, _) in _BY_PROCESS.items():
                    self._count(f"netdash_process_{metric}", (label,), sums[name].get(field))

    def _count(self, family: str, labels: Labels, value: float | None) -> None:
        """None is not known and makes no series; a counter never goes down."""
        if value is not None:
            values = self._values[family]
            values[labels] = values.get(labels, 0) + (max(0, value) if self._has_figures else 0)

    def _interface_label(self, name: str, veth: bool | None = None) -> str:
        """`veth` None: as it was when the interface was seen."""
        label = sanitize(name, _NAME_LIMIT)
        if any(label in names for names in self._interfaces.values()):
            return label
        names = self._interfaces[bool(veth)]
        if veth is None or label == OTHER or len(names) >= _MAX_INTERFACES:
            return OTHER
        names.add(label)
        return label

    def _kernel_labels(self, family: str, name: str) -> Labels:
        labels = (sanitize(name, _NAME_LIMIT),)
        known = self._values[family]
        return labels if labels in known or len(known) < _MAX_KERNEL_NAMES else (OTHER,)


def _moved(figures: dict[str, int]) -> int:
    return sum(max(figures.get(f"{way}_bytes", 0), figures.get(f"{way}_payload", 0)) for way in ("rx", "tx"))
