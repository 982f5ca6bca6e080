"""The collector's end of the socket pair: whole frames in order, whatever the reader's pace."""

from __future__ import annotations

import asyncio
import socket

from netdash.collector.channel import SnapshotChannel
from netdash.collector.messages import HEADER_BYTES, Kind, decode_header
from netdash.model.codec import decode_snapshot
from netdash.model.snapshot import Snapshot
from tests.unit.model.builders import flow_rows, snapshot

_FLOWS = 4000
"""A frame that no socket buffer of this test takes at once."""


def _large(number: int) -> Snapshot:
    flows = flow_rows({"rx_bytes": 10**number}).repeat(_FLOWS)
    flows["id"] = range(1, _FLOWS + 1)
    return snapshot(flows=flows)


async def test_the_last_frame_waits_for_snapshots_that_a_slow_reader_has_not_taken() -> None:
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    channel = SnapshotChannel(theirs, lambda _: None, lambda: None)
    for number in range(3):
        channel.send(_large(number))
    finished = asyncio.create_task(channel.finish(Kind.END))
    reader, writer = await asyncio.open_connection(sock=ours)
    received: list[int] = []
    while True:
        length, kind = decode_header(await reader.readexactly(HEADER_BYTES))
        body = await reader.readexactly(length)
        if kind is Kind.END:
            break
        received.append(int(decode_snapshot(body).flows["rx_bytes"].sum()))
    await finished
    channel.close()
    writer.close()
    # The first went out at once; the others waited for the reader and became one.
    assert received == [_FLOWS, (10 + 100) * _FLOWS]
