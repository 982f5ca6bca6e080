"""Whose single packets are: by the flow that they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from netdash.model.packet_comment import ProcessNote
from netdash.model.packet_ends import PacketEnds, packet_ends
from netdash.model.packets import WatchedPacket
from netdash.model.protocols import PORT_PROTOCOLS
from netdash.model.tables import UNKNOWN

if TYPE_CHECKING:
    from netdash.model.snapshot import Process
    from netdash.ui.state import DashboardState

_Side = tuple[str, str, str, str]
_SENT: _Side = ("local", "local_port", "remote", "remote_port")
_RECEIVED: _Side = ("remote", "remote_port", "local", "local_port")


class PacketOwners:
    """Finds the process of a packet as things stood at one moment. For a thread, where there are many packets."""

    def __init__(self, flows: NDArray[np.void], processes: Mapping[int, Process], owner: ProcessNote | None) -> None:
        """`flows`: FLOW_ROW; `processes`: by pid; `owner`: whose all packets are that belong to no flow of another."""
        self._flows = flows
        self._processes = processes
        self._owner = owner
        self._found: dict[tuple[PacketEnds, bool], ProcessNote | None] = {}

    @classmethod
    def of(cls, state: DashboardState, owner: ProcessNote | None = None) -> PacketOwners:
        """By the flows and processes that are shown now."""
        return cls(state.histories.flows.table.flows, dict(state.histories.processes.known), owner)

    def __call__(self, packet: WatchedPacket) -> ProcessNote | None:
        """None where no process is known."""
        ends = packet_ends(packet)
        if ends is None:
            return self._owner
        key = ends, packet.outgoing
        if key not in self._found:
            self._found[key] = self._find(ends, outgoing=packet.outgoing) or self._owner
        return self._found[key]

    def _find(self, ends: PacketEnds, *, outgoing: bool) -> ProcessNote | None:
        # On loopback each end has a row, with a process of its own: a packet that came is the receiver's.
        for side in (_SENT, _RECEIVED) if outgoing else (_RECEIVED, _SENT):
            for pid in self._flows["pid"][self._rows(ends, side)].tolist():
                if pid > UNKNOWN:
                    return note_of(pid, self._processes)
        return None

    def _rows(self, ends: PacketEnds, side: _Side) -> NDArray[np.intp]:
        flows = self._flows
        source, source_port, destination, destination_port = side
        same = flows["protocol"] == ends.protocol
        if ends.protocol in PORT_PROTOCOLS:
            same &= (flows[source_port] == ends.source_port) & (flows[destination_port] == ends.destination_port)
        rows = np.flatnonzero(same)
        for name, address in ((source, ends.source), (destination, ends.destination)):
            rows = rows[(flows[name][rows] == np.frombuffer(address, np.uint8)).all(axis=1)]
        return rows


def note_of(pid: int, processes: Mapping[int, Process]) -> ProcessNote:
    """A process as a capture file's comment names it."""
    known = processes.get(pid)
    return ProcessNote(pid, "") if known is None else ProcessNote(pid, known.name, known.user)
