"""Samples of any spacing as columns of a graph: each column is a fixed stretch of time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_GAP_SPACINGS = 1.5
"""A sample stands for the time up to so many spacings before it; what lies before that is a gap."""


def column_times(end: float, span: float, columns: int, together: int = 1) -> NDArray[np.float64]:
    """The end of each of `columns` stretches that cover `span` seconds up to `end`.

    They lie on a grid of their own, so that a column keeps its samples while time goes on and the graph moves by whole
    columns, `together` at a time: the last may be of the time to come.
    """
    step = span / columns
    last = np.ceil(end / (step * together) - 1e-9) * together
    ends: NDArray[np.float64] = (last - np.arange(columns - 1, -1, -1)) * step
    return ends


def resample(times: NDArray[np.float64], values: NDArray[np.float32], ends: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of `values` in each stretch that ends at `ends`, which are evenly spaced; NaN where there is none.

    `times`: the end of each sample's interval, rising. A stretch without a sample of its own, because the samples are
    further apart, takes that whose interval it lies in.
    """
    result = np.full(len(ends), np.nan)
    if not len(times) or len(ends) < 2:
        return result
    step = ends[1] - ends[0]
    known = ~np.isnan(values)
    place = np.floor((times - ends[0]) / step - 1e-9).astype(np.int64) + 1
    inside = known & (place >= 0) & (place < len(ends))
    counts = np.bincount(place[inside], minlength=len(ends))
    sums = np.bincount(place[inside], weights=values[inside].astype(np.float64), minlength=len(ends))
    np.divide(sums, counts, out=result, where=counts > 0)
    spacing = float(times[-1] - times[-2]) if len(times) > 1 else 1.0
    empty = np.flatnonzero(counts == 0)
    following = np.searchsorted(times, ends[empty])
    within = following < len(times)
    empty, following = empty[within], following[within]
    near = ends[empty] > times[following] - _GAP_SPACINGS * spacing
    result[empty[near]] = values[following[near]]
    return result
