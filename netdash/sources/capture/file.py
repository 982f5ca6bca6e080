"""A capture file of either format, plain or packed, as batches of packets from its beginning to its end or its cut."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol

from netdash.errors import NetdashError
from netdash.sources.capture.pcap import PcapFormat
from netdash.sources.capture.pcapng import PcapngFormat
from netdash.sources.capture.records import CapturedInterface, RecordBatch
from netdash.sources.capture.stream import BUFFER_BYTES, ByteStream, open_stream
from netdash.sources.open_file import PCAPNG_MAGIC, OpenedFile

_LARGEST_FILE_HEADER: Final = 24


class CaptureFormat(Protocol):
    """Parses pieces of one file that follow each other."""

    interfaces: list[CapturedInterface]
    comments: list[str]
    damage: str | None
    lost_packets: int

    def parse(self, data: bytearray, start: int, end: int) -> tuple[RecordBatch | None, int]:
        """The whole packets between `start` and `end`, if any, and where to go on."""


@dataclass(slots=True)
class ReadState:
    """How far a pass over a file has come, and what it found."""

    format: CaptureFormat
    position: int = 0
    """Bytes of the file (packed, if it is) that were read."""
    notes: list[str] = field(default_factory=list)
    """What could not be read, a sentence each."""


class CaptureFile:
    """Reads one open file as often as is wanted; passes may run at the same time."""

    def __init__(self, opened: OpenedFile) -> None:
        """Takes the file over. Raises NetdashError where its header is cut."""
        self.path = opened.path
        self.shown_path = opened.shown_path
        self._file = opened.file
        self._compressed = opened.compressed
        self._span_state: ReadState | None = None
        self.size_bytes = os.fstat(opened.file.fileno()).st_size
        try:
            self._head = self._read_head()
        except NetdashError:
            self._file.close()
            raise

    def _read_head(self) -> bytes:
        room = bytearray(_LARGEST_FILE_HEADER)
        head = bytes(room[: open_stream(self._file, self._compressed).read_into(memoryview(room))])
        if _open_format(head) is None:
            raise NetdashError(
                f"{self.shown_path} is cut within its first {_LARGEST_FILE_HEADER} bytes: nothing to read"
            )
        return head

    def begin(self) -> ReadState:
        """The state of a new pass, to be given to `batches`."""
        opened = _open_format(self._head)
        assert opened is not None
        return ReadState(opened[0])

    def batches(self, state: ReadState) -> Iterator[RecordBatch]:
        """All packets in their order. Ends at the end, or where the rest cannot be read, with a note in `state`.

        A batch lies in a buffer that the next one uses again.
        """
        opened = _open_format(self._head)
        assert opened is not None
        return _parse(open_stream(self._file, self._compressed), state, opened[1])

    def span_ns(self) -> tuple[int, int]:
        """Times of the earliest and the latest packet, nanoseconds since the epoch; reads the whole file.

        0 and 0 where there is no packet.
        """
        earliest, latest = None, 0
        self._span_state = self.begin()
        for records in self.batches(self._span_state):
            lowest = int(records.time_ns.min())
            earliest = lowest if earliest is None else min(earliest, lowest)
            latest = max(latest, int(records.time_ns.max()))
        return earliest or 0, latest

    def span_progress(self) -> float:
        """How far `span_ns` has come, 0 to 1."""
        return 0.0 if self._span_state is None else self._span_state.position / max(1, self.size_bytes)

    def close(self) -> None:
        """Closes the file; passes under way end."""
        self._file.close()


def _parse(stream: ByteStream, state: ReadState, skip: int) -> Iterator[RecordBatch]:
    reader = state.format
    buffer, filled = bytearray(BUFFER_BYTES), 0
    begin_bytes, position = 0, skip
    while True:
        if filled == len(buffer):
            # A packet that is longer than the buffer; MAX_BLOCK_BYTES bounds it.
            buffer = buffer + bytes(len(buffer))
        count = stream.read_into(memoryview(buffer)[filled:])
        filled += count
        state.position = stream.position
        while reader.damage is None:
            batch, following = reader.parse(buffer, position, filled)
            if batch is not None:
                yield batch
            elif following == position:
                break
            position = following
        if reader.damage is not None or not count:
            state.notes += _ending(stream, reader, begin_bytes + position, filled - position)
            return
        rest = filled - position
        buffer[:rest] = buffer[position:filled]
        begin_bytes, position, filled = begin_bytes + position, 0, rest


def _ending(stream: ByteStream, reader: CaptureFormat, position: int, left_bytes: int) -> list[str]:
    """What is wrong with the file's end, if anything."""
    if reader.damage is not None:
        return [f"the file is damaged at byte {position} ({reader.damage}): it was read up to there"]
    if stream.failure is not None:
        return [f"the file cannot be read to its end ({stream.failure}): it was read up to byte {position}"]
    if left_bytes:
        return [f"the file is cut within a packet: its last {left_bytes} bytes are not counted"]
    return []


def _open_format(head: bytes) -> tuple[CaptureFormat, int] | None:
    """The format and how many bytes of the file are its header."""
    if head[:4] == PCAPNG_MAGIC:
        return PcapngFormat(), 0
    return PcapFormat.from_header(head)
