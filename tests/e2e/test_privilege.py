"""What each layer keeps of root's privilege once it has started: asked of /proc, for every thread of every process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from netdash.collector.process import REFUSE_VARIABLE
from netdash.kernel.capabilities import CAPABILITY_NAMES
from tests.e2e.installed import program
from tests.e2e.nobody import NOBODY, skip_where_python_is_closed
from tests.e2e.terminal import Terminal
from tests.integration import refusing
from tests.integration.running import JsonObject

pytestmark = pytest.mark.root

READ_ANY_PROCESS = ["CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE"]
"""What it takes to see in /proc who holds a socket."""

CASES: dict[str, tuple[str, list[str]]] = {
    "ebpf/exact": ("", []),
    "ebpf/hooks": ("exact", []),
    "ebpf/scan": ("exact,hooks", READ_ANY_PROCESS),
    "ring/exact": ("ebpf", []),
    "ring/scan": ("ebpf,exact,hooks", READ_ANY_PROCESS),
    "sockets/scan": ("ebpf,ring,exact,hooks", READ_ANY_PROCESS),
}
"""By layers: the layers to refuse, and what the collector's main thread has left."""


@contextmanager
def running(command: Sequence[str], refused: str = "", **environment: str) -> Iterator[tuple[JsonObject, int, int]]:
    """(mode, pid of who writes, pid of the collector) of a run that has counted two intervals: by then all threads
    have been started."""
    process = subprocess.Popen(
        [*command, "--json", "-d", "0.1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, REFUSE_VARIABLE: refused, **environment},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr:
        lines = [json.loads(process.stdout.readline()) for _ in range(3)]
        assert [line["type"] for line in lines] == ["start", "snapshot", "snapshot"]
        with open(f"/proc/{process.pid}/task/{process.pid}/children") as file:
            (collector,) = map(int, file.read().split())
        try:
            yield lines[0]["mode"], process.pid, collector
        finally:
            process.send_signal(signal.SIGINT)
            process.stdout.read()
            errors = process.stderr.read()
            process.wait(20)
    assert (process.returncode, errors) == (0, b"")


def threads(pid: int) -> dict[int, dict[str, str]]:
    """What /proc/PID/task/TID/status says of each thread."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        lines = (line.partition(":") for line in (task / "status").read_text().splitlines())
        found[int(task.name)] = {name: value.strip() for name, _, value in lines}
    return found


def names_of(bits: str) -> list[str]:
    return sorted(name for bit, name in enumerate(CAPABILITY_NAMES) if int(bits, 16) >> bit & 1)


def assert_kept(status: dict[str, str], kept: list[str], bounding: list[str]) -> None:
    found = [names_of(status[name]) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd")]
    assert found == [kept, kept, [], [], bounding]
    assert status["NoNewPrivs"] == "1"


def assert_layers_keep(flows: str, writer: int, collector: int, kept: list[str]) -> None:
    for status in threads(writer).values():
        assert_kept(status, [], [])
    of_collector = threads(collector)
    assert_kept(of_collector.pop(collector), kept, kept)
    # Packets are counted outside the main thread: by the ring's reader, which needs nothing, or by a thread that waits
    # for the kernel's tables.
    assert (len(of_collector) > 0) == (flows != "sockets")
    without = [] if flows != "ring" else [next(t for t, s in of_collector.items() if names_of(s["CapEff"]) == [])]
    for task, status in of_collector.items():
        assert_kept(status, [] if task in without else kept, kept)


@pytest.mark.parametrize("layers", CASES)
def test_nothing_keeps_more_than_its_layer_needs(layers: str) -> None:
    refused, kept = CASES[layers]
    with running([program()], refused) as (mode, writer, collector):
        assert f"{mode['flows']}/{mode['processes']}" == layers
        assert_layers_keep(mode["flows"], writer, collector, kept)


def test_hooks_without_btf_look_through_proc() -> None:
    command = [sys.executable, "-m", refusing.__name__, "btf", program()]
    with running(command) as (mode, writer, collector):
        assert mode == {"flows": "ebpf", "processes": "hooks"}
        assert_layers_keep("ebpf", writer, collector, READ_ANY_PROCESS)


@pytest.mark.ordinary_user
@pytest.mark.parametrize("layers", CASES)
def test_under_sudo_both_become_who_called_it(layers: str) -> None:
    skip_where_python_is_closed()
    refused, kept = CASES[layers]
    with running([program()], refused, SUDO_UID=str(NOBODY)) as (mode, writer, collector):
        assert f"{mode['flows']}/{mode['processes']}" == layers
        assert_layers_keep(mode["flows"], writer, collector, kept)
        for status in (*threads(writer).values(), threads(collector)[collector]):
            assert status["Uid"].split() == [str(NOBODY)] * 4
            assert "0" not in status["Groups"].split()


@pytest.mark.parametrize("layers", ["ebpf/hooks", "ebpf/scan"])
def test_the_dashboard_keeps_nothing(layers: str) -> None:
    refused, kept = CASES[layers]
    with Terminal([program(), "-d", "0.1"], environment={REFUSE_VARIABLE: refused}) as terminal:
        # The second interval: its bytes per second are there, so all threads have been started.
        terminal.wait_for(layers, "loopback", "b ")
        children = Path(f"/proc/{terminal.process.pid}/task/{terminal.process.pid}/children")
        (collector,) = map(int, children.read_text().split())
        assert_layers_keep("ebpf", terminal.process.pid, collector, kept)
        terminal.press("q")
        assert terminal.wait_for_end() == 0
