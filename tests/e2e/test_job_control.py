"""The installed dashboard under a shell with job control, live and on files: whoever stops or ends it, the terminal is
as the shell knows it."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.installed import program
from tests.e2e.terminal import Terminal
from tests.unit.recording.test_recording import record, snapshot
from tests.unit.sources.capture_files import frame, pcap

_PROMPT: Final = "shell waits:"


@pytest.fixture(params=["live", "recording", "capture"])
def arguments(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """What the dashboard is to show."""
    if request.param == "live":
        return ["-n", "-d", "0.5"]
    path = tmp_path / "file"
    if request.param == "recording":
        record(path, [snapshot(number) for number in range(20)])
    else:
        ends = ("192.0.2.1", 40_000), ("198.51.100.7", 443)
        path.write_bytes(pcap([(second, frame(*ends[0], *ends[1], size=100)) for second in range(20)]))
    return ["-n", "-r", str(path)]


def wait_for_output(terminal: Terminal, written: bytes, times: int) -> None:
    terminal.wait_until(lambda: terminal.output.count(written) == times, f"{written!r} {times} times")


def test_stopped_and_brought_back(arguments: list[str]) -> None:
    """Twice: what was taken again has to be given back again."""
    shell = shutil.which("dash")
    if shell is None:
        pytest.skip("needs dash, a shell with job control that leaves the terminal's modes alone")
    with Terminal([shell, "-i"], environment={"PS1": _PROMPT}) as terminal:
        terminal.wait_for(_PROMPT)
        terminal.press(" ".join([program(), *arguments]) + "\n")
        for times in (1, 2):
            terminal.wait_for("1 Interfaces", "Curr:", "q quit")
            assert not terminal.is_restored()
            terminal.press("\x1a")
            terminal.wait_for("Stopped", _PROMPT)
            assert terminal.is_restored()
            # The line discipline is the shell's: it echoes and edits what is typed.
            terminal.press("echo one; echo tw\x7fwo\n")
            wait_for_output(terminal, b"\r\none\r\ntwo\r\n", times)
            terminal.screen.reset()
            terminal.press("fg\n")
        terminal.wait_for("1 Interfaces", "Curr:", "q quit")
        terminal.press("?")
        terminal.wait_for("Esc closes")
        terminal.press("q")
        terminal.wait_for(_PROMPT)
        assert terminal.is_restored()
        terminal.press("exit $?\n")
        assert terminal.wait_for_end() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_gives_the_terminal_back(arguments: list[str], number: signal.Signals) -> None:
    with Terminal([program(), *arguments]) as terminal:
        terminal.wait_for("1 Interfaces", "Curr:", "q quit")
        terminal.process.send_signal(number)
        assert terminal.wait_for_end() == 0
        assert terminal.is_restored()
        assert b"Traceback" not in terminal.output


def test_a_terminal_that_vanishes_ends_it(arguments: list[str]) -> None:
    with Terminal([program(), *arguments]) as terminal:
        terminal.wait_for("1 Interfaces", "Curr:", "q quit")
        terminal.hang_up()
        assert terminal.wait_for_end() == 0


def test_a_signal_while_it_is_stopped_ends_it_when_it_goes_on(arguments: list[str]) -> None:
    with Terminal([program(), *arguments]) as terminal:
        terminal.wait_for("1 Interfaces", "Curr:", "q quit")
        terminal.process.send_signal(signal.SIGSTOP)
        terminal.process.send_signal(signal.SIGTERM)
        terminal.process.send_signal(signal.SIGCONT)
        assert terminal.wait_for_end() == 0
        assert terminal.is_restored()
