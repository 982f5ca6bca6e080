"""Which process holds which socket: the kernel walks the open files of all processes, in all network namespaces.

`programs/task_sockets.bpf.c` picks the sockets among them. 1 ms for 300 processes, 90 ms for 100,000 sockets.
"""

from __future__ import annotations

import os
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from netdash.errors import NotSupportedError
from netdash.kernel.bpf import RunStatistics
from netdash.kernel.btf import Btf
from netdash.kernel.tracing import TracingObject, create_iterator, explained

MAX_ROWS: Final = 1 << 20
"""Most rows of one reading (109 MB); more descriptors than that are cut off."""

TASK_SOCKET_ROW: Final = np.dtype(
    [
        ("cookie", "<u8"),
        ("start_ticks", "<u8"),
        ("pid", "<u4"),
        ("fd", "<u4"),
        ("rx_payload_bytes", "<u8"),
        ("tx_payload_bytes", "<u8"),
        ("local", "u1", 16),
        ("remote", "u1", 16),
        ("local_port", "<u2"),
        ("remote_port", "<u2"),
        ("net_namespace", "<u4"),
        ("inode", "<u4"),
        ("uid", "<u4"),
        ("rtt_us", "<u4"),
        ("protocol", "<u2"),
        ("family", "u1"),
        ("type", "u1"),
        ("state", "u1"),
        ("has_counters", "u1"),
        ("unused", "u1", 6),
    ]
)
"""One descriptor of a socket (104 bytes, `struct task_socket` in programs/task_sockets.bpf.c).

* (`pid`, `start_ticks`) is the process, as in /proc/PID/stat; `fd` its descriptor. A socket has a row for each
  descriptor of each process that holds it: after dup(2), after fork(2), after being passed to another process.
* `cookie`, `family`, `protocol`, `type`, `local`, `remote`, ports, `net_namespace`: as in `socket_traffic.TRAFFIC_ROW`.
* `inode`: the number in /proc/PID/fd. `uid`: owner. `state`: include/net/tcp_states.h; UDP: 7 unconnected, 1 connected.
* `has_counters`: 1 for a TCP connection. Where it is 0, `rx_payload_bytes`, `tx_payload_bytes`, `rtt_us` hold 0.
* `rx_payload_bytes`: data received in order, whether read by now or not, the FIN not counted. `tx_payload_bytes`:
  data sent, each byte once, which may be less than what the process has written. `rtt_us`: 0 = not measured.
"""

_READ_BYTES: Final = 1 << 16
"""An iterator hands over at most 32 KiB at a time."""
_PURPOSE: Final = "sockets of all processes"


class TaskSockets:
    """Lists sockets from `open` to `close`. What is open can be used without any capability."""

    def __init__(self, loaded: TracingObject) -> None:
        """Takes over what `open` loaded."""
        self._loaded = loaded

    @classmethod
    def open(cls, btf: Btf | None = None) -> Self:
        """Raises NotPermittedError (wants CAP_BPF and CAP_PERFMON), NotSupportedError (Linux 5.12, BTF)."""
        return cls(TracingObject.open("task_sockets", purpose=_PURPOSE, needs="Linux 5.12 or later", btf=btf))

    def read(self) -> NDArray[np.void]:
        """The sockets that exist now as TASK_SOCKET_ROW, by pid and descriptor. The array is the caller's.

        Raises NotSupportedError if the kernel breaks off.
        """
        data = bytearray()
        with explained(_PURPOSE):
            iterator = create_iterator(self._loaded.links["list_sockets"])
        try:
            while len(data) < MAX_ROWS * TASK_SOCKET_ROW.itemsize and (chunk := _read(iterator)):
                data += chunk
        except OSError as error:
            raise NotSupportedError(f"{_PURPOSE}: reading the iterator: {error.strerror}") from error
        finally:
            os.close(iterator)
        return np.frombuffer(data, TASK_SOCKET_ROW, len(data) // TASK_SOCKET_ROW.itemsize)

    def run_statistics(self) -> RunStatistics:
        """Runs of the program, one per open file, and their time (sysctl kernel.bpf_stats_enabled)."""
        with explained(_PURPOSE):
            return self._loaded.run_statistics()["list_sockets"]

    def close(self) -> None:
        """Frees everything."""
        self._loaded.close()


def _read(iterator: int) -> bytes:
    """The next rows, whole ones; empty at the end."""
    while True:
        try:
            return os.read(iterator, _READ_BYTES)
        except BlockingIOError:  # after a million files without a socket among them; the next call goes on from there
            continue
