"""The last minutes in memory: snapshots packed small, bounded in time and in bytes."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.model.headline import headline_rate
from netdash.model.packing import Packed, pack, unpack
from netdash.model.snapshot import Snapshot
from netdash.model.snapshot_store import SnapshotGoneError, Timetable

KEPT_SECONDS: Final = 900.0
"""How far back one can go, if it fits."""
MAX_BYTES: Final = 192 << 20
SEGMENT_SNAPSHOTS: Final = 64
_SEGMENT_SHARE: Final = 4
"""Room is given back a segment at a time, so a segment gets at most this part of what there is."""

_COLUMNS: Final = np.dtype([("time", "<f8"), ("monotonic_ns", "<i8"), ("interval", "<f8"), ("rate", "<f8")])


@dataclass(slots=True)
class _Segment:
    """Snapshots that can be read by themselves: the first whole, the others as differences from it."""

    first: int
    packed: list[Packed] = field(default_factory=list)
    size_bytes: int = 0
    other_bytes: int = 0
    """What others keep for this segment."""


class SnapshotMemory:
    """A SnapshotStore that is fed. `append` is called in one thread; the others in any."""

    damage: str | None = None
    """Memory is never damaged."""

    def __init__(self, kept_seconds: float = KEPT_SECONDS, max_bytes: int = MAX_BYTES) -> None:
        self.kept_seconds = kept_seconds
        self.max_bytes = max_bytes
        self._segments: deque[_Segment] = deque()
        self._lock = threading.Lock()
        self._columns = np.zeros(64, _COLUMNS)
        self._start = self._end = 0
        self._first = 0
        self._key: Snapshot | None = None  # of the newest segment
        self._read_key: tuple[int, Snapshot] | None = None  # number and snapshot of the key that was read last

    def append(self, snapshot: Snapshot) -> int:
        """Takes a snapshot and returns its number; drops the oldest that are too old or too much."""
        number = self._first + self._end - self._start
        segment = self._segments[-1] if self._segments else None
        if segment is None or self._full(segment):
            segment, self._key = _Segment(number), snapshot
            packed = pack(snapshot)
        else:
            packed = pack(snapshot, self._key)
        with self._lock:
            if not segment.packed:
                self._segments.append(segment)
            segment.packed.append(packed)
            segment.size_bytes += packed.size_bytes
            self._add_columns(snapshot)
            self._drop()
        return number

    def _full(self, segment: _Segment) -> bool:
        return len(segment.packed) >= SEGMENT_SNAPSHOTS or segment.size_bytes > self.max_bytes // _SEGMENT_SHARE

    def _add_columns(self, snapshot: Snapshot) -> None:
        """Into spare room at the end, so that timetables given out before never change."""
        if self._end == len(self._columns):
            kept = self._columns[self._start : self._end]
            self._columns = np.zeros(max(64, 2 * len(kept)), _COLUMNS)
            self._columns[: len(kept)] = kept
            self._start, self._end = 0, len(kept)
        self._columns[self._end] = (snapshot.time, snapshot.monotonic_ns, snapshot.interval, headline_rate(snapshot))
        self._end += 1

    def _drop(self) -> None:
        """Forgets the oldest segments while the next one reaches far enough back, or all take too much room."""
        newest_ns = int(self._columns["monotonic_ns"][self._end - 1])
        while len(self._segments) > 1:
            following = self._segments[1].first
            age = (newest_ns - int(self._columns["monotonic_ns"][self._start + following - self._first])) / 1e9
            if age < self.kept_seconds and self.size_bytes <= self.max_bytes:
                return
            self._segments.popleft()
            self._start += following - self._first
            self._first = following

    @property
    def size_bytes(self) -> int:
        """What all takes, with what others keep for it."""
        return sum(segment.size_bytes + segment.other_bytes for segment in self._segments)

    @property
    def segments(self) -> tuple[int, ...]:
        """Numbers of the snapshots that segments begin with, ascending."""
        with self._lock:
            return tuple(segment.first for segment in self._segments)

    def add_cost(self, number: int, other_bytes: int) -> None:
        """What somebody keeps for the segment that begins with `number`, so that the bound is on all of it."""
        with self._lock:
            for segment in self._segments:
                if segment.first == number:
                    segment.other_bytes = other_bytes

    def progress(self) -> float:
        """All that came is there."""
        return 1.0

    def timetable(self) -> Timetable:
        """What is stored now."""
        with self._lock:
            columns: NDArray[np.void] = self._columns[self._start : self._end]
            first = self._first
        return Timetable(first, columns["time"], columns["monotonic_ns"], columns["interval"], columns["rate"])

    def read(self, number: int) -> Snapshot:
        """One snapshot, as it was. Raises SnapshotGoneError."""
        with self._lock:
            segment = next((s for s in reversed(self._segments) if s.first <= number), None)
            if segment is None or number - segment.first >= len(segment.packed):
                raise SnapshotGoneError(f"snapshot {number} is not in memory any more")
            packed, key = segment.packed[number - segment.first], segment.packed[0]
            cached = self._read_key
        if cached is None or cached[0] != segment.first:
            # Neighbours are mostly read one after the other.
            cached = self._read_key = (segment.first, unpack(key))
        return cached[1] if number == segment.first else unpack(packed, cached[1])
