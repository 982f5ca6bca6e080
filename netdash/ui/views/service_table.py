"""The table of ports of the Protocols view."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.model.history import OTHERS, ServiceFigures, Side
from netdash.model.protocols import protocol_name
from netdash.model.snapshot import Layer
from netdash.model.units import NOT_KNOWN, Units, count
from netdash.ui.theme import Tone
from netdash.ui.widgets.columns import Column
from netdash.ui.widgets.line_table import Cell

_SIDES: Final = {Side.HERE: "here", Side.THERE: "there", Side.BETWEEN: "passing"}

SORTS: Final[dict[str, Callable[[NDArray[np.void]], NDArray[np.generic]]]] = {
    "port": lambda rows: rows["key"] & np.uint64(0xFFFF),
    "protocol": lambda rows: rows["key"] >> np.uint64(24) & np.uint64(0xFF),
    "side": lambda rows: rows["key"] >> np.uint64(16) & np.uint64(0xFF),
    "rate": lambda rows: rows["to_bytes_now"] + rows["from_bytes_now"],
    "to_rate": lambda rows: rows["to_bytes_now"],
    "from_rate": lambda rows: rows["from_bytes_now"],
    "packets": lambda rows: rows["to_packets"] + rows["from_packets"],
    "bytes": lambda rows: rows["to_bytes"] + rows["from_bytes"],
    "to_packets": lambda rows: rows["to_packets"],
    "to_bytes": lambda rows: rows["to_bytes"],
    "from_packets": lambda rows: rows["from_packets"],
    "from_bytes": lambda rows: rows["from_bytes"],
}
"""Orders by key."""
FROM_SMALLEST: Final = frozenset({"port", "protocol", "side"})


class ServiceTable:
    """TableModel of ports."""

    def __init__(
        self,
        figures: ServiceFigures,
        rows: NDArray[np.void],
        units: Units,
        name_of: Callable[[int, int], str | None],
        *,
        sort: str,
        descending: bool,
    ) -> None:
        """`rows`: of the interfaces that are looked at; `name_of`: the service of a port and a protocol."""
        key = SORTS[sort](rows).astype(np.int64)
        order = np.lexsort([rows["key"], -key if descending else key])
        self._rows = rows[order]
        self._figures = figures
        self._units = units
        self._name_of = name_of
        self.columns = _columns(units)

    def __len__(self) -> int:
        return len(self._rows)

    def key(self, index: int) -> Hashable:
        """Protocol, side and port as one number."""
        return int(self._rows["key"][index])

    def find(self, key: Hashable) -> int | None:
        """Row of a key."""
        if not isinstance(key, int):
            return None
        found = np.flatnonzero(self._rows["key"] == np.uint64(key))
        return int(found[0]) if len(found) else None

    def bar(self, index: int) -> float | None:
        """No bars."""
        return None

    def cells(self, index: int) -> Sequence[Cell]:
        """One row of text."""
        row = self._rows[index]
        key = int(row["key"])
        port, side, protocol = key & 0xFFFF, Side(key >> 16 & 0xFF), key >> 24 & 0xFF
        to_bytes, from_bytes = int(row["to_bytes"]), int(row["from_bytes"])
        moving = bool(row["to_bytes_now"] or row["from_bytes_now"])
        return (
            (protocol_name(protocol), Tone.DIM),
            ("others" if port == OTHERS else str(port), Tone.ACCENT if moving else Tone.NORMAL),
            (self._name_of(port, protocol) or "", Tone.NORMAL),
            (_SIDES[side], Tone.DIM),
            self._packets(int(row["to_packets"]) + int(row["from_packets"])),
            (self._units.volume(to_bytes + from_bytes), Tone.NORMAL),
            self._packets(int(row["to_packets"])),
            (self._units.volume(to_bytes), Tone.NORMAL if to_bytes else Tone.DIM),
            self._packets(int(row["from_packets"])),
            (self._units.volume(from_bytes), Tone.NORMAL if from_bytes else Tone.DIM),
            self._rate(int(row["to_bytes_now"]), incoming=side is Side.HERE),
            self._rate(int(row["from_bytes_now"]), incoming=side is Side.THERE),
        )

    def _packets(self, number: int) -> Cell:
        if self._figures.layer is Layer.PAYLOAD:
            return NOT_KNOWN, Tone.DIM
        return count(number), Tone.NORMAL if number else Tone.DIM

    def _rate(self, count_bytes: int, *, incoming: bool) -> Cell:
        """`incoming`: to this host; the tone says so, the column already tells the direction."""
        if self._figures.interval <= 0.0:
            return NOT_KNOWN, Tone.DIM
        tone = Tone.RX if incoming else Tone.TX
        return self._units.rate(count_bytes / self._figures.interval), tone if count_bytes else Tone.DIM


def service_words(key: int) -> str | None:
    """The flows of a row in the words of a filter, by the row's key; None of those that share a row."""
    port, side, protocol = key & 0xFFFF, Side(key >> 16 & 0xFF), key >> 24 & 0xFF
    word = {Side.HERE: "sport", Side.THERE: "dport", Side.BETWEEN: "port"}[side]
    return None if port == OTHERS else f"{word}:{port} proto:{protocol_name(protocol)}"


def _columns(units: Units) -> tuple[Column, ...]:
    """72 cells without the packets of each direction and the service's name."""
    cells = 8 if units.iec else 7
    return (
        Column("protocol", "proto", 5),
        Column("port", "port", 6, "right"),
        Column("name", "service", 8, flexible=True, widest=16, priority=2),
        Column("side", "where", 7),
        Column("packets", "packets", 7, "right", priority=1),
        Column("bytes", "bytes", cells, "right"),
        Column("to_packets", "→ pkts", 7, "right", priority=3),
        Column("to_bytes", "→ bytes", cells, "right"),
        Column("from_packets", "← pkts", 7, "right", priority=3),
        Column("from_bytes", "← bytes", cells, "right"),
        Column("to_rate", "→ rate", cells, "right"),
        Column("from_rate", "← rate", cells, "right"),
    )
