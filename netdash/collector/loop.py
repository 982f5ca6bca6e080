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
        await _Loop(collector, recorder, clock, connection).run(on_close)
    finally:
        await collector.close()


class _Loop:
    """What goes on beside the ticks: commands, a recording, the watch of packets."""

    def __init__(
        self, collector: Collector, recorder: Recorder, clock: IntervalClock, connection: socket.socket
    ) -> None:
        self._collector = collector
        self._recorder = recorder
        self._clock = clock
        self._stopping = self._gone = False
        self._switching = asyncio.Lock()
        self._switches = set[asyncio.Task[None]]()
        """Beginnings and ends of recordings that are under way."""
        self._channel = SnapshotChannel(connection, self._obey, self._lose)
        self._watcher = PacketWatcher(collector.layers.counter, self._channel.send_packets)

    async def run(self, on_close: Callable[[RecordingStatus], None]) -> None:
        """Until `Stop`, or until the reader is gone."""
        watching = asyncio.create_task(self._watcher.run())
        try:
            await self._tick(on_close)
            if not self._gone:
                await self._channel.finish(Kind.END)
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
            self._channel.close()

    async def _tick(self, on_close: Callable[[RecordingStatus], None]) -> None:
        try:
            await self._take_snapshot()
            while not (self._stopping or self._gone):
                if await self._clock.tick():
                    await self._take_snapshot()
            if self._recorder.active or not self._gone:
                await self._take_snapshot()
        finally:
            # Also where nothing can be counted any more: what waits for the disk belongs into the recording.
            await asyncio.gather(*self._switches)
            if (status := await self._recorder.stop()) is not None:
                on_close(status)

    def _obey(self, command: Command) -> None:
        if isinstance(command, SetInterval):
            self._clock.set_interval(_clamped(command.seconds))
        elif isinstance(command, WatchPackets):
            self._watcher.ask(command.number, command.watch)
        elif isinstance(command, SetRecording):
            task = asyncio.create_task(self._switch_recording(command.on))
            self._switches.add(task)
            task.add_done_callback(self._switches.discard)
        elif isinstance(command, Stop):
            self._stopping = True
            self._clock.wake()

    def _lose(self) -> None:
        """The reader is gone."""
        self._gone = True
        self._clock.wake()

    async def _switch_recording(self, on: bool) -> None:
        async with self._switching:
            if on and not self._recorder.active:
                await start_in_thread(self._recorder, self._clock.seconds)
            elif not on:
                await self._recorder.stop()
            self._tell_recording()

    def _tell_recording(self) -> None:
        if self._recorder.status is not None:
            self._channel.tell(self._recorder.status)

    async def _take_snapshot(self) -> None:
        snapshot = await self._collector.snapshot()
        self._recorder.add(snapshot, self._collector.device_counters())
        self._tell_recording()
        self._channel.send(snapshot)
        self._watcher.refresh(snapshot)


def _clamped(seconds: float) -> float:
    """Within the limits of the command line; a value that is no number gives the shortest."""
    return min(MAX_DELAY_SECONDS, max(MIN_DELAY_SECONDS, seconds)) if seconds == seconds else MIN_DELAY_SECONDS
