"""Capture files of the next generation: draft-ietf-opsawg-pcapng."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.kernel.byte_windows import load_headers
from netdash.sources.capture.pcapng_options import (
    PacketOptions,
    interface_drops,
    interface_name,
    read_options,
    time_scale,
)
from netdash.sources.capture.records import (
    MAX_BLOCK_BYTES,
    MAX_INTERFACES,
    NO_COMMENT,
    CapturedInterface,
    RecordBatch,
)
from netdash.sources.capture.runs import LONG_LOOP, SHORT_LOOP, equal_run
from netdash.sources.capture.time_scale import TimeScale

_SECTION, _INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _STATISTICS, _PACKET = 0x0A0D0D0A, 1, 2, 3, 5, 6
_BYTE_ORDER_MAGIC: Final = 0x1A2B3C4D
_SMALLEST_BLOCK: Final = 12
_PACKET_FIELDS: Final = 28
"""Bytes from a block's start to the data of an enhanced or an old packet."""
_SIMPLE_FIELDS: Final = 12
_SMALLEST: Final = {_SECTION: 28, _INTERFACE: 20, _OLD_PACKET: 32, _SIMPLE_PACKET: 16, _STATISTICS: 24, _PACKET: 32}
_NO_SNAP_LENGTH: Final = (1 << 63) - 1


@dataclass(slots=True)
class _Section:
    """What a Section Header Block begins."""

    order: str
    interfaces: list[int] = field(default_factory=list)
    """Index into the file's interfaces of each interface block."""
    scales: list[TimeScale] = field(default_factory=list)
    snap_lengths: list[int] = field(default_factory=list)
    drops: dict[int, int] = field(default_factory=dict)


class PcapngFormat:
    """Parses pieces of one file that follow each other."""

    def __init__(self) -> None:
        self.interfaces: list[CapturedInterface] = []
        self.comments: list[str] = []
        """Distinct comments of packets."""
        self.damage: str | None = None
        """Why nothing behind the last batch can be read."""
        self.lost_packets = 0
        """Dropped while capturing, as the file's interface statistics have it."""
        self._numbers: dict[CapturedInterface, int] = {}
        self._section = _Section("<")
        self._options = PacketOptions(self.comments)
        self._last_ns = 0

    def parse(self, data: bytearray, start: int, end: int) -> tuple[RecordBatch | None, int]:
        """The packets between `start` and `end` up to the next section or a block that is not whole, and where that is.

        Without packets the position may still be a later one.
        """
        offsets, kinds, following = self._walk(data, start, end)
        if not offsets:
            return None, following
        buffer = np.frombuffer(data, np.uint8, end)
        return self._describe(buffer, np.array(offsets), np.array(kinds, np.uint32)), following

    def _walk(self, data: bytearray, start: int, end: int) -> tuple[list[int], list[int], int]:
        """Offsets and types of packet blocks; blocks of other kinds are read on the way."""
        offsets: list[int] = []
        kinds: list[int] = []
        head = struct.Struct(f"{self._section.order}II").unpack_from
        tail = struct.Struct(f"{self._section.order}I").unpack_from
        position, last = start, end - _SMALLEST_BLOCK
        patience = loop = 1
        while position <= last:
            kind, length = head(data, position)
            if kind == _SECTION:
                if offsets:
                    break
                if not self._begin_section(data, position):
                    break
                head = struct.Struct(f"{self._section.order}II").unpack_from
                tail = struct.Struct(f"{self._section.order}I").unpack_from
                _, length = head(data, position)
            if length < _SMALLEST.get(kind, _SMALLEST_BLOCK) or length % 4 or length > MAX_BLOCK_BYTES:
                self.damage = f"a block of {length} bytes"
                break
            following = position + length
            if following > end:
                break
            if tail(data, following - 4)[0] != length:
                self.damage = "a block whose two lengths differ"
                break
            if kind in (_PACKET, _OLD_PACKET, _SIMPLE_PACKET):
                offsets.append(position)
                kinds.append(kind)
                if kind == _PACKET:
                    patience -= 1
                    if not patience:
                        run = self._equal_blocks(data, position, length, end)
                        offsets += range(following, position + run * length, length)
                        kinds += [_PACKET] * (run - 1)
                        following = position + max(run, 1) * length
                        loop = SHORT_LOOP if run else min(2 * loop, LONG_LOOP)
                        patience = loop
            elif kind == _INTERFACE:
                self._add_interface(bytes(data[position + 8 : following - 4]))
            elif kind == _STATISTICS:
                self._add_statistics(bytes(data[position + 8 : following - 4]))
            position = following
        return offsets, kinds, position

    def _equal_blocks(self, data: bytearray, position: int, length: int, end: int) -> int:
        """How many packet blocks of this length follow each other from `position` on; 0 where too few to matter."""
        # Type and length are one word of 64 bits; the length stands once more at the block's end.
        order = self._section.order
        heads = equal_run(data, position, length, end - position, f"{order}u8")
        return equal_run(data, position + length - 4, length, heads * length, f"{order}u4") if heads else 0

    def _begin_section(self, data: bytearray, position: int) -> bool:
        """Reads the byte order; false where that is not possible."""
        for order in ("<", ">"):
            if struct.unpack_from(f"{order}I", data, position + 8)[0] == _BYTE_ORDER_MAGIC:
                self._section = _Section(order)
                self._options.forget()
                return True
        self.damage = "a section without byte order"
        return False

    def _add_interface(self, body: bytes) -> None:
        section = self._section
        link_type, _, snap_length = struct.unpack_from(f"{section.order}HHI", body)
        options = read_options(body[8:], section.order)
        name = interface_name(options) or f"if{len(section.interfaces)}"
        found = CapturedInterface(name, link_type)
        index = self._numbers.get(found, MAX_INTERFACES - 1)
        if found not in self._numbers and len(self.interfaces) < MAX_INTERFACES:
            # The same interface in another section is the same interface.
            index = self._numbers[found] = len(self.interfaces)
            self.interfaces.append(found)
        if len(section.interfaces) < MAX_INTERFACES:
            section.interfaces.append(index)
            section.scales.append(time_scale(options, section.order))
            section.snap_lengths.append(snap_length or _NO_SNAP_LENGTH)

    def _add_statistics(self, body: bytes) -> None:
        section = self._section
        (interface,) = struct.unpack_from(f"{section.order}I", body)
        if interface >= len(section.interfaces):
            return
        drops = interface_drops(read_options(body[12:], section.order), section.order)
        before = section.drops.get(interface, 0)
        # Each block holds the count since the start of the capture.
        self.lost_packets += max(0, drops - before)
        section.drops[interface] = max(drops, before)

    def _describe(
        self, buffer: NDArray[np.uint8], blocks: NDArray[np.int64], kinds: NDArray[np.uint32]
    ) -> RecordBatch | None:
        """The packets of blocks whose interface the file describes; others cannot be understood."""
        section = self._section
        word = f"{section.order}u4"
        names = ("length", "interface", "time_high", "time_low", "captured", "original")
        layout = np.dtype({"names": names, "formats": [word] * 6, "offsets": [4, 8, 12, 16, 20, 24], "itemsize": 28})
        header = load_headers(buffer, blocks, np.minimum(len(buffer) - blocks, _PACKET_FIELDS), layout)
        length = header["length"].astype(np.int64)
        interface = header["interface"].astype(np.int64)
        old, simple = kinds == _OLD_PACKET, kinds == _SIMPLE_PACKET
        # Old packet blocks: 16 bits of interface, then 16 bits of a drop counter.
        interface[old] = interface[old] & 0xFFFF if section.order == "<" else interface[old] >> 16
        original = np.where(simple, interface, header["original"].astype(np.int64))
        interface[simple] = 0
        known = interface < len(section.interfaces)
        if not known.all():
            self.damage = self.damage or "packets of an interface that the file does not describe"
            blocks, kinds, header = blocks[known], kinds[known], header[known]
            length, interface, original = length[known], interface[known], original[known]
            simple = simple[known]
        if not len(blocks):
            return None
        fields = np.where(simple, _SIMPLE_FIELDS, _PACKET_FIELDS)
        room = length - fields - 4
        snap_length = np.array(section.snap_lengths)[interface]
        captured = np.where(simple, np.minimum(original, snap_length), header["captured"].astype(np.int64))
        captured = np.minimum(captured, room)
        flags, comment = np.zeros(len(blocks), np.uint32), np.full(len(blocks), NO_COMMENT)
        options_at = blocks + fields + (captured + 3) // 4 * 4
        options_end = blocks + length - 4
        for row in np.flatnonzero((options_end - options_at >= 4) & ~simple).tolist():
            flags[row], comment[row] = self._options.read(
                buffer[options_at[row] : options_end[row]].tobytes(), section.order
            )
        return RecordBatch(
            buffer=buffer,
            data_offset=blocks + fields,
            captured_bytes=captured,
            original_bytes=np.maximum(original, captured),
            time_ns=self._times(header, interface, simple),
            interface=np.array(section.interfaces)[interface],
            flags=flags,
            comment=comment,
        )

    def _times(
        self, header: NDArray[np.void], interface: NDArray[np.int64], simple: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        ticks = (header["time_high"].astype(np.uint64) << np.uint64(32)) | header["time_low"]
        time_ns = np.zeros(len(header), np.int64)
        for number in np.unique(interface).tolist():
            rows = interface == number
            time_ns[rows] = self._section.scales[number].nanoseconds(ticks[rows])
        if simple.any():
            # A simple packet has no time: it came with the packet before it.
            source = np.where(simple, -1, np.arange(len(time_ns)))
            source = np.maximum.accumulate(source)
            time_ns = np.where(source < 0, self._last_ns, time_ns[source])
        self._last_ns = int(time_ns[-1])
        return time_ns
