"""What the calling thread may do (capabilities(7)), and two limits that it can put on itself (prctl(2))."""

from __future__ import annotations

import ctypes
import os
import signal

from netdash.errors import NetdashError

CAPABILITY_NAMES = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
)
"""By bit number, <linux/capability.h>."""

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
"""<linux/prctl.h>."""

_libc = ctypes.CDLL(None, use_errno=True)


def effective_capabilities() -> frozenset[str]:
    """Names of the calling thread's effective capabilities; a bit newer than the list stands as CAP_NN.

    Empty if /proc cannot be read: nothing is claimed that is not known.
    """
    try:
        with open("/proc/thread-self/status", "rb") as file:
            return parse_effective_capabilities(file.read())
    except OSError:
        return frozenset()


def has(name: str) -> bool:
    """True if the calling thread has the capability in effect, `CAP_NET_RAW` for one."""
    return name in effective_capabilities()


def parse_effective_capabilities(status: bytes) -> frozenset[str]:
    """The names in the `CapEff:` line of a /proc/PID/status text (hexadecimal, 64 bits). Never raises."""
    for line in status.split(b"\n"):
        if line.startswith(b"CapEff:"):
            try:
                bits = int(line[len(b"CapEff:") :], 16)
            except ValueError:
                return frozenset()
            return frozenset(_name(bit) for bit in range(64) if bits >> bit & 1)
    return frozenset()


def set_parent_death_signal(signum: signal.Signals) -> None:
    """Has the kernel send `signum` to this process when the thread that started it ends.

    A parent that ended before the call sends nothing: compare os.getppid() afterwards. Survives execve(2) of
    a program without privilege, not fork(2).
    """
    _prctl(_PR_SET_PDEATHSIG, int(signum))


def set_no_new_privileges() -> None:
    """Neither this thread nor what it starts can ever gain privilege by execve(2). Cannot be undone."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def _name(bit: int) -> str:
    return CAPABILITY_NAMES[bit] if bit < len(CAPABILITY_NAMES) else f"CAP_{bit}"


def _prctl(option: int, value: int) -> None:
    # prctl is variadic and reads unsigned longs; unused ones must be zero.
    arguments = [ctypes.c_ulong(argument) for argument in (value, 0, 0, 0)]
    if _libc.prctl(option, *arguments) != 0:
        raise NetdashError(f"prctl option {option} failed: {os.strerror(ctypes.get_errno())}")
