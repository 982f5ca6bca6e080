"""A recording as a stream of snapshots, as they were written."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import numpy as np

from netdash.errors import NetdashError
from netdash.model.moments import moment_text, parse_limits
from netdash.model.snapshot import Snapshot
from netdash.model.snapshot_store import SnapshotGoneError, Timetable
from netdash.model.tables import FLOW_ROW, empty
from netdash.options import Options
from netdash.recording.database import shown
from netdash.recording.reader import RecordingStore
from netdash.sources.source import SourceEndedError

_POLL_SECONDS = 0.25


@dataclass(slots=True)
class RecordingSource:
    """Reads from the first to the last moment that is asked for; `close` closes the store."""

    store: RecordingStore
    begin: float = -math.inf
    """Only intervals that end after it, seconds since the epoch."""
    end: float = math.inf
    """Only intervals that end at it or before."""
    follow: bool = False
    start: float | None = None
    """Where a playback begins, None = at the beginning."""
    _damaged: int = 0
    _done: float = 0.0
    _stopped: asyncio.Event = field(default_factory=asyncio.Event)

    async def snapshots(self) -> AsyncIterator[Snapshot]:
        """A baseline, then what was recorded; intervals that are damaged are left out and counted.

        Raises SourceEndedError where the file cannot be read any more, or where all of it is damaged.
        """
        last, started = -1, False
        while not self._stopped.is_set():
            table = await self._timetable()
            for number in _chosen(table, last, self.begin, self.end):
                if self._stopped.is_set():
                    return
                last = number
                self._done = (number - table.first + 1) / max(1, len(table))
                snapshot = await self._read(number)
                if snapshot is None:
                    continue
                if not started and snapshot.interval > 0:
                    yield _baseline(snapshot)
                started = True
                yield snapshot
            if not self.follow or await asyncio.to_thread(self._is_over, last):
                break
            await self._wait()
        if not started and self._damaged:
            raise SourceEndedError(f"cannot read {shown(self.store.path)}: none of its intervals is whole")

    def progress(self) -> float:
        """Share of the file that was read, 0 to 1."""
        return self._done

    def complaint(self) -> str | None:
        """What could not be read, in one line; None = nothing is missing."""
        path, damage = shown(self.store.path), self.store.damage
        if self._damaged and damage:
            return f"{path}: {damage}; what is left is shown, without {self._damaged} intervals"
        if self._damaged:
            return f"{path}: {self._damaged} intervals are damaged and were left out"
        return f"{path}: {damage}; what is left is shown" if damage else None

    def options(self, options: Options) -> Options:
        """The same with the interval of the recording."""
        seconds = self.store.interval_seconds()
        return options if seconds is None else replace(options, delay_seconds=seconds)

    async def set_interval(self, seconds: float) -> None:
        """Has no effect: a recording has its intervals."""

    async def stop(self) -> None:
        """Ends `snapshots`."""
        self._stopped.set()

    async def close(self) -> None:
        """Closes the file."""
        await asyncio.to_thread(self.store.close)

    async def _timetable(self) -> Timetable:
        try:
            return await asyncio.to_thread(self.store.timetable)
        except NetdashError as error:
            raise SourceEndedError(str(error)) from error

    async def _read(self, number: int) -> Snapshot | None:
        try:
            return await asyncio.to_thread(self.store.read, number)
        except SnapshotGoneError:
            self._damaged += 1
            return None

    def _is_over(self, last: int) -> bool:
        return self.store.is_ended() and self.store.timetable().last <= last

    async def _wait(self) -> None:
        try:
            await asyncio.wait_for(self._stopped.wait(), _POLL_SECONDS)
        except TimeoutError:
            return


def recording_source(store: RecordingStore, options: Options) -> RecordingSource:
    """The source of an open recording, limited by `--from` and `--to`.

    Raises NetdashError where it cannot be read or holds nothing, UsageError for a wrong time.
    """
    path, table = shown(store.path), store.timetable()
    if not len(table) and store.damage:
        raise NetdashError(f"cannot read {path}: {store.damage}")
    if not len(table) and not options.follow:
        raise NetdashError(f"{path} holds no interval yet: wait for the first, or use --follow")
    if not len(table):
        return RecordingSource(store, follow=True)
    newest = table.time(table.last)
    begin, end = parse_limits(options.from_moment, options.to_moment, first=table.earliest, last=newest)
    source = RecordingSource(
        store,
        begin=-math.inf if begin is None else begin,
        end=math.inf if end is None else end,
        follow=options.follow and end is None,
        start=begin,
    )
    if not _chosen(table, -1, source.begin, source.end):
        raise NetdashError(
            f"nothing was recorded then; {path} holds {moment_text(table.earliest)} to {moment_text(table.latest)}"
        )
    if end is not None:
        store.end_at(end)
    return source


def _chosen(table: Timetable, after: int, begin: float, end: float) -> list[int]:
    """Numbers of the moments beyond `after` that lie in the time asked for; where the clock was set, here and there."""
    inside = np.flatnonzero((table.times > begin) & (table.times <= end)) + table.first
    chosen: list[int] = inside[inside > after].tolist()
    return chosen


def _baseline(snapshot: Snapshot) -> Snapshot:
    """What was there before the first interval that is read: names and states, no figures."""
    return replace(
        snapshot,
        time=snapshot.time - snapshot.interval,
        monotonic_ns=snapshot.monotonic_ns - round(snapshot.interval * 1e9),
        interval=0.0,
        accounting={},
        flows=empty(FLOW_ROW),
        protocols={},
        counters={},
    )
