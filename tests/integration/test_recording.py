"""The installed program records and reads: beside the same run's JSON, suspended, on a full disk, for another user."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from netdash.model.snapshot_store import Timetable
from netdash.recording.database import RecordingError
from netdash.recording.reader import RecordingStore
from tests.e2e.nobody import skip_where_python_is_closed
from tests.namespaces import Lab, popen_in, socket_in

pytestmark = pytest.mark.root

_PATIENCE_SECONDS = 30.0
_PROGRAM = [sys.executable, "-m", "netdash"]


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that every user may search, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="netdash-test-") as path:
        os.chmod(path, 0o777)
        yield Path(path)


def recorded(path: Path) -> Timetable:
    """What a recording holds by now; nothing where there is none yet."""
    try:
        with closing(RecordingStore(str(path))) as store:
            return store.timetable()
    except RecordingError:
        return Timetable.empty()


def intervals(path: Path, at_least: int) -> Callable[[], bool]:
    """Whether so many intervals are recorded."""
    return lambda: len(recorded(path)) >= at_least


def wait_until(condition: Callable[[], bool]) -> None:
    """Looks again and again; fails after a generous time."""
    deadline, pause = time.monotonic() + _PATIENCE_SECONDS, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "nothing was recorded"
        pause.wait(0.05)


def end(process: subprocess.Popen[bytes]) -> tuple[list[bytes], str]:
    """Interrupts it; its lines and what it said."""
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=40)
    return output.splitlines(), errors.decode()


def test_json_of_the_recording_is_that_of_the_run(lab: Lab, folder: Path) -> None:
    path = folder / "a.netdash"
    arguments = ["--json", "-d", "0.2", "--log", str(path)]
    process = popen_in(lab.a.namespace, [*_PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    first = process.stdout.readline()
    with socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(40):
            sender.sendto(bytes(100 + number), (lab.b.ipv4, 7000 + number % 3))
        wait_until(intervals(path, 4))
    lines, errors = end(process)
    assert process.returncode == 0
    assert "0 bytes of it are not recorded" in errors
    assert str(path) in errors
    again = subprocess.run([*_PROGRAM, "-r", path, "--json"], capture_output=True, check=True, timeout=40)
    assert again.stdout.splitlines() == [first.rstrip(b"\n"), *lines]
    assert again.stderr == b""
    flows = json.loads(lines[-1])["flows"]
    assert sum(flow["tx_bytes"] for flow in flows if flow["protocol"] == "udp") == sum(142 + n for n in range(40))
    with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as connection:
        kernel, kept = connection.execute(
            "SELECT sum(kernel_tx_bytes), sum(recorded_tx_bytes) FROM run_interface"
        ).fetchone()
        talked = connection.execute(
            "SELECT sum(tx_bytes) FROM flows WHERE remote = ? AND protocol = 'udp'", (lab.b.ipv4,)
        )
        assert kernel == kept
        assert talked.fetchone() == (sum(142 + n for n in range(40)),)


def test_a_stalled_or_stopped_reader_leaves_no_gap(lab: Lab, folder: Path) -> None:
    path = folder / "a.netdash"
    process = popen_in(
        lab.a.namespace,
        [*_PROGRAM, "--json", "-d", "0.1", f"--log={path}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        # The collector may be ahead of the process that takes signals.
        process.stdout.readline()
        wait_until(intervals(path, 2))
        process.send_signal(signal.SIGSTOP)
        wait_until(intervals(path, len(recorded(path)) + 12))
    finally:
        process.send_signal(signal.SIGCONT)
    _, errors = end(process)
    assert "not recorded" in errors
    table = recorded(path)
    ends = table.monotonic_ns / 1e9
    gaps = ends[1:] - ends[:-1] - table.intervals[1:]
    assert abs(gaps).max() < 1e-6
    # Each interval by itself, as the clock had it: none was merged because nobody read.
    assert len(table) >= 14


def test_a_full_disk_ends_the_recording_alone(lab: Lab, folder: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=777", "tmpfs", folder], check=True)
    try:
        path = folder / "a.netdash"
        process = popen_in(
            lab.a.namespace,
            [*_PROGRAM, "--json", "-d", "0.1", "--view", "interfaces", f"--log={path}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout is not None
        wait_until(intervals(path, 3))
        with open(folder / "filler", "wb", buffering=0) as filler:
            try:
                while filler.write(bytes(4096)):
                    pass
            except OSError:
                filler.flush()
        assert process.stderr is not None
        said = process.stderr.readline()
        assert said.decode() == f"netdash: cannot record to {path}: the disk is full: make room\n"
        lines, errors = end(process)
        assert (process.returncode, errors) == (1, "")
        assert lines[-1].startswith(b'{"type":"summary"')
        assert len(recorded(path)) >= 3
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.ordinary_user
def test_the_file_belongs_to_who_called_sudo(lab: Lab, folder: Path) -> None:
    skip_where_python_is_closed()
    path = folder / "a.netdash"
    done = subprocess.run(
        ["ip", "netns", "exec", lab.a.namespace, *_PROGRAM, "--log", path, "-c", "1", "-d", "0.1"],
        capture_output=True,
        text=True,
        env={**os.environ, "SUDO_UID": "65534", "SUDO_GID": "65534"},
        timeout=40,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"netdash: recorded 2 intervals to {path}, ")
    assert (path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)) == (65534, 0o600)


def test_what_cannot_be_recorded_to_is_told_before_anything_is_shown(lab: Lab, folder: Path) -> None:
    for path, says in ((folder, "Is a directory"), (folder / "none" / "x", "No such file or directory")):
        done = subprocess.run(
            [*_PROGRAM, "--json", f"--log={path}"], capture_output=True, text=True, timeout=40, check=False
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"netdash: cannot record to {path}: {says}\n"
