"""Whose flow is it: the join of flows with the socket table of their network namespace."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from netdash.collector.shares import group_of_sockets, mark_exact, mark_raw, movers_of, share_out
from netdash.model.hashing import address_words, connection_ids, hash_columns, lookup
from netdash.model.protocols import (
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    ICMP,
    ICMPV6,
    IGMP,
    LISTEN,
    PORT_PROTOCOLS,
    TCP,
)
from netdash.model.tables import (
    FLOW_ECHO,
    FLOW_OVERFLOW,
    FLOW_ROW,
    UNKNOWN,
    Attribution,
    pack_address,
    take,
)

_REMEMBERED_NS = 10_000_000_000
_MAX_REMEMBERED = 131_072

ARP = 0x0806
_NEIGHBOUR_AND_GROUP_MESSAGES = (130, 131, 132, 133, 134, 135, 136, 137, 143)
"""ICMPv6 types that the kernel alone sends and answers: multicast listener and neighbour discovery (RFC 4890)."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the kernel itself told of an interval."""

    moved: NDArray[np.void]
    """MOVED_ROW of this network namespace."""
    counted_cookies: NDArray[np.uint64]
    """Sockets whose calls are counted since they were opened or seen."""
    kernel_cookies: NDArray[np.uint64]
    """Sockets that no process of any namespace holds."""
    by_call: bool = True
    """Who made each call is known; else who has the socket, which another process may use too."""


@dataclass(slots=True)
class OwnerTable:
    """Remembers the owners of flows for a while: the last packets of a connection come when its socket is gone."""

    ids: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    pids: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    kinds: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))
    seen_ns: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def assign(
        self,
        flows: NDArray[np.void],
        sockets: NDArray[np.void],
        local_addresses: frozenset[str],
        now_ns: int,
        evidence: Evidence | None = None,
    ) -> NDArray[np.void]:
        """Sets pid, attribution, state, payload, rtt and retransmits of `flows` (FLOW_ROW) in place.

        `sockets`: SOCKET_ROW, closed ones of the interval included. The whole five-tuple decides; then what the flow
        was known to be; then the socket that waits on its local port; then the kernel's own protocols; then whether
        the local end is an address of this host at all. `evidence`, where there is any, goes before all of it.

        Returns `flows` for sums by process: one that several processes share stands there once for each.
        """
        whole = _match_connections(flows, sockets)
        _copy(flows, sockets, whole, Attribution.SOCKET)
        _copy_counters(flows, sockets, whole)
        self._recall(flows)
        waits = (sockets["state"] == LISTEN) | ((sockets["protocol"] != TCP) & (sockets["remote_port"] == 0))
        waiting = np.flatnonzero(waits)
        local = _match_local(flows, take(sockets, waiting))
        by_port = np.where(local >= 0, waiting[local.clip(0)], -1) if len(waiting) else local
        _copy(flows, sockets, by_port, Attribution.LISTENER)
        by_process = flows
        if evidence is not None:
            by_process = _follow(evidence, flows, sockets, whole, by_port)
        _mark_kernel(flows)
        _mark_forwarded(flows, local_addresses)
        self._remember(flows, now_ns)
        return by_process

    def _recall(self, flows: NDArray[np.void]) -> None:
        found = lookup(self.ids, flows["id"])
        rows = np.flatnonzero((found >= 0) & (flows["attribution"] == Attribution.NONE))
        flows["pid"][rows] = self.pids[found[rows]]
        flows["attribution"][rows] = self.kinds[found[rows]]

    def _remember(self, flows: NDArray[np.void], now_ns: int) -> None:
        owned = take(flows, flows["pid"] != UNKNOWN)
        fresh = np.flatnonzero(self.seen_ns > now_ns - _REMEMBERED_NS)
        rests = fresh[lookup(owned["id"], self.ids[fresh]) < 0]
        self.ids = np.concatenate([owned["id"], self.ids[rests]])[:_MAX_REMEMBERED]
        self.pids = np.concatenate([owned["pid"], self.pids[rests]])[:_MAX_REMEMBERED]
        self.kinds = np.concatenate([owned["attribution"], self.kinds[rests]])[:_MAX_REMEMBERED]
        seen_ns = np.concatenate([np.full(len(owned), now_ns, np.int64), self.seen_ns[rests]])
        self.seen_ns = seen_ns[:_MAX_REMEMBERED]


def _follow(
    evidence: Evidence,
    flows: NDArray[np.void],
    sockets: NDArray[np.void],
    whole: NDArray[np.intp],
    by_port: NDArray[np.intp],
) -> NDArray[np.void]:
    matched = np.where(whole >= 0, whole, by_port)
    rows = np.flatnonzero(matched >= 0)
    found = take(sockets, matched[rows])
    groups = np.zeros(len(flows), np.uint64)
    groups[rows] = group_of_sockets(found, whole[rows] >= 0)
    movers = movers_of(evidence.moved, sockets)
    mark_exact(flows, groups, movers)
    mark_raw(flows, evidence.moved)
    counted = rows[(lookup(evidence.counted_cookies, found["cookie"]) >= 0) & (flows["pid"][rows] != UNKNOWN)]
    flows["attribution"][counted] = Attribution.EXACT
    kernel = rows[(lookup(evidence.kernel_cookies, found["cookie"]) >= 0) & (flows["pid"][rows] == UNKNOWN)]
    flows["attribution"][kernel] = Attribution.KERNEL
    by_process = share_out(flows, groups, movers)
    if not evidence.by_call:
        flows["attribution"][flows["attribution"] == Attribution.EXACT] = Attribution.SOCKET
    return by_process


def flows_of_sockets(sockets: NDArray[np.void], address_interfaces: dict[str, int], loopback: int) -> NDArray[np.void]:
    """FLOW_ROW of what TCP sockets moved by their own counters, where no packets can be counted.

    Payload alone is known. The interface is that of the local address; between two local addresses it is the loopback.
    """
    moved = take(sockets, (sockets["rx_payload"] > 0) | (sockets["tx_payload"] > 0))
    rows = np.zeros(len(moved), FLOW_ROW)
    for name in ("protocol", "local", "remote", "local_port", "remote_port", "rx_payload", "tx_payload"):
        rows[name] = moved[name]
    # A v6 socket may carry IPv4: what it speaks on the wire is told by its address.
    rows["ethertype"] = np.where(_is_mapped(moved["local"]), ETHERTYPE_IPV4, ETHERTYPE_IPV6)
    for name in ("rx_bytes", "tx_bytes", "rx_packets", "tx_packets", "pid"):
        rows[name] = UNKNOWN
    packed = {pack_address(address): index for address, index in address_interfaces.items()}
    rows["ifindex"] = [
        loopback if bytes(remote) in packed else packed.get(bytes(local), 0)
        for local, remote in zip(moved["local"], moved["remote"], strict=True)
    ]
    # Several sockets can follow each other on one five-tuple within an interval.
    ids = hash_columns(rows["ifindex"].astype(np.uint64), connection_ids(rows))
    _, first, group = np.unique(ids, return_index=True, return_inverse=True)
    merged = rows[first]
    for name in ("rx_payload", "tx_payload"):
        merged[name] = 0
        np.add.at(merged[name], group, rows[name])
    merged["id"] = ids[first]
    return merged


def _is_mapped(addresses: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.asarray((addresses[:, :10] == 0).all(axis=1) & (addresses[:, 10:12] == 0xFF).all(axis=1))


def _match_connections(flows: NDArray[np.void], sockets: NDArray[np.void]) -> NDArray[np.intp]:
    """For each flow the index of the socket with its protocol and five-tuple, or -1."""
    if not len(sockets):
        return np.full(len(flows), -1, np.intp)
    as_flows = np.zeros(len(sockets), FLOW_ROW)
    names = ("protocol", "local", "remote", "local_port", "remote_port")
    for name in names:
        as_flows[name] = sockets[name]
    found = lookup(connection_ids(as_flows), connection_ids(flows))
    return _verified(flows, sockets, found, names)


def _match_local(flows: NDArray[np.void], sockets: NDArray[np.void]) -> NDArray[np.intp]:
    """For each flow the index of the socket bound to its local end: to its address, or else to any."""
    result = np.full(len(flows), -1, np.intp)
    if not len(sockets):
        return result
    keys = _local_keys(sockets, sockets["local"])
    for addresses in (flows["local"], np.zeros_like(flows["local"])):
        found = lookup(keys, _local_keys(flows, addresses))
        result = np.where(result >= 0, result, _verified(flows, sockets, found, ("protocol", "local_port")))
    result[~np.isin(flows["protocol"], tuple(PORT_PROTOCOLS))] = -1
    return result


def _local_keys(rows: NDArray[np.void], addresses: NDArray[np.uint8]) -> NDArray[np.uint64]:
    numbers = rows["local_port"].astype(np.uint64) | rows["protocol"].astype(np.uint64) << np.uint64(16)
    return hash_columns(numbers, *address_words(addresses))


def _verified(
    flows: NDArray[np.void], sockets: NDArray[np.void], found: NDArray[np.intp], names: tuple[str, ...]
) -> NDArray[np.intp]:
    """`found` without pairs that only share a hash."""
    if not len(sockets):
        return found
    matched = take(sockets, found.clip(0))
    equal = found >= 0
    for name in names:
        same = flows[name] == matched[name]
        equal &= same.all(axis=1) if same.ndim == 2 else same
    return np.where(equal, found, -1)


def _copy(flows: NDArray[np.void], sockets: NDArray[np.void], found: NDArray[np.intp], kind: Attribution) -> None:
    """Gives unowned flows the process of their socket, where that is known."""
    rows = np.flatnonzero((found >= 0) & (flows["attribution"] == Attribution.NONE))
    pids = sockets["pid"][found[rows]]
    owned = rows[pids != UNKNOWN]
    flows["pid"][owned] = pids[pids != UNKNOWN]
    flows["attribution"][owned] = kind


def _copy_counters(flows: NDArray[np.void], sockets: NDArray[np.void], found: NDArray[np.intp]) -> None:
    rows = np.flatnonzero(found >= 0)
    matched = take(sockets, found[rows])
    for name in ("state", "rtt_us", "retransmits", "rx_payload", "tx_payload"):
        flows[name][rows] = matched[name]


def _mark_kernel(flows: NDArray[np.void]) -> None:
    """Protocols that no process speaks: ARP, neighbour discovery, group membership, answers to somebody's ping."""
    protocol = flows["protocol"]
    icmp = (protocol == ICMP) | (protocol == ICMPV6)
    rows = np.flatnonzero(icmp | (protocol == IGMP) | (flows["ethertype"] == ARP))
    rows = rows[flows["attribution"][rows] == Attribution.NONE]
    chosen = take(flows, rows)
    echo = (chosen["flags"] & FLOW_ECHO) != 0
    message = ~echo & np.isin(chosen["remote_port"] >> 8, _NEIGHBOUR_AND_GROUP_MESSAGES)
    # The asking side's port is the identifier; with both ports 0 it cannot be told who asks.
    answered = echo & (chosen["remote_port"] != 0)
    kernel = np.select(
        [chosen["ethertype"] == ARP, chosen["protocol"] == IGMP, chosen["protocol"] == ICMPV6],
        [True, True, message | answered],
        answered,
    )
    flows["attribution"][rows[kernel]] = Attribution.KERNEL


def _mark_forwarded(flows: NDArray[np.void], local_addresses: frozenset[str]) -> None:
    """Unicast IP whose local end is no address of this host."""
    open_rows = np.flatnonzero(
        (flows["attribution"] == Attribution.NONE)
        & ((flows["flags"] & FLOW_OVERFLOW) == 0)
        & ((flows["ethertype"] == ETHERTYPE_IPV4) | (flows["ethertype"] == ETHERTYPE_IPV6))
    )
    high, low = address_words(flows["local"][open_rows])
    own = np.frombuffer(b"".join(pack_address(a) for a in sorted(local_addresses)), np.uint8).reshape(-1, 16)
    mine = lookup(hash_columns(*address_words(own)), hash_columns(high, low)) >= 0
    # The words are little endian: the first byte of an address is the lowest of `high`, IPv4's first that of low >> 32.
    mapped = (high == 0) & (low & np.uint64(0xFFFFFFFF) == np.uint64(0xFFFF0000))
    first, second = high & np.uint64(0xFF), high >> np.uint64(8) & np.uint64(0xFF)
    first4 = low >> np.uint64(32) & np.uint64(0xFF)
    group4 = (first4 >= 224) | (first4 == 127) | (first4 == 0)
    group6 = (first == 0xFF) | ((first == 0xFE) & (second & np.uint64(0xC0) == 0x80)) | ((high == 0) & (low == 0))
    rows = open_rows[~mine & ~np.where(mapped, group4, group6)]
    flows["attribution"][rows] = Attribution.FORWARDED
