"""Keeps a recording within its size and age: the oldest goes first, a little at a time, while it is written."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Final

from netdash.recording.hour_sums import HourSums

DEFAULT_MAX_BYTES: Final = 10**9
DEFAULT_MAX_AGE_SECONDS: Final = 30 * 86_400.0
MINUTES_MAX_AGE_SECONDS: Final = 400 * 86_400.0
"""Sums of minutes are small and what reports over a year are made of: they stay longer than frames and flows."""

_STEPS: Final = 8
"""Groups of frames that may go for one that comes."""
_FLOWS_AT_ONCE: Final = 5_000
_VACUUM_PAGES: Final = 512
_DAY_SECONDS: Final = 86_400
_ROW_OF_FLOW_SECONDS: Final = 3_660
"""A row of a flow is brought up to date for an hour, and the minute in which that ends."""
_MINUTE_TABLES: Final = ("interface_minute", "process_minute", "remote_minute")


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one recording. Sums take at most half of the size and stay for at least 400 days, those of hours longest."""

    max_bytes: int = DEFAULT_MAX_BYTES
    max_age_seconds: float = DEFAULT_MAX_AGE_SECONDS


class Retention:
    """Deletes within the transaction at hand."""

    def __init__(self, connection: sqlite3.Connection, limits: Limits) -> None:
        self._connection = connection
        self._limits = limits
        self._hours = HourSums(connection)

    def used_bytes(self) -> int:
        """What the file's pages hold, without those that are free again."""
        return (self._pragma("page_count") - self._pragma("freelist_count")) * self._pragma("page_size")

    def enforce(self, now: float) -> bool:
        """Deletes what is too old at `now` or too much; True if anything went. Raises sqlite3.Error."""
        deleted = False
        for _ in range(_STEPS):
            oldest = self._oldest_group()
            too_much = self.used_bytes() > self._limits.max_bytes
            too_old = oldest is not None and self._age(oldest, now) > self._limits.max_age_seconds
            sums_are_most = oldest is None or self._frames_bytes() * 2 < self.used_bytes()
            if too_much and sums_are_most and self._drop_oldest_sums(last_resort=oldest is None):
                deleted = True
            elif oldest is not None and (too_much or too_old):
                self._drop_group(oldest[0], oldest[1])
                deleted = True
            else:
                break
        if deleted:
            self._drop_flows()
        self._drop_sums(int(now - max(MINUTES_MAX_AGE_SECONDS, self._limits.max_age_seconds)))
        return deleted

    def shrink(self) -> None:
        """Gives free pages back to the disk, some at a time; outside of a transaction."""
        if self._pragma("freelist_count") > _VACUUM_PAGES * 4:
            self._connection.execute(f"PRAGMA incremental_vacuum({_VACUUM_PAGES})").fetchall()

    def _oldest_group(self) -> tuple[int, int, float] | None:
        """First and last moment and the latest time of the oldest key frame's group; None if it is the only one."""
        keys = self._connection.execute(
            "SELECT key FROM moment WHERE id = (SELECT min(id) FROM moment) UNION ALL "
            "SELECT key FROM moment WHERE id = (SELECT max(id) FROM moment)"
        ).fetchall()
        if len(keys) < 2 or keys[0] == keys[1]:
            return None
        first, last, latest = self._connection.execute(
            "SELECT min(id), max(id), max(time) FROM moment WHERE key = ? AND id < ?", (keys[0][0], keys[1][0])
        ).fetchone()
        return first, last, latest

    def _age(self, group: tuple[int, int, float], now: float) -> float:
        """Seconds, at least. A group in the future was recorded while the clock was wrong; it is as old as what was
        recorded after it."""
        _, last, latest = group
        step = 1
        while latest > now:
            later = self._connection.execute(
                "SELECT time FROM moment WHERE id >= ? ORDER BY id LIMIT 1", (last + step,)
            ).fetchone()
            if later is None:
                return 0.0
            # Farther and farther on: there may be millions in the future.
            latest, step = later[0], 2 * step
        return now - latest

    def _frames_bytes(self) -> int:
        found = self._connection.execute("SELECT sum(bytes) FROM moment").fetchone()
        return int(found[0] or 0)

    def _drop_group(self, first: int, last: int) -> None:
        for table in ("frame", "moment"):
            self._connection.execute(f"DELETE FROM {table} WHERE id BETWEEN ? AND ?", (first, last))

    def _drop_flows(self) -> None:
        """Flows go with the frames that they were seen in. A row is of one hour, so the oldest rows end first.

        Where the clock was set, times do not tell what is older, but the order of the rows does.
        """
        begin, mark = self._connection.execute(
            "SELECT time - interval, last_flow FROM moment WHERE id = (SELECT min(id) FROM moment)"
        ).fetchone()
        self._connection.execute(
            # The last one stays, or numbers would begin anew.
            "DELETE FROM flow WHERE id IN (SELECT id FROM flow ORDER BY id LIMIT :many) "
            "AND id < (SELECT max(id) FROM flow) AND "
            "CASE WHEN :mark IS NULL THEN last < :begin "
            "ELSE id <= :mark AND NOT last BETWEEN :begin AND :begin + :seconds END",
            {"many": _FLOWS_AT_ONCE, "mark": mark, "begin": begin, "seconds": _ROW_OF_FLOW_SECONDS},
        )

    def _drop_oldest_sums(self, last_resort: bool) -> bool:
        """A day of minutes, or, where there are no more of them, of hours if those are many or nothing else is left."""
        oldest = [
            minute
            for table in _MINUTE_TABLES
            for (minute,) in self._connection.execute(f"SELECT min(minute) FROM {table}")
            if minute is not None
        ]
        hour = self._oldest_hour()
        if oldest:
            self._delete_minutes(min(oldest) + _DAY_SECONDS)
            return True
        if hour is None or not (last_resort or self._hours.estimated_bytes() * 4 > self.used_bytes()):
            return False
        self._hours.drop_before(hour + _DAY_SECONDS)
        return True

    def _drop_sums(self, before: int) -> None:
        self._delete_minutes(before)
        # The tables of hours are in order of names: to delete is to look at all of it, which once a day will do.
        hour = self._oldest_hour()
        if hour is not None and hour < before - _DAY_SECONDS:
            self._hours.drop_before(before)

    def _delete_minutes(self, before: int) -> None:
        for table in _MINUTE_TABLES:
            self._connection.execute(f"DELETE FROM {table} WHERE minute < ?", (before,))

    def _oldest_hour(self) -> int | None:
        found = self._connection.execute("SELECT min(hour) FROM hour").fetchone()[0]
        return None if found is None else int(found)

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])
