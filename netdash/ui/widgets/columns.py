"""Columns of a table: which of them fit on a screen, and where they stand."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from netdash.ui.text import Align

_GAP_CELLS = 1


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    key: str
    """Names the column; also its sort key."""
    title: str
    width: int
    """Cells; the least for a flexible column."""
    align: Align = "left"
    priority: int = 0
    """On a narrow screen columns of the highest number go first; 0 = never."""
    flexible: bool = False
    """Shares the width that is left."""
    widest: int | None = None
    """Cells that a flexible column takes at most; None = all it can get."""


class PlacedColumn(NamedTuple):
    """A column on the screen."""

    column: Column
    source: int
    """Index in the model's columns."""
    x: int
    width: int


def place_columns(columns: Sequence[Column], width: int, hidden: Collection[str] = frozenset()) -> list[PlacedColumn]:
    """The columns that fit in `width` cells, from left to right, without those whose keys are `hidden`.

    Of equal priority the last goes first. Columns of priority 0 always stay; the line is cut if they are too many.
    """
    kept = [i for i, column in enumerate(columns) if column.key not in hidden]

    def needed() -> int:
        return sum(columns[i].width for i in kept) + _GAP_CELLS * (len(kept) - 1)

    while needed() > width:
        droppable = [i for i in kept if columns[i].priority > 0]
        if not droppable:
            break
        kept.remove(max(droppable, key=lambda i: (columns[i].priority, i)))
    widths = {i: columns[i].width for i in kept}
    spare = max(0, width - needed())
    growing = [i for i in kept if columns[i].flexible]
    while spare and growing:
        for i in list(growing):
            widest = columns[i].widest
            if widest is not None and widths[i] >= widest:
                growing.remove(i)
            elif spare:
                widths[i] += 1
                spare -= 1
    placed: list[PlacedColumn] = []
    x = 0
    for i in kept:
        placed.append(PlacedColumn(columns[i], i, x, widths[i]))
        x += widths[i] + _GAP_CELLS
    return placed
