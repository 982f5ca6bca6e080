"""A capture file as a stream of snapshots, read while they are asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from netdash.errors import NetdashError
from netdash.model.local_nets import LocalNets
from netdash.model.moments import parse_limits
from netdash.model.snapshot import Snapshot
from netdash.options import Options
from netdash.sources.capture.counting import CaptureOptions, CapturePass
from netdash.sources.capture.file import CaptureFile
from netdash.sources.source import SourceEndedError


class CaptureSource:
    """Counts the file once, interval by interval, in a thread; `close` closes the file."""

    def __init__(self, file: CaptureFile, options: CaptureOptions) -> None:
        self._file = file
        self._pass = CapturePass(file, options)

    async def snapshots(self) -> AsyncIterator[Snapshot]:
        """The baseline, then one an interval up to the end of the file. Raises SourceEndedError where there is
        nothing to count."""
        snapshots = self._pass.snapshots()
        while True:
            try:
                snapshot = await asyncio.to_thread(next, snapshots, None)
            except NetdashError as error:
                raise SourceEndedError(str(error)) from error
            if snapshot is None:
                return
            yield snapshot

    def progress(self) -> float:
        """Share of the file that was read, 0 to 1."""
        return self._pass.state.position / max(1, self._file.size_bytes)

    async def set_interval(self, seconds: float) -> None:
        """Another length of intervals, by the packets' clock, from the open one on."""
        self._pass.clock.set_seconds(seconds)

    async def stop(self) -> None:
        """What was counted since the last snapshot comes as one more, then `snapshots` ends."""
        self._pass.stop()

    async def close(self) -> None:
        """Closes the file."""
        self._file.close()


def capture_options(file: CaptureFile, options: Options) -> CaptureOptions:
    """What the command line says of a pass. Reads the file once if `--from` or `--to` is given. Raises UsageError."""
    from_ns, to_ns = _time_limits(file, options)
    return CaptureOptions(
        interval_seconds=options.delay_seconds,
        selection=options.interfaces,
        local_nets=LocalNets.parse(options.local_nets),
        max_flows=options.max_flows,
        from_ns=from_ns,
        to_ns=to_ns,
    )


def _time_limits(file: CaptureFile, options: Options) -> tuple[int | None, int | None]:
    if options.from_moment is None and options.to_moment is None:
        return None, None
    first_ns, last_ns = file.span_ns()
    begin, end = parse_limits(options.from_moment, options.to_moment, first=first_ns / 1e9, last=last_ns / 1e9)
    return None if begin is None else round(begin * 1e9), None if end is None else round(end * 1e9)
