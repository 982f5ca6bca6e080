"""The collector's loop: one snapshot a tick into the channel, until it is told to stop or its reader is gone."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

from netdash.collector.channel import SnapshotChannel
from netdash.collector.clock import IntervalClock
from netdash.collector.layers import Layers
from netdash.collector.messages import Command, Kind, SetInterval, SetRecording, Stop, WatchPackets
from netdash.collector.packet_watcher import PacketWatcher
from netdash.collector.poller import Collector
from netdash.collector.recorder import Recorder, start_in_thread
from netdash.errors import NetdashError
from netdash.kernel.capture_filter import compile_capture_filter
from netdash.model.recording_status import RecordingStatus
from netdash.options import MAX_DELAY_SECONDS, MIN_DELAY_SECONDS, Options


async def collect(
    options: Options,
    connection: socket.socket,
    refused: frozenset[str] = frozenset(),
    on_open: Callable[[Layers], None] = lambda _: None,
    on_close: Callable[[RecordingStatus], None] = lambda _: None,
    started: float | None = None,
) -> None:
    """Runs until a `Stop` command (then a last snapshot goes out) or until the other end is closed.

    `on_open` is called once, when everything that needs privilege is open and no other thread has been started. Raises
    NetdashError when nothing can be collected. `on_close` is told how a recording ended. `started`: monotonic
    seconds of the program's start, default now: the first rates come one interval after it, not after the start-up.
    """
    expression = options.capture_filter
    capture = None if expression is None else compile_capture_filter(expression)
    clock = IntervalClock(options.delay_seconds, started)
    collector = await Collector.open(options.interfaces, options.max_flows, refused, capture)
    on_open(collector.layers)
    recorder = Recorder(options)
    try:
        if options.log_path is not None:
            recorder.start(options.delay_seconds)
    except NetdashError:
        await collector.close()
        raise
    stopping, gone = asyncio.Event(), asyncio.Event()
    switching, switches = asyncio.Lock(), set[asyncio.Task[None]]()

    def obey(command: Command) -> None:
        if isinstance(command, SetInterval):
            clock.set_interval(_clamped(command.seconds))
        elif isinstance(command, WatchPackets):
            watcher.ask(command.number, command.watch)
        elif isinstance(command, SetRecording):
            task = asyncio.create_task(switch_recording(command.on))
            switches.add(task)
            task.add_done_callback(switches.discard)
        elif isinstance(command, Stop):
            stopping.set()
            clock.wake()

    def lose() -> None:
        gone.set()
        clock.wake()

    def tell_recording() -> None:
        if recorder.status is not None:
            channel.tell(recorder.status)

    async def switch_recording(on: bool) -> None:
        async with switching:
            if on and not recorder.active:
                await start_in_thread(recorder, clock.seconds)
            elif not on:
                await recorder.stop()
            tell_recording()

    async def take_snapshot() -> None:
        snapshot = await collector.snapshot()
        recorder.add(snapshot, collector.device_counters())
        tell_recording()
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
        if recorder.active or not gone.is_set():
            await take_snapshot()
        await asyncio.gather(*switches)
        if (status := await recorder.stop()) is not None:
            on_close(status)
        if not gone.is_set():
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
