"""Programs under measurement: started on one CPU and in one network namespace, their CPU time and memory read."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from netdash.errors import NetdashError
from tests.namespaces import run_in

_GRACE_SECONDS = 5.0
_CPU_LIMIT_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a whole program, from its start to its end."""

    wall_seconds: float
    cpu_seconds: float
    """User and system."""
    peak_bytes: int


def spawn(
    command: Sequence[str],
    *,
    cpu: int | None,
    namespace: str,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.DEVNULL,
    stderr: int | IO[bytes] | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Starts a program in a session of its own; it and its children run on `cpu` alone (None: on any)."""

    def start() -> subprocess.Popen[bytes]:
        if cpu is not None:
            # Of this thread alone, which ends after the call; the program inherits it.
            os.sched_setaffinity(0, {cpu})
        return subprocess.Popen(
            command,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )

    process = run_in(namespace, start)
    _started.append(process)
    return process


_started: list[subprocess.Popen[bytes]] = []


def end_all() -> None:
    """Kills what `spawn` started and still runs."""
    while _started:
        process = _started.pop()
        if process.poll() is None:
            process.kill()
            process.wait()


def end(process: subprocess.Popen[bytes], signal_number: int) -> None:
    """Sends a signal and waits; a program that does not obey within seconds is killed."""
    process.send_signal(signal_number)
    try:
        process.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def run_to_end(command: Sequence[str], cpu: int) -> Cost:
    """Runs a program without input and output to its end, on one CPU. Raises NetdashError where it fails."""

    def limit() -> None:
        os.sched_setaffinity(0, {cpu})
        resource.setrlimit(resource.RLIMIT_CPU, (_CPU_LIMIT_SECONDS, _CPU_LIMIT_SECONDS))

    nothing, before = subprocess.DEVNULL, time.monotonic()
    process = subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing, preexec_fn=limit)
    _, status, usage = os.wait4(process.pid, 0)
    wall_seconds = time.monotonic() - before
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise NetdashError(f"{command[0]} ended with {process.returncode}")
    return Cost(wall_seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def cpu_seconds(process: subprocess.Popen[bytes]) -> dict[int, float]:
    """User and system time of a program's processes so far, by pid; ended children count with their parent."""
    seconds = {}
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(process.pid)
        for member in [root, *root.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                times = member.cpu_times()
                seconds[member.pid] = times.user + times.system + times.children_user + times.children_system
    return seconds


def kernel_thread_seconds(name: str) -> float:
    """CPU time of the kernel thread of that name, from /proc/PID/schedstat (proc(5): nanoseconds on the CPU)."""
    for process in psutil.process_iter(["name"]):
        if process.info["name"] == name:
            return int(Path(f"/proc/{process.pid}/schedstat").read_text(encoding="ascii").split()[0]) / 1e9
    return 0.0


def await_file_line(path: Path, process: subprocess.Popen[bytes], timeout_seconds: float = 20.0) -> None:
    """Until a program has written a line to a file. Raises NetdashError when it ends or takes too long before."""
    deadline = time.monotonic() + timeout_seconds
    while b"\n" not in path.read_bytes():
        if process.poll() is not None or time.monotonic() > deadline:
            raise NetdashError(f"{process.args!r} wrote nothing")
        time.sleep(0.005)
