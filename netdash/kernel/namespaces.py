"""Network namespaces: entering one by its name or by a process in it, and telling namespaces apart."""

from __future__ import annotations

import ctypes
import errno
import os

from netdash.errors import NetdashError, NotPermittedError

NAMED_NAMESPACES = "/run/netns"
"""Where `ip netns` keeps one bind mount per named network namespace (ip-netns(8))."""

_CLONE_NEWNET = 0x40000000
"""<linux/sched.h>."""

_libc = ctypes.CDLL(None, use_errno=True)


def enter_network_namespace(name_or_pid: str) -> None:
    """Moves the calling thread into a network namespace (setns(2)); a single-threaded process moves as a whole.

    `name_or_pid` is a name under /run/netns or the number of a process; a name that is all digits wins over
    a process. Sockets that are already open stay where they are.
    Raises NetdashError if there is no such namespace, NotPermittedError without CAP_SYS_ADMIN.
    """
    descriptor = _open_namespace(name_or_pid)
    try:
        status = _libc.setns(descriptor, _CLONE_NEWNET)
        error = ctypes.get_errno()
    finally:
        os.close(descriptor)
    if status == 0:
        return
    if error == errno.EPERM:
        raise _not_permitted(name_or_pid)
    raise NetdashError(f"cannot enter network namespace {name_or_pid!r}: {os.strerror(error)}")


def current_namespace_inode() -> int:
    """Inode number of the calling thread's network namespace: the number in `readlink /proc/self/ns/net`."""
    return os.stat("/proc/thread-self/ns/net").st_ino


def _open_namespace(name_or_pid: str) -> int:
    for path in _candidate_paths(name_or_pid):
        try:
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, ProcessLookupError):
            continue
        except PermissionError as error:
            raise _not_permitted(name_or_pid) from error
        except OSError as error:
            raise NetdashError(
                f"cannot open network namespace {name_or_pid!r}: {error.strerror}; {_HOW_TO_LIST}"
            ) from error
    raise NetdashError(f"no network namespace or process {name_or_pid!r}; {_HOW_TO_LIST}")


def _candidate_paths(name_or_pid: str) -> list[str]:
    paths = []
    if name_or_pid not in ("", ".", "..") and "/" not in name_or_pid and "\0" not in name_or_pid:
        paths.append(f"{NAMED_NAMESPACES}/{name_or_pid}")
    if name_or_pid.isascii() and name_or_pid.isdigit():
        paths.append(f"/proc/{name_or_pid}/ns/net")
    return paths


def _not_permitted(name_or_pid: str) -> NotPermittedError:
    return NotPermittedError(
        f"cannot enter network namespace {name_or_pid!r}: needs CAP_SYS_ADMIN; run netdash with sudo"
    )


_HOW_TO_LIST = "'ip netns list' and 'lsns -t net' list what there is"
