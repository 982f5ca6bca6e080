"""Finds the SSH connection that this program is looked at through."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from netdash.model.own_session import OwnSession, parse_ssh_connection

VARIABLE: Final = "SSH_CONNECTION"
_MAX_ANCESTORS: Final = 32
_MAX_ENVIRONMENT_BYTES: Final = 1 << 20


def find_own_session(
    environment: Mapping[str, str] = os.environ, proc: Path = Path("/proc"), pid: int | None = None
) -> OwnSession | None:
    """The connection named by SSH_CONNECTION, of this process or of the nearest ancestor that has it.

    The ancestors are asked because sudo(8) does not pass the variable on, while the shell that called it has it.
    None without SSH, or where no ancestor's environment may be read.
    """
    own = environment.get(VARIABLE)
    if own is not None:
        return parse_ssh_connection(own)
    pid = os.getpid() if pid is None else pid
    for _ in range(_MAX_ANCESTORS):
        pid = _parent(proc, pid)
        if pid <= 1:
            return None
        value = _variable(proc, pid)
        if value is not None:
            return parse_ssh_connection(value)
    return None


def _parent(proc: Path, pid: int) -> int:
    """Parent of a process, proc_pid_stat(5) field 4; 0 when it is gone."""
    try:
        fields = (proc / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
        return int(fields[1])
    except (OSError, ValueError, IndexError):
        return 0


def _variable(proc: Path, pid: int) -> str | None:
    """SSH_CONNECTION in the environment that a process was started with; None where it is not there or not told."""
    try:
        with (proc / str(pid) / "environ").open("rb") as file:
            content = file.read(_MAX_ENVIRONMENT_BYTES)
    except OSError:
        return None
    prefix = f"{VARIABLE}=".encode()
    found = next((each for each in content.split(b"\0") if each.startswith(prefix)), None)
    return None if found is None else found[len(prefix) :].decode(errors="replace")
