"""Flows joined to rows: by their hosts, by remote host or network, by port. Pure NumPy on whole columns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from netdash.model.flow_history import FlowTable
from netdash.model.hashing import address_words, connection_ids, hash_columns
from netdash.model.protocols import ETHERTYPE_IPV4, ETHERTYPE_IPV6, PORT_PROTOCOLS
from netdash.model.tables import FLOW_OVERFLOW, UNKNOWN, take

Element = TypeVar("Element", bound=np.generic)
Number = TypeVar("Number", np.int64, np.float64)

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
    ethertype = np.ascontiguousarray(flows["ethertype"])
    ethertype = np.where((ethertype == ETHERTYPE_IPV4) | (ethertype == ETHERTYPE_IPV6), 0, ethertype)
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
    if not len(ids):
        return Joined(_rows_of(table, positions), ids, np.zeros(0, np.int64))
    by_id = np.argsort(ids)
    ordered = ids.take(by_id)
    begins = np.append(True, ordered[1:] != ordered[:-1])
    if begins.all():
        # Each row is one flow: then there are most rows, and nothing to add up.
        alone = _rows_of(table, positions.take(by_id))
        _blank(alone.flows, by)
        return Joined(alone, ordered, np.ones(len(ids), np.int64))
    starts = np.flatnonzero(begins)
    row_of = np.empty(len(ids), np.intp)
    row_of[by_id] = np.cumsum(begins) - 1
    members = np.diff(np.append(starts, len(ids)))
    several = members > 1
    first = by_id.take(starts)
    rows = take(flows, first)
    _blank(rows, by)
    _agree(rows, flows, row_of)
    for name in ("state", "rtt_us", "retransmits"):
        rows[name][several] = 0
    chosen = None if len(positions) == len(table) else positions
    known = np.zeros(len(rows), np.bool_)
    known[row_of[_of(table.known, chosen)]] = True
    joined = FlowTable(
        rows,
        known,
        _lowest(_of(table.first_seen_ns, chosen), row_of, len(rows)),
        _highest(_of(table.last_seen_ns, chosen), row_of, len(rows)),
        np.where(several, 0, table.tcp_flags.take(positions.take(first))).astype(np.uint8),
        _sums(table.totals, chosen, row_of, len(rows)),
        _sums(table.packets, chosen, row_of, len(rows)),
        _sums(table.rates, chosen, row_of, len(rows)),
    )
    return Joined(joined, ordered.take(starts), members)


class RepeatedJoin:
    """`join_flows`, which has the rows of the last time once more for the same flows: to join many takes much of what a
    key may wait, and a key that orders them otherwise, or leads back to them, changes none."""

    def __init__(self) -> None:
        self._last: tuple[FlowTable, NDArray[np.intp], Joining, Joined] | None = None

    def __call__(self, table: FlowTable, positions: NDArray[np.intp], by: Joining) -> Joined:
        """As `join_flows`; may be called in any thread."""
        if self._last is not None:
            same_table, same_positions, same_by, joined = self._last
            if table is same_table and by == same_by and np.array_equal(positions, same_positions):
                return joined
        joined = join_flows(table, positions, by)
        self._last = table, positions, by, joined
        return joined


# By numbers of rows and `at`: to gather a column in the order of the rows, for `reduceat`, takes twice as long.


def _of(column: NDArray[Element], positions: NDArray[np.intp] | None) -> NDArray[Element]:
    return column if positions is None else column.take(positions)


def _sums(
    columns: NDArray[Number], positions: NDArray[np.intp] | None, row_of: NDArray[np.intp], rows: int
) -> NDArray[Number]:
    """Of columns of shape (…, n) the elements at `positions` (None: all) added up by their rows: shape (…, rows)."""
    sums = np.zeros((*columns.shape[:-1], rows), columns.dtype)
    for into, column in zip(sums.reshape(-1, rows), columns.reshape(-1, columns.shape[-1]), strict=True):
        np.add.at(into, row_of, _of(column, positions))
    return sums


def _lowest(column: NDArray[Element], row_of: NDArray[np.intp], rows: int) -> NDArray[Element]:
    lowest = np.empty(rows, column.dtype)
    lowest[row_of] = column  # one of each row, to begin with
    np.minimum.at(lowest, row_of, column)
    return lowest


def _highest(column: NDArray[Element], row_of: NDArray[np.intp], rows: int) -> NDArray[Element]:
    highest = np.empty(rows, column.dtype)
    highest[row_of] = column
    np.maximum.at(highest, row_of, column)
    return highest


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


def _agree(rows: NDArray[np.void], flows: NDArray[np.void], row_of: NDArray[np.intp]) -> None:
    """Process and interface of the rows, where all flows of a row have the same."""
    lowest = {}
    same = {}
    for name in ("pid", "attribution", "ifindex"):
        column = np.ascontiguousarray(flows[name])
        lowest[name] = _lowest(column, row_of, len(rows))
        same[name] = lowest[name] == _highest(column, row_of, len(rows))
    of_one = same["pid"] & (same["attribution"] | (lowest["pid"] != UNKNOWN))
    rows["pid"] = np.where(of_one, lowest["pid"], MIXED)
    rows["ifindex"] = np.where(same["ifindex"], lowest["ifindex"], 0)
