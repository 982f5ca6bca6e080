"""Options of pcapng blocks: code, length, value, padded to four bytes (draft-ietf-opsawg-pcapng, 3.5)."""

from __future__ import annotations

import struct
from typing import Final

from netdash.sources.capture.records import NO_COMMENT
from netdash.sources.capture.time_scale import TimeScale

_END, _COMMENT = 0, 1
_INTERFACE_NAME, _TIME_RESOLUTION, _TIME_OFFSET = 2, 9, 14
_PACKET_FLAGS: Final = 2
_INTERFACE_DROPS, _OS_DROPS = 5, 7

_MAX_OPTIONS: Final = 64
"""Options of one block that are read."""

_MAX_TEXT_BYTES: Final = 1024
_MAX_KNOWN: Final = 65_536
"""Distinct sets of options that are remembered, and distinct comments that are kept."""

Options = dict[int, bytes]


def read_options(data: bytes, order: str) -> Options:
    """Code -> value, the first of each; what is cut or beyond 64 options is left out."""
    found: Options = {}
    position = 0
    for _ in range(_MAX_OPTIONS):
        if position + 4 > len(data):
            break
        code, length = struct.unpack_from(f"{order}HH", data, position)
        position += 4
        if code == _END or position + length > len(data):
            break
        found.setdefault(code, data[position : position + length])
        position += (length + 3) // 4 * 4
    return found


def interface_name(options: Options) -> str:
    """if_name; empty where there is none."""
    return _text(options.get(_INTERFACE_NAME, b""))


def time_scale(options: Options, order: str) -> TimeScale:
    """if_tsresol and if_tsoffset; microseconds where the block does not tell."""
    resolution = options.get(_TIME_RESOLUTION, b"")[:1] or b"\x06"
    offset = options.get(_TIME_OFFSET, b"")
    seconds = struct.unpack(f"{order}q", offset)[0] if len(offset) == 8 else 0
    return TimeScale(resolution[0] & 0x7F, bool(resolution[0] & 0x80), seconds)


def interface_drops(options: Options, order: str) -> int:
    """isb_ifdrop and isb_osdrop together."""
    values = (options.get(code, b"") for code in (_INTERFACE_DROPS, _OS_DROPS))
    return sum(struct.unpack(f"{order}Q", value)[0] for value in values if len(value) == 8)


class PacketOptions:
    """Reads the options of packets; the same bytes are read once, as most packets of a connection have the same."""

    def __init__(self, comments: list[str]) -> None:
        """`comments` takes each distinct comment."""
        self._comments = comments
        self._numbers: dict[str, int] = {}
        self._known: dict[bytes, tuple[int, int]] = {}

    def read(self, data: bytes, order: str) -> tuple[int, int]:
        """epb_flags (0: none), and the comment's index in `comments` or NO_COMMENT."""
        known = self._known.get(data)
        if known is None:
            options = read_options(data, order)
            flags = options.get(_PACKET_FLAGS, b"")
            value = struct.unpack(f"{order}I", flags)[0] if len(flags) == 4 else 0
            known = (value, self._number(options.get(_COMMENT)))
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[data] = known
        return known

    def forget(self) -> None:
        """A new section: in another byte order the same bytes mean something else."""
        self._known.clear()

    def _number(self, comment: bytes | None) -> int:
        if comment is None:
            return NO_COMMENT
        text = _text(comment)
        if text not in self._numbers:
            if len(self._comments) >= _MAX_KNOWN:
                return NO_COMMENT
            self._numbers[text] = len(self._comments)
            self._comments.append(text)
        return self._numbers[text]


def _text(value: bytes) -> str:
    return value[:_MAX_TEXT_BYTES].partition(b"\0")[0].decode(errors="replace")
