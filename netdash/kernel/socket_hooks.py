"""Payload bytes per socket and the process that made it, from eBPF programs on the root of the cgroup-v2 hierarchy.

For kernels that have no tracepoints at sends and receives (before 6.3) or no BTF. `programs/socket_hooks.bpf.c` says
what is seen and what is not. Counters are cumulative and never emptied, as in `socket_traffic`.
"""

from __future__ import annotations

import os
import re
import socket
import struct
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from netdash.errors import NotPermittedError, NotSupportedError
from netdash.kernel.bpf import RunStatistics
from netdash.kernel.tracing import TracingObject, explained

DEFAULT_MAX_SOCKETS: Final = 65536
"""A table of this many rows takes 13 MB of kernel memory."""

HOOKED_ROW: Final = np.dtype(
    [
        ("cookie", "<u8"),
        ("owned_ns", "<u8"),
        ("rx_payload_bytes", "<u8"),
        ("tx_payload_bytes", "<u8"),
        ("net_namespace_cookie", "<u8"),
        ("rx_base", "<u8"),
        ("local", "u1", 16),
        ("remote", "u1", 16),
        ("local_port", "<u2"),
        ("remote_port", "<u2"),
        ("pid", "<u4"),
        ("uid", "<u4"),
        ("tx_next", "<u4"),
        ("fin_end", "<u4"),
        ("protocol", "<u2"),
        ("family", "u1"),
        ("type", "u1"),
        ("has_tx_next", "u1"),
        ("has_fin", "u1"),
        ("has_base", "u1"),
        ("released", "u1"),
        ("process_name", "S16"),
        ("unused", "<u4"),
    ]
)
"""One socket that was made, or moved something, since `open` (128 bytes, `struct hooked` of socket_hooks.bpf.c).

* `cookie` is the key: getsockopt(SO_COOKIE).
* `pid` (of the process, in the initial PID namespace), `uid` and `process_name` (its comm): who last called socket(2),
  connect(2) or sendto(2) with an address; all 0 of a socket that accept(2) made or that is older than `open`.
  `owned_ns`: when that process was noted, nanoseconds since boot: it had started by then.
* `rx_payload_bytes`, `tx_payload_bytes`: of TCP data received in order and data sent, each byte once; of anything else
  what followed the headers of its packets, also where the socket had no room for them.
* `local`, `remote`, ports, `family`, `protocol`, `type`: as in `socket_traffic.TRAFFIC_ROW`, of its last packet.
* `net_namespace_cookie`: 0 where there is no `pid`. `released`: 1 when its last descriptor is closed.
* `rx_base`, `tx_next`, `fin_end`, `has_*`: what the program needs to count.
"""

CAPABILITIES: Final = ("CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON")

_KEY: Final = np.dtype([("cookie", "<u8")])
_COUNT: Final = struct.Struct("<Q")
_ONLY_KEY: Final = bytes(4)
_PURPOSE: Final = "bytes per process by cgroup hooks"
_INITIAL_CGROUP_NAMESPACE: Final = 0xEFFFFFFB
"""PROC_CGROUP_INIT_INO, include/linux/proc_ns.h."""
_SO_COOKIE: Final = 57
"""<asm-generic/socket.h>; missing in Python's socket module."""
_ESCAPED: Final = re.compile(r"\\([0-7]{3})")


class SocketHooks:
    """Counts from `open` to `close`. What is open can be used without any capability, by one thread at a time."""

    def __init__(self, loaded: TracingObject) -> None:
        """Takes over what `open` loaded."""
        self._loaded = loaded

    @classmethod
    def open(cls, max_sockets: int = DEFAULT_MAX_SOCKETS) -> Self:
        """Counts from now on. `max_sockets`: sockets that are told apart.

        Raises NotPermittedError (wants CAPABILITIES), NotSupportedError (Linux 5.9, a cgroup-v2 hierarchy),
        NetdashError (no memory).
        """
        cgroup = _open_root_cgroup()
        try:
            return cls(
                TracingObject.open(
                    "socket_hooks",
                    purpose=_PURPOSE,
                    needs="Linux 5.9 or later with CONFIG_CGROUP_BPF",
                    max_entries={"sockets": max_sockets},
                    cgroup=cgroup,
                    capabilities=CAPABILITIES,
                )
            )
        finally:
            os.close(cgroup)

    def own_namespace_cookie(self) -> int:
        """What `net_namespace_cookie` is of sockets in the network namespace of the calling thread."""
        # The hook notes it of a socket made here; SO_NETNS_COOKIE came with Linux 5.14 only.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own, explained(_PURPOSE):
            cookie = own.getsockopt(socket.SOL_SOCKET, _SO_COOKIE, 8)
            value = self._loaded.maps["sockets"].lookup(cookie)
        return 0 if value is None else int(np.frombuffer(value, HOOKED_ROW)["net_namespace_cookie"][0])

    def read(self) -> NDArray[np.void]:
        """All rows as HOOKED_ROW, in no order; some 0.2 µs each. The array is the caller's."""
        with explained(_PURPOSE):
            return self._loaded.maps["sockets"].read(_KEY, HOOKED_ROW)[1]

    def forget(self, cookies: NDArray[np.uint64]) -> int:
        """Deletes the rows of sockets that are gone, so that there is room for others; returns how many were there."""
        with explained(_PURPOSE):
            return self._loaded.maps["sockets"].delete_all(np.ascontiguousarray(cookies).view(_KEY))

    def refused_count(self) -> int:
        """How often, since `open`, a packet or a call of a socket found no room in the table."""
        with explained(_PURPOSE):
            value = self._loaded.maps["overflow"].lookup(_ONLY_KEY)
        return 0 if value is None else int(_COUNT.unpack(value)[0])

    def run_statistics(self) -> dict[str, RunStatistics]:
        """Runs of each program and their time (sysctl kernel.bpf_stats_enabled)."""
        with explained(_PURPOSE):
            return self._loaded.run_statistics()

    def close(self) -> None:
        """Stops counting and frees everything."""
        self._loaded.close()


def _open_root_cgroup() -> int:
    """A descriptor of the root of the cgroup-v2 hierarchy, wherever it is mounted."""
    try:
        if os.stat("/proc/self/ns/cgroup").st_ino != _INITIAL_CGROUP_NAMESPACE:
            raise NotSupportedError(
                f"{_PURPOSE}: netdash runs in a cgroup namespace of its own and would see its own sockets alone; "
                "run it on the host (in a container: --cgroupns=host)"
            )
        with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as mounts:
            path = find_cgroup2(mounts.read())
        if path is None:
            raise NotSupportedError(
                f"{_PURPOSE}: no cgroup-v2 hierarchy is mounted; mount one: mount -t cgroup2 none /sys/fs/cgroup"
            )
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError as error:
        raise NotPermittedError(f"{_PURPOSE}: {error.filename}: {error.strerror}; run as root") from error
    except OSError as error:
        raise NotSupportedError(f"{_PURPOSE}: {error.filename}: {error.strerror}; mount /proc and cgroup2") from error


def find_cgroup2(mounts: str) -> str | None:
    """The mount point of the first cgroup-v2 hierarchy in the text of /proc/self/mounts (proc_pid_mounts(5))."""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) > 2 and fields[2] == "cgroup2":
            return _ESCAPED.sub(lambda match: chr(int(match[1], 8)), fields[1])
    return None
