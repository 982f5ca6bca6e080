"""Columns that fit a terminal: those that matter less go, then names are cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from netdash.sinks.text_table import table

_LEAST_NAME: Final = 8


@dataclass(frozen=True, slots=True)
class Column:
    """One column; cells in the order of the rows."""

    title: str
    cells: Sequence[str]
    left: bool = False
    goes: int = 0
    """Columns with the highest go first, together; 0 = stays."""

    @property
    def width(self) -> int:
        """As wide as its widest cell."""
        return max(len(self.title), *(len(cell) for cell in self.cells))


def fitted(columns: Sequence[Column], width: int | None) -> list[str]:
    """Lines of at most `width` characters if that can be; None = as wide as they are. The first column is cut last."""
    chosen = list(columns)
    while width is not None and _total(chosen) > width and any(column.goes for column in chosen):
        last = max(column.goes for column in chosen)
        chosen = [column for column in chosen if column.goes < last]
    if width is not None and (excess := _total(chosen) - width) > 0:
        first = chosen[0]
        chosen[0] = _cut(first, max(_LEAST_NAME, first.width - excess))
    return table(
        [column.title for column in chosen],
        list(zip(*(column.cells for column in chosen), strict=True)),
        [number for number, column in enumerate(chosen) if column.left],
        [0] * len(chosen),
    )


def _total(columns: Sequence[Column]) -> int:
    return sum(column.width for column in columns) + len(columns) - 1


def _cut(column: Column, width: int) -> Column:
    cells = [cell if len(cell) <= width else cell[: width - 1] + "…" for cell in column.cells]
    return Column(column.title[:width], cells, column.left)
