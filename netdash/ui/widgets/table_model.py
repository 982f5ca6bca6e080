"""What a table shows, seen from the table: rows that are made when they are drawn."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

from netdash.ui.theme import Tone
from netdash.ui.widgets.columns import Column

Cell = str | tuple[str, Tone]
"""A cell's text, with its tone where it is not NORMAL."""


class TableModel(Protocol):
    """An immutable view on rows; only visible rows are ever asked for.

    Neighbouring rows of equal key are one entry of several lines: the cursor takes them together.
    """

    @property
    def columns(self) -> Sequence[Column]:
        """The columns, in their order on a wide screen."""

    def __len__(self) -> int: ...

    def cells(self, index: int) -> Sequence[Cell]:
        """The row's cells, one per column."""

    def key(self, index: int) -> Hashable:
        """Identity of the row: it keeps the cursor on its row when the order changes."""

    def find(self, key: Hashable) -> int | None:
        """Index of the first row with `key`, None where there is none. Asked once per `show`, so it may be O(n) only
        if that is cheap for the longest table."""

    def bar(self, index: int) -> float | None:
        """0..1: length of the bar behind the row; None: no bar."""


@dataclass(frozen=True, slots=True)
class NoRows:
    """The model of a table that was not given one."""

    columns: Sequence[Column] = ()

    def __len__(self) -> int:
        return 0

    def cells(self, index: int) -> Sequence[Cell]:
        raise IndexError(index)

    def key(self, index: int) -> Hashable:
        raise IndexError(index)

    def find(self, key: Hashable) -> int | None:
        return None

    def bar(self, index: int) -> float | None:
        raise IndexError(index)
