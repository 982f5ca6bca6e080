"""What was counted so far: windows, totals and rings over snapshots. Pure; fed in one thread, read in another.

Every history publishes what it holds by replacing whole immutable objects, so a reader sees the state before an update
or after it, never a mixture.
"""

from __future__ import annotations

from netdash.model.flow_history import FlowHistory, FlowTable
from netdash.model.flow_sums import HEADLINE, FlowTotals
from netdash.model.interface_history import DirectionFigures, InterfaceHistory, InterfaceSeries
from netdash.model.process_history import Moved, OtherKind, OtherTraffic, ProcessHistory, ProcessRow
from netdash.model.protocol_history import InterfaceProtocolFigures, ProtocolFigures, ProtocolHistory
from netdash.model.service_history import OTHERS, ServiceFigures, ServiceHistory, Side
from netdash.model.socket_history import SocketFigures, SocketHistory, Trouble
from netdash.model.station_history import StationFigures, StationHistory
from netdash.model.windows import WINDOW_SECONDS

__all__ = [
    "HEADLINE",
    "OTHERS",
    "WINDOW_SECONDS",
    "DirectionFigures",
    "FlowHistory",
    "FlowTable",
    "FlowTotals",
    "InterfaceHistory",
    "InterfaceProtocolFigures",
    "InterfaceSeries",
    "Moved",
    "OtherKind",
    "OtherTraffic",
    "ProcessHistory",
    "ProcessRow",
    "ProtocolFigures",
    "ProtocolHistory",
    "ServiceFigures",
    "ServiceHistory",
    "Side",
    "SocketFigures",
    "SocketHistory",
    "StationFigures",
    "StationHistory",
    "Trouble",
]
