"""What a frame says of one long table: which rows it has now, and which values changed.

Writer and reader both remember every row that the table has had since the key frame (`KnownRows`). So a connection that
pauses costs nothing, and what never changes is written once. Values are written as differences to what can be foretold
from the row's last value and from other columns of the row.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from netdash.recording.known_rows import KnownRows
from netdash.recording.planes import (
    MAX_ROWS,
    DamagedError,
    Numbers,
    Words,
    pack_bits,
    pack_steps,
    unpack,
    unpack_bits,
    unpack_bytes,
    unpack_steps,
    unzigzag,
)


class Prediction(msgspec.Struct, frozen=True, array_like=True):
    """What is subtracted from a value before it is written, modulo 2^64."""

    last: bool = False
    """The row's value before."""
    others: tuple[tuple[int, int], ...] = ()
    """(column number, factor): the row's new value of another column, which stands earlier in the frame."""

    def __bool__(self) -> bool:
        return self.last or bool(self.others)


class ColumnChange(msgspec.Struct, frozen=True, array_like=True):
    """New values of one column."""

    column: int
    rows: bytes
    """Bits: which of the table's changed rows."""
    values: Numbers
    prediction: Prediction = Prediction()


class OrderChange(msgspec.Struct, frozen=True, array_like=True):
    """Which known rows make up a table: those of the frame before without some, and others put in between."""

    kept: bytes
    """Bits: which of the frame before."""
    put: bytes
    """Bits: which rows of this table are not from there."""
    places: Numbers
    """The known rows that those are, as steps."""


class TableChange(msgspec.Struct, frozen=True, array_like=True):
    """A table of one frame."""

    size: int
    forget: bool
    """The known rows are forgotten first."""
    new: int
    """Rows appended to the known ones, all zero."""
    order: OrderChange | None
    """None: the same rows as in the frame before."""
    changed: bytes
    """Bits: which rows changed."""
    columns: tuple[ColumnChange, ...]


def predict(prediction: Prediction, last: Words, rows: NDArray[np.void]) -> Words:
    """What is subtracted from a column of `rows`, whose values were `last`.

    Raises DamagedError for columns that there are not.
    """
    base = last.copy() if prediction.last else np.zeros(len(last), np.uint64)
    for number, factor in prediction.others:
        base += words_of(_column(rows, number)) * np.uint64(factor & 0xFFFF_FFFF_FFFF_FFFF)
    return base


def words_of(values: NDArray[np.generic]) -> Words:
    """Numbers of any width as 64 bits, signed ones extended."""
    return values.astype(np.int64).view(np.uint64)


def _column(rows: NDArray[np.void], number: int) -> NDArray[np.generic]:
    names = rows.dtype.names or ()
    if not 0 <= number < len(names) or rows.dtype[names[number]].shape:
        raise DamagedError("a column that is no number")
    values: NDArray[np.generic] = rows[names[number]]
    return values


def order_change(before: NDArray[np.intp], now: NDArray[np.intp], known: int) -> OrderChange | None:
    """From one order to the next; both hold each known row at most once."""
    if np.array_equal(before, now):
        return None
    rank = np.full(known, -1, np.intp)
    rank[now] = np.arange(len(now))
    kept = rank[before] >= 0
    ranks = rank[before[kept]]
    if (ranks[1:] < ranks[:-1]).any():  # another order altogether
        kept, ranks = np.zeros(len(before), np.bool_), ranks[:0]
    put = np.ones(len(now), np.bool_)
    put[ranks] = False
    return OrderChange(pack_bits(kept), pack_bits(put), pack_steps(now[put]))


def changed_order(before: NDArray[np.intp], change: OrderChange, size: int, known: int) -> NDArray[np.intp]:
    """The inverse. Raises DamagedError."""
    kept = before[unpack_bits(change.kept, len(before))]
    put = unpack_bits(change.put, size)
    places = unpack_steps(change.places, known)
    if len(places) != np.count_nonzero(put) or len(kept) != size - len(places):
        raise DamagedError("an order of the wrong length")
    order = np.empty(size, np.intp)
    order[put], order[~put] = places, kept
    return order


class TableReader:
    """Follows one table from a key frame on."""

    def __init__(self, dtype: np.dtype[np.void]) -> None:
        self._known = KnownRows(dtype)
        self._names = dtype.names or ()

    def apply(self, change: TableChange) -> None:
        """Takes a frame in. Raises DamagedError."""
        known = self._known
        if change.forget:
            known.forget()
        if not (0 <= change.size <= MAX_ROWS and 0 <= change.new <= MAX_ROWS - known.size):
            raise DamagedError("a table of impossible size")
        known.append(change.new)
        if change.order is not None:
            known.order = changed_order(known.order, change.order, change.size, known.size)
        if len(known.order) != change.size:
            raise DamagedError("rows without an order")
        touched = known.order[unpack_bits(change.changed, change.size)]
        for column in change.columns:
            self._change(column, touched)

    def table(self) -> NDArray[np.void]:
        """The table of the last frame, a copy."""
        return self._known.rows.take(self._known.order)

    def _change(self, change: ColumnChange, touched: NDArray[np.intp]) -> None:
        if not 0 <= change.column < len(self._names):
            raise DamagedError("a column that is not described")
        rows = self._known.rows
        column = rows[self._names[change.column]]
        places = touched[unpack_bits(change.rows, len(touched))]
        if column.ndim > 1:
            width = column.dtype.itemsize * column.shape[1]
            values = unpack_bytes(change.values, len(places), width)
            column[places] = values.view(column.dtype).reshape(len(places), -1)
            return
        words = unpack(change.values, len(places))
        prediction = change.prediction
        if prediction or column.dtype.kind == "i":
            words = unzigzag(words)
        if prediction:
            whole = rows.take(places) if prediction.others else rows[:0]
            words = words + predict(prediction, words_of(column[places]), whole)
        column[places] = words.astype(column.dtype)
