"""What both capture formats give: packets in one buffer with their places, lengths and times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

MAX_BLOCK_BYTES: Final = 16 << 20
"""A longer record is damage: libpcap takes no packet above 256 KiB, and other blocks are no longer than that."""

MAX_INTERFACES: Final = 4096
NAME_LIMIT: Final = 32
"""Characters of an interface's name that are shown; within them, names differ."""
"""Interfaces of one file; packets of those beyond count in the last one."""

NO_COMMENT: Final = -1

INBOUND, OUTBOUND = 1, 2
"""Direction of a packet (pcapng epb_flags, bits 0 and 1); 0 = not told."""


@dataclass(frozen=True, slots=True)
class CapturedInterface:
    """One interface of a file."""

    name: str
    """As the file has it, not yet sanitised."""
    link_type: int
    """LINKTYPE_ number of https://www.tcpdump.org/linktypes.html."""


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """n packets that follow each other in a file."""

    buffer: NDArray[np.uint8]
    """The bytes that all packets lie in; they change when the next batch is read."""
    data_offset: NDArray[np.int64]
    """Where each packet's link-layer header begins."""
    captured_bytes: NDArray[np.int64]
    """Bytes of the packet that are in the buffer."""
    original_bytes: NDArray[np.int64]
    """Length of the packet as it was captured, before it was cut to the snap length."""
    time_ns: NDArray[np.int64]
    """Nanoseconds since the epoch."""
    interface: NDArray[np.int64]
    """Index into the file's interfaces."""
    flags: NDArray[np.uint32]
    """epb_flags, 0 where not told."""
    comment: NDArray[np.int64]
    """Index into the file's distinct comments, NO_COMMENT where there is none."""

    def __len__(self) -> int:
        return len(self.data_offset)
