"""The rates of one connection over the last minutes, from stored snapshots; read bit by bit, the newest first."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np

from netdash.model.snapshot import Snapshot
from netdash.model.snapshot_store import SnapshotGoneError
from netdash.model.tables import UNKNOWN

CHUNK_SNAPSHOTS: Final = 32


class ConnectionSeries:
    """Bytes per second received and sent in each interval, by the snapshot's number; NaN = a gap.

    What is stored never changes, so each snapshot is looked at once. Not for several threads at a time.
    """

    def __init__(self, flow_id: int) -> None:
        self.flow_id = flow_id
        self._samples: dict[int, tuple[float, float, float] | None] = {}
        """Time and rates; None of a snapshot that cannot be read."""

    def take(self, number: int, snapshot: Snapshot) -> None:
        """Looks the flow up in one snapshot; in one without it nothing was moved."""
        if snapshot.interval <= 0.0:
            self._samples[number] = (snapshot.time, math.nan, math.nan)
            return
        kind = "payload" if snapshot.mode.flows == "sockets" else "bytes"
        rows = np.flatnonzero(snapshot.flows["id"] == np.uint64(self.flow_id))
        rates = [0.0, 0.0]
        for row in rows.tolist():
            for direction, side in enumerate(("rx", "tx")):
                moved = int(snapshot.flows[f"{side}_{kind}"][row])
                rates[direction] += math.nan if moved == UNKNOWN else moved / snapshot.interval
        self._samples[number] = (snapshot.time, rates[0], rates[1])

    def missing(self, first: int, last: int) -> range:
        """The newest snapshots from `first` to `last` that were not looked at yet, some at a time; empty when all
        were."""
        end = last
        while end >= first and end in self._samples:
            end -= 1
        start = end
        while start > first and start > end - CHUNK_SNAPSHOTS + 1 and start - 1 not in self._samples:
            start -= 1
        return range(start, end + 1) if end >= first else range(0)

    def read(self, numbers: range, read: Callable[[int], Snapshot]) -> None:
        """Looks at stored snapshots; what cannot be read is left out."""
        for number in numbers:
            try:
                self.take(number, read(number))
            except SnapshotGoneError:
                self._samples[number] = None

    def forget_before(self, number: int) -> None:
        """What is older is not drawn any more."""
        for old in [old for old in self._samples if old < number]:
            del self._samples[old]

    def samples(self, first: int, last: int) -> tuple[list[float], list[float], list[float]]:
        """Times, received and sent rates of the snapshots from `first` to `last` that were looked at, in order."""
        looked_at = (self._samples.get(number) for number in range(first, last + 1))
        found = [sample for sample in looked_at if sample is not None]
        return [each[0] for each in found], [each[1] for each in found], [each[2] for each in found]
