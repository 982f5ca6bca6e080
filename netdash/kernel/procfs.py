"""Facts about one process, read straight from /proc/PID (proc(5)): four small files.

All text is the process's own word: it may hold control characters, and is decoded with replacement.
"""

from __future__ import annotations

import os
import pwd
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from netdash.kernel.container_names import SHORT_ID_LENGTH

MAX_COMMAND_LENGTH: Final = 4096
"""Most bytes of a command line that are read, and most characters kept."""

MAX_PARENTS: Final = 8

_STAT_BYTES, _CGROUP_BYTES = 4096, 16384

_STAT = re.compile(rb"\d+ \((.*)\) \S ([0-9-]+)(?: \S+){17} (\d+)", re.DOTALL)
"""comm is greedy: it may itself hold parentheses and spaces. Field 4 is the parent, field 22 the start time."""
_CONTAINER = re.compile(r"(?:docker-|cri-containerd-|crio-|libpod-)?([0-9a-f]{64})(?:\.scope)?")
_UNIT = re.compile(r".+\.(?:service|scope|slice)")


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """One process. (pid, start_ticks) names it for as long as the system runs; the pid alone may be used again."""

    pid: int
    start_ticks: int
    """Ticks of SC_CLK_TCK since boot."""
    parent_pid: int
    name: str
    """`comm`: at most 15 bytes (63 of a kernel thread); the process may change it."""
    command: str
    """Arguments joined by spaces, at most MAX_COMMAND_LENGTH characters; empty for kernel threads and zombies."""
    uid: int
    """Effective user id."""
    unit: str | None
    """systemd unit: the innermost *.service, *.scope or *.slice of its cgroup."""
    container: str | None
    """First 12 digits of the container's id: Docker, containerd, CRI-O, Podman."""


def read_process(pid: int, proc: str = "/proc") -> ProcessFacts | None:
    """Reads one process; None if it is gone or hidden. What cannot be read of it is empty or None."""
    try:
        directory = os.open(f"{proc}/{pid}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    # Files opened below this descriptor belong to this process, even if its pid is used again meanwhile.
    try:
        stat = parse_stat(_read(directory, "stat", _STAT_BYTES))
        if stat is None:
            return None
        name, parent_pid, start_ticks = stat
        command = parse_command(_read(directory, "cmdline", MAX_COMMAND_LENGTH))
        unit, container = parse_cgroup(_read(directory, "cgroup", _CGROUP_BYTES))
        # The owner is the effective user even of processes that are not dumpable (fs/proc/base.c, task_dump_owner).
        uid = os.fstat(directory).st_uid
    finally:
        os.close(directory)
    return ProcessFacts(pid, start_ticks, parent_pid, name, command, uid, unit, container)


def read_parents(parent_pid: int, most: int = MAX_PARENTS, proc: str = "/proc") -> tuple[tuple[int, str], ...]:
    """(pid, name) of a process's ancestors, the nearest first, at most `most`; ends where one cannot be read."""
    parents: list[tuple[int, str]] = []
    while parent_pid > 0 and len(parents) < most:
        stat = parse_stat(_read(None, f"{proc}/{parent_pid}/stat", _STAT_BYTES))
        if stat is None:
            break
        name, grandparent_pid, _ = stat
        parents.append((parent_pid, name))
        parent_pid = grandparent_pid
    return tuple(parents)


def read_start_ticks(pid: int, proc: str = "/proc") -> int | None:
    """The start time of a process in ticks of SC_CLK_TCK since boot; None if it is gone."""
    stat = parse_stat(_read(None, f"{proc}/{pid}/stat", _STAT_BYTES))
    return None if stat is None else stat[2]


def parse_stat(data: bytes) -> tuple[str, int, int] | None:
    """(comm, parent pid, start ticks) of /proc/PID/stat; None if it is not of that form."""
    match = _STAT.match(data)
    if match is None:
        return None
    comm, parent, start = match.groups()
    try:
        parent_pid = int(parent)
    except ValueError:
        return None
    return comm.decode("utf-8", "replace"), parent_pid, int(start)


def parse_command(data: bytes) -> str:
    """The arguments of /proc/PID/cmdline, which end with NUL bytes, joined by spaces."""
    return data.rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", "replace")[:MAX_COMMAND_LENGTH]


def parse_cgroup(data: bytes) -> tuple[str | None, str | None]:
    """(unit, short container id) from /proc/PID/cgroup; lines are `hierarchy:controllers:path` (cgroups(7)).

    The cgroup-v2 hierarchy counts first, then systemd's own, then the others. Ids are taken from
    docker-ID.scope and its like, and from path elements that are an id alone (the cgroupfs driver).
    """
    lines = [line.split(":", 2) for line in data.decode("utf-8", "replace").split("\n")]
    ranked = sorted((fields for fields in lines if len(fields) == 3), key=_hierarchy_rank)
    unit = container = None
    for _, _, path in ranked:
        elements = path.split("/")[::-1]
        unit = unit or next(filter(_UNIT.fullmatch, elements), None)
        container = container or next(filter(None, map(_container_id, elements)), None)
    return unit, container


@lru_cache(maxsize=4096)
def user_name(uid: int) -> str:
    """The login name of a user id, or the number as text where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return str(uid)


def _hierarchy_rank(fields: list[str]) -> int:
    hierarchy, controllers, _ = fields
    return 0 if hierarchy == "0" else 1 if controllers == "name=systemd" else 2


def _container_id(element: str) -> str | None:
    match = _CONTAINER.fullmatch(element)
    return match[1][:SHORT_ID_LENGTH] if match else None


def _read(directory: int | None, path: str, size: int) -> bytes:
    """At most `size` bytes of a file of /proc, which hands them over in one read; empty if it cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
    except OSError:
        return b""
    try:
        return os.read(descriptor, size)
    except OSError:
        return b""
    finally:
        os.close(descriptor)
