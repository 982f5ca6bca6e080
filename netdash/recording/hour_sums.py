"""Keeps the tables of hours (hours.sql): an hour is in them whole, or not at all."""

from __future__ import annotations

import sqlite3
from typing import Final

from netdash.recording.dimensions import DIMENSIONS, SECONDS_BY_MINUTE, Dimension, volume

HOUR_SECONDS: Final = 3600

_ROW_BYTES: Final = 80
"""Of a row of an hour, about: two or three names, eight numbers, and pages that are not full."""

_AT_ONCE: Final = 48
"""Hours that are summed in one go: of a recording that was continued after a crash there is one, of one that had no
such tables there may be thousands."""

MISSING_HOURS: Final = f"""
WITH RECURSIVE at (hour) AS (
    SELECT min(minute) / {HOUR_SECONDS} * {HOUR_SECONDS} FROM interface_minute
    UNION ALL
    SELECT (SELECT min(minute) / {HOUR_SECONDS} * {HOUR_SECONDS} FROM interface_minute
            WHERE minute >= at.hour + {HOUR_SECONDS})
    FROM at WHERE at.hour IS NOT NULL
)
SELECT hour FROM at WHERE hour IS NOT NULL AND hour NOT IN (SELECT hour FROM hour)
"""
"""Hours with minutes that are not in the tables of hours. One seek an hour, no look at every minute."""


def insert_hour(dimension: Dimension) -> str:
    """INSERT of the hour from `:begin` to before `:end`, which has no rows yet."""
    keys, columns = dimension.keys, ", ".join(dimension.columns)
    if dimension.limit is None:
        return f"INSERT INTO {dimension.table} (hour, {dimension.names()}) SELECT :begin, * FROM ({dimension.step()})"
    named = ", ".join(_or_unnamed(key, dimension.limit) for key in keys)
    ranked = (
        f"SELECT *, row_number() OVER (ORDER BY {dimension.unnamed}, {volume(dimension.columns)} DESC) AS place "
        f"FROM ({dimension.step()})"
    )
    return (
        f"INSERT INTO {dimension.table} (hour, {dimension.names()}) "
        f"SELECT :begin, {', '.join(keys)}, {dimension.aggregates()} "
        f"FROM (SELECT {named}, {columns} FROM ({ranked})) GROUP BY {', '.join(keys)}"
    )


def _or_unnamed(key: str, limit: int) -> str:
    return f"CASE WHEN place <= {limit} THEN {key} ELSE {0 if key == 'port' else repr('')} END AS {key}"


_INSERT_HOUR: Final = f"INSERT INTO hour SELECT :begin, total(seconds) FROM ({SECONDS_BY_MINUTE}) HAVING count(*) > 0"
_INSERTS: Final = (_INSERT_HOUR, *(insert_hour(dimension) for dimension in DIMENSIONS))


class HourSums:
    """Sums an hour when another one begins. Within the transaction at hand; every method may raise sqlite3.Error."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._hour: int | None = None
        """Of the minute that was written last."""

    def enter(self, minute: int) -> None:
        """Before a minute is written: sums the hours before it, and takes out its own, should it have been summed."""
        hour = minute // HOUR_SECONDS * HOUR_SECONDS
        if hour == self._hour:
            return
        if self._hour is None:
            self._sum_missing(but=hour)
        else:
            self._sum(self._hour)
        self._hour = hour
        if self._connection.execute("SELECT 1 FROM hour WHERE hour = ?", (hour,)).fetchone() is not None:
            self._delete("hour = ?", hour)

    def finish(self) -> None:
        """Sums the hour under way too."""
        self._sum_missing(but=None)
        self._hour = None

    def drop_before(self, moment: int) -> None:
        """Deletes the hours before `moment`."""
        self._delete("hour < ?", moment)

    def estimated_bytes(self) -> int:
        """Room that the tables of hours take."""
        tables = [dimension.table for dimension in DIMENSIONS]
        counts = [self._connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables]
        return _ROW_BYTES * int(sum(counts))

    def _sum_missing(self, but: int | None) -> None:
        missing = self._connection.execute(f"{MISSING_HOURS} AND hour IS NOT ? LIMIT {_AT_ONCE}", (but,)).fetchall()
        for (hour,) in missing:
            self._sum(int(hour))

    def _sum(self, hour: int) -> None:
        for statement in _INSERTS:
            self._connection.execute(statement, {"begin": hour, "end": hour + HOUR_SECONDS})

    def _delete(self, condition: str, value: int) -> None:
        for table in ("hour", *(dimension.table for dimension in DIMENSIONS)):
            self._connection.execute(f"DELETE FROM {table} WHERE {condition}", (value,))
