"""Rows of an exported table as plain values of the kinds that their columns have."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from netdash.export.tables import Column, ExportTable
from netdash.recording.query import TableQuery, Value, real, text, whole

BATCH_ROWS: Final = 10_000
_REMEMBERED: Final = 100_000
_FIRST, _LAST = -1e18, 1e18

Cell = str | int | float | bool | None


class RowReader:
    """Reads a table in batches; what is of another kind than its column says is not known."""

    def __init__(self, query: TableQuery, table: ExportTable, begin: float | None, end: float | None) -> None:
        """`begin`, `end`: seconds since the epoch, None = no limit."""
        self._query = query
        self._table = table
        self._limits: dict[str, Value] = {}
        if begin is not None or end is not None:
            self._limits = {"begin": _FIRST if begin is None else begin, "end": _LAST if end is None else end}
        self._texts: dict[Value, str] = {}

    def count(self) -> int:
        """Rows. Raises RecordingError."""
        return whole(self._query.row(self._table.count(bool(self._limits)), self._limits)[0]) or 0

    def batches(self) -> Iterator[list[list[Cell]]]:
        """Columns of up to BATCH_ROWS rows; times in seconds since the epoch. Raises RecordingError."""
        convert = [self._converter(column) for column in self._table.columns]
        rows: list[tuple[Value, ...]] = []
        for row in self._query.rows(self._table.select(bool(self._limits)), self._limits):
            rows.append(row)
            if len(rows) == BATCH_ROWS:
                yield _columns(rows, convert)
                rows = []
        if rows:
            yield _columns(rows, convert)

    def _converter(self, column: Column) -> Callable[[Value], Cell]:
        match column.kind:
            case "text":
                return self._text
            case "whole":
                return whole
            case "truth":
                return _truth
            case "real" | "time":
                return real

    def _text(self, value: Value) -> str | None:
        """Fit for any screen. The same names come again and again."""
        if value is None:
            return None
        found = self._texts.get(value)
        if found is None:
            if len(self._texts) >= _REMEMBERED:
                self._texts.clear()
            found = self._texts[value] = text(value)
        return found


def _columns(rows: Sequence[tuple[Value, ...]], convert: Sequence[Callable[[Value], Cell]]) -> list[list[Cell]]:
    columns = zip(convert, zip(*rows, strict=True), strict=True)
    return [[change(value) for value in column] for change, column in columns]


def _truth(value: Value) -> bool | None:
    number = whole(value)
    return None if number is None else bool(number)
