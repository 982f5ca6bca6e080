"""Recordings as files: whole after a crash, bounded, readable meanwhile; what is none is refused in one line."""

from __future__ import annotations

import os
import random
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from netdash.errors import NetdashError
from netdash.model.snapshot import Snapshot
from netdash.model.snapshot_store import SnapshotGoneError
from netdash.recording import retention
from netdash.recording.background import BackgroundRecorder
from netdash.recording.database import RecordingError
from netdash.recording.reader import RecordingStore
from netdash.recording.retention import Limits
from netdash.recording.run_facts import RunFacts
from netdash.recording.writer import InterfaceTotal, RecordingWriter
from tests.unit.recording.equal import differing_fields
from tests.unit.sinks.builders import ETH0, FLOWS, IPERF, TIME, baseline, example, flow

FACTS = RunFacts("vm", "boot", "UTC", 0, 1.0)
HOUR_BEGIN = TIME - TIME % 3600


def snapshot(number: int, **changes: object) -> Snapshot:
    """The interval that ends `number` seconds after a full hour."""
    return example(time=HOUR_BEGIN + number, monotonic_ns=number * 10**9, **changes)


def quick_writer(path: str, limits: Limits | None = None) -> RecordingWriter:
    """One that does not wait for the disk: no test cuts the power."""
    writer = RecordingWriter(path, FACTS, limits)
    writer._connection.execute("PRAGMA synchronous = OFF")
    return writer


def record(path: Path, snapshots: list[Snapshot], limits: Limits | None = None, finish: bool = True) -> None:
    """One run."""
    writer = quick_writer(str(path), limits)
    try:
        for each in snapshots:
            writer.append(each)
        if finish:
            writer.finish([InterfaceTotal("eth0", 7, 8, 7, 8, 15)], "the end")
    finally:
        writer.close()


def read_all(path: Path) -> list[Snapshot]:
    """Every snapshot."""
    with closing(RecordingStore(str(path))) as store:
        return [store.read(number) for number in store.timetable().numbers]


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    """What an SQLite client is told."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.netdash"
    written = [baseline(), *(snapshot(n, flows=FLOWS[n % 3 :]) for n in range(150))]
    record(path, written)
    for before, after in zip(written, read_all(path), strict=True):
        assert not differing_fields(before, after)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.netdash"]


def test_any_order_of_reading(tmp_path: Path) -> None:
    record(tmp_path / "a", [snapshot(n) for n in range(130)])
    with closing(RecordingStore(str(tmp_path / "a"))) as store:
        numbers = list(store.timetable().numbers)
        random.Random(1).shuffle(numbers)
        for number in numbers:
            assert store.read(number).time == store.timetable().time(number)


def test_it_is_read_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a"
    writer = quick_writer(str(path))
    writer.append(snapshot(0))
    with closing(RecordingStore(str(path))) as store:
        assert len(store.timetable()) == 1
        assert not store.is_ended()
        for number in range(1, 125):
            writer.append(snapshot(number))
        table = store.timetable()
        assert len(table) == 125
        assert not differing_fields(store.read(table.last), snapshot(124))
        # Two minutes are over: what anyone can ask is there before the recording has ended.
        assert rows(path, "SELECT sum(tx_bytes) > 0 FROM flow WHERE process > 0") == [(1,)]
        writer.finish()
        writer.close()
        assert store.is_ended()


def test_a_finished_file_goes_on_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a"
    record(path, [snapshot(0)])
    with closing(RecordingStore(str(path))) as store:
        assert len(store.timetable()) == 1
        writer = RecordingWriter(str(path), FACTS)
        writer.append(snapshot(1))
        assert len(store.timetable()) == 2
        writer.close()
        assert not differing_fields(store.read(store.timetable().last), snapshot(1))


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    writer = RecordingWriter(str(tmp_path / "a"), FACTS)
    with pytest.raises(RecordingError, match="another netdash records"):
        RecordingWriter(str(tmp_path / "a"), FACTS)
    writer.close()


def test_a_file_is_continued(tmp_path: Path) -> None:
    path = tmp_path / "a"
    record(path, [snapshot(n) for n in range(70)])
    record(path, [snapshot(n) for n in range(100, 130)])
    assert [s.time for s in read_all(path)] == [HOUR_BEGIN + n for n in (*range(70), *range(100, 130))]
    with closing(RecordingStore(str(path))) as store:
        assert [run.closing for run in store.runs()] == ["the end", "the end"]


def test_who_talked_to_whom_between_two_and_three(tmp_path: Path) -> None:
    path = tmp_path / "a"
    record(path, [snapshot(n, flows=flow(rx_bytes=10, tx_bytes=1)) for n in range(1, 3700, 10)])
    begin = f"datetime({HOUR_BEGIN}, 'unixepoch', 'localtime')"
    found = rows(
        path,
        "SELECT process, user, command, sum(rx_bytes), sum(tx_bytes) FROM flows "
        f"WHERE remote = '203.0.113.9' AND last > {begin} AND first < datetime({begin}, '+1 hour') GROUP BY 1, 2, 3",
    )
    assert found == [("iperf3", "root", IPERF.command, 3600, 360)]
    talks = rows(
        path,
        f"SELECT remote, port, direction, sum(rx_bytes) FROM remotes WHERE minute < {HOUR_BEGIN + 3600} GROUP BY 1",
    )
    assert talks == [("203.0.113.9", 443, "out", 3600)]
    interfaces = rows(
        path, "SELECT sum(rx_bytes), sum(seconds), max(rx_peak) FROM interface_minute WHERE interface = 'eth0'"
    )
    assert interfaces == [(370 * 48_600, 370.0, 48_600)]
    processes = rows(path, "SELECT name, user, unit, sum(tx_payload) FROM processes GROUP BY 1, 2, 3")
    assert processes == [("iperf3", "root", "iperf.service", 370 * 7_200_000)]
    assert rows(path, "SELECT * FROM run_interface") == [(1, "eth0", 7, 8, 7, 8, 15)]


def test_a_crash_loses_no_minute_of_the_plain_tables(tmp_path: Path) -> None:
    path = tmp_path / "a"
    record(path, [snapshot(n) for n in range(90)], finish=False)
    assert rows(path, "SELECT sum(seconds) FROM interface_minute WHERE interface = 'eth0'") == [(60.0,)]
    record(path, [snapshot(n) for n in range(90, 100)])
    assert rows(path, "SELECT sum(seconds) FROM interface_minute WHERE interface = 'eth0'") == [(100.0,)]


def test_the_clock_jumps_and_the_host_sleeps(tmp_path: Path) -> None:
    path = tmp_path / "a"
    shifts = [0, 1, 2, -7200, -7199, 86_400, 3, 4]
    written = [
        replace(snapshot(n), time=HOUR_BEGIN + shift, interval=1.0 if n != 5 else 9000.0)
        for n, shift in enumerate(shifts)
    ]
    record(path, written)
    assert [s.time - HOUR_BEGIN for s in read_all(path)] == shifts
    total = rows(path, "SELECT sum(seconds), sum(rx_bytes) FROM interface_minute WHERE interface = 'eth0'")
    assert total == [(9007.0, 8 * 48_600)]


def test_an_interface_is_renamed(tmp_path: Path) -> None:
    path = tmp_path / "a"
    renamed = replace(ETH0, name="lan0")
    record(path, [snapshot(0), snapshot(1), snapshot(2, interfaces=(renamed,)), snapshot(3, interfaces=(renamed,))])
    found = rows(path, "SELECT interface, rx_bytes FROM interface_minute WHERE interface != 'tun0' ORDER BY 1")
    assert found == [("eth0", 2 * 48_600), ("lan0", 2 * 48_600)]


def test_the_oldest_goes_when_the_file_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netdash.recording.frames.KEY_FRAMES", 10)
    path = tmp_path / "a"
    noise = np.random.default_rng(1)
    flows = [flow(id=n, rx_bytes=0) for n in range(200)]
    table = np.concatenate(flows)
    writer = quick_writer(str(path), Limits(max_bytes=600_000))
    for n in range(250):
        table["rx_bytes"] = noise.integers(0, 2**60, len(table))
        writer.append(snapshot(n, flows=table.copy()))
    writer.finish()
    writer.close()
    assert path.stat().st_size < 800_000
    times = [s.time - HOUR_BEGIN for s in read_all(path)]
    assert times == list(range(int(times[0]), 250))
    assert times[0] >= 20
    # Sums of minutes are small: they tell of what the frames do no more.
    assert rows(path, "SELECT count(DISTINCT minute) FROM interface_minute") == [(5,)]


def test_the_oldest_goes_by_age_but_not_because_the_clock_jumped(tmp_path: Path) -> None:
    path = tmp_path / "a"
    limits = Limits(max_age_seconds=200.0)
    written = [snapshot(n) for n in range(400)]
    record(path, [*written, replace(snapshot(400), time=HOUR_BEGIN + 10**8)], limits)
    first = read_all(path)[0].time - HOUR_BEGIN
    assert 120 <= first <= 200


def many_flows(number: int) -> NDArray[np.void]:
    """As many new connections a minute as a small file holds for some minutes."""
    table = np.repeat(flow(), 80)
    table["id"] = np.arange(len(table)) + number * len(table) + 1
    return table


def test_a_clock_that_was_in_the_future_does_not_keep_the_file_from_its_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netdash.recording.frames.KEY_FRAMES", 10)
    path = tmp_path / "a"
    writer = quick_writer(str(path), Limits(max_bytes=600_000))
    for n in range(0, 6000, 30):
        written = snapshot(n, flows=many_flows(n))
        writer.append(replace(written, time=written.time + 10**8) if n < 1500 else written)
    writer.finish()
    writer.close()
    assert path.stat().st_size < 800_000
    kept = [s.time - HOUR_BEGIN for s in read_all(path)]
    assert len(kept) > 20
    # What is left of connections is of the time that is left of intervals.
    earliest = kept[0] + HOUR_BEGIN - 200
    assert rows(path, f"SELECT count(*) FROM flow WHERE last < {earliest} OR last > {HOUR_BEGIN + 6000}") == [(0,)]


def test_what_was_recorded_in_the_future_grows_old_too(tmp_path: Path) -> None:
    path = tmp_path / "a"
    written = [snapshot(n) for n in range(700)]
    ahead = [replace(each, time=each.time + 10**8) for each in written[:200]]
    record(path, [*ahead, *written[200:]], Limits(max_age_seconds=200.0))
    assert 400 <= read_all(path)[0].time - HOUR_BEGIN <= 500


def test_a_connection_after_days_of_silence_stays(tmp_path: Path) -> None:
    """Although all rows before it went."""
    path = tmp_path / "a"
    limits = Limits(max_age_seconds=20_000.0)
    busy = [snapshot(n, flows=flow(id=n + 1)) for n in range(0, 300, 10)]
    silent = [snapshot(n, flows=flow()[:0]) for n in range(300, 40_000, 100)]
    late = [snapshot(n, flows=flow(id=n)) for n in range(40_000, 50_000, 100)]
    record(path, [*busy, *silent, *late], limits)
    assert rows(path, "SELECT count(*) FROM flow") == [(len(late),)]


def test_sums_of_minutes_stay_for_over_a_year(tmp_path: Path) -> None:
    path = tmp_path / "a"
    record(path, [snapshot(0), snapshot(61)])
    late = retention.MINUTES_MAX_AGE_SECONDS + 61
    record(path, [snapshot(int(late) - 30)], Limits(max_age_seconds=60.0))
    assert len(rows(path, "SELECT DISTINCT minute FROM interface_minute")) == 2


@pytest.mark.parametrize("content", [b"", b"a text file\n" * 100, b"SQLite format 3\0" + bytes(4000)])
def test_what_is_no_recording_is_not_written_to(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    if not content:
        record(path, [snapshot(0)])
        return
    with pytest.raises(RecordingError, match=str(path)):
        RecordingWriter(str(path), FACTS)
    assert path.read_bytes() == content


def test_files_of_others_are_refused(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    with closing(sqlite3.connect(foreign)) as connection:
        connection.execute("CREATE TABLE meta (x)")
        connection.commit()
    newer = tmp_path / "newer"
    record(newer, [snapshot(0)])
    with closing(sqlite3.connect(newer)) as connection:
        connection.execute("UPDATE meta SET value = '2' WHERE key = 'schema_version'")
        connection.commit()
    for path, says in ((foreign, "no netdash recording"), (newer, "newer netdash"), (tmp_path, str(tmp_path))):
        for use in (lambda p: RecordingStore(str(p)), lambda p: RecordingWriter(str(p), FACTS)):
            with pytest.raises(RecordingError, match=says):
                use(path)
    with pytest.raises(RecordingError, match="No such file"):
        RecordingStore(str(tmp_path / "none"))
    text = tmp_path / "text"
    text.write_text("not to be lost\n" * 100)
    with pytest.raises(RecordingError, match="it is no recording; name another file"):
        RecordingWriter(str(text), FACTS)
    assert text.read_text() == "not to be lost\n" * 100


@pytest.fixture(scope="module")
def damaged_copies(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A recording cut at many places, and with bytes changed."""
    folder = tmp_path_factory.mktemp("damage")
    record(folder / "whole", [snapshot(n, flows=FLOWS[n % 2 :]) for n in range(130)])
    content = (folder / "whole").read_bytes()
    chance = random.Random(3)
    paths = []
    for number in range(80):
        changed = bytearray(content)
        if number % 2:
            changed = changed[: chance.randrange(100, len(changed))]
        else:
            for _ in range(chance.choice((1, 10, 200))):
                changed[chance.randrange(100, len(changed))] = chance.randrange(256)
        paths.append(folder / str(number))
        paths[-1].write_bytes(changed)
    return paths


def test_damaged_files_are_read_as_far_as_they_can_be(damaged_copies: list[Path]) -> None:
    readable, told = 0, []
    for path in damaged_copies:
        try:
            with closing(RecordingStore(str(path))) as store:
                for number in store.timetable().numbers:
                    try:
                        store.read(number)
                        readable += 1
                    except SnapshotGoneError as error:
                        told.append(str(error))
        except NetdashError as error:
            told.append(str(error))
    assert readable > 1000
    assert told
    assert not [line for line in told if "\n" in line]


@pytest.mark.parametrize("runs", [1, 3])
def test_of_a_recording_that_ended_and_was_cut_most_is_left(tmp_path: Path, runs: int) -> None:
    """What is needed to read it all does not stand at the end, which is lost first."""
    path = tmp_path / "a"
    for run in range(runs):
        writer = quick_writer(str(path))
        for number in range(300):
            writer.append(snapshot(1000 * run + number, flows=FLOWS[number % 2 :]))
        writer.finish([], "the kernel's counters say what was recorded, " * 60)  # so long that its row has to move
        writer.close()
    content = path.read_bytes()
    for share in (0.98, 0.9, 0.8):
        path.write_bytes(content[: round(share * len(content))])
        with closing(RecordingStore(str(path))) as store:
            read = 0
            for number in store.timetable().numbers:
                with suppress(SnapshotGoneError):
                    store.read(number)
                    read += 1
            assert store.interval_seconds() == FACTS.interval_seconds
        assert read > (share - 0.2) * runs * 300, share


def test_killed_fifty_times_it_lacks_at_most_the_last_interval(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.unit.recording.kill_rounds", str(tmp_path / "a"), "50"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stderr, done.returncode) == ("", 0)


def test_a_full_disk_ends_the_recording_and_keeps_the_file(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small file system")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", tmp_path], check=False)
    if mounted.returncode:
        pytest.skip("needs to mount a tmpfs")
    path, noise = tmp_path / "a", np.random.default_rng(1)
    try:
        recorder = BackgroundRecorder(RecordingWriter(str(path), FACTS))
        table = np.concatenate([flow(id=n) for n in range(300)])
        for n in range(1000):
            table["rx_bytes"] = noise.integers(0, 2**60, len(table))
            recorder.add(snapshot(n, flows=table.copy()))
        recorder.finish([], "")
        assert recorder.failure is not None
        assert "the disk is full: make room" in recorder.failure
        assert [s.time - HOUR_BEGIN for s in read_all(path)][:2] == [0, 1]
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_a_slow_disk_loses_no_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = RecordingWriter(str(tmp_path / "a"), FACTS)
    monkeypatch.setattr("netdash.recording.background.MAX_WAITING", 3)
    append, waiting = writer.append, [True]

    def slow(each: Snapshot) -> None:
        while waiting:
            os.sched_yield()
        append(each)

    monkeypatch.setattr(writer, "append", slow)
    recorder = BackgroundRecorder(writer)
    for n in range(1, 21):
        recorder.add(snapshot(n))
    waiting.clear()
    recorder.finish([], "")
    snapshots = read_all(tmp_path / "a")
    assert len(snapshots) < 20
    assert sum(s.interval for s in snapshots) == 20.0
    assert sum(s.interfaces[0].rx_bytes or 0 for s in snapshots) == 20 * 48_600
