"""The collector's loop: one snapshot a tick into the channel, until it is told to stop or its reader is gone."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

from netdash.collector.channel import SnapshotChannel
from netdash.collector.clock import IntervalClock
from netdash.collector.layers import Layers
from netdash.collector.messages import Command, Kind, SetInterval, Stop, WatchPackets
from netdash.collector.packet_watcher import PacketWatcher
from netdash.collector.poller import Collector
from netdash.kernel.capture_filter import compile_capture_filter
from netdash.options import MAX_DELAY_SECONDS, MIN_DELAY_SECONDS, Options


async def collect(
    options: Options,
    connection: socket.socket,
    refused: frozenset[str] = frozenset(),
    on_open: Callable[[Layers], None] = lambda _: None,
) -> None:
    """Runs until a `Stop` command (then a last snapshot goes out) or until the other end is closed.

    `on_open` is called once, when everything that needs privilege is open and no other thread has been started. Raises
    NetdashError when nothing can be collected.
    """
    # Before the readers are opened: the first rates come one interval after the start, not after the start-up.
    expression = options.capture_filter
    capture = None if expression is None else compile_capture_filter(expression)
    clock = IntervalClock(options.delay_seconds)
    collector = await Collector.open(options.interfaces, options.max_flows, refused, capture)
    on_open(collector.layers)
    stopping, gone = asyncio.Event(), asyncio.Event()

    def obey(command: Command) -> None:
        if isinstance(command, SetInterval):
            clock.set_interval(_clamped(command.seconds))
        elif isinstance(command, WatchPackets):
            watcher.ask(command.number, command.watch)
        elif isinstance(command, Stop):
            stopping.set()
            clock.wake()

    def lose() -> None:
        gone.set()
        clock.wake()

    async def take_snapshot() -> None:
        snapshot = await collector.snapshot()
        channel.send(snapshot)
        watcher.refresh(snapshot)

    channel = SnapshotChannel(connection, obey, lose)
    watcher = PacketWatcher(collector.layers.counter, channel.send_packets)
    watching = asyncio.create_task(watcher.run())
    try:
        await take_snapshot()
        while not (stopping.is_set() or gone.is_set()):
            if await clock.tick():
                await take_snapshot()
        if not gone.is_set():
            await take_snapshot()
            await channel.finish(Kind.END)
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
        channel.close()
        await collector.close()


def _clamped(seconds: float) -> float:
    """Within the limits of the command line; a value that is no number gives the shortest."""
    return min(MAX_DELAY_SECONDS, max(MIN_DELAY_SECONDS, seconds)) if seconds == seconds else MIN_DELAY_SECONDS
