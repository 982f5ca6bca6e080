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

    def at(self, time: float) -> int:
        """Number of the last snapshot taken at or before `time`, else the oldest. An empty table has none: -1.

        Where the clock was set back, a time that was there twice is its last.
        """
        if not len(self.times):
            return -1
        found = np.flatnonzero(self.times <= time)
        return self.first + (int(found[-1]) if len(found) else 0)


class SnapshotStore(Protocol):
    """Snapshots by number; grows at its end and may drop its oldest while it is read.

    Both methods may wait for a disk and are called in threads, one at a time.
    """

    def timetable(self) -> Timetable:
        """What is stored now. Cheap when nothing was added: it is asked once a second. Raises NetdashError."""

    def read(self, number: int) -> Snapshot:
        """One snapshot. Mostly called with ascending numbers. Raises SnapshotGoneError."""
