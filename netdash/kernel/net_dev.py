"""Interface counters from /proc/net/dev: every interface of the namespace in one read, 64 bits each.

Layout: net/core/net-procfs.c, `dev_seq_printf_stats`; two header lines, then `name:` and 16 numbers per interface.
Some columns are sums of `struct rtnl_link_stats64` fields, see `DeviceCounters`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from netdash.errors import NetdashError

_PATH = "/proc/thread-self/net/dev"
_READ_BYTES = 1 << 16
_MAX_READ_BYTES = 64 << 20
_FIELDS = 16


@dataclass(frozen=True, slots=True)
class DeviceCounters:
    """Cumulative counters of one interface, in the order of the file. Bytes and packets as the driver counts them.

    rx_dropped holds rx_missed_errors too, rx_frame the length, over, crc and frame errors, tx_carrier the
    carrier, aborted, window and heartbeat errors; the packets that these tell of are in rx_errors and tx_errors.
    """

    rx_bytes: int
    rx_packets: int
    rx_errors: int
    rx_dropped: int
    rx_fifo: int
    rx_frame: int
    rx_compressed: int
    rx_multicast: int
    tx_bytes: int
    tx_packets: int
    tx_errors: int
    tx_dropped: int
    tx_fifo: int
    tx_collisions: int
    tx_carrier: int
    tx_compressed: int


class NetDevReader:
    """Keeps the file of the opening thread's network namespace open; later reads stay in that namespace.

    `read` costs a system call per 4 KiB of text and nothing else, so that it can stand next to the switch of a
    packet counter; `parse_net_dev` makes the numbers afterwards. Raises NetdashError if /proc is not there.
    """

    def __init__(self) -> None:
        try:
            self._descriptor = os.open(_PATH, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise NetdashError(f"cannot read {_PATH}: {error.strerror}; is /proc mounted?") from error

    def read(self) -> bytes:
        """The text of the file now. The kernel hands out one page per call, whole lines each."""
        chunks: list[bytes] = []
        offset = 0
        while offset < _MAX_READ_BYTES and (chunk := os.pread(self._descriptor, _READ_BYTES, offset)):
            chunks.append(chunk)
            offset += len(chunk)
        return b"".join(chunks)

    def close(self) -> None:
        """Closes the file, which also lets go of its namespace."""
        os.close(self._descriptor)


def parse_net_dev(text: bytes) -> dict[str, DeviceCounters]:
    """Counters per interface name; lines that are not complete and numeric are left out. Never raises.

    Bytes of a name that are not UTF-8 stand as \\xNN.
    """
    counters = {}
    for line in text.split(b"\n")[:-1]:
        name, colon, numbers = line.rpartition(b":")
        fields = numbers.split()
        if not colon or len(fields) != _FIELDS:
            continue
        try:
            values = [int(field) for field in fields]
        except ValueError:
            continue
        counters[name.strip().decode("utf-8", "backslashreplace")] = DeviceCounters(*values)
    return counters
