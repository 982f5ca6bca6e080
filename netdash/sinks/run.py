"""Headless runs: snapshots of a source into one sink, until a count, a signal or the end of either side."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Final

from netdash.sinks.output import ReaderGoneError, discard, writing_to
from netdash.sinks.sink import Sink
from netdash.sources.source import SnapshotSource, SourceEndedError

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


async def run_headless(
    source: SnapshotSource, sink: Sink, count: int | None, is_over: Callable[[], bool] = lambda: False
) -> int:
    """Writes the baseline, then `count` snapshots (None: until SIGINT or SIGTERM), then the end. Returns the exit code.

    A signal asks the source to stop: what was counted since the last snapshot is written too, after a `count` it is
    not. A second signal gives up on a source that does not stop and on a reader that has stalled. A reader that went
    away (`| head`) ends the run in silence. Must be called in the main thread; leaves the source open. Raises
    NetdashError when the stream takes no more for another reason, and SourceEndedError, with the end written, when
    the source ends by itself. `is_over` is asked after each snapshot.
    """
    run = _Run(source, sink, count, is_over)
    consumer = asyncio.create_task(run.consume())
    with _signals_call(run.request_stop, lambda: run.give_up(consumer)):
        try:
            await consumer
        except ReaderGoneError:
            discard(sink.stream)
        except asyncio.CancelledError:
            if not run.given_up:
                raise
    return 0


class _Run:
    """One run and how it is stopped."""

    def __init__(self, source: SnapshotSource, sink: Sink, count: int | None, is_over: Callable[[], bool]) -> None:
        self._source = source
        self._sink = sink
        self._count = count
        self._is_over = is_over
        self._stopping: asyncio.Task[None] | None = None
        self._writing = False
        self.given_up = False

    async def consume(self) -> None:
        """Writes until the source ends."""
        try:
            await self._write_snapshots()
            if self._stopping is not None:
                await self._stopping
        except SourceEndedError:
            self._write(self._sink.finish)
            raise
        except asyncio.CancelledError:
            if self.given_up:
                self._write(self._sink.finish)
            raise
        self._write(self._sink.finish)

    async def _write_snapshots(self) -> None:
        written, started = 0, False
        async for snapshot in self._source.snapshots():
            if not started:
                started = True
                self._write(partial(self._sink.start, snapshot))
                if self._stopping is not None:
                    # A source that was still connecting when it was asked to stop may have missed it.
                    await self._source.stop()
            if snapshot.interval > 0 and written != self._count:
                self._write(partial(self._sink.write, snapshot))
                written += 1
            if written == self._count or self._is_over():
                self.request_stop()

    def request_stop(self) -> None:
        """Asks the source to stop, once."""
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._source.stop())

    def give_up(self, consumer: asyncio.Task[None]) -> None:
        """Ends at once, from a signal handler: wakes a write that hangs, or the wait for a snapshot."""
        self.given_up = True
        if self._writing:
            raise ReaderGoneError
        consumer.get_loop().call_soon_threadsafe(consumer.cancel)

    def _write(self, call: Callable[[], None]) -> None:
        self._writing = True
        try:
            with writing_to(self._sink.stream):
                call()
        finally:
            self._writing = False


@contextmanager
def _signals_call(first: Callable[[], None], again: Callable[[], None]) -> Iterator[None]:
    """The first SIGINT or SIGTERM calls `first` from the event loop; the next ones call `again` where they strike.

    Handlers of the signal module, not of asyncio: only those run while the main thread hangs in a write to a pipe
    that nobody reads.
    """
    loop = asyncio.get_running_loop()
    seen = False

    def handle(signum: int, frame: FrameType | None) -> None:
        nonlocal seen
        if seen:
            again()
        else:
            seen = True
            loop.call_soon_threadsafe(first)

    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
