"""Headless runs: counts, signals, readers that leave or stall, sources that end."""

from __future__ import annotations

import asyncio
import fcntl
import io
import json
import os
import signal
import subprocess
import sys
import termios
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Literal, TextIO

import pytest

from netdash.errors import NetdashError
from netdash.model.snapshot import Snapshot
from netdash.sinks.json_lines import JsonLinesSink
from netdash.sinks.run import run_headless
from netdash.sources.source import SourceEndedError
from tests.unit.sinks.memory_source import LAST_INTERVAL, MemorySource

SECONDS = 30.0

PIPE_BYTES = 65_536
"""Of a new pipe (pipe(7))."""

Program = Literal["endless", "slow", "deaf", "flood"]


def program(name: Program, stdout: int = subprocess.PIPE, unbuffered: str = "") -> subprocess.Popen[bytes]:
    """A real process that writes JSON Lines of a source in memory; `unbuffered`: "1" or ""."""
    command = [sys.executable, "-m", "tests.unit.sinks.memory_source", name]
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    return subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE, env=environment)


def times_asleep(process: subprocess.Popen[bytes]) -> int:
    """How often it went to sleep; raises OSError or LookupError when it does not sleep."""
    status = dict(line.split(":\t") for line in Path(f"/proc/{process.pid}/status").read_text().splitlines())
    if not status["State"].startswith("S"):
        raise LookupError
    return int(status["voluntary_ctxt_switches"])


def wait_until_asleep(process: subprocess.Popen[bytes], after: int = -1) -> int:
    """Waits until it sleeps, and went to sleep more than `after` times."""
    while True:
        with suppress(LookupError):
            if (times := times_asleep(process)) > after:
                return times
        time.sleep(0.01)


def interrupt_twice(process: subprocess.Popen[bytes]) -> None:
    """Two SIGINT to a sleeping process, the second when the first has been dealt with."""
    times = wait_until_asleep(process)
    process.send_signal(signal.SIGINT)
    wait_until_asleep(process, times)
    process.send_signal(signal.SIGINT)


def unread_bytes(pipe: IO[bytes]) -> int:
    """Bytes that wait in a pipe (FIONREAD, ioctl_fionread(2))."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


def types_and_intervals(text: str | bytes) -> list[tuple[str, float]]:
    lines = map(json.loads, text.splitlines())
    return [(line["type"], line["interval"]) for line in lines]


async def run(source: MemorySource, count: int | None) -> tuple[int, list[tuple[str, float]]]:
    stream = io.StringIO()
    code = await run_headless(source, JsonLinesSink(stream, 1.0, "protocols"), count)
    return code, types_and_intervals(stream.getvalue())


@pytest.mark.parametrize("count", [1, 3])
async def test_count_writes_exactly_so_many(count: int) -> None:
    source = MemorySource()
    code, lines = await run(source, count)
    assert code == 0
    assert lines == [("start", 1.0), *[("snapshot", 1.0)] * count, ("summary", float(count))]
    assert source.stops == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_writes_the_last_interval(number: signal.Signals) -> None:
    source = MemorySource(pause=SECONDS)
    running = asyncio.create_task(run(source, None))
    await source.waiting.wait()
    os.kill(os.getpid(), number)
    _, lines = await running
    assert lines == [("start", 1.0), ("snapshot", 1.0), ("snapshot", LAST_INTERVAL), ("summary", 1.0 + LAST_INTERVAL)]


async def test_handlers_of_signals_are_put_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    await run(MemorySource(), 1)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


async def test_a_source_that_ends_by_itself() -> None:
    stream = io.StringIO()
    with pytest.raises(SourceEndedError, match="the source is empty"):
        await run_headless(MemorySource(length=2), JsonLinesSink(stream, 1.0, "protocols"), None)
    lines = types_and_intervals(stream.getvalue())
    assert lines == [("start", 1.0), *[("snapshot", 1.0)] * 2, ("summary", 2.0)]


def test_a_full_disk_is_an_error_of_one_line() -> None:
    async def fill(stream: TextIO) -> None:
        await run_headless(MemorySource(), JsonLinesSink(stream, 1.0, "protocols"), None)

    with (
        open("/dev/full", "w", encoding="utf-8") as stream,
        pytest.raises(NetdashError, match="No space left on device") as caught,
    ):
        asyncio.run(fill(stream))
    assert caught.value.exit_code == 1
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_program_cleanly(number: signal.Signals) -> None:
    with program("slow") as process:
        assert process.stdout is not None
        first = [process.stdout.readline() for _ in range(2)]
        process.send_signal(number)
        rest, errors = process.communicate(timeout=SECONDS)
    assert (process.returncode, errors) == (0, b"")
    lines = types_and_intervals(b"".join([*first, rest]))
    assert lines == [("start", 1.0), ("snapshot", 1.0), ("snapshot", LAST_INTERVAL), ("summary", 1.0 + LAST_INTERVAL)]


def test_a_second_signal_ends_a_source_that_does_not_stop() -> None:
    with program("deaf") as process:
        assert process.stdout is not None
        first = [process.stdout.readline() for _ in range(2)]
        interrupt_twice(process)
        rest, errors = process.communicate(timeout=SECONDS)
    assert (process.returncode, errors) == (0, b"")
    assert types_and_intervals(b"".join([*first, rest])) == [("start", 1.0), ("snapshot", 1.0), ("summary", 1.0)]


def test_a_second_signal_ends_a_run_whose_reader_has_stalled() -> None:
    with program("flood") as process:
        assert process.stdout is not None
        while unread_bytes(process.stdout) < PIPE_BYTES // 2:
            time.sleep(0.01)
        interrupt_twice(process)
        process.wait(SECONDS)
        _, errors = process.communicate()
    assert (process.returncode, errors) == (0, b"")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_leaves_ends_the_run_in_silence(unbuffered: str) -> None:
    with program("endless", unbuffered=unbuffered) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["type"] == "start"
        process.stdout.close()
        assert process.stderr is not None
        errors = process.stderr.read()
        process.wait(SECONDS)
    assert (process.returncode, errors) == (0, b"")


def test_a_reader_that_left_before_the_start() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with program("endless", writing) as process:
        os.close(writing)
        _, errors = process.communicate(timeout=SECONDS)
    assert (process.returncode, errors) == (0, b"")


class _Unwritable:
    """A sink whose stream is no file."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    def start(self, snapshot: Snapshot) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    def write(self, snapshot: Snapshot) -> None:
        raise AssertionError("after a broken pipe")

    def finish(self) -> None:
        raise AssertionError("after a broken pipe")


async def test_nothing_is_written_after_a_broken_pipe() -> None:
    assert await run_headless(MemorySource(), _Unwritable(), None) == 0
