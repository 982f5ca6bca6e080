"""Which sockets are shown, how many there are of each kind, and their order."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netdash.model.hashing import address_words
from netdash.model.history import SocketFigures
from netdash.model.ordering import lexical_order
from netdash.model.protocols import CLOSE, ESTABLISHED, LISTEN, TCP, TCP_STATES, protocol_name
from netdash.model.tables import take
from netdash.model.units import NOT_KNOWN

FROM_A_TO_Z: Final = frozenset({"protocol", "local", "remote", "port", "state", "process", "user"})
"""Orders that are read from the smallest; figures are read from the largest."""

SORT_WORDS: Final[dict[str, str]] = {
    "rate": "rate of 10 s",
    "total": "bytes so far",
    "queue": "queued bytes",
    "port": "local port",
    "trouble": "trouble",
    "protocol": "protocol",
    "state": "state",
    "rqueue": "receive queue",
    "wqueue": "send queue",
    "local": "local address",
    "remote": "remote address",
    "process": "process",
    "user": "user",
    "rx": "▼ rate",
    "tx": "▲ rate",
    "rtt": "round trip",
    "retransmits": "retransmits",
    "drops": "drops",
    "cwnd": "congestion window",
    "delivery": "delivery rate",
    "lost": "lost segments",
    "unacked": "unacknowledged segments",
    "rx_total": "▼ bytes so far",
    "tx_total": "▲ bytes so far",
    "mss": "segment size",
    "min_rtt": "least round trip",
}
"""Every order, with the words for it."""

_PLAIN_COLUMNS: Final = {
    "rqueue": "rqueue",
    "wqueue": "wqueue",
    "rx": "rx_payload",
    "tx": "tx_payload",
    "rtt": "rtt_us",
    "retransmits": "retransmits",
    "drops": "drops",
    "cwnd": "cwnd",
    "delivery": "delivery_rate_bytes",
    "lost": "lost",
    "unacked": "unacked",
    "rx_total": "rx_payload_total",
    "tx_total": "tx_payload_total",
    "mss": "mss",
    "min_rtt": "min_rtt_us",
}
"""Orders by one column of SOCKET_ROW."""


class SocketKind(StrEnum):
    """Which sockets are shown."""

    ALL = "all"
    LISTENING = "listening"
    ESTABLISHED = "established"
    TROUBLED = "troubled"


def is_listening(sockets: NDArray[np.void]) -> NDArray[np.bool_]:
    """TCP listeners, and sockets of other protocols that have no peer: these wait for anybody, too."""
    listener = (sockets["protocol"] == TCP) & (sockets["state"] == LISTEN)
    unconnected = (sockets["protocol"] != TCP) & (sockets["state"] == CLOSE)
    return np.asarray(listener | unconnected)


def in_scope(
    sockets: NDArray[np.void], *, pid: int | None, addresses: frozenset[bytes] | None, ifindex: int | None
) -> NDArray[np.bool_]:
    """Which sockets are in the scope.

    A socket belongs to an interface if it is bound to it or to one of its `addresses`; one that listens on any address
    belongs to all.
    """
    chosen = np.ones(len(sockets), np.bool_)
    if pid is not None:
        chosen &= sockets["pid"] == pid
    if addresses is not None:
        packed = np.frombuffer(b"".join(sorted(addresses)), np.uint8).reshape(-1, 16)
        on_interface = ~sockets["local"].any(axis=1) | (sockets["ifindex"] == ifindex)
        for address in packed:
            on_interface |= (sockets["local"] == address).all(axis=1)
        chosen &= on_interface
    return chosen


def of_kind(figures: SocketFigures, kind: SocketKind) -> NDArray[np.bool_]:
    """Which sockets are of a kind."""
    if kind is SocketKind.LISTENING:
        return is_listening(figures.sockets)
    if kind is SocketKind.ESTABLISHED:
        return np.asarray(figures.sockets["state"] == ESTABLISHED)
    if kind is SocketKind.TROUBLED:
        return np.asarray(figures.trouble != 0)
    return np.ones(len(figures), np.bool_)


def chosen(sockets: NDArray[np.void], positions: NDArray[np.intp]) -> NDArray[np.void]:
    """Some sockets, given by rising positions; all of them without a copy."""
    return sockets if len(positions) == len(sockets) else take(sockets, positions)


def queued_bytes(sockets: NDArray[np.void]) -> NDArray[np.int64]:
    """Bytes in both queues; of a listener the connections that wait, for its send queue is a limit."""
    rqueue, wqueue = sockets["rqueue"].astype(np.int64), sockets["wqueue"].astype(np.int64)
    listener = (sockets["protocol"] == TCP) & (sockets["state"] == LISTEN)
    return np.where(listener, rqueue, rqueue + wqueue)


def ordered(
    figures: SocketFigures,
    positions: NDArray[np.intp],
    sort: str,
    descending: bool,
    names: Mapping[int, tuple[str, str]],
) -> NDArray[np.intp]:
    """`positions` in an order of `SORT_WORDS`; equal ones by local port and cookie, so that rows stay where they are.

    `names`: process and user of each pid.
    """
    rows = chosen(figures.sockets, positions)
    steady = [rows["cookie"], rows["local_port"]]
    key: NDArray[np.int64] | NDArray[np.float64]
    if sort == "trouble":
        key = figures.trouble[positions].astype(np.int64)
    elif sort == "rate":
        key = figures.smooth_rates[positions]
    elif sort == "total":
        key = rows["rx_payload_total"].astype(np.float64) + rows["tx_payload_total"]
    elif sort == "queue":
        key = queued_bytes(rows)
    elif sort in _PLAIN_COLUMNS:
        key = rows[_PLAIN_COLUMNS[sort]].astype(np.int64)
    else:
        order = lexical_order(_text_keys(rows, sort, steady, names))
        return positions[order[::-1] if descending else order]
    return positions[lexical_order([*steady, -key if descending else key])]


def _text_keys(
    rows: NDArray[np.void], sort: str, steady: list[NDArray[np.generic]], names: Mapping[int, tuple[str, str]]
) -> list[NDArray[np.generic]]:
    """Keys for np.lexsort, the most important last."""
    if sort in ("process", "user"):
        pids, inverse = np.unique(rows["pid"], return_inverse=True)
        texts = [names.get(pid, ("\U0010ffff", "\U0010ffff"))[sort == "user"].casefold() for pid in pids.tolist()]
        ranks = {text: rank for rank, text in enumerate(sorted(set(texts)))}
        by_name = np.array([ranks[text] for text in texts], np.int64)
        return [*steady, rows["pid"], by_name[inverse] if len(pids) else inverse]
    if sort == "protocol":
        return [*steady, rows["protocol"]]
    if sort == "state":
        # In the order of a connection's life, listeners first.
        return [*steady, rows["protocol"], np.where(rows["state"] == LISTEN, 0, rows["state"])]
    if sort == "port":
        return [*steady[:1], rows["remote_port"], rows["local_port"]]
    high, low = (np.ascontiguousarray(word).byteswap() for word in address_words(rows[sort]))
    return [*steady[:1], rows[f"{sort}_port"], low, high]


class ProtocolCount(NamedTuple):
    """How many sockets of a protocol there are, and how many in each state, the most first."""

    protocol: str
    number: int
    states: tuple[tuple[str, int], ...]


def protocol_counts(sockets: NDArray[np.void]) -> list[ProtocolCount]:
    """As `ss -s` counts, TCP first; only TCP has states that say something."""
    protocols, numbers = np.unique(sockets["protocol"], return_counts=True)
    counts = [ProtocolCount(protocol_name(p), n, ()) for p, n in zip(protocols.tolist(), numbers.tolist(), strict=True)]
    tcp = sockets["protocol"] == TCP
    if tcp.any():
        states, numbers = np.unique(sockets["state"][tcp], return_counts=True)
        by_number = sorted(zip(numbers.tolist(), states.tolist(), strict=True), reverse=True)
        named = [(state_text(TCP_STATES[s]) if 0 < s < len(TCP_STATES) else NOT_KNOWN, n) for n, s in by_number]
        counts = [c for c in counts if c.protocol != "tcp"]
        counts.insert(0, ProtocolCount("tcp", int(tcp.sum()), tuple(named)))
    return counts


def state_text(name: str) -> str:
    """A state as ss writes it: "ESTAB", "TIME-WAIT"."""
    return name.replace("ESTABLISHED", "ESTAB").replace("_", "-")
