"""The collector's end of the socket pair: the newest snapshot and watched packets go out, commands come in."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from netdash.collector.messages import (
    HEADER_BYTES,
    MAX_COMMAND_BYTES,
    Command,
    FrameError,
    Kind,
    decode_command,
    decode_header,
    encode_delivery,
    encode_frame,
    encode_status,
)
from netdash.model.codec import encode_snapshot
from netdash.model.merge import merge
from netdash.model.packets import PacketDelivery, join_deliveries
from netdash.model.recording_status import RecordingStatus
from netdash.model.snapshot import Snapshot

_READ_BYTES: Final = 1 << 16


class SnapshotChannel:
    """Never blocks and never queues: while the reader is busy with one frame, later snapshots merge into one.

    So a reader that was stopped for a minute gets one snapshot of that minute, and no byte is missing in its totals.
    """

    def __init__(self, connection: socket.socket, on_command: Callable[[Command], None], on_end: Callable[[], None]):
        connection.setblocking(False)
        self._socket = connection
        self._loop = asyncio.get_running_loop()
        self._on_command = on_command
        self._on_end = on_end
        self._incoming = bytearray()
        self._outgoing = memoryview(b"")
        self._pending: Snapshot | None = None
        self._packets: PacketDelivery | None = None
        self._status: RecordingStatus | None = None
        """Not sent yet; goes out before the next snapshot."""
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        self._loop.add_reader(connection.fileno(), self._read)

    def send(self, snapshot: Snapshot) -> None:
        """Hands over a snapshot; the baseline is never merged away, since nothing comes before it."""
        self._pending = snapshot if self._pending is None else merge(self._pending, snapshot)
        if self._idle.is_set():
            self._next()

    def send_packets(self, delivery: PacketDelivery) -> None:
        """Hands over watched packets; while the reader is busy, at most a second's of them wait."""
        self._packets = delivery if self._packets is None else join_deliveries(self._packets, delivery)
        if self._idle.is_set():
            self._next()

    def tell(self, status: RecordingStatus) -> None:
        """Hands over how the recording stands; the newest counts."""
        self._status = status
        if self._idle.is_set():
            self._next()

    async def finish(self, kind: Kind, text: str = "") -> None:
        """Waits until everything went out, then sends a last frame of `kind`."""
        await self._wait_until_idle()
        if not self._closed:
            self._start(encode_frame(kind, text.encode()))
            await self._wait_until_idle()

    def close(self) -> None:
        """Closes the connection."""
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._socket.fileno())
            self._loop.remove_writer(self._socket.fileno())
            self._socket.close()
            self._idle.set()

    async def _wait_until_idle(self) -> None:
        # One wait is not enough: before the waiter runs, the frame after may have begun.
        while not self._idle.is_set():
            await self._idle.wait()

    def _next(self) -> None:
        if self._closed:
            return
        if self._status is not None:
            status, self._status = self._status, None
            self._start(encode_frame(Kind.RECORDING, encode_status(status)))
        elif self._pending is not None:
            pending, self._pending = self._pending, None
            self._start(encode_frame(Kind.SNAPSHOT, encode_snapshot(pending)))
        elif self._packets is not None:
            packets, self._packets = self._packets, None
            self._start(encode_delivery(packets))

    def _start(self, frame: bytes) -> None:
        self._outgoing = memoryview(frame)
        self._idle.clear()
        self._write()

    def _write(self) -> None:
        try:
            while self._outgoing:
                self._outgoing = self._outgoing[self._socket.send(self._outgoing) :]
        except BlockingIOError:
            self._loop.add_writer(self._socket.fileno(), self._write)
            return
        except OSError:
            self._end()
            return
        self._loop.remove_writer(self._socket.fileno())
        self._idle.set()
        self._next()

    def _read(self) -> None:
        try:
            data = self._socket.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._end()
            return
        self._incoming += data
        try:
            self._take_commands()
        except FrameError:
            # Whoever sends this is not the dashboard: end rather than guess.
            self._end()

    def _take_commands(self) -> None:
        while len(self._incoming) >= HEADER_BYTES:
            length, kind = decode_header(bytes(self._incoming[:HEADER_BYTES]))
            if kind is not Kind.COMMAND or length > MAX_COMMAND_BYTES:
                raise FrameError("not a command")
            if len(self._incoming) < HEADER_BYTES + length:
                return
            body = bytes(self._incoming[HEADER_BYTES : HEADER_BYTES + length])
            del self._incoming[: HEADER_BYTES + length]
            self._on_command(decode_command(body))

    def _end(self) -> None:
        self.close()
        self._on_end()
