"""`netdash --json` beside the scenarios: what it says at the end, and what was moved."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from netdash.collector.process import REFUSE_VARIABLE
from tests.integration.running import JsonObject
from tests.integration.scenarios import programs
from tests.integration.scenarios.common import Moved, Place, await_look
from tests.integration.scenarios.serving import Server
from tests.namespaces import Lab, popen_in, run_in

NETDASH: Final = (sys.executable, "-m", "netdash")
INTERVAL_SECONDS: Final = 0.2
_SECONDS: Final = 50
_TREE: Final = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class Result:
    """What the processes of one scenario moved, or why there is none."""

    moved: tuple[Moved, ...]
    skipped: str | None
    failed: str | None


@dataclass(frozen=True, slots=True)
class Observed:
    """One run of the program beside scenarios."""

    start: JsonObject
    summary: JsonObject
    results: Mapping[str, Result]
    served: Moved
    """What this process moved at the other ends."""
    retransmitted_segments: int
    """Of both namespaces."""

    def rows(self, one: Moved) -> list[JsonObject]:
        """The rows of that process: its pid and its name."""
        return [p for p in self.summary["processes"] if (p["pid"], p["name"]) == (one.pid, one.process_name)]


def compile_helper(directory: Path) -> str | None:
    """Path of the program of helper.c; None where there is no C compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        return None
    path = directory / "nd-helper"
    source = Path(__file__).with_name("helper.c")
    for options in (["-static"], []):  # A static program starts in half the time.
        done = subprocess.run([compiler, "-O2", *options, "-o", str(path), str(source)], capture_output=True, text=True)
        if done.returncode == 0:
            return str(path)
    raise AssertionError(done.stderr)


@contextmanager
def place_in(lab: Lab, looks: Path | None = None) -> Iterator[tuple[Place, tuple[Server, Server]]]:
    """Servers in both namespaces, and the helper. `looks`: where who watches writes a line at each look."""
    with (
        TemporaryDirectory(prefix="netdash-scenarios-") as directory,
        Server(lab.b.namespace, raw=True) as far,
        Server(lab.a.namespace) as near,
    ):
        yield (
            Place(
                ipv4=lab.b.ipv4,
                ipv6=lab.b.ipv6,
                port=far.port,
                namespace=lab.b.namespace,
                own_ipv4=lab.a.ipv4,
                own_ipv6=lab.a.ipv6,
                own_port=near.port,
                interface=lab.a.interface,
                helper=compile_helper(Path(directory)),
                looks=None if looks is None else str(looks),
            ),
            (far, near),
        )


def run_scenarios(namespace: str, place: Place, names: Sequence[str]) -> dict[str, Result]:
    """Runs them there and waits for all."""
    process = popen_in(
        namespace,
        [sys.executable, "-m", programs.__name__, *names],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(_TREE)},
    )
    output, _ = process.communicate(json.dumps(place).encode(), timeout=_SECONDS)
    assert process.returncode == 0
    results = {}
    for line in output.splitlines():
        told = json.loads(line)
        moved = tuple(Moved(*row) for row in told["moved"])
        results[told["name"]] = Result(moved, told["skipped"], told["failed"])
    assert sorted(results) == sorted(names)
    return results


def observe_scenarios(lab: Lab, names: Sequence[str], refuse: str = "", program: Sequence[str] = NETDASH) -> Observed:
    """What `netdash --json`, run in the first namespace without the layers `refuse`, says of the scenarios there."""
    with ExitStack() as stack:
        output = Path(stack.enter_context(TemporaryDirectory(prefix="netdash-watch-")), "output")
        place, servers = stack.enter_context(place_in(lab, output))
        before = _retransmitted(lab)
        results: dict[str, Result] = {}

        def traffic() -> None:
            results.update(run_scenarios(lab.a.namespace, place, names))

        lines = watch(program, lab.a.namespace, traffic, {REFUSE_VARIABLE: refuse}, output)
        retransmitted = _retransmitted(lab) - before
    served = Moved(os.getpid(), "", sum(s.sent for s in servers), sum(s.received for s in servers))
    return Observed(lines[0], lines[-1], results, served, retransmitted)


def watch(
    program: Sequence[str], namespace: str, traffic: Callable[[], None], environment: Mapping[str, str], output: Path
) -> list[JsonObject]:
    """All lines of a `netdash --json` that ran in `namespace` and wrote to `output` while `traffic` was made.

    Traffic begins when the first line is out. After it, two more intervals pass: what is counted a moment after
    the packets, and sockets that are still open, stand in them.
    """
    errors = output.with_suffix(".errors")
    with output.open("wb") as out, errors.open("wb") as err:
        process = popen_in(
            namespace,
            [*program, "--json", "-d", str(INTERVAL_SECONDS)],
            stdout=out,
            stderr=err,
            env=os.environ | environment,
        )
    _await_start(process, output, errors)
    traffic()
    for _ in range(2):
        await_look(output)
    process.send_signal(signal.SIGINT)
    assert process.wait(_SECONDS) == 0
    assert errors.read_text() == ""
    lines = [json.loads(line) for line in output.read_bytes().splitlines()]
    assert (lines[0]["type"], lines[-1]["type"]) == ("start", "summary")
    return lines


def _await_start(process: subprocess.Popen[bytes], output: Path, errors: Path) -> None:
    deadline = time.monotonic() + _SECONDS
    while b"\n" not in output.read_bytes():
        assert process.poll() is None, errors.read_text()
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)


def _retransmitted(lab: Lab) -> int:
    """RetransSegs of both namespaces, /proc/net/snmp."""

    def read() -> int:
        with open("/proc/thread-self/net/snmp") as table:
            names, values = (line.split() for line in table if line.startswith("Tcp:"))
        return int(values[names.index("RetransSegs")])

    return sum(run_in(port.namespace, read) for port in (lab.a, lab.b))
