"""What stored snapshots look like to those who go back and forth in them: the dashboard's memory, a recording."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from netdash.errors import NetdashError
from netdash.model.snapshot import Snapshot


class SnapshotGoneError(NetdashError):
    """The snapshot was dropped from the store meanwhile, or what is stored of it cannot be read."""


@dataclass(frozen=True, slots=True, eq=False)
class Timetable:
    """The moments of all snapshots that a store holds, in the order in which they were taken; immutable.

    Every snapshot has a number, by one higher than the one before, that it keeps for good: a store drops its oldest and
    takes new ones while it is read. Arrays of one length, one element a snapshot, the oldest first.
    """

    first: int
    """Number of the oldest snapshot."""
    times: NDArray[np.float64]
    """Wall clock at the end of the interval, seconds since the epoch: `Snapshot.time`. It ascends but for steps of the
    clock."""
    monotonic_ns: NDArray[np.int64]
    """`Snapshot.monotonic_ns`; begins anew with every boot."""
    intervals: NDArray[np.float64]
    """`Snapshot.interval`, seconds; 0.0 for a baseline. Where it is shorter than the time since the snapshot before,
    nothing was counted in between: a gap."""
    rates: NDArray[np.float64]
    """Bytes per second, both directions together, of the interfaces that count a transfer once (`headline_rate`): by it
    peaks are found without reading. NaN = not known."""

    @classmethod
    def empty(cls) -> Timetable:
        """Of a store that holds nothing yet."""
        return cls(0, np.zeros(0), np.zeros(0, np.int64), np.zeros(0), np.zeros(0))

    def __len__(self) -> int:
        return len(self.times)

    @property
    def numbers(self) -> range:
        """The numbers of all snapshots."""
        return range(self.first, self.first + len(self.times))

    @property
    def last(self) -> int:
        """Number of the newest snapshot; one before `first` in an empty store."""
        return self.first + len(self.times) - 1

    def time(self, number: int) -> float:
        """Wall clock of a snapshot. Raises SnapshotGoneError."""
        if number not in self.numbers:
            raise SnapshotGoneError(f"snapshot {number} is not stored any more")
        return float(self.times[number - self.first])

    @property
    def earliest(self) -> float:
        """The lowest wall clock: of the first snapshot, unless the clock was set. Of an empty table 0.0."""
        return float(self.times.min()) if len(self.times) else 0.0

    @property
    def latest(self) -> float:
        """The highest wall clock: of the newest snapshot, unless the clock was set. Of an empty table 0.0."""
        return float(self.times.max()) if len(self.times) else 0.0

    def at(self, time: float) -> int:
        """Number of the snapshot that was the newest at `time`; before all the oldest. An empty table has none: -1.

        Where the clock was set back, a time that was there twice is its last.
        """
        if not len(self.times):
            return -1
        found = np.flatnonzero((self.times[:-1] <= time) & (self.times[1:] > time))
        if not len(found):
            found = np.flatnonzero(self.times <= time)
        return self.first + (int(found[-1]) if len(found) else 0)

    def stepped(self, number: int, seconds: float) -> int:
        """Number of the last snapshot at or before `seconds` after another, or that long before it if negative.

        A step of the clock backwards is not crossed: it ends at the snapshot beside it. Raises SnapshotGoneError.
        """
        target, here = self.time(number) + seconds, number - self.first
        back = np.flatnonzero(np.diff(self.times) < 0) + 1
        begin = int(back[back <= here].max(initial=0))
        end = int(back[back > here].min(initial=len(self.times)))
        found = begin - 1 + int(np.searchsorted(self.times[begin:end], target, side="right"))
        return self.first + max(begin, found)

    def begin_of(self, number: int, seconds: float) -> int:
        """Number of the snapshot from which on another has so many seconds before it, by the clock that nobody sets;
        the oldest, or the first after the machine was started, where there are fewer. Raises SnapshotGoneError."""
        first, here = self.first_of_boot(number) - self.first, number - self.first
        earliest_ns = int(self.monotonic_ns[here]) - round(seconds * 1e9)
        found = first - 1 + int(np.searchsorted(self.monotonic_ns[first : here + 1], earliest_ns, side="right"))
        return self.first + max(first, found)

    def first_of_boot(self, number: int) -> int:
        """Number of the oldest snapshot since the machine was started before another. Raises SnapshotGoneError."""
        self.time(number)
        here = number - self.first
        return self.first + int((np.flatnonzero(np.diff(self.monotonic_ns[: here + 1]) < 0) + 1).max(initial=0))


class SnapshotStore(Protocol):
    """Snapshots by number; grows at its end and may drop its oldest while it is read.

    Its methods may wait for a disk and are called in threads, one at a time.
    """

    @property
    def damage(self) -> str | None:
        """Why a part of it cannot be read, beside single snapshots; None = it is whole as far as is known."""

    def progress(self) -> float:
        """How much of what is to be stored is, 0 to 1: less than 1 while a file is still being read."""

    def timetable(self) -> Timetable:
        """What is stored now. Cheap when nothing was added: it is asked once a second. Raises NetdashError."""

    def read(self, number: int) -> Snapshot:
        """One snapshot. Mostly called with ascending numbers. Raises SnapshotGoneError."""
