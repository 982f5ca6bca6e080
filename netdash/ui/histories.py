"""The histories that the views draw from, as one."""

from __future__ import annotations

from netdash.model.history import (
    FlowHistory,
    InterfaceHistory,
    ProcessHistory,
    ProtocolHistory,
    ServiceHistory,
    SocketHistory,
)
from netdash.model.snapshot import Snapshot


class Histories:
    """All that was counted since the start; fed with every snapshot."""

    def __init__(self, max_flows: int) -> None:
        self.flows = FlowHistory(max_flows)
        self.processes = ProcessHistory()
        self.interfaces = InterfaceHistory()
        self.protocols = ProtocolHistory()
        self.sockets = SocketHistory()
        self.services = ServiceHistory()

    def update(self, snapshot: Snapshot) -> None:
        """Takes one snapshot into all histories."""
        self.flows.update(snapshot)
        self.processes.update(snapshot)
        self.interfaces.update(snapshot)
        self.protocols.update(snapshot)
        self.sockets.update(snapshot)
        self.services.update(snapshot)
