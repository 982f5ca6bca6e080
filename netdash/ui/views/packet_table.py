"""The list of packets: its columns and cells."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from netdash.model.held_packets import PacketSpan
from netdash.ui.theme import Tone
from netdash.ui.views.flow_text import end_text
from netdash.ui.widgets.columns import Column
from netdash.ui.widgets.line_table import Cell

if TYPE_CHECKING:
    from netdash.packets.decode import PacketSummary

_WIDE_CELLS: Final = 110
"""From this width on both ends have a column."""
_END_CELLS: Final = 21
"""An IPv4 address with its port."""


class PacketTable:
    """TableModel of packets, the oldest first. Rows that were not decoded yet show what needs no decoding, and ask for
    it."""

    def __init__(
        self,
        span: PacketSpan,
        summaries: Mapping[int, PacketSummary],
        interfaces: Mapping[int, str],
        *,
        width: int,
        one_connection: bool,
        ask: Callable[[int], None],
    ) -> None:
        """`summaries`: by number; `interfaces`: names by index, empty where all packets are of one; `width`: cells of
        the table; `one_connection`: all packets have the same two ends; `ask`: told the number of a packet whose
        summary is missing."""
        self.span = span
        self._summaries = summaries
        self._interfaces = interfaces
        self._ask = ask
        self.columns = _columns(width, one_connection=one_connection, interfaces=bool(interfaces))
        self._widths = {column.key: column.width for column in self.columns}

    def __len__(self) -> int:
        return len(self.span)

    def key(self, index: int) -> Hashable:
        """The packet's number."""
        return self.span.first + index

    def find(self, key: Hashable) -> int | None:
        """Row of a number."""
        return key - self.span.first if isinstance(key, int) and key in self.span.numbers else None

    def bar(self, index: int) -> float | None:
        """No bars."""
        return None

    def cells(self, index: int) -> Sequence[Cell]:
        """One row of text."""
        number = self.span.first + index
        packet, summary = self.span.packet(number), self._summaries.get(number)
        cells = {
            "time": packet_time(packet.time_ns)[: self._widths["time"]],
            "direction": "▲" if packet.outgoing else "▼",
            "interface": self._interfaces.get(packet.ifindex, f"#{packet.ifindex}"),
            "length": str(packet.length),
        }
        if summary is None:
            self._ask(number)
            cells["protocol"] = "…"
            return [(cells.get(column.key, ""), Tone.DIM) for column in self.columns]
        cells["source"] = self._end(summary.source, "source")
        cells["destination"] = self._end(summary.destination, "destination")
        cells["peer"] = self._end(summary.destination if packet.outgoing else summary.source, "peer")
        cells["protocol"] = summary.protocol
        cells["info"] = summary.info
        # One tone for all: a row is drawn in one piece.
        tone = Tone.TX if packet.outgoing else Tone.RX
        return [(cells[column.key], tone) for column in self.columns]

    def _end(self, text: str, key: str) -> str:
        """An end in its column, whose port stays to be seen."""
        width = self._widths.get(key, 0)
        if len(text) <= width or not width:
            return text
        host, colon, port = text.rpartition(":")
        if text.startswith("["):
            return end_text(host[1:-1], f":{port}", width)
        return end_text(text, "", width) if host.count(":") else end_text(host, colon + port, width)


def packet_time(time_ns: int) -> str:
    """The time of day with microseconds."""
    seconds, rest = divmod(time_ns, 10**9)
    return f"{time.strftime('%H:%M:%S', time.localtime(seconds))}.{rest // 1000:06d}"


def _columns(width: int, *, one_connection: bool, interfaces: bool) -> tuple[Column, ...]:
    """A narrow screen has milliseconds, and of the ends the other one, where it is not the same for all."""
    wide = width >= _WIDE_CELLS
    columns = [Column("time", "time", 15 if wide else 12), Column("direction", "", 1)]
    if interfaces:
        columns.append(Column("interface", "iface", 8 if wide else 6, priority=2))
    if wide:
        # The half of what is left beyond the shortest info.
        end = max(_END_CELLS, min(47, (width - 90) // 2))
        columns += [Column("source", "source", end), Column("destination", "destination", end)]
    elif not one_connection:
        columns.append(Column("peer", "other end", _END_CELLS))
    columns += [Column("protocol", "proto", 6), Column("length", "bytes", 5, "right")]
    return (*columns, Column("info", "info", 10, flexible=True))
