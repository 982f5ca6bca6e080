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
    assert Timetable.empty().at(5.0) == -1
    assert Timetable.empty().last == -1


def test_headline_rate_counts_a_transfer_once() -> None:
    """Both directions of the physical interfaces; not known without an interval or without counters."""
    nic = interface("eth0", 2, rx_bytes=300, tx_bytes=100)
    loopback = interface("lo", 1, rx_bytes=9, tx_bytes=9)
    object.__setattr__(loopback, "kind", "loopback")
    assert headline_rate(snapshot(2.0, interfaces=(nic, loopback))) == 200.0
    assert math.isnan(headline_rate(snapshot(0.0, interfaces=(nic,))))
    assert math.isnan(headline_rate(snapshot(1.0, interfaces=(interface(rx_bytes=None, tx_bytes=None),))))
