"""Samples as columns of time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from netdash.model.resample import column_times, resample


def samples(count: int, spacing: float = 1.0) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    times: NDArray[np.float64] = np.arange(1, count + 1, dtype=np.float64) * spacing + 1000.0
    return times, np.arange(count, dtype=np.float32)


def test_columns_keep_their_samples_while_time_goes_on() -> None:
    times, values = samples(600)
    first = resample(times[:500], values[:500], column_times(times[499], 300.0, 100))
    later = resample(times[:503], values[:503], column_times(times[502], 300.0, 100))
    assert np.array_equal(first[1:-1], later[:-2])


def test_a_column_is_the_mean_of_its_time() -> None:
    times, values = samples(9)
    ends = np.array([1003.0, 1006.0, 1009.0])
    assert resample(times, values, ends).tolist() == [1.0, 4.0, 7.0]


def test_far_apart_samples_fill_the_columns_between_them() -> None:
    times, values = samples(3, spacing=4.0)
    assert resample(times, values, np.arange(1005.0, 1013.0)).tolist() == [1.0] * 4 + [2.0] * 4


def test_gaps_stay_gaps() -> None:
    times = np.array([1001.0, 1002.0, 1020.0, 1021.0])
    values = np.array([1.0, np.nan, 3.0, 4.0], np.float32)
    shown = resample(times, values, np.arange(1001.0, 1022.0))
    assert shown[0] == 1.0
    assert np.isnan(shown[1:18]).all()
    assert shown[-2:].tolist() == [3.0, 4.0]
    assert np.isnan(resample(np.zeros(0), np.zeros(0, np.float32), np.arange(3.0))).all()
