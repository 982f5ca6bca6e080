"""CSV of one view: a header line, then one line a row and interval; quoting as in RFC 4180, lines end with LF.

UTF-8. Units are in the column names, volumes and packets are of the interval; an empty field is not known, a 0 is none.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Final, TextIO

import msgspec

from netdash.model.moments import iso_time
from netdash.model.sanitize import sanitize
from netdash.model.snapshot import Snapshot
from netdash.options import View
from netdash.sinks.row_filter import RowFilter
from netdash.sinks.row_types import FlowRow, InterfaceRow, ProcessRow, SocketRow
from netdash.sinks.rows import (
    AddressTexts,
    flow_rows,
    interface_row,
    process_moved,
    process_row,
    protocols_row,
    socket_rows,
)
from netdash.sinks.sink import emit

_ROW_TYPES: Final[dict[View, type[msgspec.Struct]]] = {
    "interfaces": InterfaceRow,
    "flows": FlowRow,
    "processes": ProcessRow,
    "sockets": SocketRow,
}

_PROTOCOL_COLUMNS: Final = ("interface", "protocol", "rx_packets", "rx_bytes", "tx_packets", "tx_bytes")

_CONVERTED: Final = frozenset(("addresses", "exited", "overflow", "fragment"))
"""Columns of lists and truths."""

_PROTOCOLS: Final = ("ipv4", "ipv6", "tcp", "udp", "icmp", "other_ip", "non_ip", "broadcast", "multicast")


class CsvSink:
    """One table. The first columns are the interval's end in UTC and its length in seconds."""

    def __init__(self, stream: TextIO, view: View, rows: RowFilter | None = None) -> None:
        self.stream = stream
        self._view = view
        self._filter = rows
        self._addresses = AddressTexts()
        row_type = _ROW_TYPES.get(view)
        self._columns = _PROTOCOL_COLUMNS if row_type is None else row_type.__struct_fields__
        self._converted = [index for index, name in enumerate(self._columns) if name in _CONVERTED]

    def start(self, snapshot: Snapshot) -> None:
        self._emit([("time", "interval", *self._columns)])

    def write(self, snapshot: Snapshot) -> None:
        if self._filter is not None:
            snapshot, _ = self._filter.apply(snapshot)
        when, interval = iso_time(snapshot.time), round(snapshot.interval, 6)
        self._emit((when, interval, *self._converted_fields(row)) for row in self._rows(snapshot))

    def finish(self) -> None:
        self.stream.flush()

    def _rows(self, snapshot: Snapshot) -> Iterator[tuple[object, ...]]:
        match self._view:
            case "interfaces":
                return map(msgspec.structs.astuple, map(interface_row, snapshot.interfaces))
            case "processes":
                return map(msgspec.structs.astuple, map(process_row, filter(process_moved, snapshot.processes)))
            case "flows":
                return map(msgspec.structs.astuple, flow_rows(snapshot, self._addresses))
            case "sockets":
                return map(msgspec.structs.astuple, socket_rows(snapshot, self._addresses))
            case "protocols":
                return _protocol_rows(snapshot)

    def _converted_fields(self, row: tuple[object, ...]) -> Iterable[object]:
        fields = list(row)
        for index in self._converted:
            fields[index] = _field(fields[index])
        return fields

    def _emit(self, lines: Iterable[Iterable[object]]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(lines)
        emit(self.stream, text.getvalue().encode())


def _protocol_rows(snapshot: Snapshot) -> Iterator[tuple[object, ...]]:
    for interface, protocols in snapshot.protocols.items():
        row = protocols_row(protocols)
        for name in _PROTOCOLS:
            traffic = getattr(row, name)
            yield (
                sanitize(interface),
                name,
                traffic.rx_packets,
                traffic.rx_bytes,
                traffic.tx_packets,
                traffic.tx_bytes,
            )


def _field(value: object) -> object:
    """What the csv module writes: lists joined by spaces, truth in lower case; None is empty by itself."""
    if value is True or value is False:
        return "true" if value else "false"
    return " ".join(map(str, value)) if isinstance(value, list) else value
