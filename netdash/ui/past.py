"""What was shown at any stored moment: its snapshot, and the histories as they were after it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NamedTuple

from netdash.model.snapshot import Snapshot
from netdash.model.snapshot_store import SnapshotGoneError, Timetable
from netdash.ui.histories import Histories

GLANCE_SECONDS: Final = 0.0
"""A moment by itself gives its rates of now: enough to show it at once."""
RATES_SECONDS: Final = 60.0
"""Snapshots of so long a time before a moment give all its rates: the longest window is 40 seconds."""
GRAPHS_SECONDS: Final = 900.0
"""And of so long its graphs."""
_KEPT_EVERY: Final = 16
_TRAIL: Final = 12
"""Of so many moments before the one that was asked for the histories are kept too: mostly they are wanted next."""
_REACH: Final = 128
"""From a copy so many snapshots before it is not far to go, and its totals count from long before."""
_MAX_KEPT: Final = 64
_MAX_KEPT_BYTES: Final = 64 << 20


class AbandonedError(Exception):
    """Another moment is wanted by now."""


class Moment(NamedTuple):
    """What is drawn at one moment. Neither is changed any more."""

    snapshot: Snapshot
    histories: Histories


@dataclass(slots=True)
class Errand:
    """The way to one moment, watched and ended from another thread."""

    number: int
    done: int = 0
    total: int = 0
    abandoned: bool = False

    @property
    def share(self) -> float:
        """How much of it is done, 0 to 1."""
        return self.done / self.total if self.total else 0.0


class Past:
    """Histories at a moment are those of a moment before, fed with the snapshots in between.

    Copies that were kept on the way make the next step short. A store that drops its oldest needs an anchor at the
    first snapshot that it still has: totals count from before it.
    """

    def __init__(self, read: Callable[[int], Snapshot], max_flows: int) -> None:
        """`read`: SnapshotStore.read; may be called in several threads."""
        self._read = read
        self._max_flows = max_flows
        self._kept: dict[int, Histories] = {}  # in the order of last use
        self._anchors: dict[int, Histories] = {}
        self._lock = threading.Lock()

    def keep(self, number: int, histories: Histories) -> None:
        """Takes a copy of the histories as they were after a snapshot; kept while there is room."""
        with self._lock:
            before = self._kept.pop(number, None)
            if before is not None and _earlier(before, histories):
                histories = before
            self._kept[number] = histories
            used = 0
            for count, old in enumerate(reversed(list(self._kept))):
                used += _size_bytes(self._kept[old])
                if count >= 2 and (count >= _MAX_KEPT or used > _MAX_KEPT_BYTES):
                    del self._kept[old]

    def keep_anchor(self, number: int, histories: Histories) -> None:
        """As `keep`, until `drop_before`."""
        with self._lock:
            self._anchors[number] = histories

    def drop_before(self, number: int) -> None:
        """Forgets what is older than a store's first snapshot."""
        with self._lock:
            for kept in (self._kept, self._anchors):
                for old in [old for old in kept if old < number]:
                    del kept[old]

    def anchors(self) -> dict[int, Histories]:
        """Those of `keep_anchor`, by number."""
        with self._lock:
            return dict(self._anchors)

    def knows(self, number: int, table: Timetable, seconds: float) -> bool:
        """Whether `at` would have nothing to compute."""
        return self._nearest(number, table, seconds)[0] == number

    def is_near(self, number: int, table: Timetable, seconds: float) -> bool:
        """Whether `at` would go on from histories that are kept."""
        return self._nearest(number, table, seconds)[1] is not None

    def at(self, errand: Errand, table: Timetable, seconds: float = GRAPHS_SECONDS) -> Moment:
        """The moment of a stored snapshot; `seconds` before it are looked at, or all since the first where that is
        later or is known from before. Takes up to seconds of time. Raises AbandonedError, NetdashError."""
        number = errand.number
        start, histories = self._nearest(number, table, seconds)
        if histories is None:
            start, histories = table.begin_of(number, seconds) - 1, Histories(self._max_flows)
        elif start == number:
            return Moment(self._read(number), histories)
        else:
            histories = histories.copy()
        errand.total = number - start
        for each in range(start + 1, number):
            if errand.abandoned:
                raise AbandonedError
            with suppress(SnapshotGoneError):  # one that is damaged is missing in the histories
                histories.update(self._read(each))
            errand.done += 1
            if each % _KEPT_EVERY == 0 or number - each <= _TRAIL:
                self.keep(each, histories.copy())
        snapshot = self._read(number)
        histories.update(snapshot)
        errand.done += 1
        self.keep(number, histories)
        return Moment(snapshot, histories)

    def _nearest(self, number: int, table: Timetable, seconds: float) -> tuple[int, Histories | None]:
        """The newest copy from before that is complete enough: it counts from where `at` would begin, or from
        `seconds` / 2 before."""
        begin = table.begin_of(number, seconds)
        begin_ns = _monotonic_ns(table, begin)
        enough_ns = max(begin_ns, _monotonic_ns(table, number) - round(seconds / 2 * 1e9))
        # Farther back it would take longer than to begin anew.
        oldest = max(table.first_of_boot(number), min(begin - 1, number - _REACH))
        with self._lock:
            for old in sorted({*self._kept, *self._anchors}, reverse=True):
                histories = self._anchors.get(old) or self._kept[old]
                if oldest <= old <= number and histories.since_ns is not None and histories.since_ns <= enough_ns:
                    if old in self._kept:
                        self._kept[old] = self._kept.pop(old)
                    return old, histories
        return -1, None


def _monotonic_ns(table: Timetable, number: int) -> int:
    return int(table.monotonic_ns[number - table.first])


def _earlier(one: Histories, other: Histories) -> bool:
    return one.since_ns is not None and (other.since_ns is None or one.since_ns <= other.since_ns)


def _size_bytes(histories: Histories) -> int:
    table = histories.flows.table
    return table.flows.nbytes + 2 * table.totals.nbytes + 2 * table.rates.nbytes + histories.object_bytes
