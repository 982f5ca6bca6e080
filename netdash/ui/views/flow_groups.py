"""By what flows are joined to rows: hosts, remote host or network, port. Pure NumPy on whole columns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from netdash.model.flow_history import FlowTable
from netdash.model.hashing import address_words, connection_ids, hash_columns
from netdash.model.protocols import ETHERTYPE_IPV4, ETHERTYPE_IPV6, PORT_PROTOCOLS
from netdash.model.tables import FLOW_OVERFLOW, take

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
    overflow = flows["flags"].astype(np.uint64) & np.uint64(FLOW_OVERFLOW)
    # Which version of IP it is its addresses say.
    ethertype = flows["ethertype"].astype(np.uint64)
    ethertype[(ethertype == ETHERTYPE_IPV4) | (ethertype == ETHERTYPE_IPV6)] = 0
    kind = overflow << np.uint64(56) | ethertype << np.uint64(32)
    if by.group in (Group.FLOWS, Group.PORTS):
        kind |= flows["protocol"].astype(np.uint64) << np.uint64(48)
    match by.group:
        case Group.HOSTS:
            return hash_columns(kind, *address_words(flows["remote"]))
        case Group.NETWORKS:
            return hash_columns(kind, *_networks(*address_words(flows["remote"])))
        case Group.PORTS:
            return hash_columns(kind, service_ports(flows).astype(np.uint64))
    columns = [kind | flows["ifindex"], flows["vlan"].astype(np.uint64)]
    for side in ("local", "remote"):
        if getattr(by, side):
            columns += address_words(flows[side])
            if by.ports:
                columns.append(flows[f"{side}_port"].astype(np.uint64))
    return hash_columns(*columns)


def blank(rows: NDArray[np.void], by: Joining) -> None:
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


def _networks(upper: NDArray[np.uint64], lower: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """The halves of addresses with the bits behind the network's prefix cleared."""
    is_ipv4 = (upper == _IPV4_UPPER) & ((lower & np.uint64(0xFFFFFFFF)) == _IPV4_LOWER_START)
    return upper, np.where(is_ipv4, lower & _IPV4_MASK, np.uint64(0))
