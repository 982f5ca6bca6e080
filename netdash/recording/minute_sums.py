"""What the plain tables say of one minute, added up from its snapshots."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from netdash.model.headline import headline_interfaces
from netdash.model.protocols import CLOSE, LISTEN, TCP, UDP
from netdash.model.snapshot import Interface, Process, Snapshot
from netdash.recording.dimensions import INTERFACE_FIGURES
from netdash.recording.flow_sums import FlowSums

SECONDS_A_MINUTE = 60


@dataclass(slots=True)
class InterfaceSum:
    """One interface; figures by name as in `Interface`, of the intervals in which they were known."""

    kind: str
    headline: bool
    seconds: float = 0.0
    figures: dict[str, int] = field(default_factory=dict)
    rx_peak: float = 0.0
    tx_peak: float = 0.0
    speed_bps: int | None = None
    """Of the link, when last seen."""


@dataclass(slots=True)
class ProcessSum:
    """One process; None = a part is not known. Peaks in bytes per second."""

    process: Process
    rx_bytes: int | None = 0
    tx_bytes: int | None = 0
    rx_payload: int | None = 0
    tx_payload: int | None = 0
    rx_peak: float = 0.0
    tx_peak: float = 0.0
    connections: int = 0


@dataclass(slots=True)
class MinuteSums:
    """The minute in which all of its intervals end."""

    minute: int
    """Seconds since the epoch, a multiple of 60."""
    interfaces: dict[str, InterfaceSum] = field(default_factory=dict)
    processes: dict[tuple[int, int], ProcessSum] = field(default_factory=dict)
    by_pid: dict[int, Process] = field(default_factory=dict)
    """Who had a pid last."""
    names: dict[int, str] = field(default_factory=dict)
    """Names of interfaces by index."""
    flows: FlowSums = field(default_factory=FlowSums)
    sockets: NDArray[np.void] | None = None
    """Of the last snapshot."""

    @classmethod
    def of(cls, time: float) -> MinuteSums:
        """The empty sums of the minute that holds `time`."""
        return cls(int(time // SECONDS_A_MINUTE) * SECONDS_A_MINUTE)

    def holds(self, time: float) -> bool:
        """Whether an interval that ends at `time` belongs to this minute."""
        return self.minute <= time < self.minute + SECONDS_A_MINUTE

    def add(self, snapshot: Snapshot) -> None:
        """Takes an interval in; a baseline has no figures."""
        if snapshot.interval <= 0:
            return
        headline = {i.index for i in headline_interfaces(snapshot.interfaces)}
        for interface in snapshot.interfaces:
            self.names[interface.index] = interface.name
            self._add_interface(interface, snapshot.interval, interface.index in headline)
        for process in snapshot.processes:
            if process.pid not in self.by_pid or not process.exited:
                self.by_pid[process.pid] = process
            if process.rx_bytes or process.tx_bytes or process.rx_payload or process.tx_payload:
                self._add_process(process, snapshot.interval)
        self.flows.add(snapshot.flows, snapshot.time - snapshot.interval, snapshot.time)
        self.sockets = snapshot.sockets

    def services(self) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
        """Local ports on which somebody listens: of TCP, and of unconnected UDP."""
        if self.sockets is None:
            return np.zeros(0, np.uint16), np.zeros(0, np.uint16)
        protocol, state, port = (self.sockets[name] for name in ("protocol", "state", "local_port"))
        return port[(protocol == TCP) & (state == LISTEN)], port[(protocol == UDP) & (state == CLOSE)]

    def _add_interface(self, interface: Interface, interval: float, headline: bool) -> None:
        total = self.interfaces.setdefault(interface.name, InterfaceSum(interface.kind, headline))
        total.kind, total.headline, total.speed_bps = interface.kind, headline, interface.speed_bps
        if interface.rx_bytes is None or interface.tx_bytes is None:
            return  # a counter that began anew: this interval is not known
        total.seconds += interval
        for name in INTERFACE_FIGURES:
            if (value := getattr(interface, name)) is not None:
                total.figures[name] = total.figures.get(name, 0) + value
        total.rx_peak = max(total.rx_peak, interface.rx_bytes / interval)
        total.tx_peak = max(total.tx_peak, interface.tx_bytes / interval)

    def _add_process(self, process: Process, interval: float) -> None:
        total = self.processes.setdefault((process.pid, process.start_ticks), ProcessSum(process))
        total.process = process
        total.rx_bytes, total.tx_bytes = _sum(total.rx_bytes, process.rx_bytes), _sum(total.tx_bytes, process.tx_bytes)
        total.rx_payload = _sum(total.rx_payload, process.rx_payload)
        total.tx_payload = _sum(total.tx_payload, process.tx_payload)
        received = process.rx_payload if process.rx_bytes is None else process.rx_bytes
        sent = process.tx_payload if process.tx_bytes is None else process.tx_bytes
        total.rx_peak = max(total.rx_peak, (received or 0) / interval)
        total.tx_peak = max(total.tx_peak, (sent or 0) / interval)
        total.connections = max(total.connections, process.connections)


def _sum(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else a + b
