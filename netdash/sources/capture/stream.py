"""The bytes of a file from its beginning, unpacked where they are packed (gzip, RFC 1952)."""

from __future__ import annotations

import os
import zlib
from typing import BinaryIO, Final, Protocol

BUFFER_BYTES: Final = 1 << 22
_PACKED_BYTES: Final = 1 << 18
_GZIP: Final = 16 + zlib.MAX_WBITS


class ByteStream(Protocol):
    """Reads on from where it is; independent of other streams of the same file."""

    failure: str | None
    """Why what follows cannot be read."""

    @property
    def position(self) -> int:
        """Bytes of the file that were read."""

    def read_into(self, room: memoryview) -> int:
        """Fills `room`; fewer bytes at the end and before a failure, 0 afterwards. Returns how many."""


class PlainStream:
    """A file as it is."""

    def __init__(self, file: BinaryIO) -> None:
        self.position = 0
        self.failure: str | None = None
        self._file = file

    def read_into(self, room: memoryview) -> int:
        """See ByteStream."""
        try:
            count = os.preadv(self._file.fileno(), [room], self.position)
        except OSError as error:
            self.failure = error.strerror or str(error)
            return 0
        except ValueError:
            self.failure = "it was closed"
            return 0
        self.position += count
        return count


class GzipStream:
    """What a gzip file holds: all of its members, one after the other."""

    def __init__(self, file: BinaryIO) -> None:
        self.failure: str | None = None
        self._packed = PlainStream(file)
        self._member = zlib.decompressobj(_GZIP)
        self._buffer = memoryview(bytearray(_PACKED_BYTES))
        self._input: bytes | memoryview = b""
        self._fresh = True
        """Nothing of the present member was read."""

    @property
    def position(self) -> int:
        """Packed bytes read."""
        return self._packed.position

    def read_into(self, room: memoryview) -> int:
        """See ByteStream."""
        filled = 0
        while filled < len(room) and self.failure is None:
            if not self._input:
                self._input = self._buffer[: self._packed.read_into(self._buffer)]
                if not self._input:
                    self.failure = self._packed.failure or (None if self._fresh else "it is cut")
                    break
            try:
                part = self._member.decompress(self._input, len(room) - filled)
            except zlib.error as error:
                self.failure = str(error)
                break
            self._fresh = False
            self._input = self._member.unconsumed_tail
            if self._member.eof:
                # Zeros behind a member are padding.
                self._input = self._member.unused_data.lstrip(b"\0")
                self._member, self._fresh = zlib.decompressobj(_GZIP), True
            room[filled : filled + len(part)] = part
            filled += len(part)
        return filled


def open_stream(file: BinaryIO, compressed: bool) -> ByteStream:
    """A new stream from the file's beginning."""
    return GzipStream(file) if compressed else PlainStream(file)
