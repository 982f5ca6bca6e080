"""One connection as the whole machine sees it: its row on every interface that it crosses, and its socket."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.model.protocols import TCP
from netdash.model.tables import UNKNOWN

_WILDCARD: Final = bytes(16)
_ENDS: Final = ("local", "local_port", "remote", "remote_port")
_TURNED: Final = ("remote", "remote_port", "local", "local_port")


def row_of_flow(flows: NDArray[np.void], flow_id: int) -> int | None:
    """Where the flow of this id stands in a table of FLOW_ROW; None where it is not."""
    found = np.flatnonzero(flows["id"] == np.uint64(flow_id))
    return int(found[0]) if len(found) else None


def rows_of_connection(flows: NDArray[np.void], row: int) -> NDArray[np.intp]:
    """All rows with the five-tuple of `row`, on any interface and in any VLAN, seen from either end; `row` goes first.

    A packet that crosses a VLAN, a bridge and a port stands once on each. What a router or NAT renames is not found.
    """
    flow = flows[row]
    candidates = np.flatnonzero((flows["protocol"] == flow["protocol"]) & (flows["ethertype"] == flow["ethertype"]))
    some = flows[candidates]
    same = np.zeros(len(some), np.bool_)
    for names in (_ENDS, _TURNED):
        same |= _equal(some, names, flow)
    others = candidates[same & (candidates != row)]
    return np.concatenate([[row], others]).astype(np.intp)


def rows_of_socket(flows: NDArray[np.void], socket: np.void) -> NDArray[np.intp]:
    """Where the flows of a connected socket (SOCKET_ROW) stand in a table of FLOW_ROW: one for each interface that it
    crosses; none for one that waits for anybody."""
    if not int(socket["remote_port"]):
        return np.zeros(0, np.intp)
    candidates = np.flatnonzero((flows["protocol"] == socket["protocol"]) & (flows["flags"] == 0))
    return candidates[_equal(flows[candidates], _ENDS, socket)]


def _equal(rows: NDArray[np.void], names: tuple[str, ...], flow: np.void) -> NDArray[np.bool_]:
    """Whether the ends of `rows`, taken in the order of `names`, are those of `flow`."""
    local, local_port, remote, remote_port = names
    equal: NDArray[np.bool_] = (rows[local_port] == flow["local_port"]) & (rows[remote_port] == flow["remote_port"])
    for name, end in ((local, "local"), (remote, "remote")):
        left = np.flatnonzero(equal)
        equal[left] = (rows[name][left] == flow[end]).all(axis=1)
    return equal


def socket_of_flow(sockets: NDArray[np.void], flow: np.void) -> int | None:
    """Where the socket of a flow (FLOW_ROW) stands in a table of SOCKET_ROW; None where there is none.

    The connected one, else (not for TCP) one that is bound to the flow's port and speaks with anybody. On loopback the
    one of the flow's own process goes first.
    """
    ports = np.flatnonzero((sockets["protocol"] == flow["protocol"]) & (sockets["local_port"] == flow["local_port"]))
    local, remote = flow["local"].tobytes(), flow["remote"].tobytes()
    connected, bound = [], []
    for index in ports.tolist():
        socket = sockets[index]
        here, there = socket["local"].tobytes(), socket["remote"].tobytes()
        if here == local and there == remote and socket["remote_port"] == flow["remote_port"]:
            connected.append(index)
        elif here in (local, _WILDCARD) and there == _WILDCARD and int(flow["protocol"]) != TCP:
            bound.append(index)
    found = connected or bound
    own = [index for index in found if int(flow["pid"]) != UNKNOWN and sockets["pid"][index] == flow["pid"]]
    return next(iter(own or found), None)
