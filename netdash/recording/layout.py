"""Which columns the long tables of a file have, so that another version of netdash can read them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from netdash.model.tables import UNKNOWN
from netdash.recording.planes import DamagedError

Columns: TypeAlias = list[tuple[str, str, int]]
"""Of a table: name, NumPy type such as "<u4", elements in a row (1 = a plain number)."""

_TYPES: Final = frozenset({"|u1", "|i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8"})
_MAX_COLUMNS: Final = 128
_MAX_ELEMENTS: Final = 64

SPARE: Final = "layout of run "
"""Key in `meta`, before the run's number. A run's own row is rewritten when it ends, which may move its text to the end
of the file, where a cut takes it first; this copy stays near the run's beginning."""


def columns_of(dtype: np.dtype[np.void]) -> Columns:
    """The description of a table's columns."""
    return [(name, dtype[name].base.str, int(np.prod(dtype[name].shape))) for name in dtype.names or ()]


def dtype_of(columns: Sequence[tuple[str, str, int]]) -> np.dtype[np.void]:
    """The inverse. Raises DamagedError for anything but numbers."""
    if len(columns) > _MAX_COLUMNS or len({name for name, _, _ in columns}) != len(columns):
        raise DamagedError("impossible columns")
    if any(kind not in _TYPES or not 1 <= count <= _MAX_ELEMENTS for _, kind, count in columns):
        raise DamagedError("columns of a kind that this version does not know")
    return np.dtype([(name, kind) if count == 1 else (name, kind, (count,)) for name, kind, count in columns])


def convert(table: NDArray[np.void], dtype: np.dtype[np.void]) -> NDArray[np.void]:
    """A table of another version's columns: those unknown here are left out, those missing there are "not known"."""
    if table.dtype == dtype:
        return table
    rows = np.zeros(len(table), dtype)
    names = table.dtype.names or ()
    for name in dtype.names or ():
        if name in names and table.dtype[name].shape == dtype[name].shape:
            rows[name] = table[name]
        elif dtype[name].kind == "i":
            rows[name] = UNKNOWN
    return rows


def parse_layout(text: str) -> dict[str, Columns]:
    """The columns of a run's tables. Raises DamagedError."""
    try:
        found = json.loads(text)
        return {
            str(name): [(str(column), str(kind), int(count)) for column, kind, count in columns]
            for name, columns in found.items()
        }
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedError("the description of the columns is damaged") from error
