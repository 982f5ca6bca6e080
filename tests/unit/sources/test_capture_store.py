"""All moments of a capture file, kept to go back and forth in."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from netdash.errors import NetdashError
from netdash.model.snapshot_store import SnapshotGoneError
from netdash.sources.capture.counting import CaptureOptions, CapturePass
from netdash.sources.capture.file import CaptureFile
from netdash.sources.capture.store import CaptureStore
from netdash.sources.open_file import open_file
from tests.unit.sources.capture_files import START_SECONDS, frame, pcap, read_all

SECONDS = 40


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """A packet a second, each by a byte longer."""
    path = tmp_path / "trace.pcap"
    packets = [
        (second, frame("192.0.2.1", 40_000, "198.51.100.7", 443, size=100 + second)) for second in range(SECONDS)
    ]
    path.write_bytes(pcap(packets))
    return path


@contextmanager
def filled(path: Path, **bounds: int) -> Iterator[CaptureStore]:
    file = CaptureFile(open_file(str(path)))
    store = CaptureStore(CapturePass(file, CaptureOptions(max_flows=1024)), file, **bounds)
    try:
        store.start()
        deadline = time.monotonic() + 30
        while not store.complete and time.monotonic() < deadline:
            store.timetable()
        assert store.complete
        yield store
    finally:
        store.close()


def test_every_moment_can_be_read(trace: Path) -> None:
    straight = read_all(trace)
    with filled(trace) as store:
        table = store.timetable()
        assert list(table.numbers) == list(range(len(straight)))
        assert table.times.tolist() == [snapshot.time for snapshot in straight]
        assert table.at(START_SECONDS + 7.5) == 7
        assert table.rates[7] == 106
        for number in (SECONDS, 3, 0, 17):
            stored = store.read(number)
            assert stored.flows.tobytes() == straight[number].flows.tobytes()
            assert (stored.interfaces, stored.health) == (straight[number].interfaces, straight[number].health)
        with pytest.raises(SnapshotGoneError, match="no snapshot 41"):
            store.read(SECONDS + 1)
        assert store.progress() == 1.0


def test_what_is_too_much_gets_coarser_and_loses_nothing(trace: Path) -> None:
    with filled(trace, max_snapshots=16) as store:
        table = store.timetable()
        assert len(table) <= 16
        assert table.intervals[1] == 1.0
        assert table.intervals[-2] > 1.0
        snapshots = [store.read(number) for number in table.numbers]
    assert sum(int(s.flows["tx_bytes"].sum()) for s in snapshots) == sum(range(100, 100 + SECONDS))


def test_a_file_without_packets_is_told_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "none.pcap"
    path.write_bytes(pcap([]))
    with pytest.raises(NetdashError, match="has no packets"), filled(path):
        pass


def test_closing_ends_the_counting(trace: Path) -> None:
    file = CaptureFile(open_file(str(trace)))
    store = CaptureStore(CapturePass(file, CaptureOptions(interval_seconds=0.1, max_flows=1024)), file)
    store.start()
    store.close()
    assert not store.running
