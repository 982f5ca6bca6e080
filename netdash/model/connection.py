"""One connection as the whole machine sees it: its row on every interface that it crosses, and its socket."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.model.protocols import TCP
from netdash.model.tables import FLOW_ROW, UNKNOWN

_ENDS: Final = ("local", "local_port", "remote", "remote_port")
_TURNED: Final = ("remote", "remote_port", "local", "local_port")
_PORTS_OFFSET: Final = FLOW_ROW.fields["local_port"][1] if FLOW_ROW.fields else 0
"""Of the local port in a row; the remote one follows."""


def row_of_flow(flows: NDArray[np.void], flow_id: int) -> int | None:
    """Where the flow of this id stands in a table of FLOW_ROW; None where it is not."""
    found = np.flatnonzero(flows["id"] == np.uint64(flow_id))
    return int(found[0]) if len(found) else None


def rows_of_connection(flows: NDArray[np.void], row: int) -> NDArray[np.intp]:
    """All rows with the five-tuple of `row`, on any interface and in any VLAN, seen from either end; `row` goes first.

    A packet that crosses a VLAN, a bridge and a port stands once on each. What a router or NAT renames is not found.
    """
    flow = flows[row]
    found = np.concatenate([_with_ends(flows, names, flow) for names in (_ENDS, _TURNED)])
    found = found[(flows["protocol"][found] == flow["protocol"]) & (flows["ethertype"][found] == flow["ethertype"])]
    others = np.unique(found[found != row])
    return np.concatenate([[row], others]).astype(np.intp)


def rows_of_socket(flows: NDArray[np.void], socket: np.void) -> NDArray[np.intp]:
    """Where the flows of a connected socket (SOCKET_ROW) stand in a table of FLOW_ROW: one for each interface that it
    crosses; none for one that waits for anybody."""
    if not int(socket["remote_port"]):
        return np.zeros(0, np.intp)
    found = _with_ends(flows, _ENDS, socket)
    alike: NDArray[np.bool_] = (flows["protocol"][found] == socket["protocol"]) & (flows["flags"][found] == 0)
    return found[alike]


def _with_ends(flows: NDArray[np.void], names: tuple[str, ...], like: np.void) -> NDArray[np.intp]:
    """Which flows have, in the order of `names`, the ends of `like`. Their ports leave few to look at."""
    local, local_port, remote, remote_port = names
    wanted = np.array([like[local_port], like[remote_port]], "<u2").view("<u4")[0]
    # Both ports in one look: a table of 100,000 rows is longer than what a processor has at hand.
    found: NDArray[np.intp] = np.flatnonzero(flows.getfield("<u4", _PORTS_OFFSET) == wanted)
    for name, end in ((local, "local"), (remote, "remote")):
        found = found[(flows[name][found] == like[end]).all(axis=1)]
    return found


def socket_of_flow(sockets: NDArray[np.void], flow: np.void) -> int | None:
    """Where the socket of a flow (FLOW_ROW) stands in a table of SOCKET_ROW; None where there is none.

    The connected one, else (not for TCP) one that is bound to the flow's port and speaks with anybody. On loopback the
    one of the flow's own process goes first.
    """
    ports = np.flatnonzero((sockets["protocol"] == flow["protocol"]) & (sockets["local_port"] == flow["local_port"]))
    here = (sockets["local"][ports] == flow["local"]).all(axis=1)
    there = (sockets["remote"][ports] == flow["remote"]).all(axis=1)
    found = ports[here & there & (sockets["remote_port"][ports] == flow["remote_port"])]
    if not len(found) and int(flow["protocol"]) != TCP:
        anywhere = ~sockets["local"][ports].any(axis=1)
        found = ports[(here | anywhere) & ~sockets["remote"][ports].any(axis=1)]
    own = found[sockets["pid"][found] == flow["pid"]] if int(flow["pid"]) != UNKNOWN else found[:0]
    return next(iter((*own.tolist(), *found.tolist())), None)
