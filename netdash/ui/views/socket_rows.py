"""The table of sockets: which are shown, their order and their cells."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from enum import StrEnum
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from netdash.model.hashing import address_words
from netdash.model.protocols import CLOSE, ESTABLISHED, LISTEN, TCP, TCP_STATES, protocol_name, state_name
from netdash.model.tables import UNKNOWN
from netdash.model.units import NOT_KNOWN, Units, count
from netdash.ui.theme import Tone
from netdash.ui.views.flow_rows import milliseconds
from netdash.ui.views.flow_text import Labels, end_text
from netdash.ui.widgets.columns import Column
from netdash.ui.widgets.line_table import Cell

SocketSort = Literal["rate", "queue", "local", "remote", "port", "state", "rtt", "retransmits"]
FROM_A_TO_Z: Final = frozenset({"local", "remote", "port", "state"})


_WIDE_CELLS: Final = 100
_HEALTH: Final = (
    (100, Column("rtt", "rtt", 7, "right")),
    (110, Column("retransmits", "retr", 5, "right")),
    (130, Column("cwnd", "cwnd", 5, "right")),
    (130, Column("delivery", "delivery", 8, "right")),
    (140, Column("lost", "lost", 4, "right")),
)
"""Columns and the width from which on there is room for them."""
_SHORT_STATES: Final = {
    "SYN_SENT": "SYN-S",
    "SYN_RECV": "SYN-R",
    "NEW_SYN_RECV": "SYN-R",
    "FIN_WAIT1": "FIN-W1",
    "FIN_WAIT2": "FIN-W2",
    "TIME_WAIT": "TIME-W",
    "CLOSE_WAIT": "CLOS-W",
    "LAST_ACK": "L-ACK",
    "CLOSING": "CLOSG",
}


class SocketKind(StrEnum):
    """Which sockets are shown."""

    ALL = "all"
    LISTENING = "listening"
    ESTABLISHED = "established"


def is_listening(sockets: NDArray[np.void]) -> NDArray[np.bool_]:
    """TCP listeners, and sockets of other protocols that have no peer: these wait for anybody, too."""
    listener = (sockets["protocol"] == TCP) & (sockets["state"] == LISTEN)
    unconnected = (sockets["protocol"] != TCP) & (sockets["state"] == CLOSE)
    return np.asarray(listener | unconnected)


def chosen_sockets(
    sockets: NDArray[np.void],
    kind: SocketKind,
    *,
    pid: int | None,
    addresses: frozenset[bytes] | None,
    ifindex: int | None,
) -> NDArray[np.intp]:
    """Positions of the sockets of a kind and of the scope.

    A socket belongs to an interface if it is bound to it or to one of its `addresses`; one that listens on any address
    belongs to all.
    """
    chosen = np.ones(len(sockets), np.bool_)
    if kind is SocketKind.LISTENING:
        chosen = is_listening(sockets)
    elif kind is SocketKind.ESTABLISHED:
        chosen = sockets["state"] == ESTABLISHED
    if pid is not None:
        chosen = chosen & (sockets["pid"] == pid)
    if addresses is not None:
        packed = np.frombuffer(b"".join(sorted(addresses)), np.uint8).reshape(-1, 16)
        on_interface = ~sockets["local"].any(axis=1) | (sockets["ifindex"] == ifindex)
        for address in packed:
            on_interface |= (sockets["local"] == address).all(axis=1)
        chosen = chosen & on_interface
    return np.flatnonzero(chosen)


def moved_bytes(sockets: NDArray[np.void]) -> NDArray[np.int64]:
    """Payload of the interval in both directions; -1 where it is not known."""
    rx, tx = sockets["rx_payload"], sockets["tx_payload"]
    unknown = (rx == UNKNOWN) & (tx == UNKNOWN)
    return np.where(unknown, -1, np.maximum(rx, 0) + np.maximum(tx, 0))


def queued_bytes(sockets: NDArray[np.void]) -> NDArray[np.int64]:
    """Bytes in both queues; of a listener the connections that wait, for its send queue is a limit."""
    rqueue, wqueue = sockets["rqueue"].astype(np.int64), sockets["wqueue"].astype(np.int64)
    listener = (sockets["protocol"] == TCP) & (sockets["state"] == LISTEN)
    return np.where(listener, rqueue, rqueue + wqueue)


def ordered(
    sockets: NDArray[np.void], positions: NDArray[np.intp], sort: SocketSort, descending: bool
) -> NDArray[np.intp]:
    """`positions` in an order; equal ones by local port and cookie, so that rows stay where they are."""
    rows = sockets[positions]
    steady = [rows["cookie"], rows["local_port"]]
    if sort in ("rate", "queue", "rtt", "retransmits"):
        if sort in ("rate", "queue"):
            key = moved_bytes(rows) if sort == "rate" else queued_bytes(rows)
        else:
            key = rows["rtt_us" if sort == "rtt" else "retransmits"].astype(np.int64)
        return positions[np.lexsort([*steady, -key if descending else key])]
    if sort == "state":
        # In the order of a connection's life, listeners first.
        keys = [*steady, rows["protocol"], np.where(rows["state"] == LISTEN, 0, rows["state"])]
    elif sort == "port":
        keys = [*steady[:1], rows["remote_port"], rows["local_port"]]
    else:
        high, low = (np.ascontiguousarray(word).byteswap() for word in address_words(rows[sort]))
        keys = [*steady[:1], rows[f"{sort}_port"], low, high]
    order = np.lexsort(keys)
    return positions[order[::-1] if descending else order]


def state_counts(sockets: NDArray[np.void]) -> list[tuple[str, int]]:
    """How many TCP sockets are in which state, the largest first, and how many others there are by protocol."""
    tcp = sockets["protocol"] == TCP
    states, numbers = np.unique(sockets["state"][tcp], return_counts=True)
    counts = sorted(zip(numbers.tolist(), states.tolist(), strict=True), reverse=True)
    result = [(state_text(TCP_STATES[s]) if 0 < s < len(TCP_STATES) else NOT_KNOWN, n) for n, s in counts]
    protocols, numbers = np.unique(sockets["protocol"][~tcp], return_counts=True)
    return result + [(protocol_name(p), n) for p, n in zip(protocols.tolist(), numbers.tolist(), strict=True)]


class SocketTable:
    """TableModel of sockets."""

    def __init__(
        self,
        sockets: NDArray[np.void],
        order: NDArray[np.intp],
        labels: Labels,
        units: Units,
        *,
        interval: float,
        width: int,
    ) -> None:
        """`order`: positions in `sockets`; `interval`: seconds, 0.0 = no figures yet; `width`: cells of the table."""
        self._sockets = sockets
        self._order = order
        self._labels = labels
        self._units = units
        self._interval = interval
        self._narrow = width < _WIDE_CELLS
        self.columns = _columns(units, width)
        self._end_cells = next(column.width for column in self.columns if column.key == "local")

    def __len__(self) -> int:
        return len(self._order)

    def key(self, index: int) -> Hashable:
        """The socket's cookie."""
        return int(self._sockets["cookie"][self._order[index]])

    def find(self, key: Hashable) -> int | None:
        """Row of a cookie."""
        if not isinstance(key, int):
            return None
        found = np.flatnonzero(self._sockets["cookie"][self._order] == np.uint64(key))
        return int(found[0]) if len(found) else None

    def bar(self, index: int) -> float | None:
        """No bars."""
        return None

    def cells(self, index: int) -> Sequence[Cell]:
        """One row of text."""
        socket = self._sockets[self._order[index]]
        protocol, pid = int(socket["protocol"]), int(socket["pid"])
        rqueue, wqueue = self._queues(socket)
        cells: dict[str, Cell] = {
            "protocol": protocol_name(protocol),
            "state": self._state(socket),
            "rqueue": rqueue,
            "wqueue": wqueue,
            "local": self._end(socket, "local"),
            "remote": self._end(socket, "remote"),
            "process": (NOT_KNOWN, Tone.DIM) if pid == UNKNOWN else (self._labels.process_now(pid), Tone.ACCENT),
            "rx": self._rate(int(socket["rx_payload"]), Tone.RX),
            "tx": self._rate(int(socket["tx_payload"]), Tone.TX),
            **self._health(socket),
        }
        return [cells[column.key] for column in self.columns]

    def _state(self, socket: np.void) -> Cell:
        protocol, number = int(socket["protocol"]), int(socket["state"])
        name = state_name(protocol, number) or NOT_KNOWN
        tone = Tone.GOOD if name == "ESTABLISHED" else Tone.NORMAL if name in ("LISTEN", "UNCONN") else Tone.WARN
        if not self._narrow:
            return state_text(name), tone
        # Without a column for the protocol it stands here; whether there is a peer is seen at the remote end.
        return (_SHORT_STATES.get(name, state_text(name)) if protocol == TCP else protocol_name(protocol)), tone

    def _queues(self, socket: np.void) -> tuple[Cell, Cell]:
        rqueue, wqueue = int(socket["rqueue"]), int(socket["wqueue"])
        if int(socket["protocol"]) == TCP and int(socket["state"]) == LISTEN:
            # The kernel gives a listener's backlog here: waiting now, and the limit.
            full = Tone.BAD if rqueue > wqueue > 0 else Tone.WARN if rqueue else Tone.DIM
            return (count(rqueue), full), (f"≤{count(wqueue)}", Tone.DIM)
        return (count(rqueue), Tone.WARN if rqueue else Tone.DIM), (count(wqueue), Tone.NORMAL if wqueue else Tone.DIM)

    def _end(self, socket: np.void, side: str) -> Cell:
        address, port = socket[side].tobytes(), int(socket[f"{side}_port"])
        if side == "remote" and not port and not any(address):
            return "*", Tone.DIM
        host = self._labels.host(address) if any(address) else "*"
        return end_text(host, self._labels.port(port, int(socket["protocol"])) if port else ":*", self._end_cells)

    def _rate(self, count_bytes: int, tone: Tone) -> Cell:
        if count_bytes == UNKNOWN or self._interval <= 0.0:
            return NOT_KNOWN, Tone.DIM
        return self._units.rate(count_bytes / self._interval), tone if count_bytes else Tone.DIM

    def _health(self, socket: np.void) -> dict[str, Cell]:
        unknown: Cell = (NOT_KNOWN, Tone.DIM)
        if not int(socket["has_info"]) or int(socket["state"]) == LISTEN:
            return {column.key: unknown for _, column in _HEALTH}
        rtt_us, delivery_bytes = int(socket["rtt_us"]), int(socket["delivery_rate_bytes"])
        retransmits, lost = int(socket["retransmits"]), int(socket["lost"])
        return {
            "rtt": milliseconds(rtt_us) if rtt_us else unknown,
            "retransmits": (count(retransmits), Tone.WARN if retransmits else Tone.DIM),
            "cwnd": count(int(socket["cwnd"])),
            "delivery": self._units.rate(delivery_bytes) if delivery_bytes else unknown,
            "lost": (count(lost), Tone.WARN if lost else Tone.DIM),
        }


def state_text(name: str) -> str:
    """A state as ss writes it: "ESTAB", "TIME-WAIT"."""
    return name.replace("ESTABLISHED", "ESTAB").replace("_", "-")


def _columns(units: Units, width: int) -> tuple[Column, ...]:
    """Both ends get an equal share of what the others leave; a narrow screen has no protocol and no health."""
    cells = 7 if units.iec else 6
    wide = width >= _WIDE_CELLS
    before = [Column("protocol", "proto", 7), Column("state", "state", 11)] if wide else [Column("state", "state", 6)]
    queue = 6 if wide else 5
    before += [
        Column("rqueue", "recvQ" if wide else "rcvQ", queue, "right"),
        Column("wqueue", "sendQ" if wide else "sndQ", queue, "right"),
    ]
    process = Column("process", "process (pid)" if wide else "process", 17 if wide else 12, flexible=True)
    rates = [Column("rx", "▼ rate", cells, "right"), Column("tx", "▲ rate", cells, "right")]
    health = [column for least, column in _HEALTH if width >= least]
    others = [*before, process, *rates, *health]
    spare = width - sum(column.width for column in others) - len(others) - 1
    ends = max(12, min(47, spare // 2))
    return (*before, Column("local", "local", ends), Column("remote", "remote", ends), process, *rates, *health)
