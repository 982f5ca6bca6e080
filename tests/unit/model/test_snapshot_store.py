"""The table of stored moments."""

from __future__ import annotations

import math

import numpy as np
import pytest

from netdash.model.headline import headline_rate
from netdash.model.snapshot_store import SnapshotGoneError, Timetable
from tests.unit.model.builders import interface, snapshot


def timetable(*times: float, first: int = 0) -> Timetable:
    """Snapshots at these times."""
    count = len(times)
    return Timetable(first, np.array(times), np.zeros(count, np.int64), np.ones(count), np.zeros(count))


def test_numbers_stay_when_the_oldest_are_dropped() -> None:
    """A number names one snapshot for good."""
    table = timetable(10.0, 11.0, 12.0, first=7)
    assert (list(table.numbers), table.last, len(table)) == ([7, 8, 9], 9, 3)
    assert table.time(8) == 11.0
    with pytest.raises(SnapshotGoneError):
        table.time(6)


def test_last_at_or_before_a_time() -> None:
    """Between two snapshots the earlier one is what was known then."""
    table = timetable(10.0, 11.0, 12.0, first=7)
    assert [table.at(time) for time in (0.0, 10.0, 10.9, 11.0, 99.0)] == [7, 7, 7, 8, 9]
    assert timetable(10.0, 11.0, 10.5, 11.5).at(11.2) == 2
    set_back = timetable(10.0, 11.0, 12.0, 1.0, 2.0)
    assert [set_back.at(time) for time in (0.0, 1.5, 2.5, 5.0, 11.5, 99.0)] == [0, 3, 4, 4, 1, 4]
    assert Timetable.empty().at(5.0) == -1
    assert Timetable.empty().last == -1


def test_steps_of_the_clock_are_not_crossed() -> None:
    """Forward an hour and back again: so many seconds on or back lead to the step, and from there over it."""
    table = timetable(10.0, 11.0, 12.0, 3600.0, 3601.0, 13.0, 14.0, 15.0, first=7)
    assert [table.stepped(7, seconds) for seconds in (0.0, 1.5, 2.0, 60.0, 3590.0, 9999.0)] == [7, 8, 9, 9, 10, 11]
    assert [table.stepped(14, seconds) for seconds in (0.0, -1.0, -2.5, -60.0)] == [14, 13, 12, 12]
    assert [table.stepped(11, seconds) for seconds in (1.0, -1.0, -60.0, -3600.0)] == [11, 10, 9, 7]
    assert (table.earliest, table.latest) == (10.0, 3601.0)
    assert (Timetable.empty().earliest, Timetable.empty().latest) == (0.0, 0.0)
    with pytest.raises(SnapshotGoneError):
        table.stepped(6, 1.0)


def test_what_lies_before_by_the_clock_that_nobody_sets() -> None:
    """Not before the machine was started, whatever the wall clock says."""
    monotonic_ns = np.array([500, 501, 502, 3, 4, 5, 6], np.int64) * 10**9
    wall = np.array([90.0, 50.0, 51.0, 10.0, 11.0, 500.0, 1.0])
    table = Timetable(7, wall, monotonic_ns, np.ones(7), np.zeros(7))
    assert [table.begin_of(13, seconds) for seconds in (0.0, 1.0, 1.5, 900.0)] == [13, 12, 11, 10]
    assert [table.begin_of(9, seconds) for seconds in (1.0, 900.0)] == [8, 7]
    assert [table.first_of_boot(number) for number in table.numbers] == [7, 7, 7, 10, 10, 10, 10]


def test_headline_rate_counts_a_transfer_once() -> None:
    """Both directions of the physical interfaces; not known without an interval or without counters."""
    nic = interface("eth0", 2, rx_bytes=300, tx_bytes=100)
    loopback = interface("lo", 1, rx_bytes=9, tx_bytes=9)
    object.__setattr__(loopback, "kind", "loopback")
    assert headline_rate(snapshot(2.0, interfaces=(nic, loopback))) == 200.0
    assert math.isnan(headline_rate(snapshot(0.0, interfaces=(nic,))))
    assert math.isnan(headline_rate(snapshot(1.0, interfaces=(interface(rx_bytes=None, tx_bytes=None),))))
