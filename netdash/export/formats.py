"""CSV and JSON Lines."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import BinaryIO, Protocol

import msgspec

from netdash.export.rows import Cell
from netdash.export.tables import Column
from netdash.model.moments import iso_time


class Writer(Protocol):
    """Writes one table."""

    def write(self, batch: Sequence[Sequence[Cell]]) -> None:
        """Columns of some rows. May raise OSError."""

    def finish(self) -> None:
        """After the last row. May raise OSError."""

    def abandon(self) -> None:
        """Instead of `finish`, where something failed; while the stream is open."""


class CsvWriter:
    """A header, then a line a row; quoting as in RFC 4180, lines end with LF, UTF-8. An empty field is not known."""

    def __init__(self, stream: BinaryIO, columns: Sequence[Column]) -> None:
        self._stream = stream
        self._columns = columns
        self._write_lines([[column.name for column in columns]])

    def write(self, batch: Sequence[Sequence[Cell]]) -> None:
        self._write_lines(zip(*map(_for_csv, batch, self._columns), strict=True))

    def finish(self) -> None:
        """Nothing is left to do."""

    def abandon(self) -> None:
        """Nothing is left to do."""

    def _write_lines(self, lines: Iterable[Iterable[Cell]]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(lines)
        self._stream.write(text.getvalue().encode())


class JsonLinesWriter:
    """An object a row, on one line; null is not known."""

    def __init__(self, stream: BinaryIO, columns: Sequence[Column]) -> None:
        self._stream = stream
        self._columns = columns
        self._encoder = msgspec.json.Encoder()

    def write(self, batch: Sequence[Sequence[Cell]]) -> None:
        names = [column.name for column in self._columns]
        rows = zip(*map(_with_times, batch, self._columns), strict=True)
        self._stream.write(self._encoder.encode_lines([dict(zip(names, row, strict=True)) for row in rows]))

    def finish(self) -> None:
        """Nothing is left to do."""

    def abandon(self) -> None:
        """Nothing is left to do."""


def _for_csv(cells: Sequence[Cell], column: Column) -> Sequence[Cell]:
    if column.kind == "truth":
        return [None if cell is None else "true" if cell else "false" for cell in cells]
    return _with_times(cells, column)


def _with_times(cells: Sequence[Cell], column: Column) -> Sequence[Cell]:
    """ISO 8601 in UTC where they are times. A minute has many rows: each time is written out once."""
    if column.kind != "time":
        return cells
    texts = {cell: iso_time(cell) if isinstance(cell, (int, float)) else None for cell in set(cells)}
    return [texts[cell] for cell in cells]
