"""A program for tests: starts a collector, asks for the packets that a line on stdin describes, prints each delivery.

`python -m tests.integration.packet_reader NAMESPACE`; a line is an encoded PacketWatch (JSON, addresses in base64) or
`null`; with a `+` before it, the present watch is changed to it. Ends with stdin.
"""

from __future__ import annotations

import asyncio
import sys

import msgspec

from netdash.collector.process import start_collector
from netdash.model.packets import PacketWatch
from netdash.options import Options
from netdash.sources.live import LiveSource


async def _main(source: LiveSource) -> None:
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)

    async def snapshots() -> None:
        async for snapshot in source.snapshots():
            print("snapshot", snapshot.mode.flows, len(snapshot.flows), flush=True)  # noqa: T201

    async def deliveries() -> None:
        async for delivery in source.packets():
            print(msgspec.json.encode(delivery).decode(), flush=True)  # noqa: T201

    reading = [asyncio.create_task(snapshots()), asyncio.create_task(deliveries())]
    async for line in lines:
        if line.startswith(b"+"):
            await source.change_watch(msgspec.json.decode(line[1:], type=PacketWatch))
        else:
            await source.watch_packets(msgspec.json.decode(line, type=PacketWatch | None))
    await source.stop()
    await asyncio.gather(*reading)
    await source.close()


if __name__ == "__main__":
    asyncio.run(_main(LiveSource(start_collector(Options(delay_seconds=0.2, network_namespace=sys.argv[1])))))
