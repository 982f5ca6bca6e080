"""All moments that the dashboard can show: those of a recording, or live those from the oldest in memory to now."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.model.snapshot import Snapshot
from netdash.model.snapshot_memory import SnapshotMemory
from netdash.model.snapshot_store import SnapshotStore, Timetable
from netdash.model.steps import Between, go_on
from netdash.ui.free_memory import give_back_free_memory
from netdash.ui.histories import Histories
from netdash.ui.past import GLANCE_SECONDS, GRAPHS_SECONDS, RATES_SECONDS, Errand, Moment, Past

_KEPT_EVERY: Final = 8
"""The histories after every so many snapshots are kept a while, so that the first step back from now is short."""

_GIVEN_BACK_EVERY: Final = 32
_MANY_FLOWS: Final = 20_000
"""With more rows than this the memory that an interval frees is worth giving back."""


class Timeline:
    """A store of snapshots with the histories at each. Methods may be called in several threads."""

    def __init__(self, store: SnapshotStore, max_flows: int) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._past = Past(self.read, max_flows)
        self.table = Timetable.empty()
        """What the store held when it was looked at last."""
        self.damage: str | None = None
        """Of the store, when it was looked at last."""
        self.read_share = 1.0
        """How much of what the store will hold it held then."""

    def look(self) -> None:
        """Looks what the store holds now. Raises NetdashError."""
        with self._lock:
            self.table = self._store.timetable()
            self.damage, self.read_share = self._store.damage, self._store.progress()

    def now(self, number: int) -> Moment | None:
        """The moment of a snapshot if it is the newest and its histories go on with every new one."""
        return None

    def first_look(self, errand: Errand) -> Moment:
        """A moment at once: with all its rates where the histories shortly before it are known, else with those of now
        alone. Raises AbandonedError, NetdashError."""
        near = self._past.is_near(errand.number, self.table, RATES_SECONDS)
        return self._past.at(errand, self.table, RATES_SECONDS if near else GLANCE_SECONDS)

    def has_rates(self, number: int) -> bool:
        """Whether `moment` would have nothing to compute."""
        return self._past.knows(number, self.table, RATES_SECONDS)

    def moment(self, errand: Errand) -> Moment:
        """A moment with all its rates; graphs and totals may begin shortly before it. Raises AbandonedError,
        NetdashError."""
        return self._past.at(errand, self.table, RATES_SECONDS)

    def is_complete(self, number: int) -> bool:
        """Whether `whole_moment` would have nothing to compute."""
        return self._past.knows(number, self.table, GRAPHS_SECONDS)

    def whole_moment(self, errand: Errand) -> Moment:
        """A moment with its whole graphs, and totals from long before it or from the start. Raises AbandonedError,
        NetdashError."""
        return self._past.at(errand, self.table, GRAPHS_SECONDS)

    def read(self, number: int) -> Snapshot:
        """One stored snapshot. Raises SnapshotGoneError."""
        with self._lock:
            return self._store.read(number)


class LiveTimeline(Timeline):
    """What comes goes into a memory. `take` and `stop_at` are called in one thread at a time."""

    def __init__(self, max_flows: int) -> None:
        self._memory = SnapshotMemory()
        super().__init__(self._memory, max_flows)
        self.live = Histories(max_flows)
        """Those of now; fed with every new snapshot."""
        self.newest: Snapshot | None = None

    def take(self, snapshot: Snapshot, between: Between = go_on) -> None:
        """Counts a new snapshot and keeps it. `between` is called after each of many steps."""
        self.live.update(snapshot, between)
        between()
        number = self._memory.append(snapshot)
        self.newest = snapshot
        begins_segment = self._memory.segments[-1] == number
        if begins_segment:
            # Totals count from the start: what they were at the oldest snapshot cannot be had from younger ones.
            self._past.keep_anchor(number, self.live.copy())
        elif number % _KEPT_EVERY == 0:
            self._past.keep(number, self.live.copy())
        self.look()
        self._past.drop_before(self.table.first)
        if begins_segment:
            self._count_anchors()
        if number % _GIVEN_BACK_EVERY == 0 and len(self.live.flows.table) > _MANY_FLOWS:
            give_back_free_memory()

    def _count_anchors(self) -> None:
        """Tells the memory what the anchors take beyond what is there anyway."""
        seen = {id(array) for array in self.live.arrays()}
        for number, histories in sorted(self._past.anchors().items(), reverse=True):
            self._memory.add_cost(number, _new_bytes(histories.arrays(), seen) + histories.object_bytes)

    def stop_at(self, number: int) -> Histories:
        """The histories as they are now, which is after that snapshot, to be shown while those of now go on."""
        histories = self.live.copy()
        self._past.keep(number, histories)
        return histories

    def now(self, number: int) -> Moment | None:
        """The moment of a snapshot if it is the newest."""
        return Moment(self.newest, self.live) if self.newest is not None and number == self.table.last else None


def _new_bytes(arrays: Iterable[NDArray[np.generic]], seen: set[int]) -> int:
    """Bytes of the arrays that were not seen before, which are then."""
    total = 0
    for array in arrays:
        if id(array) not in seen:
            seen.add(id(array))
            total += array.nbytes
    return total
