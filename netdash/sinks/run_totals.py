"""The sum of a run's snapshots, at a cost that follows the interval and not the run."""

from __future__ import annotations

from dataclasses import replace

from netdash.model.merge import merge
from netdash.model.snapshot import Snapshot
from netdash.model.tables import FLOW_ROW, empty
from netdash.options import View

_KEPT_ROWS = 4096


class RunTotals:
    """Adds snapshots up. With a `view`, long tables that it does not show are not kept.

    Recent snapshots are summed by themselves and join the long sum when they have grown to its size (at least
    4096 rows): a sum of 200,000 flows is not gone through every second for a hundred active ones.
    """

    def __init__(self, view: View | None = None) -> None:
        self._keep_flows = view in (None, "flows", "processes")
        self._keep_processes = view in (None, "flows", "processes", "sockets")
        self._sum: Snapshot | None = None
        self._recent: Snapshot | None = None
        self.count = 0
        """Snapshots added, without the baseline."""

    def add(self, snapshot: Snapshot) -> None:
        """Adds a snapshot; the first may be a baseline, which gives the sum of an empty run."""
        self.count += snapshot.interval > 0
        if not self._keep_flows:
            snapshot = replace(snapshot, flows=empty(FLOW_ROW))
        if not self._keep_processes:
            snapshot = replace(snapshot, processes=())
        self._recent = snapshot if self._recent is None else merge(self._recent, snapshot)
        if self._sum is None or _rows(self._recent) >= max(_KEPT_ROWS, _rows(self._sum)):
            self._fold()

    def total(self) -> Snapshot | None:
        """The sum so far, None before the first snapshot."""
        self._fold()
        return self._sum

    def _fold(self) -> None:
        if self._recent is not None:
            self._sum = self._recent if self._sum is None else merge(self._sum, self._recent)
            self._recent = None


def _rows(snapshot: Snapshot) -> int:
    return len(snapshot.flows) + len(snapshot.processes)
