"""The histories that the views draw from, as one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from netdash.model.fault_history import FaultHistory
from netdash.model.history import (
    FlowHistory,
    InterfaceHistory,
    ProcessHistory,
    ProtocolHistory,
    ServiceHistory,
    SocketHistory,
    StationHistory,
)
from netdash.model.snapshot import Snapshot
from netdash.model.steps import Between, go_on

_PROCESS_BYTES: Final = 4500
"""About what the objects of one process take."""


class History(Protocol):
    """Something accumulated over snapshots. What it holds follows from the snapshots alone, so that it can be had as it
    was at any moment: a copy from before, fed with the snapshots in between."""

    def update(self, snapshot: Snapshot) -> None:
        """Takes one snapshot."""

    def copy(self) -> Self:
        """One that goes on from here by itself: what is fed to one of the two does not show in the other. Cheap."""


class Histories:
    """All that was counted since `since`; fed with every snapshot."""

    def __init__(self, max_flows: int) -> None:
        self.flows = FlowHistory(max_flows)
        self.processes = ProcessHistory()
        self.interfaces = InterfaceHistory()
        self.protocols = ProtocolHistory()
        self.sockets = SocketHistory()
        self.services = ServiceHistory()
        self.stations = StationHistory()
        self.faults = FaultHistory()
        self.since: float | None = None
        """Wall clock of the beginning, seconds since the epoch: totals count from there. None: no snapshot yet."""
        self.since_ns: int | None = None
        """CLOCK_MONOTONIC then."""

    def _all(self) -> tuple[History, ...]:
        tables = (self.flows, self.processes, self.interfaces, self.protocols)
        return (*tables, self.sockets, self.services, self.stations, self.faults)

    def update(self, snapshot: Snapshot, between: Between = go_on) -> None:
        """Takes one snapshot into all histories. `between` is called after each of many steps."""
        if self.since is None or snapshot.monotonic_ns < self.flows.now_ns:
            self.since = snapshot.time - snapshot.interval
            self.since_ns = snapshot.monotonic_ns - round(snapshot.interval * 1e9)
        self.flows.update(snapshot, between)
        for history in self._all()[1:]:
            between()
            history.update(snapshot)

    def copy(self) -> Histories:
        """One that goes on from here by itself."""
        twin = Histories(self.flows.max_rows)
        twin.flows = self.flows.copy()
        twin.processes = self.processes.copy()
        twin.interfaces = self.interfaces.copy()
        twin.protocols = self.protocols.copy()
        twin.sockets = self.sockets.copy()
        twin.services = self.services.copy()
        twin.stations = self.stations.copy()
        twin.faults = self.faults.copy()
        twin.since, twin.since_ns = self.since, self.since_ns
        return twin

    def arrays(self) -> Iterator[NDArray[np.generic]]:
        """The arrays that a copy shares with what it was copied from, and keeps when that one goes on."""
        yield from self.flows.arrays()
        yield self.sockets.figures.sockets
        yield self.services.figures.rows
        yield self.stations.figures.rows

    @property
    def object_bytes(self) -> int:
        """About what a copy takes beside arrays."""
        return _PROCESS_BYTES * len(self.processes)
