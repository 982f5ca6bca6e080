"""Reads a recording: any moment of it, also while it is written."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.model.sanitize import sanitize
from netdash.model.snapshot import Snapshot
from netdash.model.snapshot_store import SnapshotGoneError, Timetable
from netdash.recording.database import RecordingError, has_log, is_damage, open_for_reading, reason, shown
from netdash.recording.frames import FrameReader, Layout
from netdash.recording.layout import SPARE, parse_layout
from netdash.recording.moment_list import MOMENT, moments_after
from netdash.recording.planes import DamagedError

_MAX_GROUP: Final = 10_000
"""Moments that may depend on one key frame; writers make 60."""

_MAX_INTERVAL: Final = 1e9
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Run:
    """One recording from start to end; a file may hold several. See table `run` of schema.sql."""

    host: str
    interval_seconds: float
    started: float
    ended: float | None
    closing: str | None


@dataclass(slots=True)
class _Position:
    """Where the frames were read to."""

    key: int
    last: int
    reader: FrameReader
    failed: str | None = None
    """Why nothing after `last` can be read until the next key frame."""


class RecordingStore:
    """A recording as a SnapshotStore. Snapshots are those that were written, field by field; only where there were many
    sockets, the sockets may be some intervals older, which a note in `health` says."""

    def __init__(self, path: str) -> None:
        """Opens it. Raises RecordingError."""
        self.path = path
        self._with_log = has_log(path)
        self._connection = open_for_reading(path)
        self._moments = np.zeros(0, MOMENT)
        self._version = -1
        self._listed = 1.0
        self._end = math.inf
        self._first = 0
        self._table = Timetable.empty()
        self._position: _Position | None = None
        self._layouts: dict[int, Layout] = {}
        self.damage = self._connection.damage
        """Why a part of the file cannot be read, beside single moments."""

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()

    def end_at(self, time: float) -> None:
        """What was recorded after `time` is left out from now on."""
        self._end, self._version = time, -1
        self._moments = self._moments[:0]

    def runs(self) -> list[Run]:
        """In order. Raises RecordingError."""
        with self._told():
            rows = self._connection.execute(
                "SELECT host, interval, started, ended, closing FROM run ORDER BY id LIMIT 10000"
            ).fetchall()
            return [
                Run(
                    sanitize(str(host), 64),
                    float(interval),
                    float(started),
                    None if ended is None else float(ended),
                    None if closing is None else sanitize(str(closing), 1000),
                )
                for host, interval, started, ended, closing in rows
            ]

    def interval_seconds(self) -> float | None:
        """Of the last run; None where that is not known (any more)."""
        with suppress(sqlite3.DatabaseError, UnicodeError, ValueError, TypeError):
            row = self._connection.execute("SELECT interval FROM run ORDER BY id DESC LIMIT 1").fetchone()
            return float(row[0]) if row is not None and 0 < float(row[0]) <= _MAX_INTERVAL else None
        return None

    def is_ended(self) -> bool:
        """Whether the last run has come to its end: nothing more is to be expected. Raises RecordingError."""
        with self._told():
            row = self._connection.execute("SELECT ended FROM run ORDER BY id DESC LIMIT 1").fetchone()
            return row is not None and row[0] is not None

    def progress(self) -> float:
        """All that is recorded by now can be read, as soon as its moments are listed."""
        return self._listed

    def timetable(self) -> Timetable:
        """What is recorded now. Raises RecordingError."""
        if not self._with_log and has_log(self.path):
            self._reopen()
        with self._told():
            version = int(self._connection.execute("PRAGMA data_version").fetchone()[0])
            if version != self._version:
                self._load_moments()
                self._version = version
        return self._table

    def read(self, number: int) -> Snapshot:
        """One snapshot. Raises SnapshotGoneError."""
        row = number - self._first
        if not 0 <= row < len(self._moments):
            raise SnapshotGoneError(f"snapshot {number} is not in {shown(self.path)}")
        moment = int(self._moments["id"][row])
        try:
            position = self._advance(moment)
            if position.failed is not None:
                raise DamagedError(position.failed)
            return position.reader.snapshot()
        except (DamagedError, sqlite3.Error, UnicodeError, OverflowError) as error:
            raise SnapshotGoneError(f"a moment of {shown(self.path)} cannot be read: {_why(error)}") from error

    def _reopen(self) -> None:
        """Somebody goes on with a file that nobody wrote when it was opened."""
        self._connection.close()
        self._connection, self._with_log, self._version = open_for_reading(self.path), True, -1

    def _advance(self, moment: int) -> _Position:
        """Reads up to `moment`, from its key frame or from where the last call came to."""
        found = self._connection.execute("SELECT key, run FROM moment WHERE id = ?", (moment,)).fetchone()
        if found is None:
            raise DamagedError("it was dropped meanwhile, to keep the file within its limits")
        key, run = _number(found[0]), _number(found[1])
        if not 0 <= moment - key <= _MAX_GROUP:
            raise DamagedError("it names no key frame")
        position = self._position
        if position is None or position.key != key or position.last > moment:
            position = _Position(key, key - 1, FrameReader(self._layout(run)))
        if position.failed is not None or position.last == moment:
            return position
        self._position = None  # until all went well
        rows = self._connection.execute(
            "SELECT id, data, sockets FROM frame WHERE id BETWEEN ? AND ? ORDER BY id", (position.last + 1, moment)
        )
        try:
            for number, data, sockets in rows:
                if number != position.last + 1 or not isinstance(data, bytes):
                    break
                position.reader.apply(data, sockets if isinstance(sockets, bytes) else None)
                position.last = number
            if position.last != moment:
                raise DamagedError("a frame is missing")
        except (DamagedError, sqlite3.Error, UnicodeError) as error:
            position.failed = _why(error)
        self._position = position
        return position

    def _layout(self, run: int) -> Layout:
        if run not in self._layouts:
            self._layouts[run] = self._read_layout(run)
        return self._layouts[run]

    def _read_layout(self, run: int) -> Layout:
        """From the run's row, or from the copy of it where that row is damaged."""
        try:
            found = self._connection.execute("SELECT layout FROM run WHERE id = ?", (run,)).fetchone()
            if found is None:
                raise DamagedError("it belongs to no run")
            return parse_layout(str(found[0]))
        except (sqlite3.DatabaseError, DamagedError, UnicodeError) as error:
            if not is_damage(error):
                raise
            spare = self._connection.execute("SELECT value FROM meta WHERE key = ?", (f"{SPARE}{run}",)).fetchone()
            if spare is None:
                raise
            return parse_layout(str(spare[0]))

    def _load_moments(self) -> None:
        """Adds what came and leaves out what went."""
        gone = 0
        if len(self._moments):
            oldest = self._connection.execute("SELECT min(id) FROM moment").fetchone()[0]
            gone = int(np.searchsorted(self._moments["id"], oldest if oldest is not None else np.iinfo(np.int64).max))
        last = int(self._moments["id"][-1]) if len(self._moments) else -(2**62)
        new = self._new_moments(last)
        if not len(self._moments) and len(new):
            self._first = int(new["id"][0])
        self._first += gone
        self._moments = np.concatenate([self._moments[gone:], new])
        inside = np.flatnonzero(self._moments["time"] <= self._end)
        moments = self._moments[: inside[-1] + 1] if len(inside) else self._moments[:0]
        self._table = Timetable(
            self._first,
            np.ascontiguousarray(moments["time"]),
            np.ascontiguousarray(moments["monotonic_ns"]),
            np.ascontiguousarray(moments["interval"]),
            np.ascontiguousarray(moments["rate"]),
        )

    def _new_moments(self, last: int) -> NDArray[np.void]:
        """Those after `last`; what is damaged is left out, and told in `damage`."""
        first, newest = 0, 0
        with suppress(sqlite3.DatabaseError, UnicodeError):
            ends = self._connection.execute("SELECT max(min(id), ?), max(id) FROM moment", (last,)).fetchone()
            first, newest = (int(end or 0) for end in ends)

        def tell(number: int) -> None:
            self._listed = min(1.0, (number - first) / max(1, newest - first))

        self._listed = 0.0
        moments, damage = moments_after(self._connection, last, tell)
        self._listed = 1.0
        if damage is not None:
            why = _why(damage)
            self.damage = why if isinstance(damage, sqlite3.Error) else f"the file is damaged ({why})"
        return moments

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, DamagedError, ValueError, TypeError, OverflowError) as error:
            raise RecordingError(f"cannot read {shown(self.path)}: {_why(error)}") from error


def _why(error: Exception) -> str:
    if isinstance(error, (sqlite3.Error, UnicodeError)):
        return reason(error)
    return sanitize(str(error), 200)


def _number(value: object) -> int:
    if not isinstance(value, int):
        raise DamagedError("a number is missing")
    return value
