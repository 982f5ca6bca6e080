"""Standard streams that are closed, full or no terminal: text instead of the dashboard, or one line that says what is
wrong, and never a file of the program's own in their place."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.installed import one_line, program
from tests.e2e.terminal import Terminal
from tests.unit.recording.test_recording import record, snapshot


def shell(arguments: str, redirections: str) -> subprocess.CompletedProcess[str]:
    """The program with what a shell does to its streams."""
    return subprocess.run(
        f"exec {program()} {arguments} {redirections}",
        shell=True,
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )


@pytest.mark.parametrize("redirection", ["<&-", "2>&-", "</dev/null", "2>/dev/null", "<&- 2>&-"])
def test_a_terminal_without_all_streams_gets_text(redirection: str) -> None:
    """The dashboard would need stdin for its keys and stderr to draw on."""
    command = ["sh", "-c", f"exec {program()} -d 0.2 --view interfaces {redirection}"]
    with Terminal(command, columns=120, rows=40) as terminal:
        terminal.wait_for("IFACE", "lo")
        terminal.press("\x03")
        assert terminal.wait_for_end() == 0
        assert b"\x1b[?1049h" not in terminal.output
        assert terminal.is_restored()


@pytest.mark.parametrize(("redirection", "cause"), [(">&-", "Bad file descriptor"), (">/dev/full", "No space left")])
@pytest.mark.parametrize(
    "arguments",
    [
        "-t -c 1 -d 0.1",
        "--json -c 1 -d 0.1",
        "doctor",
        "report {0}",
        "export {0}",
        "export {0} -o {1}",
        "-q --log={1} -c 1",
    ],
)
def test_output_that_cannot_be_written_is_told(tmp_path: Path, arguments: str, redirection: str, cause: str) -> None:
    whole, new = tmp_path / "whole.netdash", tmp_path / "new.netdash"
    record(whole, [snapshot(number) for number in range(3)])
    done = shell(arguments.format(whole, new), redirection)
    assert done.returncode == 1
    assert one_line(done.stderr).startswith(f"netdash: cannot write the output: {cause}")


def test_no_file_takes_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    """The recording is not written into by what was meant for stderr."""
    path = tmp_path / "a.netdash"
    done = shell(f"-q --log={path} -c 3 -d 0.1 no-such-interface* lo", "<&- >&- 2>&-")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    done = shell(f"-q --log={path} -c 3 -d 0.1", "<&- >&- 2>&-")
    assert done.returncode == 1, "the line at the end could not be written"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("SELECT ended IS NOT NULL FROM run").fetchall() == [(1,)]
