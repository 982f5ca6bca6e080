"""Peaks stand out of the minute around them."""

from __future__ import annotations

import math

import numpy as np

from netdash.model.peaks import find_peak
from netdash.model.snapshot_store import Timetable


def seconds(*rates: float, first: int = 5) -> Timetable:
    """A snapshot a second with these rates."""
    count = len(rates)
    times = np.arange(1000.0, 1000.0 + count)
    return Timetable(first, times, np.zeros(count, np.int64), np.ones(count), np.array(rates))


def test_highest_of_its_minute() -> None:
    """In both directions; the lesser one within half a minute is none."""
    rates = [10.0] * 200
    rates[50], rates[60], rates[150] = 300.0, 900.0, 500.0
    table = seconds(*rates)
    assert [find_peak(table, number, 1) for number in (5, 64, 65, 155)] == [65, 65, 155, None]
    assert [find_peak(table, number, -1) for number in (204, 155, 65)] == [155, 65, None]


def test_steady_traffic_has_none() -> None:
    """Jitter is no peak, silence neither."""
    assert find_peak(seconds(*[100.0 + 20 * (number % 3) for number in range(300)]), 5, 1) is None
    assert find_peak(seconds(*[0.0] * 300), 5, 1) is None
    assert find_peak(Timetable.empty(), -1, 1) is None


def test_what_is_not_known_is_no_peak_and_in_no_mean() -> None:
    """A gap around a peak does not make it one, nor hide it."""
    rates = [math.nan] * 100
    rates[48:53] = [10.0, 10.0, 90.0, 10.0, 10.0]
    assert find_peak(seconds(*rates), 5, 1) == 55


def test_first_of_equal_ones() -> None:
    """A flat top is one peak."""
    rates = [1.0] * 100
    rates[40:45] = [50.0] * 5
    table = seconds(*rates)
    assert find_peak(table, 5, 1) == 45
    assert find_peak(table, 45, 1) is None
