"""Peaks of the total rate: where to look first in a long recording."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.model.snapshot_store import Timetable

PEAK_SECONDS: Final = 30.0
"""A peak is the highest within so long before and after it."""
PEAK_RATIO: Final = 1.5
"""And at least so many times the mean of that time, so that a steady stream has none."""


def find_peak(table: Timetable, number: int, step: int) -> int | None:
    """Number of the next peak after a snapshot (`step` 1) or before it (-1); None where there is none.

    Of equal rates within `PEAK_SECONDS` the first is the peak. What is not known is no peak and is left out of means.
    """
    rates = np.nan_to_num(table.rates, nan=-1.0)
    known = rates >= 0.0
    if not len(rates):
        return None
    # Steps of the clock backwards must not make windows end before they begin.
    times = np.maximum.accumulate(table.times)
    begins = np.searchsorted(times, times - PEAK_SECONDS, side="left")
    ends = np.searchsorted(times, times + PEAK_SECONDS, side="right")
    sums = np.concatenate([[0.0], np.cumsum(np.where(known, rates, 0.0))])
    counts = np.concatenate([[0], np.cumsum(known)])
    means = (sums[ends] - sums[begins]) / np.maximum(1, counts[ends] - counts[begins])
    candidates = np.flatnonzero(known & (rates > 0.0) & (rates >= PEAK_RATIO * means) & _above_neighbours(rates))
    here = number - table.first
    ordered = candidates[candidates > here] if step > 0 else candidates[candidates < here][::-1]
    for index in map(int, ordered):
        if begins[index] + int(np.argmax(rates[begins[index] : ends[index]])) == index:
            return table.first + index
    return None


def _above_neighbours(rates: NDArray[np.float64]) -> NDArray[np.bool_]:
    before = np.concatenate([[-1.0], rates[:-1]])
    after = np.concatenate([rates[1:], [-1.0]])
    return (rates > before) & (rates >= after)
