"""The dashboard in a real terminal: how it starts, is suspended, stalls, and ends."""

from __future__ import annotations

import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.terminal import Terminal

ROOT = Path(__file__).parents[2]


class Program:
    """A terminal with the dashboard in it, and the file that it writes its pulse into."""

    def __init__(self, mode: str, directory: Path, **environment: str) -> None:
        self._beats = directory / "beats"
        self.terminal = Terminal(
            [sys.executable, "-m", "tests.ui.pty_app", mode, str(self._beats)],
            environment={"PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", "TZ": "UTC", **environment},
        )

    @property
    def beats(self) -> int:
        """Snapshots that the program took so far."""
        return self._beats.read_bytes().count(b".") if self._beats.exists() else 0

    @property
    def closed(self) -> bool:
        """Whether the source was closed."""
        return self._beats.read_bytes().endswith(b"closed")


def wait_unread(condition: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    """Waits without reading from the terminal."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"no {what} in time"
        time.sleep(0.02)


def process_state(pid: int) -> str:
    """State letter of proc_pid_stat(5)."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


def cells(terminal: Terminal) -> list[list[tuple[object, ...]]]:
    """What is seen of each cell: the colour of a text does not show on a blank."""
    return [
        [
            (char.data, char.bg, char.reverse, char.underscore, "" if char.data == " " else (char.fg, char.bold))
            for char in (terminal.screen.buffer[y][x] for x in range(terminal.screen.columns))
        ]
        for y in range(terminal.screen.lines)
    ]


def test_q_quits_and_restores_the_terminal(tmp_path: Path) -> None:
    program = Program("steady", tmp_path)
    with program.terminal as terminal:
        terminal.wait_for("1 Interfaces", "eth1", "Curr:")
        terminal.quit()
    assert program.closed


def test_what_is_no_text_is_no_key(tmp_path: Path) -> None:
    """Latin-1 of a terminal that was set up otherwise, a reply from nowhere, a paste of a program."""
    program = Program("steady", tmp_path)
    with program.terminal as terminal:
        terminal.wait_for("eth1")
        terminal.press(b"\xe4\xff\x1b[999999999999;-1R\x1b[<99999999;0;0M\x1b[200~\xff\x00\x1b[201~\x1b[97:65u")
        terminal.press("?")
        terminal.wait_for("How it is measured")
        terminal.quit()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signals_end_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    program = Program("steady", tmp_path)
    with program.terminal as terminal:
        terminal.wait_for("eth1")
        terminal.process.send_signal(number)
        assert terminal.wait_for_end() == 0
        assert terminal.is_restored()
    assert program.closed


def test_ended_source_is_told_in_one_line(tmp_path: Path) -> None:
    program = Program("ends", tmp_path)
    with program.terminal as terminal:
        assert terminal.wait_for_end() == 1
        assert terminal.is_restored()
        last = terminal.output.decode().rsplit("\x1b", 1)[1]
        assert "netdash: the collector ended: killed by signal 9; start netdash again\r\n" in last
        assert "Traceback" not in last
    assert program.closed


def test_suspend_and_resume(tmp_path: Path) -> None:
    program = Program("steady", tmp_path)
    with program.terminal as terminal:
        terminal.wait_for("eth1")
        terminal.press("\x1a")
        terminal.wait_until(lambda: b"\x1b[?1049l" in terminal.output, "main screen")
        wait_unread(lambda: process_state(terminal.process.pid) == "T", "stopped process")
        terminal.screen.reset()
        terminal.process.send_signal(signal.SIGCONT)
        terminal.wait_for("1 Interfaces", "eth1", "Curr:")
        terminal.quit()


def test_stopped_and_woken_from_outside(tmp_path: Path) -> None:
    """kill -STOP asks nobody: whatever the shell wrote meanwhile is drawn over, and one thread reads the keys."""
    program = Program("steady", tmp_path)
    with program.terminal as terminal:
        terminal.wait_for("eth1")
        terminal.process.send_signal(signal.SIGSTOP)
        wait_unread(lambda: process_state(terminal.process.pid) == "T", "stopped process")
        terminal.screen.reset()
        terminal.process.send_signal(signal.SIGCONT)
        terminal.wait_for("1 Interfaces", "eth1", "Curr:")
        names = [path.read_text().strip() for path in Path(f"/proc/{terminal.process.pid}/task").glob("*/comm")]
        assert names.count("textual-input") <= 1, names
        terminal.quit()


def test_woken_while_it_ends(tmp_path: Path) -> None:
    """As the kernel does to programs whose terminal vanishes: SIGCONT comes with SIGHUP, at any moment of the end."""
    program = Program("steady", tmp_path)
    with program.terminal as terminal:
        terminal.wait_for("eth1")
        terminal.process.send_signal(signal.SIGHUP)

        def wake() -> bool:
            terminal.process.send_signal(signal.SIGCONT)
            return terminal.process.poll() is not None

        wait_unread(wake, "end of the program")
        assert terminal.process.returncode == 0
    assert program.closed


def test_vanished_terminal_ends_the_program(tmp_path: Path) -> None:
    program = Program("steady", tmp_path)
    with program.terminal as terminal:
        terminal.wait_for("eth1")
        terminal.hang_up()
        assert terminal.wait_for_end() == 0
    assert program.closed


def test_stalled_terminal_never_stops_the_counting(tmp_path: Path) -> None:
    program = Program("flood", tmp_path)
    with program.terminal as terminal:
        terminal.wait_for("eth1")
        before = program.beats
        wait_unread(lambda: program.beats >= before + 150, "snapshots while the terminal is stalled")
        stalled_at = program.beats

        def shown_tick() -> int:
            clock = re.search(r"14:(\d\d):(\d\d)", terminal.text)
            return int(clock[1]) * 60 + int(clock[2]) if clock else 0

        terminal.wait_until(lambda: shown_tick() > stalled_at, "later figures after the stall")
        terminal.wait_until(lambda: "1 Interfaces" in terminal.text and "q quit" in terminal.text, "whole screen")
        terminal.quit()


def test_ends_on_a_stalled_terminal(tmp_path: Path) -> None:
    program = Program("flood", tmp_path)
    with program.terminal as terminal:
        terminal.wait_for("eth1")
        before = program.beats
        wait_unread(lambda: program.beats >= before + 100, "snapshots while the terminal is stalled")
        terminal.process.send_signal(signal.SIGTERM)
        wait_unread(lambda: terminal.process.poll() is not None, "end of the program")
        assert terminal.process.returncode == 0
    assert program.closed


def test_resize_storm(tmp_path: Path) -> None:
    program = Program("flood", tmp_path)
    with program.terminal as terminal:
        terminal.wait_for("eth1")
        for step in range(60):
            terminal.resize(20 + step * 7 % 180, 3 + step * 5 % 50)
        terminal.resize(100, 30)
        terminal.wait_for("1 Interfaces", "q quit", "Curr:")
        terminal.press("q")
        assert terminal.wait_for_end() == 0


def test_what_was_written_bit_by_bit_is_the_screen_as_a_whole(tmp_path: Path) -> None:
    program = Program("flood", tmp_path)
    with program.terminal as terminal:
        terminal.wait_for("eth1")

        def press(keys: str) -> None:
            before = program.beats
            terminal.press(keys)
            terminal.wait_until(lambda: program.beats >= before + 4, "some frames")

        for keys in ("a", "j", "j", "m", "2", "4", "?"):
            press(keys)
        terminal.wait_for("Esc closes")
        terminal.press("\x1b")
        terminal.wait_for("? help")
        for keys in ("1", "a", "T", "k", "t"):
            press(keys)
        press(" ")
        press("u")
        terminal.wait_for("PAUSED", "wire bytes, B/s", "Curr:")
        # The first line counts how long the pause is, the last one has notices that go.
        bit_by_bit = cells(terminal)[1:-1]
        terminal.screen.reset()
        press("\x12")
        terminal.wait_for("q quit")
        now = cells(terminal)[1:-1]
        assert [y for y, row in enumerate(bit_by_bit) if now[y] != row] == [], terminal.text


def test_latin_terminal_gets_ascii(tmp_path: Path) -> None:
    program = Program("steady", tmp_path, LC_ALL="C", PYTHONIOENCODING="latin-1", PYTHONUTF8="0")
    with program.terminal as terminal:
        terminal.wait_for("[1 Interfaces]", "v Curr:")
        assert terminal.output.isascii()
        terminal.press("q")
        assert terminal.wait_for_end() == 0


def test_no_colour_shows_the_same(tmp_path: Path) -> None:
    program = Program("steady", tmp_path, NO_COLOR="1")
    with program.terminal as terminal:
        terminal.wait_for("1 Interfaces", "eth1", "Curr:")
        rows = [y for y, line in enumerate(terminal.screen.display) if "eth" in line[:8] or line.startswith("Σ")]
        assert any(terminal.screen.buffer[y][0].reverse for y in rows)
        terminal.press("q")
        assert terminal.wait_for_end() == 0
