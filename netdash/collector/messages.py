"""What collector and dashboard say to each other over their socket pair: framed, bounded, checked.

A frame is its length (u32, little endian, of what follows), one byte of kind, and the body.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final

import msgspec

from netdash.model.packets import PacketDelivery, PacketWatch
from netdash.model.recording_status import RecordingStatus

_HEADER: Final = struct.Struct("<IB")
HEADER_BYTES: Final = _HEADER.size

MAX_FRAME_BYTES: Final = 1 << 30
MAX_COMMAND_BYTES: Final = 1 << 18
"""A watch of as many flows as there may be."""


class Kind(IntEnum):
    """What a frame's body is."""

    SNAPSHOT = 1
    """An encoded snapshot (netdash.model.codec)."""
    FAILURE = 2
    """UTF-8 text, one line; the collector ends after it."""
    END = 3
    """Empty: the collector ends as asked."""
    COMMAND = 4
    """An encoded command, towards the collector."""
    PACKETS = 5
    """An encoded packet delivery (netdash.model.packets)."""
    RECORDING = 6
    """An encoded RecordingStatus."""


class FrameError(ValueError):
    """The bytes are not a frame of this program."""


def encode_frame(kind: Kind, body: bytes) -> bytes:
    """Header and body."""
    return _HEADER.pack(len(body) + 1, kind) + body


def decode_header(header: bytes) -> tuple[int, Kind]:
    """Length of the body and its kind. Raises FrameError."""
    length, number = _HEADER.unpack(header)
    try:
        kind = Kind(number)
    except ValueError as error:
        raise FrameError(f"a frame of unknown kind {number}") from error
    if not 1 <= length <= MAX_FRAME_BYTES:
        raise FrameError(f"a frame of {length} bytes")
    return length - 1, kind


class SetInterval(msgspec.Struct, frozen=True, tag=True):
    """Another interval from the next snapshot on."""

    seconds: float


class Stop(msgspec.Struct, frozen=True, tag=True):
    """The end: one last snapshot, then `Kind.END`."""


class WatchPackets(msgspec.Struct, frozen=True, tag=True):
    """Deliver these packets from now on, instead of those asked for before; None: no packets any more."""

    number: int
    """Comes back in each delivery. The same as before: what was seen until now is still delivered."""
    watch: PacketWatch | None


class SetRecording(msgspec.Struct, frozen=True, tag=True):
    """Starts a recording, or ends it."""

    on: bool


Command = SetInterval | Stop | WatchPackets | SetRecording

_ENCODER: Final = msgspec.msgpack.Encoder()
_DELIVERIES: Final = msgspec.msgpack.Decoder(PacketDelivery)
_DECODER: Final = msgspec.msgpack.Decoder(Command)
_STATUS_DECODER: Final = msgspec.msgpack.Decoder(RecordingStatus)


def encode_command(command: Command) -> bytes:
    """A whole frame."""
    return encode_frame(Kind.COMMAND, _ENCODER.encode(command))


def decode_command(body: bytes) -> Command:
    """The inverse, of a frame's body. Raises FrameError: the collector trusts nothing that it is told."""
    try:
        command: Command = _DECODER.decode(body)
    except (msgspec.DecodeError, ValueError) as error:
        raise FrameError(f"not a command: {error}") from error
    return command


def encode_delivery(delivery: PacketDelivery) -> bytes:
    """A whole frame."""
    return encode_frame(Kind.PACKETS, _ENCODER.encode(delivery))


def decode_delivery(body: bytes | memoryview) -> PacketDelivery:
    """The inverse, of a frame's body. Raises FrameError."""
    try:
        return _DELIVERIES.decode(body)
    except (msgspec.DecodeError, ValueError) as error:
        raise FrameError(f"not a packet delivery: {error}") from error


def encode_status(status: RecordingStatus) -> bytes:
    """The body of a frame, and what goes through the closing pipe."""
    return _ENCODER.encode(status)


def decode_status(body: bytes | memoryview) -> RecordingStatus:
    """The inverse. Raises FrameError."""
    try:
        return _STATUS_DECODER.decode(body)
    except (msgspec.DecodeError, ValueError) as error:
        raise FrameError(f"not a status: {error}") from error
