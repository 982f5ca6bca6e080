"""The installed program, headless, beside traffic of a known size."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from tests.namespaces import popen_in

JsonObject: TypeAlias = dict[str, Any]  # what json.loads gives; the schema is tested elsewhere

_DONE_SECONDS = 30


def observe(namespace: str, traffic: Callable[[], None], arguments: Sequence[str] = ()) -> JsonObject:
    """The summary of a `netdash --json` that ran in `namespace` while `traffic` was made.

    Traffic begins when the first line is out, so all of it is counted, and the program is stopped after it.
    """
    process = popen_in(
        namespace,
        [sys.executable, "-m", "netdash", "--json", "-d", "0.3", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr:
        first = process.stdout.readline()
        assert first, process.stderr.read().decode()
        assert json.loads(first)["type"] == "start"
        traffic()
        # One more interval, so that sockets that are still open are seen with their owners.
        seen = json.loads(process.stdout.readline())
        assert seen["type"] == "snapshot"
        process.send_signal(signal.SIGINT)
        lines = [json.loads(line) for line in process.stdout]
        errors = process.stderr.read().decode()
    assert process.wait(_DONE_SECONDS) == 0
    assert errors == ""
    assert lines[-1]["type"] == "summary"
    summary: JsonObject = lines[-1]
    return summary


def flow(summary: JsonObject, **wanted: object) -> JsonObject:
    """The one flow with these values."""
    found = [f for f in summary["flows"] if all(f[name] == value for name, value in wanted.items())]
    assert len(found) == 1, (wanted, summary["flows"])
    only: JsonObject = found[0]
    return only


def interface(summary: JsonObject, name: str) -> JsonObject:
    """The row of that interface."""
    (found,) = (i for i in summary["interfaces"] if i["name"] == name)
    row: JsonObject = found
    return row


def process_of(summary: JsonObject, pid: int) -> JsonObject:
    """The row of that process."""
    (found,) = (p for p in summary["processes"] if p["pid"] == pid)
    row: JsonObject = found
    return row
