"""The installed dashboard records: whatever becomes of its terminal, its disk and itself, the recording has no gap."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from netdash.model.snapshot_store import Timetable
from tests.e2e.terminal import Terminal
from tests.e2e.test_dashboard import dashboard, steady_traffic
from tests.integration.test_recording import folder, intervals, recorded, wait_until
from tests.namespaces import Lab

__all__ = ["folder"]

pytestmark = pytest.mark.root

_STALLED_BYTES = 4000
"""Beyond that the pseudo-terminal takes no more for long."""
_READ_INTERVALS = 10
_STALLED_INTERVALS = 80
"""Far more than a stalled terminal and what may wait for it hold."""


def gap_seconds(table: Timetable) -> float:
    """The longest time between two intervals that belongs to none."""
    ends = table.monotonic_ns / 1e9
    return float(abs(ends[1:] - ends[:-1] - table.intervals[1:]).max())


def runs(path: Path) -> list[tuple[bool, str | None]]:
    """Whether each run of a recording came to its end, and its last line."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as connection:
        return connection.execute("SELECT ended IS NOT NULL, closing FROM run ORDER BY id").fetchall()


def is_one_whole_file(path: Path) -> bool:
    """Nothing of SQLite's lies beside it, and SQLite finds nothing wrong with it."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as connection:
        checked = connection.execute("PRAGMA integrity_check").fetchall()
    return checked == [("ok",)] and [other.name for other in path.parent.iterdir()] == [path.name]


def more(path: Path, count: int) -> Callable[[], bool]:
    """Whether so many intervals were recorded since this call."""
    return intervals(path, len(recorded(path)) + count)


def quit_recording(terminal: Terminal) -> None:
    terminal.quit()
    assert "recorded" in terminal.text


def test_a_stalled_terminal_blocks_neither_keys_nor_counting(lab: Lab, folder: Path) -> None:
    """A key does what it is for while nobody reads; then the screen is of now at once, and the recording has no gap."""
    path = folder / "a.netdash"
    with (
        steady_traffic(lab),
        dashboard(lab, "-d", "0.1", "--view", "interfaces", f"--log={path}", columns=200, rows=50) as terminal,
    ):
        terminal.wait_for("REC", lab.a.interface, "Mb")
        start = len(terminal.output)
        terminal.wait_until(more(path, _READ_INTERVALS), "some intervals on the screen")
        bytes_per_interval = (len(terminal.output) - start) / _READ_INTERVALS
        # Nobody reads any more.
        wait_until(lambda: terminal.unread_bytes > _STALLED_BYTES)
        wait_until(more(path, _STALLED_INTERVALS))
        terminal.press("2l")
        wait_until(lambda: list(folder.iterdir()) == [path])  # the recording has ended: nothing lies beside it
        before = len(terminal.output)
        terminal.wait_for("10.77.0.2:5201", "recorded")
        assert len(terminal.output) - before < bytes_per_interval * _STALLED_INTERVALS * 3 / 4
        terminal.quit()
    table = recorded(path)
    assert len(table) >= _READ_INTERVALS + _STALLED_INTERVALS
    assert gap_seconds(table) < 1e-6
    assert float(table.intervals.max()) < 1.0
    assert is_one_whole_file(path)


def test_a_stopped_dashboard_leaves_no_gap(lab: Lab, folder: Path) -> None:
    path = folder / "a.netdash"
    with steady_traffic(lab), dashboard(lab, "-d", "0.1", f"--log={path}") as terminal:
        terminal.wait_for("REC", lab.a.interface, "Mb")
        terminal.process.send_signal(signal.SIGSTOP)
        stopped_at = terminal.text
        try:
            wait_until(more(path, 20))
        finally:
            terminal.process.send_signal(signal.SIGCONT)
        terminal.wait_until(lambda: terminal.text != stopped_at and "REC" in terminal.text, "screen that goes on")
        quit_recording(terminal)
    assert gap_seconds(recorded(path)) < 1e-6
    assert is_one_whole_file(path)


def test_a_full_disk_is_told_and_the_dashboard_goes_on(lab: Lab, folder: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=777", "tmpfs", folder], check=True)
    path = folder / "a.netdash"
    try:
        with steady_traffic(lab), dashboard(lab, "-d", "0.1", f"--log={path}") as terminal:
            terminal.wait_for("REC", lab.a.interface, "Mb")
            wait_until(intervals(path, 3))
            fill(folder / "filler")
            terminal.wait_until(lambda: "REC" not in terminal.text, "recording that has ended")
            terminal.wait_for("the disk is full: make room")
            # It goes on: another view comes with figures of now.
            terminal.press("2")
            terminal.wait_for("10.77.0.2:5201", "Mb")
            terminal.press("q")
            assert terminal.wait_for_end() == 0
            assert f"netdash: cannot record to {path}: the disk is full: make room".encode() in terminal.output
        assert len(recorded(path)) >= 3
        assert gap_seconds(recorded(path)) < 1e-6
    finally:
        subprocess.run(["umount", folder], check=True)


def fill(path: Path) -> None:
    """To the last byte of the disk."""
    with open(path, "wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            return


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_one_whole_file(lab: Lab, folder: Path, number: signal.Signals) -> None:
    path = folder / "a.netdash"
    with dashboard(lab, "-d", "0.1", f"--log={path}") as terminal:
        terminal.wait_for("REC", lab.a.interface)
        wait_until(intervals(path, 3))
        terminal.process.send_signal(number)
        assert terminal.wait_for_end() == 0
    assert is_one_whole_file(path)
    ((ended, closing_line),) = runs(path)
    assert ended
    assert closing_line is not None
    assert "0 bytes of it are not recorded" in closing_line


def test_a_killed_dashboard_leaves_what_was_recorded(lab: Lab, folder: Path) -> None:
    path = folder / "a.netdash"
    with dashboard(lab, "-d", "0.1", f"--log={path}") as terminal:
        terminal.wait_for("REC", lab.a.interface)
        wait_until(intervals(path, 5))
        before = len(recorded(path))
        terminal.process.kill()
        terminal.wait_for_end()
    assert len(recorded(path)) >= before
    # The next run goes on with the file.
    with dashboard(lab, "-d", "0.1", f"--log={path}") as terminal:
        terminal.wait_for("REC", lab.a.interface)
        wait_until(intervals(path, before + 3))
        quit_recording(terminal)
    assert is_one_whole_file(path)
    assert [ended for ended, _ in runs(path)] == [0, 1]
