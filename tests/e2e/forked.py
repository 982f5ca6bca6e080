"""The program many times over, each run in a process forked from one that has loaded everything.

A run takes a twentieth of what a start takes: so many damaged files can go the whole way of the command line.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Sequence
from dataclasses import dataclass

_RAISED = 99


@dataclass(frozen=True, slots=True)
class Run:
    """What a user would have seen."""

    code: int
    output: str
    errors: str


def run_many(commands: Sequence[Sequence[str]]) -> list[Run]:
    """Runs `netdash` with each of these arguments, one after the other."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.forked"],
        input=json.dumps(commands),
        capture_output=True,
        text=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        timeout=50,
        check=True,
    )
    return [Run(*fields) for fields in json.loads(done.stdout)]


def _load() -> None:
    import netdash.recording.reader
    import netdash.sinks.csv_table
    import netdash.sinks.headless
    import netdash.sinks.json_lines
    import netdash.sinks.text
    import netdash.sources.capture.source
    import netdash.sources.recording  # noqa: F401


def _run(arguments: list[str]) -> tuple[int, str, str]:
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        pid = os.fork()
        if not pid:
            os.dup2(output.fileno(), 1)
            os.dup2(errors.fileno(), 2)
            os._exit(_call(arguments))
        _, status = os.waitpid(pid, 0)
        texts = [os.pread(file.fileno(), 1 << 26, 0).decode() for file in (output, errors)]
        return os.waitstatus_to_exitcode(status), texts[0], texts[1]


def _call(arguments: list[str]) -> int:
    from netdash.cli import main

    try:
        return main(arguments)
    except BaseException:
        traceback.print_exc()
        return _RAISED
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


if __name__ == "__main__":
    _load()
    json.dump([_run(arguments) for arguments in json.load(sys.stdin)], sys.stdout)
