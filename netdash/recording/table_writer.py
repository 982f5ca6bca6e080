"""Writes one long table, frame after frame, as what changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from netdash.model.hashing import lookup
from netdash.recording.known_rows import KnownRows
from netdash.recording.planes import pack, pack_bits, pack_bytes, zigzag
from netdash.recording.table_change import (
    ColumnChange,
    Prediction,
    TableChange,
    order_change,
    predict,
    words_of,
)

RowKey: TypeAlias = Callable[[NDArray[np.void]], NDArray[np.uint64]]
"""For each row of a table a number that is its own, in every frame."""


@dataclass(frozen=True, slots=True)
class Guess:
    """How a column is foretold, by names; see `Prediction`."""

    last: bool = False
    others: Mapping[str, int] = field(default_factory=dict)


class TableWriter:
    """Knows the rows since the key frame."""

    def __init__(self, dtype: np.dtype[np.void], key: RowKey, guesses: Mapping[str, Guess]) -> None:
        """`key`: what names a row for good."""
        names = dtype.names or ()
        self._key = key
        self._known = KnownRows(dtype)
        self._anew = True
        self._bytes = np.dtype((np.void, dtype.itemsize))
        self._predictions = {
            name: Prediction(
                guess.last, tuple((names.index(column), factor) for column, factor in guess.others.items())
            )
            for name, guess in guesses.items()
        }
        # What others are foretold from comes first.
        self._columns = sorted(enumerate(names), key=lambda item: bool(guesses.get(item[1], Guess()).others))

    @property
    def known_rows(self) -> int:
        """How many rows both sides remember."""
        return self._known.size

    def forget(self) -> None:
        """Begins anew: the next frame is whole."""
        self._known.forget()
        self._anew = True

    def encode(self, table: NDArray[np.void]) -> TableChange:
        """What the frame has to hold for `table`."""
        known, keys = self._known, self._key(table)
        ambiguous = len(np.unique(keys)) != len(keys)
        if ambiguous:  # a key that stands twice names no row
            self.forget()
            places = np.full(len(table), -1, np.intp)
        else:
            places = lookup(self._key(known.rows), keys)
        new = np.flatnonzero(places < 0)
        places[new] = known.size + np.arange(len(new))
        known.append(len(new))
        order = order_change(known.order, places, known.size)
        known.order = places
        forget, self._anew = self._anew, False
        changed, columns = self._changes(np.ascontiguousarray(table), places)
        return TableChange(len(table), forget, len(new), order, changed, columns)

    def _changes(self, table: NDArray[np.void], places: NDArray[np.intp]) -> tuple[bytes, tuple[ColumnChange, ...]]:
        before = self._known.rows.take(places)
        differs = before.view(self._bytes) != table.view(self._bytes)
        if not differs.any():
            return b"", ()
        if not differs.all():
            before, table, places = before.compress(differs), table.compress(differs), places[differs]
        changes = (self._change(number, name, before, table) for number, name in self._columns)
        columns = tuple(change for change in changes if change is not None)
        self._known.rows[places] = table
        return pack_bits(differs), columns

    def _change(self, number: int, name: str, before: NDArray[np.void], now: NDArray[np.void]) -> ColumnChange | None:
        old, new = before[name], now[name]
        differs = old != new
        if differs.ndim > 1:
            differs = differs.any(axis=1)
        if not differs.any():
            return None
        if not differs.all():
            old, new = old[differs], new[differs]
        if new.ndim > 1:
            return ColumnChange(number, pack_bits(differs), pack_bytes(new))
        words = words_of(new)
        prediction = self._predictions.get(name, Prediction())
        if prediction:
            rows = now.compress(differs) if prediction.others else now[:0]
            words = words - predict(prediction, words_of(old), rows)
        if prediction or new.dtype.kind == "i":
            words = zigzag(words)
        return ColumnChange(number, pack_bits(differs), pack(words), prediction)
