"""The list of all moments of a recording, read at once; of a damaged one, all that is left of it."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.recording.database import is_damage
from netdash.recording.planes import DamagedError

MOMENT: Final = np.dtype(
    [("id", "<i8"), ("time", "<f8"), ("monotonic_ns", "<i8"), ("interval", "<f8"), ("rate", "<f8")]
)
"""`rate`: bytes per second, both directions, NaN = not known."""

_ROW: Final = np.dtype([*MOMENT.descr[:4], ("rx_bytes", "<f8"), ("tx_bytes", "<f8")])
_AFTER: Final = "SELECT id, time, monotonic_ns, interval, rx_bytes, tx_bytes FROM moment WHERE id > ? ORDER BY id"
_LATEST: Final = 253_402_300_799.0
"""9999-12-31T23:59:59Z."""
_BATCH: Final = 8192
_FIRST_STEP: Final = 32
_LAST_NUMBER: Final = 1 << 62

ListDamage = sqlite3.DatabaseError | DamagedError | UnicodeError | OverflowError


def moments_after(
    connection: sqlite3.Connection, last: int, on_progress: Callable[[int], None]
) -> tuple[NDArray[np.void], ListDamage | None]:
    """MOMENT rows of the moments whose number is beyond `last`, and what was damaged between them.

    `on_progress` is told the number that was come to. Raises sqlite3.Error for what is not the file's fault.
    """
    parts = [np.zeros(0, MOMENT)]
    try:
        rows = connection.execute(_AFTER, (last,))
        while batch := rows.fetchmany(_BATCH):
            parts.append(_checked(np.array(batch, _ROW), last))
            last = int(parts[-1]["id"][-1])
            on_progress(last)
    except (sqlite3.DatabaseError, DamagedError, UnicodeError, OverflowError, TypeError, ValueError):
        left, damage = _moments_between_damage(connection, last)
        return np.concatenate([*parts, left]), damage
    return np.concatenate(parts), None


def _checked(rows: NDArray[np.void], last: int) -> NDArray[np.void]:
    """MOMENT rows. Raises DamagedError where one of them is impossible."""
    time, interval = rows["time"], rows["interval"]
    sound = (np.diff(rows["id"], prepend=last) > 0) & (time >= 0) & (time <= _LATEST)
    sound &= (interval >= 0) & np.isfinite(interval)
    if not sound.all():
        raise DamagedError("a moment that cannot be")
    moments = np.zeros(len(rows), MOMENT)
    for name in MOMENT.names[:4] if MOMENT.names else ():
        moments[name] = rows[name]
    counts = np.stack([rows["rx_bytes"], rows["tx_bytes"]])
    known = ~np.isnan(counts).all(axis=0) & (interval > 0)
    moments["rate"] = np.where(known, np.nansum(counts, axis=0) / np.where(known, interval, 1.0), math.nan)
    return moments


def _moments_between_damage(connection: sqlite3.Connection, last: int) -> tuple[NDArray[np.void], ListDamage | None]:
    """Row by row; behind each damage it goes on where the list can be read again."""
    found: list[tuple[int, float, int, float, float]] = []
    step, damage = _FIRST_STEP, None
    while last < _LAST_NUMBER:
        try:
            for row in connection.execute(_AFTER, (last,)):
                moment = _moment(row, last)
                last, step = moment[0], _FIRST_STEP
                found.append(moment)
            break
        except (sqlite3.DatabaseError, DamagedError, UnicodeError, OverflowError) as error:
            if not is_damage(error):
                raise
            damage = error
            # Perhaps the list goes on behind the damage, in another page of the file.
            last, step = max(last, 0) + step, 2 * step
    return np.array(found, MOMENT), damage


def _moment(row: tuple[object, ...], last: int) -> tuple[int, float, int, float, float]:
    """A row of _AFTER `last`. Raises DamagedError."""
    number, time, monotonic_ns, interval, received, sent = row
    if not (isinstance(number, int) and isinstance(monotonic_ns, int)):
        raise DamagedError("a number is missing")
    if number <= last:
        raise DamagedError("a list of moments that is out of order")
    if not (isinstance(time, (int, float)) and isinstance(interval, (int, float)) and 0 <= time <= _LATEST):
        raise DamagedError("a moment without a time")
    if not (math.isfinite(interval) and interval >= 0):
        raise DamagedError("a moment without a length")
    counts = [value for value in (received, sent) if isinstance(value, (int, float))]
    rate = sum(counts) / interval if counts and interval > 0 else math.nan
    return number, float(time), monotonic_ns, float(interval), rate
