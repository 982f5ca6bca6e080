"""Classic capture files: draft-ietf-opsawg-pcap, pcap-savefile(5)."""

from __future__ import annotations

import struct
from typing import Final, Self

import numpy as np

from netdash.kernel.byte_windows import load_headers
from netdash.sources.capture.records import MAX_BLOCK_BYTES, NO_COMMENT, CapturedInterface, RecordBatch
from netdash.sources.capture.runs import LONG_LOOP, SHORT_LOOP, equal_run

_FILE_HEADER_BYTES: Final = 24
_RECORD_BYTES: Final = 16
_NANOSECOND_MAGIC: Final = 0xA1B23C4D
_MAGICS: Final = (0xA1B2C3D4, _NANOSECOND_MAGIC)
_LINK_TYPE_MASK: Final = 0xFFFF
"""The upper half of the network field tells of frame check sequences."""

_INTERFACE_NAME: Final = "capture"
"""The format has no names."""


class PcapFormat:
    """Parses pieces of one file that follow each other."""

    def __init__(self, order: str, nanoseconds: bool, link_type: int) -> None:
        self.interfaces = [CapturedInterface(_INTERFACE_NAME, link_type)]
        self.comments: list[str] = []
        self.damage: str | None = None
        """Why nothing behind the last batch can be read."""
        self.lost_packets = 0
        self._captured_length = struct.Struct(f"{order}I")
        self._fraction_ns = 1 if nanoseconds else 1000
        self._word = f"{order}u4"
        names = ("seconds", "fraction", "captured", "original")
        self._header = np.dtype([(name, self._word) for name in names])

    @classmethod
    def from_header(cls, head: bytes) -> tuple[Self, int] | None:
        """The format and the length of the file header; None where `head` is none or is cut."""
        if len(head) < _FILE_HEADER_BYTES:
            return None
        for order in ("<", ">"):
            magic, _, _, _, _, network = struct.unpack_from(f"{order}IIIIII", head)
            if magic in _MAGICS:
                return cls(order, magic == _NANOSECOND_MAGIC, network & _LINK_TYPE_MASK), _FILE_HEADER_BYTES
        return None

    def parse(self, data: bytearray, start: int, end: int) -> tuple[RecordBatch | None, int]:
        """The whole records between `start` and `end`, and where the first one begins that is not whole."""
        offsets, following = self._walk(data, start, end)
        if not offsets:
            return None, following
        count = len(offsets)
        buffer = np.frombuffer(data, np.uint8, end)
        records = np.array(offsets, np.int64)
        header = load_headers(buffer, records, np.full(count, _RECORD_BYTES), self._header)
        captured = header["captured"].astype(np.int64)
        time_ns = header["seconds"].astype(np.int64) * 1_000_000_000
        time_ns += header["fraction"].astype(np.int64) * self._fraction_ns
        batch = RecordBatch(
            buffer=buffer,
            data_offset=records + _RECORD_BYTES,
            captured_bytes=captured,
            original_bytes=np.maximum(header["original"].astype(np.int64), captured),
            time_ns=time_ns,
            interface=np.zeros(count, np.int64),
            flags=np.zeros(count, np.uint32),
            comment=np.full(count, NO_COMMENT),
        )
        return batch, following

    def _walk(self, data: bytearray, start: int, end: int) -> tuple[list[int], int]:
        # A loop, as each record only tells how long it is; 0.1 µs a packet.
        offsets: list[int] = []
        append, captured_length = offsets.append, self._captured_length.unpack_from
        position, last, patience = start, end - _RECORD_BYTES, SHORT_LOOP
        while position <= last:
            stride = _RECORD_BYTES + captured_length(data, position + 8)[0]
            run = equal_run(data, position + 8, stride, end - position, self._word)
            offsets += range(position, position + run * stride, stride)
            position += run * stride
            patience = SHORT_LOOP if run else min(2 * patience, LONG_LOOP)
            for _ in range(patience):
                if position > last:
                    break
                (captured,) = captured_length(data, position + 8)
                following = position + _RECORD_BYTES + captured
                if following > end:
                    if captured > MAX_BLOCK_BYTES:
                        self.damage = f"a packet of {captured} bytes"
                    return offsets, position
                append(position)
                position = following
        return offsets, position
