"""Flows joined to rows: by their hosts, by remote host or network, by port. Pure NumPy on whole columns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netdash.model.flow_history import FlowTable
from netdash.model.hashing import address_words, connection_ids, hash_columns
from netdash.model.protocols import ETHERTYPE_IPV4, ETHERTYPE_IPV6, PORT_PROTOCOLS
from netdash.model.tables import FLOW_OVERFLOW, UNKNOWN, take

MIXED: Final = -2
"""Stands for a pid where joined flows have different ones."""

NETWORK_BITS: Final = {4: 24, 6: 64}
"""Length of the prefix of a remote network, by version of IP."""

_IPV4_UPPER: Final = np.uint64(0)
_IPV4_LOWER_START: Final = np.uint64(0xFFFF0000)
_IPV4_MASK: Final = np.uint64(0x00FFFFFF_FFFFFFFF)
"""Of the lower half of ::ffff:a.b.c.d, read as little endian: all but the last byte."""


class Group(StrEnum):
    """What rows stand for."""

    FLOWS = "flows"
    HOSTS = "remote hosts"
    NETWORKS = "remote networks"
    PORTS = "ports"


@dataclass(frozen=True, slots=True)
class Joining:
    """By what rows are told apart. Without a group: by interface, VLAN, protocol, and the ends that are shown."""

    group: Group = Group.FLOWS
    local: bool = True
    """The local end; False: flows that differ only in it are one row."""
    remote: bool = True
    ports: bool = True

    @property
    def joins(self) -> bool:
        """Whether rows can be of several flows."""
        return self.group is not Group.FLOWS or not (self.local and self.remote and self.ports)

    def toggled(self, part: Literal["local", "remote", "ports"]) -> Joining:
        """The same with one part shown that was not, or the other way round."""
        match part:
            case "local":
                return replace(self, local=not self.local)
            case "remote":
                return replace(self, remote=not self.remote)
        return replace(self, ports=not self.ports)


ALL_APART: Final = Joining()


class Joined(NamedTuple):
    """A table of rows, with the id of each and the number of flows in it."""

    table: FlowTable
    ids: NDArray[np.uint64]
    members: NDArray[np.int64]


def service_ports(flows: NDArray[np.void]) -> NDArray[np.uint16]:
    """The port of the service: mostly the lower one of the two; 0 where a protocol has none."""
    local, remote = flows["local_port"], flows["remote_port"]
    lower = np.where((local == 0) | (remote == 0), np.maximum(local, remote), np.minimum(local, remote))
    return np.where(np.isin(flows["protocol"], list(PORT_PROTOCOLS)), lower, np.uint16(0))


def one_per_connection(table: FlowTable, positions: NDArray[np.intp]) -> NDArray[np.intp]:
    """Of a connection that is seen on several interfaces the flow that moved most, so that no byte counts twice.

    A connection whose addresses are translated on its way is two connections here.
    """
    indices = table.flows["ifindex"][positions]
    if not len(indices) or (indices == indices[0]).all():
        return positions
    flows = take(table.flows, positions)
    words = (*address_words(flows["local"]), *address_words(flows["remote"]))
    nameless = (words[0] | words[1] | words[2] | words[3]) == 0
    ids = np.where(nameless, flows["id"], connection_ids(flows))
    order = np.lexsort((table.totals[0, positions] + table.totals[1, positions], ids))
    last = np.append(ids[order][1:] != ids[order][:-1], True)
    return np.sort(positions[order[last]])


def row_ids(flows: NDArray[np.void], by: Joining) -> NDArray[np.uint64]:
    """For each flow the id of the row that it belongs to."""
    overflow = (flows["flags"] & FLOW_OVERFLOW).astype(np.uint64) << np.uint64(56)
    # Which version of IP it is its addresses say.
    ethertype = np.where(np.isin(flows["ethertype"], (ETHERTYPE_IPV4, ETHERTYPE_IPV6)), 0, flows["ethertype"])
    kind = overflow | ethertype.astype(np.uint64) << np.uint64(32)
    protocol = flows["protocol"].astype(np.uint64) << np.uint64(48)
    match by.group:
        case Group.HOSTS:
            return hash_columns(kind, *address_words(flows["remote"]))
        case Group.NETWORKS:
            return hash_columns(kind, *_networks(*address_words(flows["remote"])))
        case Group.PORTS:
            return hash_columns(kind | protocol, service_ports(flows).astype(np.uint64))
    columns = [kind | protocol | flows["ifindex"], flows["vlan"].astype(np.uint64)]
    for side in ("local", "remote"):
        if getattr(by, side):
            columns += address_words(flows[side])
            if by.ports:
                columns.append(flows[f"{side}_port"].astype(np.uint64))
    return hash_columns(*columns)


def join_flows(table: FlowTable, positions: NDArray[np.intp], by: Joining) -> Joined:
    """One row for all flows among `positions` that are equal in what `by` tells apart, with their sums."""
    if by.group is not Group.FLOWS:
        positions = one_per_connection(table, positions)
    flows = table.flows if len(positions) == len(table) else take(table.flows, positions)
    ids = row_ids(flows, by)
    by_id = np.argsort(ids)
    if not len(ids):
        return Joined(_rows_of(table, positions), ids, np.zeros(0, np.int64))
    ordered = ids[by_id]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    members = np.diff(np.append(starts, len(ids)))
    rows = take(flows, by_id[starts])
    _blank(rows, by)
    _agree(rows, flows, by_id, starts)
    several = members > 1
    for name in ("state", "rtt_us", "retransmits"):
        rows[name][several] = 0
    chosen = positions[by_id]
    joined = FlowTable(
        rows,
        np.logical_or.reduceat(table.known[chosen], starts),
        np.minimum.reduceat(table.first_seen_ns[chosen], starts),
        np.maximum.reduceat(table.last_seen_ns[chosen], starts),
        np.where(several, 0, table.tcp_flags[chosen[starts]]).astype(np.uint8),
        np.add.reduceat(table.totals[:, chosen], starts, axis=1),
        np.add.reduceat(table.packets[:, chosen], starts, axis=1),
        np.add.reduceat(table.rates[:, :, chosen], starts, axis=2),
    )
    return Joined(joined, ordered[starts], members)


def _rows_of(table: FlowTable, positions: NDArray[np.intp]) -> FlowTable:
    return FlowTable(
        take(table.flows, positions),
        table.known[positions],
        table.first_seen_ns[positions],
        table.last_seen_ns[positions],
        table.tcp_flags[positions],
        table.totals[:, positions],
        table.packets[:, positions],
        table.rates[:, :, positions],
    )


def _networks(upper: NDArray[np.uint64], lower: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """The halves of addresses with the bits behind the network's prefix cleared."""
    is_ipv4 = (upper == _IPV4_UPPER) & ((lower & np.uint64(0xFFFFFFFF)) == _IPV4_LOWER_START)
    return upper, np.where(is_ipv4, lower & _IPV4_MASK, np.uint64(0))


def _blank(rows: NDArray[np.void], by: Joining) -> None:
    """Takes out of the rows what their flows may differ in."""
    local, remote = by.local, by.remote
    ports = by.ports
    if by.group is not Group.FLOWS:
        rows["vlan"] = 0
        local, ports = False, False
        remote = by.group is not Group.PORTS
        if by.group is Group.PORTS:
            rows["remote_port"] = service_ports(rows)
            rows["local_port"] = 0
        else:
            rows["protocol"] = 0
    if by.group is Group.NETWORKS:
        halves = np.stack(_networks(*address_words(rows["remote"])), axis=1)
        rows["remote"] = halves.view(np.uint8).reshape(-1, 16)
    for side, shown in (("local", local), ("remote", remote)):
        if not shown:
            rows[side] = 0
        if by.group is not Group.PORTS and not (shown and ports):
            rows[f"{side}_port"] = 0


def _agree(rows: NDArray[np.void], flows: NDArray[np.void], by_id: NDArray[np.intp], starts: NDArray[np.intp]) -> None:
    """Process and interface of the rows, where all flows of a row have the same."""
    lowest = {}
    same = {}
    for name in ("pid", "attribution", "ifindex"):
        column = flows[name][by_id]
        lowest[name] = np.minimum.reduceat(column, starts)
        same[name] = lowest[name] == np.maximum.reduceat(column, starts)
    of_one = same["pid"] & (same["attribution"] | (lowest["pid"] != UNKNOWN))
    rows["pid"] = np.where(of_one, lowest["pid"], MIXED)
    rows["ifindex"] = np.where(same["ifindex"], lowest["ifindex"], 0)
