"""Frames of a connection, however they are cut on their way."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netdash.collector.messages import HEADER_BYTES, FrameError, Kind, encode_frame
from netdash.sources.frame_reader import FrameReader

_WAIT_SECONDS = 10.0
_MANY_BYTES = 8 << 20


@asynccontextmanager
async def opened() -> AsyncIterator[tuple[FrameReader, socket.socket]]:
    """A reader, and the socket that it reads from the other end of."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    with theirs:
        _, reader = await asyncio.get_running_loop().create_connection(FrameReader, sock=ours)
        try:
            yield reader, theirs
        finally:
            reader.close()


async def send(to: socket.socket, data: bytes) -> None:
    await asyncio.wait_for(asyncio.get_running_loop().sock_sendall(to, data), _WAIT_SECONDS)


async def taken(reader: FrameReader) -> tuple[Kind, bytes]:
    kind, body = await asyncio.wait_for(reader.next(), _WAIT_SECONDS)
    return kind, bytes(body)


@given(
    frames=st.lists(st.tuples(st.sampled_from(Kind), st.binary(max_size=40)), max_size=8),
    cuts=st.lists(st.integers(1, 30)),
)
@settings(max_examples=60, deadline=None)
def test_frames_come_as_they_were_sent(frames: list[tuple[Kind, bytes]], cuts: list[int]) -> None:
    async def run() -> None:
        data = b"".join(encode_frame(kind, body) for kind, body in frames)
        async with opened() as (reader, far):
            for cut in cuts:
                await send(far, data[:cut])
                data = data[cut:]
                await asyncio.sleep(0)  # the reader has its turn
            await send(far, data)
            far.shutdown(socket.SHUT_WR)
            assert [await taken(reader) for _ in frames] == frames
            for _ in range(2):
                with pytest.raises(ConnectionError):
                    await taken(reader)

    asyncio.run(run())


async def test_a_large_frame_stays_where_it_was_received() -> None:
    body = bytes(range(256)) * (_MANY_BYTES // 256)
    async with opened() as (reader, far):
        sending = asyncio.ensure_future(send(far, encode_frame(Kind.SNAPSHOT, body) + encode_frame(Kind.END, b"")))
        kind, first = await asyncio.wait_for(reader.next(), _WAIT_SECONDS)
        assert (kind, first.nbytes) == (Kind.SNAPSHOT, _MANY_BYTES)
        assert await taken(reader) == (Kind.END, b"")
        await sending
        assert first == body, "the next frame has a buffer of its own"


async def test_nothing_is_read_ahead_of_a_frame_that_nobody_takes() -> None:
    """So that the collector sees that it is not kept up with, and joins its snapshots."""
    async with opened() as (reader, far):
        frame = encode_frame(Kind.PACKETS, b"x" * 100)
        await send(far, frame)
        filling = asyncio.ensure_future(send(far, encode_frame(Kind.SNAPSHOT, bytes(_MANY_BYTES))))
        done, _ = await asyncio.wait([filling], timeout=0.3)
        assert not done
        assert await taken(reader) == (Kind.PACKETS, b"x" * 100)
        assert (await taken(reader))[0] is Kind.SNAPSHOT
        await filling


@pytest.mark.parametrize("header", [b"\x01\x00\x00\x00\xee", b"\x00\x00\x00\x00\x01", b"\xff\xff\xff\xff\x01"])
async def test_what_is_no_frame_is_refused(header: bytes) -> None:
    async with opened() as (reader, far):
        assert len(header) == HEADER_BYTES
        await send(far, header)
        with pytest.raises(FrameError):
            await taken(reader)


@pytest.mark.parametrize("cut", [0, 3, HEADER_BYTES, HEADER_BYTES + 5])
async def test_an_end_in_the_middle_is_told(cut: int) -> None:
    async with opened() as (reader, far):
        await send(far, encode_frame(Kind.SNAPSHOT, b"0123456789")[:cut])
        far.close()
        with pytest.raises(ConnectionError):
            await taken(reader)
