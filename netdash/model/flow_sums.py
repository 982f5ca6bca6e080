"""What all flows of an interface moved: sums, peaks and rates, as below iftop's list."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.model.headline import headline_interfaces
from netdash.model.snapshot import Interface
from netdash.model.windows import WINDOW_SECONDS, SlotCounter, Timeline

HEADLINE: Final = -1
"""Stands for the interfaces whose sum counts each transfer once, where an interface index could stand."""


@dataclass(frozen=True, slots=True)
class FlowTotals:
    """The footer's figures of one direction or of both: bytes, and bytes per second."""

    total_bytes: int = 0
    peak: float = 0.0
    """The highest 2-second rate so far."""
    rates: tuple[float, ...] = (0.0,) * len(WINDOW_SECONDS)


@dataclass(slots=True)
class _Sums:
    """What all flows of one interface moved."""

    counter: SlotCounter = field(default_factory=SlotCounter)
    totals: tuple[FlowTotals, FlowTotals, FlowTotals] = (FlowTotals(), FlowTotals(), FlowTotals())

    def add(self, timeline: Timeline, rx_bytes: int, tx_bytes: int) -> None:
        self.counter.add(timeline, rx_bytes, tx_bytes)
        pairs = [self.counter.rates(timeline, window) for window in range(len(WINDOW_SECONDS))]
        rates = ([rx for rx, _ in pairs], [tx for _, tx in pairs], [rx + tx for rx, tx in pairs])
        rx, tx, both = (
            FlowTotals(old.total_bytes + new, max(old.peak, rate[0]), tuple(rate))
            for old, new, rate in zip(self.totals, (rx_bytes, tx_bytes, rx_bytes + tx_bytes), rates, strict=True)
        )
        self.totals = (rx, tx, both)

    def copy(self) -> _Sums:
        return _Sums(self.counter.copy(), self.totals)


class FlowSums:
    """By interface, of those that are there, and of the headline's together."""

    def __init__(self) -> None:
        self._sums: dict[int, _Sums] = {HEADLINE: _Sums()}
        self._totals = {HEADLINE: self._sums[HEADLINE].totals}

    def copy(self) -> FlowSums:
        """One that goes on from here by itself."""
        twin = FlowSums()
        twin._sums = {index: sums.copy() for index, sums in self._sums.items()}
        twin._totals = self._totals
        return twin

    def totals(self, ifindex: int) -> tuple[FlowTotals, FlowTotals, FlowTotals]:
        """Received, sent and both, of an interface or of HEADLINE."""
        return self._totals.get(ifindex, (FlowTotals(), FlowTotals(), FlowTotals()))

    def update(
        self,
        timeline: Timeline,
        interfaces: tuple[Interface, ...],
        ifindex: NDArray[np.uint32],
        moved: NDArray[np.int64],
    ) -> None:
        """Takes the flows of the interval that `timeline` has come to: `ifindex` of each, and `moved`, shape (2, n)."""
        indices, group = np.unique(ifindex, return_inverse=True)
        sums = np.zeros((2, len(indices)), np.int64)
        for direction in (0, 1):
            np.add.at(sums[direction], group, moved[direction])
        by_index = {int(index): (int(rx), int(tx)) for index, rx, tx in zip(indices, *sums, strict=True)}
        headline = [by_index.get(interface.index, (0, 0)) for interface in headline_interfaces(interfaces)]
        by_index[HEADLINE] = (sum(rx for rx, _ in headline), sum(tx for _, tx in headline))
        present = {interface.index for interface in interfaces} | by_index.keys()
        self._sums = {index: self._sums.get(index) or _Sums() for index in present}
        for index, each in self._sums.items():
            each.add(timeline, *by_index.get(index, (0, 0)))
        self._totals = {index: each.totals for index, each in self._sums.items()}
