"""What `-r FILE` is given: a recording of this program or a capture file, told by its first bytes."""

from __future__ import annotations

import gzip
import os
import stat
import zlib
from contextlib import ExitStack
from dataclasses import dataclass
from enum import Enum
from io import BufferedReader, FileIO
from typing import BinaryIO, Final

from netdash.errors import NetdashError
from netdash.model.sanitize import sanitize

SQLITE_MAGIC: Final = b"SQLite format 3\0"
"""First bytes of a recording (https://www.sqlite.org/fileformat.html, 1.3)."""

GZIP_MAGIC: Final = b"\x1f\x8b"
"""RFC 1952, 2.3.1."""

PCAP_MAGICS: Final = frozenset(
    number.to_bytes(4, order) for number in (0xA1B2C3D4, 0xA1B23C4D) for order in ("little", "big")
)
"""Microseconds and nanoseconds, in both byte orders (draft-ietf-opsawg-pcap, 4)."""

PCAPNG_MAGIC: Final = b"\x0a\x0d\x0d\x0a"
"""Type of the Section Header Block (draft-ietf-opsawg-pcapng, 4.1)."""

_PATH_LIMIT: Final = 200


class FileKind(Enum):
    """What a file holds."""

    RECORDING = "recording"
    CAPTURE = "capture"


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """A file that is open for reading, at its beginning, and what it holds."""

    path: str
    kind: FileKind
    file: BinaryIO
    compressed: bool

    @property
    def shown_path(self) -> str:
        """The path, fit for the screen."""
        return sanitize(self.path, _PATH_LIMIT)


def open_file(path: str) -> OpenedFile:
    """Opens `path` and recognises it by content. Raises NetdashError in one line where it is neither kind."""
    shown = sanitize(path, _PATH_LIMIT)
    try:
        # A FIFO's open would wait for a writer.
        file = BufferedReader(FileIO(path, opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise NetdashError(f"cannot read {shown}: {reason}; name a readable capture file or recording") from error
    with ExitStack() as unknown:
        unknown.enter_context(file)
        kind, compressed = _recognise(shown, file)
        file.seek(0)
        unknown.pop_all()
    return OpenedFile(path, kind, file, compressed)


def _recognise(shown: str, file: BinaryIO) -> tuple[FileKind, bool]:
    try:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise NetdashError(f"{shown} is not a regular file; write it to disk first and name that file")
        head = file.read(len(SQLITE_MAGIC))
    except OSError as error:
        raise NetdashError(f"cannot read {shown}: {error.strerror}") from error
    if not head:
        raise NetdashError(f"{shown} is empty; name a capture file or a recording")
    if head == SQLITE_MAGIC:
        return FileKind.RECORDING, False
    compressed = head.startswith(GZIP_MAGIC)
    if compressed:
        head = _first_unpacked(file)
    if head[:4] in PCAP_MAGICS or head[:4] == PCAPNG_MAGIC:
        return FileKind.CAPTURE, compressed
    inside = "what it holds, unpacked," if compressed else "it"
    raise NetdashError(f"{shown}: {inside} is neither a capture file (pcap, pcapng) nor a netdash recording")


def _first_unpacked(file: BinaryIO) -> bytes:
    file.seek(0)
    try:
        return gzip.GzipFile(fileobj=file).read(4)
    except (OSError, EOFError, zlib.error):
        return b""
