"""Payload bytes per socket and process, counted in the kernel at each send and receive, in all network namespaces.

`programs/socket_traffic.bpf.c` says what is seen and what is not. Counters are cumulative and never emptied: the
difference of two readings is what moved between them, and nothing is lost by reading.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from netdash.kernel.bpf import RunStatistics
from netdash.kernel.btf import Btf
from netdash.kernel.tracing import TracingObject, explained

DEFAULT_MAX_SOCKETS: Final = 65536
"""A table of this many rows takes 14 MB of kernel memory."""

TRAFFIC_ROW: Final = np.dtype(
    [
        ("cookie", "<u8"),
        ("process_start_ns", "<u8"),
        ("pid", "<u4"),
        ("unused", "<u4"),
        ("start_ticks", "<u8"),
        ("rx_payload_bytes", "<u8"),
        ("tx_payload_bytes", "<u8"),
        ("rx_calls", "<u8"),
        ("tx_calls", "<u8"),
        ("cgroup_id", "<u8"),
        ("first_seen_ns", "<u8"),
        ("local", "u1", 16),
        ("remote", "u1", 16),
        ("local_port", "<u2"),
        ("remote_port", "<u2"),
        ("net_namespace", "<u4"),
        ("protocol", "<u2"),
        ("family", "u1"),
        ("type", "u1"),
        ("process_name", "S16"),
        ("uid", "<u4"),
    ]
)
"""What one process moved through one socket (144 bytes, `struct traffic` in programs/socket_traffic.bpf.c).

* (`cookie`, `process_start_ns`, `pid`) is the key. A socket that several processes use has a row for each of them;
  threads count for their process. `cookie`: getsockopt(SO_COOKIE). `pid`: in the initial PID namespace.
* `process_start_ns`: nanoseconds since boot; `start_ticks`: the same as in /proc/PID/stat.
* `rx_payload_bytes`, `tx_payload_bytes`: data that calls returned or took, without headers and without what was only
  peeked at; for a packet socket whole frames, or what follows the link-layer header (SOCK_DGRAM).
* `cgroup_id`: inode number of the process's cgroup-v2 directory; `process_name`: its comm; `uid`: its user. All
  three, and `first_seen_ns` (CLOCK_MONOTONIC), are of its first call.
* `local`, `remote`, `local_port`, `remote_port`: as the socket had them at the last call; addresses are IPv6, or IPv4
  as ::ffff:a.b.c.d, and any wildcard is 16 zero bytes. A datagram socket that is not connected has no remote end, a
  raw socket its protocol as `local_port`, a packet socket none of it.
* `net_namespace`: inode number. `family`: 4, 6 or 17 (a packet socket). `protocol`: IP protocol, 262 = MPTCP, 0 of a
  packet socket. `type`: 1 SOCK_STREAM, 2 SOCK_DGRAM, 3 SOCK_RAW, and the others of socket(2).
"""

_KEY: Final = np.dtype([("cookie", "<u8"), ("process_start_ns", "<u8"), ("pid", "<u4"), ("unused", "<u4")])
_OVERFLOW: Final = struct.Struct("<QQQ")
_ONLY_KEY: Final = bytes(4)
_PURPOSE: Final = "exact bytes per process"


@dataclass(frozen=True, slots=True)
class TrafficOverflow:
    """What moved, since `open`, through sockets that found no room in the table: counted, but nobody's."""

    rx_payload_bytes: int
    tx_payload_bytes: int
    calls: int
    missed_calls: int
    """Calls that the kernel did not hand to the programs, of unknown size; 0 but on kernels with PREEMPT_RT."""


class SocketTraffic:
    """Counts from `open` to `close`. What is open can be used without any capability, by one thread at a time."""

    def __init__(self, loaded: TracingObject) -> None:
        """Takes over what `open` loaded."""
        self._loaded = loaded

    @classmethod
    def open(cls, max_sockets: int = DEFAULT_MAX_SOCKETS, btf: Btf | None = None) -> Self:
        """Counts from now on. `max_sockets`: pairs of socket and process that are told apart.

        Raises NotPermittedError (wants CAP_BPF and CAP_PERFMON), NotSupportedError (Linux 6.3, BTF), NetdashError
        (no memory).
        """
        return cls(
            TracingObject.open(
                "socket_traffic",
                purpose=_PURPOSE,
                needs="Linux 6.3 or later",
                btf=btf,
                max_entries={"traffic": max_sockets},
            )
        )

    def read(self) -> NDArray[np.void]:
        """All rows as TRAFFIC_ROW, in no order; some 0.2 µs each. The array is the caller's."""
        with explained(_PURPOSE):
            return self._loaded.maps["traffic"].read(_KEY, TRAFFIC_ROW)[1]

    def forget(self, rows: NDArray[np.void]) -> int:
        """Deletes rows that `read` gave, so that there is room for others; returns how many were there.

        What the process moves between that reading and the call is lost. So give rows of sockets or processes that
        are gone, not just any that were idle for a while. A socket that is used again begins with a new row at 0.
        """
        keys = np.zeros(len(rows), _KEY)
        for name in ("cookie", "process_start_ns", "pid"):
            keys[name] = rows[name]
        with explained(_PURPOSE):
            return self._loaded.maps["traffic"].delete_all(keys)

    def overflow(self) -> TrafficOverflow:
        """What the table had no room for, cumulative."""
        with explained(_PURPOSE):
            value = self._loaded.maps["overflow"].lookup(_ONLY_KEY)
            missed = sum(statistics.missed_count for statistics in self._loaded.run_statistics().values())
        rx_bytes, tx_bytes, calls = _OVERFLOW.unpack(value or bytes(_OVERFLOW.size))
        return TrafficOverflow(rx_bytes, tx_bytes, calls, missed)

    def run_statistics(self) -> dict[str, RunStatistics]:
        """Runs of `count_send` and `count_receive` and their time (sysctl kernel.bpf_stats_enabled)."""
        with explained(_PURPOSE):
            return self._loaded.run_statistics()

    def close(self) -> None:
        """Stops counting and frees everything."""
        self._loaded.close()
