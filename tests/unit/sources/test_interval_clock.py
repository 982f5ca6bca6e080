"""Intervals by the packets' clock."""

from __future__ import annotations

import numpy as np
import pytest

from netdash.sources.capture.interval_clock import SILENT_INTERVALS, IntervalClock

SECOND = 10**9


def cut(clock: IntervalClock, *seconds: float) -> list[tuple[list[tuple[float, float]], list[int]]]:
    times = np.array([round(second * SECOND) for second in seconds], np.int64)
    positions = np.arange(len(times))
    return [
        ([(span.start_ns / SECOND, span.end_ns / SECOND) for span in ended], positions[rows].tolist())
        for ended, rows in clock.cut(times)
    ]


def test_intervals_count_from_the_first_packet() -> None:
    clock = IntervalClock(1.0)
    assert cut(clock, 5.5, 5.6, 6.5, 6.6) == [([], [0, 1]), ([(5.5, 6.5)], [2, 3])]
    assert cut(clock, 6.7, 9.0) == [([], [0]), ([(6.5, 7.5), (7.5, 8.5)], [1])]
    last = clock.finish()
    assert last is not None
    assert last.seconds == pytest.approx(0.5)


def test_the_last_interval_lasts_a_tenth_at_least() -> None:
    clock = IntervalClock(2.0)
    cut(clock, 1.0)
    last = clock.finish()
    assert last is not None
    assert last.seconds == pytest.approx(0.2)


def test_a_file_without_packets_has_no_interval() -> None:
    clock = IntervalClock(1.0)
    assert cut(clock) == []
    assert clock.finish() is None


def test_a_long_silence_is_one_interval() -> None:
    clock = IntervalClock(1.0)
    cut(clock, 0.0)
    ((ended, rows),) = cut(clock, SILENT_INTERVALS + 10.5)
    assert ended == [(0, 1), (1, SILENT_INTERVALS + 10)]
    assert rows == [0]


def test_packets_out_of_order_stay_where_they_stand() -> None:
    clock = IntervalClock(1.0)
    assert cut(clock, 0.0, 2.0, 1.0, 2.1) == [([], [0]), ([(0, 1), (1, 2)], [1, 2, 3])]
    assert clock.disordered == 1
    assert cut(clock, 0.5) == [([], [0])]
    assert clock.disordered == 2


def test_another_length_holds_from_the_open_interval_on() -> None:
    clock = IntervalClock(1.0)
    cut(clock, 0.0, 1.0)
    clock.set_seconds(0.5)
    assert cut(clock, 2.0) == [([(1, 1.5), (1.5, 2.0)], [0])]
