"""The table of sockets: its columns and cells."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.model.history import SocketFigures, Trouble
from netdash.model.protocols import LISTEN, TCP, protocol_name, state_name
from netdash.model.tables import UNKNOWN
from netdash.model.units import NOT_KNOWN, Units, count
from netdash.ui.theme import Tone
from netdash.ui.views.flow_rows import milliseconds
from netdash.ui.views.flow_text import Labels, end_text
from netdash.ui.views.socket_choice import state_text
from netdash.ui.widgets.columns import Column
from netdash.ui.widgets.line_table import Cell

_WIDE_CELLS: Final = 100
_ROOMY_CELLS: Final = 160
_HEALTH: Final = (
    (15, Column("rtt", "rtt", 7, "right")),
    (21, Column("retransmits", "retr", 6, "right")),
    (21, Column("drops", "drops", 6, "right")),
    (21, Column("user", "user", 8)),
    (22, Column("cwnd", "cwnd", 5, "right")),
    (22, Column("delivery", "delivery", 8, "right")),
    (24, Column("lost", "lost", 4, "right")),
    (32, Column("rx_total", "▼ bytes", 7, "right")),
    (32, Column("tx_total", "▲ bytes", 7, "right")),
    (36, Column("unacked", "unack", 5, "right")),
    (40, Column("min_rtt", "min rtt", 7, "right")),
    (44, Column("mss", "mss", 5, "right")),
)
"""Columns, and how many cells each end must have left beside one: an IPv4 address with its port takes 21, an IPv6
address 47."""
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
_DIM: Final[Cell] = (NOT_KNOWN, Tone.DIM)


class SocketTable:
    """TableModel of sockets. A "!" before the state marks a socket with trouble."""

    def __init__(
        self, figures: SocketFigures, order: NDArray[np.intp], labels: Labels, units: Units, *, width: int
    ) -> None:
        """`order`: positions in `figures`; `width`: cells of the table."""
        self._figures = figures
        self._order = order
        self._labels = labels
        self._units = units
        self._narrow = width < _WIDE_CELLS
        self.columns = _columns(units, width)
        self._end_cells = next(column.width for column in self.columns if column.key == "local")

    def __len__(self) -> int:
        return len(self._order)

    def key(self, index: int) -> Hashable:
        """The socket's cookie."""
        return int(self._figures.sockets["cookie"][self._order[index]])

    def find(self, key: Hashable) -> int | None:
        """Row of a cookie."""
        if not isinstance(key, int):
            return None
        found = np.flatnonzero(self._figures.sockets["cookie"][self._order] == np.uint64(key))
        return int(found[0]) if len(found) else None

    def position(self, index: int) -> int:
        """Where the row stands in the figures."""
        return int(self._order[index])

    def bar(self, index: int) -> float | None:
        """No bars."""
        return None

    def cells(self, index: int) -> Sequence[Cell]:
        """One row of text."""
        position = self.position(index)
        socket = self._figures.sockets[position]
        trouble = Trouble(int(self._figures.trouble[position]))
        rqueue, wqueue = queue_cells(socket, trouble)
        cells: dict[str, Cell] = {
            "protocol": protocol_name(int(socket["protocol"])),
            "state": self._state(socket, trouble),
            "rqueue": rqueue,
            "wqueue": wqueue,
            "local": self._end(socket, "local"),
            "remote": self._end(socket, "remote"),
            "process": self._process(int(socket["pid"])),
            "user": user_text(socket, self._labels),
            "rx": self._rate(int(socket["rx_payload"]), Tone.RX),
            "tx": self._rate(int(socket["tx_payload"]), Tone.TX),
            "drops": _moving(int(socket["drops"]), int(self._figures.new_drops[position])),
            **self._health(socket, int(self._figures.new_retransmits[position])),
        }
        return [cells[column.key] for column in self.columns]

    def _state(self, socket: np.void, trouble: Trouble) -> Cell:
        protocol, number = int(socket["protocol"]), int(socket["state"])
        name = state_name(protocol, number) or NOT_KNOWN
        tone = Tone.GOOD if name == "ESTABLISHED" else Tone.NORMAL if name in ("LISTEN", "UNCONN") else Tone.WARN
        mark = "!" if trouble else " "
        if not self._narrow:
            return mark + state_text(name), Tone.BAD if trouble else tone
        # Without a column for the protocol it stands here; whether there is a peer is seen at the remote end.
        short = _SHORT_STATES.get(name, state_text(name)) if protocol == TCP else protocol_name(protocol)
        return mark + short, Tone.BAD if trouble else tone

    def _end(self, socket: np.void, side: str) -> Cell:
        address, port = socket[side].tobytes(), int(socket[f"{side}_port"])
        if side == "remote" and not port and not any(address):
            return "*", Tone.DIM
        return socket_end(socket, side, self._labels, self._end_cells)

    def _process(self, pid: int) -> Cell:
        if pid == UNKNOWN:
            return _DIM
        known = self._labels.processes.get(pid)
        if self._narrow and known is not None:
            return known.name, Tone.ACCENT
        return self._labels.process_now(pid), Tone.ACCENT

    def _rate(self, count_bytes: int, tone: Tone) -> Cell:
        if count_bytes == UNKNOWN or self._figures.interval <= 0.0:
            return _DIM
        return self._units.rate(count_bytes / self._figures.interval), tone if count_bytes else Tone.DIM

    def _health(self, socket: np.void, new_retransmits: int) -> dict[str, Cell]:
        if not int(socket["has_info"]) or int(socket["state"]) == LISTEN:
            return {column.key: _DIM for _, column in _HEALTH if column.key not in ("drops", "user")}
        delivery_bytes, lost = int(socket["delivery_rate_bytes"]), int(socket["lost"])
        return {
            "rtt": time_text(int(socket["rtt_us"])),
            "min_rtt": time_text(int(socket["min_rtt_us"])),
            "retransmits": _moving(int(socket["retransmits"]), new_retransmits),
            "cwnd": count(int(socket["cwnd"])),
            "mss": count(int(socket["mss"])),
            "unacked": (count(int(socket["unacked"])), Tone.NORMAL if int(socket["unacked"]) else Tone.DIM),
            "delivery": self._units.rate(delivery_bytes) if delivery_bytes else _DIM,
            "lost": (count(lost), Tone.WARN if lost else Tone.DIM),
            "rx_total": self._units.volume(int(socket["rx_payload_total"])),
            "tx_total": self._units.volume(int(socket["tx_payload_total"])),
        }


def time_text(microseconds: int) -> str:
    """A round trip; 0 = not measured."""
    return milliseconds(microseconds) if microseconds else NOT_KNOWN


def user_text(socket: np.void, labels: Labels) -> Cell:
    """The process's user, else the number of the socket's owner."""
    known = labels.processes.get(int(socket["pid"]))
    return known.user if known is not None else (str(int(socket["uid"])), Tone.DIM)


def socket_end(socket: np.void, side: str, labels: Labels, width: int) -> str:
    """An end of a socket: "*:443", "10.0.0.1:22"."""
    address, port = socket[side].tobytes(), int(socket[f"{side}_port"])
    host = labels.host(address) if any(address) else "*"
    return end_text(host, labels.port(port, int(socket["protocol"])) if port else ":*", width)


def queue_cells(socket: np.void, trouble: Trouble) -> tuple[Cell, Cell]:
    """Both queues; the kernel gives a listener's backlog there: waiting now, and the limit."""
    rqueue, wqueue = int(socket["rqueue"]), int(socket["wqueue"])
    if int(socket["protocol"]) == TCP and int(socket["state"]) == LISTEN:
        tone = Tone.BAD if trouble & Trouble.BACKLOG_FULL else Tone.WARN if rqueue else Tone.DIM
        return (count(rqueue), tone), (f"≤{count(wqueue)}", Tone.DIM)
    rx_tone = Tone.BAD if trouble & Trouble.NOT_READ else Tone.WARN if rqueue else Tone.DIM
    tx_tone = Tone.BAD if trouble & Trouble.STALLED else Tone.NORMAL if wqueue else Tone.DIM
    return (count(rqueue), rx_tone), (count(wqueue), tx_tone)


def _moving(total: int, new: int) -> Cell:
    """A counter of something bad: what came in the interval stands behind a plus."""
    if new == UNKNOWN and not total:
        return _DIM
    if new > 0:
        return f"+{count(new)}" if total == new else f"{count(total)}+{count(new)}", Tone.BAD
    return count(total), Tone.WARN if total else Tone.DIM


def _columns(units: Units, width: int) -> tuple[Column, ...]:
    """Both ends get an equal share of what the others leave; a narrow screen has no protocol and no health."""
    cells = 7 if units.iec else 6
    wide = width >= _WIDE_CELLS
    before = [Column("protocol", "proto", 5), Column("state", " state", 11)] if wide else [Column("state", " state", 7)]
    queue = 6 if wide else 5
    before += [
        Column("rqueue", "recvQ" if wide else "rcvQ", queue, "right"),
        Column("wqueue", "sendQ" if wide else "sndQ", queue, "right"),
    ]
    owner = 18 if width >= _ROOMY_CELLS else 14 if wide else 10
    process = Column("process", "process (pid)" if wide else "process", owner, flexible=True)
    rates = [Column("rx", "▼ rate", cells, "right"), Column("tx", "▲ rate", cells, "right")]
    others = [*before, process, *rates]
    spare = width - sum(column.width for column in others) - len(others) - 1
    health: list[Column] = []
    for least_end, column in _HEALTH if wide else ():
        if spare - column.width - 1 < 2 * least_end:
            break
        health.append(column)
        spare -= column.width + 1
    ends = max(12, min(47, spare // 2))
    return (*before, Column("local", "local", ends), Column("remote", "remote", ends), process, *rates, *health)
