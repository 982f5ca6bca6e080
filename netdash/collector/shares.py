"""A flow's bytes among the processes that used its socket, by what each of them moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.collector.traffic import AF_PACKET, SOCK_RAW
from netdash.model.hashing import address_words, hash_columns, lookup
from netdash.model.protocols import ETHERTYPE_IPV4, ETHERTYPE_IPV6, PORT_PROTOCOLS
from netdash.model.tables import FLOW_ECHO, FLOW_OVERFLOW, Attribution, join, take

_ETHERTYPE_ARP: Final = 0x0806
_SENT_OTHERWISE: Final = (ETHERTYPE_IPV4, ETHERTYPE_IPV6, _ETHERTYPE_ARP)
"""By the kernel itself, for its sockets and its neighbours."""


@dataclass(frozen=True, slots=True)
class Movers:
    """Who moved what in the interval, by the group of sockets that a flow can be told to."""

    groups: NDArray[np.uint64]
    """One for each row of MOVED_ROW."""
    moved: NDArray[np.void]

    def principal(self, groups: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
        """Indices of those `groups` that have a mover, and beside them the pid that moved most."""
        volume = self.moved["rx_payload"] + self.moved["tx_payload"]
        order = np.argsort(-volume, kind="stable")
        found = lookup(self.groups[order], groups)
        rows = np.flatnonzero(found >= 0)
        return rows, self.moved["pid"][order[found[rows]]]


def mark_exact(flows: NDArray[np.void], groups: NDArray[np.uint64], movers: Movers) -> None:
    """Gives flows (FLOW_ROW, in place) whose group moved something to the process that moved most of it."""
    rows, pids = movers.principal(groups)
    flows["pid"][rows] = pids
    flows["attribution"][rows] = Attribution.EXACT


def mark_raw(flows: NDArray[np.void], moved: NDArray[np.void]) -> None:
    """Gives flows without ports to the process that moved something through a raw socket of their protocol.

    A raw socket (raw(7)) names no connection: with several processes at one protocol it stays open whose flow it is,
    and so it is said. A ping socket (icmp(7)) has the echo identifier as its port. What is not IP can only have been
    sent by a packet socket (packet(7)), but for the kernel's own ARP.
    """
    if not len(moved):
        return
    _mark_frames(flows, take(moved, moved["family"] == AF_PACKET))
    moved = take(moved, moved["family"] != AF_PACKET)
    open_flows = (flows["attribution"] == Attribution.NONE) & ~np.isin(flows["protocol"], tuple(PORT_PROTOCOLS))
    for protocol in np.unique(flows["protocol"][open_flows]):
        mine = open_flows & (flows["protocol"] == protocol)
        users = take(moved, moved["protocol"] == protocol)
        raw = np.unique(users["pid"][users["type"] == SOCK_RAW])
        echo = (flows["flags"] & FLOW_ECHO) != 0
        for user in users[users["type"] != SOCK_RAW]:
            _give(flows, mine & echo & (flows["local_port"] == user["local_port"]), int(user["pid"]))
        if len(raw) == 1:
            _give(flows, mine & (flows["attribution"] == Attribution.NONE), int(raw[0]))


def _mark_frames(flows: NDArray[np.void], moved: NDArray[np.void]) -> None:
    senders = np.unique(moved["pid"][moved["tx_payload"] > 0])
    if len(senders) == 1:
        frames = (flows["attribution"] == Attribution.NONE) & ~np.isin(flows["ethertype"], _SENT_OTHERWISE)
        _give(flows, frames & (flows["tx_bytes"] > 0) & ((flows["flags"] & FLOW_OVERFLOW) == 0), int(senders[0]))


def _give(flows: NDArray[np.void], rows: NDArray[np.bool_], pid: int) -> None:
    flows["pid"][rows] = pid
    flows["attribution"][rows] = Attribution.EXACT


def group_of_sockets(sockets: NDArray[np.void], whole: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """What ties flows to movers: the five-tuple of a socket with a peer, which short-lived sockets may have one after
    the other; the local end of one that waits for anybody's datagrams, because several sockets may share it
    (SO_REUSEPORT) and a flow does not tell which took it."""
    numbers = sockets["local_port"].astype(np.uint64) | sockets["protocol"].astype(np.uint64) << np.uint64(16)
    both_ports = numbers | sockets["remote_port"].astype(np.uint64) << np.uint64(32)
    local, remote = address_words(sockets["local"]), address_words(sockets["remote"])
    return np.where(whole, hash_columns(both_ports, *local, *remote), hash_columns(numbers, *local))


def movers_of(moved: NDArray[np.void], sockets: NDArray[np.void]) -> Movers:
    """MOVED_ROW with their groups; `sockets` (SOCKET_ROW) holds every socket that a flow was matched with."""
    found = lookup(sockets["cookie"], moved["cookie"])
    known = found >= 0
    moved = take(moved, known)
    matched = take(sockets, found[known])
    return Movers(group_of_sockets(matched, matched["remote_port"] != 0), moved)


def share_out(flows: NDArray[np.void], groups: NDArray[np.uint64], movers: Movers) -> NDArray[np.void]:
    """`flows` (FLOW_ROW), with each flow that several processes share as one row for each of them.

    Received bytes go by what each received, sent ones by what each sent; where a direction has headers alone, by both.
    The parts of a flow add up to it, to the byte.
    """
    unique, counts = np.unique(movers.groups, return_counts=True)
    shared = np.isin(groups, unique[counts > 1]) & (flows["attribution"] == Attribution.EXACT)
    if not shared.any():
        return flows
    parts = [take(flows, ~shared)]
    for index in np.flatnonzero(shared):
        users = take(movers.moved, movers.groups == groups[index])
        pids, position = np.unique(users["pid"], return_inverse=True)
        rows = take(flows, np.full(len(pids), index))
        rows["pid"] = pids
        both = np.bincount(position, users["rx_payload"] + users["tx_payload"]).astype(np.float64)
        for way in ("rx", "tx"):
            weights = np.bincount(position, users[f"{way}_payload"]).astype(np.float64)
            for what in ("bytes", "packets"):
                name = f"{way}_{what}"
                rows[name] = _apportion(int(flows[name][index]), weights if weights.any() else both)
        parts.append(rows)
    return join(*parts)


def _apportion(total: int, weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """Whole numbers in proportion to `weights` whose sum is `total`."""
    edges = np.floor(np.cumsum(weights) / weights.sum() * total + 0.5).astype(np.int64)
    edges[-1] = total
    parts: NDArray[np.int64] = np.diff(edges, prepend=0)
    return parts
