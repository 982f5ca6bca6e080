"""The last minutes in memory: numbers, bounds, and that what is read is what was given."""

from __future__ import annotations

import numpy as np
import pytest

from netdash.model.snapshot import Snapshot
from netdash.model.snapshot_memory import SEGMENT_SNAPSHOTS, SnapshotMemory
from netdash.model.snapshot_store import SnapshotGoneError
from netdash.model.tables import FLOW_ROW
from tests.unit.model.builders import interface, snapshot


def second(number: int, flows: int = 3) -> Snapshot:
    """One of a row of snapshots a second apart; flows of bytes that cannot be compressed."""
    random = np.random.default_rng(number)
    return snapshot(
        time=1000.0 + number,
        monotonic_ns=(number + 1) * 10**9,
        interfaces=(interface(rx_bytes=number, tx_bytes=0),),
        flows=np.frombuffer(random.bytes(flows * FLOW_ROW.itemsize), FLOW_ROW),
    )


def test_reads_what_was_given() -> None:
    """Over several segments, in any order."""
    memory = SnapshotMemory()
    given = [second(number) for number in range(2 * SEGMENT_SNAPSHOTS + 10)]
    assert [memory.append(each) for each in given] == list(range(len(given)))
    for number in (0, 137, 64, 63, 1, 128):
        again = memory.read(number)
        assert again.flows.tobytes() == given[number].flows.tobytes()
        assert again.interfaces == given[number].interfaces
    table = memory.timetable()
    assert table.times.tolist() == [each.time for each in given]
    assert table.rates.tolist() == [float(number) for number in range(len(given))]
    assert memory.segments == (0, 64, 128)


def test_forgets_what_is_older_than_it_must_keep() -> None:
    """Whole segments go, and only when the next one reaches far enough back."""
    memory = SnapshotMemory(kept_seconds=100.0)
    before = memory.timetable()
    for number in range(SEGMENT_SNAPSHOTS + 100):
        memory.append(second(number))
    early = memory.timetable()
    assert (len(before), early.first) == (0, 0)
    memory.append(second(SEGMENT_SNAPSHOTS + 100))
    table = memory.timetable()
    assert (table.first, table.last) == (SEGMENT_SNAPSHOTS, SEGMENT_SNAPSHOTS + 100)
    assert early.times[0] == 1000.0, "a timetable that was given out does not change"
    with pytest.raises(SnapshotGoneError):
        memory.read(SEGMENT_SNAPSHOTS - 1)
    assert memory.read(table.first).time == table.times[0]


def test_bounded_in_bytes() -> None:
    """With many flows the span is shorter; what others keep counts too."""
    memory = SnapshotMemory(max_bytes=1 << 20)
    for number in range(60):
        memory.append(second(number, flows=1000))
        assert memory.size_bytes <= (1 << 20) + 200_000
    assert len(memory.timetable()) >= 3
    memory.add_cost(memory.segments[0], 1 << 20)
    memory.append(second(60))
    assert memory.size_bytes < 1 << 20


def test_number_that_never_was() -> None:
    memory = SnapshotMemory()
    with pytest.raises(SnapshotGoneError):
        memory.read(0)
    memory.append(second(0))
    with pytest.raises(SnapshotGoneError):
        memory.read(1)
