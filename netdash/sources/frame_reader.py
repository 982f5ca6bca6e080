"""Frames of the collector, received where they stay."""

from __future__ import annotations

import asyncio
from typing import Final

import numpy as np

from netdash.collector.messages import HEADER_BYTES, FrameError, Kind, decode_header

_ENDED: Final = "the connection was closed"


class FrameReader(asyncio.BufferedProtocol):
    """One frame after the other, each in a buffer of its own.

    A frame of 100,000 flows has 12 MB. An asyncio stream joins it of pieces and copies it once more, each time into
    new memory, and no key is obeyed meanwhile; here the kernel writes it to its place.
    """

    _transport: asyncio.Transport

    def __init__(self) -> None:
        self._kind: Kind | None = None
        """Of the frame whose body is being received; None: a header is."""
        self._place = memoryview(bytearray(HEADER_BYTES))
        self._received_bytes = 0
        self._frame: tuple[Kind, memoryview] | None = None
        self._error: Exception | None = None
        self._changed = asyncio.Event()

    async def next(self) -> tuple[Kind, memoryview]:
        """The next frame's kind and body. While one waits to be taken, no other is received. Raises FrameError, and
        ConnectionError once the connection has ended."""
        while self._frame is None:
            if self._error is not None:
                raise self._error
            self._changed.clear()
            await self._changed.wait()
        frame, self._frame = self._frame, None
        if self._error is None:
            self._transport.resume_reading()
        return frame

    def write(self, data: bytes) -> None:
        """Sends, unless the connection has ended."""
        if not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        """Ends the connection."""
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Of asyncio."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        """Of asyncio: where what comes is to be written."""
        return self._place[self._received_bytes :]

    def buffer_updated(self, nbytes: int) -> None:
        """Of asyncio: so much was written there."""
        self._received_bytes += nbytes
        if self._received_bytes < len(self._place):
            return
        if self._kind is not None:
            self._complete(self._kind, self._place)
            return
        try:
            length, kind = decode_header(bytes(self._place))
        except FrameError as error:
            self._end(error)
            self._transport.close()
            return
        if length:
            # Unlike a bytearray it is not filled with zeros.
            self._receive(kind, np.empty(length, np.uint8).data)
        else:
            self._complete(kind, memoryview(b""))

    def _receive(self, kind: Kind | None, place: memoryview) -> None:
        self._kind, self._place, self._received_bytes = kind, place, 0

    def _complete(self, kind: Kind, body: memoryview) -> None:
        self._receive(None, memoryview(bytearray(HEADER_BYTES)))
        self._frame = kind, body
        self._transport.pause_reading()
        self._changed.set()

    def eof_received(self) -> None:
        """Of asyncio: the other end has sent its last byte."""
        self._end(ConnectionError(_ENDED))

    def connection_lost(self, exc: Exception | None) -> None:
        """Of asyncio."""
        self._end(exc if isinstance(exc, ConnectionError) else ConnectionError(_ENDED))

    def _end(self, error: Exception) -> None:
        if self._error is None:
            self._error = error
            self._changed.set()
