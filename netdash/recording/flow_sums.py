"""Flows of a minute added up, at a cost that follows the intervals and not the minute."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.model.tables import FLOW_ROW, UNKNOWN, Attribution, empty, join, take

SUM_ROW: Final = np.dtype([*FLOW_ROW.descr, ("first", "<f8"), ("last", "<f8")])
"""FLOW_ROW with the wall clock at the begin of the first and the end of the last interval with traffic."""

FIGURES: Final = ("rx_bytes", "tx_bytes", "rx_packets", "tx_packets", "rx_payload", "tx_payload")
_KEPT_ROWS: Final = 4096


class FlowSums:
    """Recent tables are kept as they are until they have as many rows as the sum; then they are added to it."""

    def __init__(self) -> None:
        self._sum = empty(SUM_ROW)
        self._recent: list[NDArray[np.void]] = []
        self._recent_rows = 0

    def add(self, flows: NDArray[np.void], begin: float, end: float) -> None:
        """FLOW_ROW of one interval, which lasted from `begin` to `end`."""
        if not len(flows):
            return
        rows = np.zeros(len(flows), SUM_ROW)
        rows.view(np.uint8).reshape(len(rows), -1)[:, : FLOW_ROW.itemsize] = (
            np.ascontiguousarray(flows).view(np.uint8).reshape(len(rows), -1)
        )
        rows["first"], rows["last"] = begin, end
        self._recent.append(rows)
        self._recent_rows += len(rows)
        if self._recent_rows >= max(_KEPT_ROWS, len(self._sum)):
            self.rows()

    def rows(self) -> NDArray[np.void]:
        """SUM_ROW, one a flow: figures added (unknown where a part is), the rest as it was when its owner was last
        known."""
        if self._recent:
            self._sum = _added(join(*reversed(self._recent), self._sum))
            self._recent, self._recent_rows = [], 0
        return self._sum


def _added(rows: NDArray[np.void]) -> NDArray[np.void]:
    """`rows`: the newest first."""
    order = np.lexsort((rows["attribution"] == Attribution.NONE, rows["id"]))
    rows = take(rows, order)
    starts = np.flatnonzero(np.concatenate([[True], rows["id"][1:] != rows["id"][:-1]]))
    sums = take(rows, starts)
    for name in FIGURES:
        values = rows[name]
        sums[name] = np.add.reduceat(values, starts)
        sums[name][np.minimum.reduceat(values, starts) < 0] = UNKNOWN
    sums["first"] = np.minimum.reduceat(rows["first"], starts)
    sums["last"] = np.maximum.reduceat(rows["last"], starts)
    return sums
