"""A source of snapshots in memory, and a program around it that tests send signals to."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from netdash.model.snapshot import Health, Snapshot
from netdash.sinks.json_lines import JsonLinesSink
from netdash.sinks.run import run_headless
from netdash.sources.source import SourceEndedError
from tests.unit.sinks.builders import TIME, baseline, example

LAST_INTERVAL = 0.5
"""Length of the snapshot that a stop brings forth; the others are of one second."""


@dataclass
class MemorySource:
    """A baseline, then a snapshot every `pause` seconds, and one more after `stop`."""

    pause: float = 0.0
    length: int | None = None
    """Ends by itself after so many."""
    deaf: bool = False
    """Does not stop when asked to."""
    note: str = ""
    stops: int = 0
    waiting: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the first snapshot has been taken."""
    _stopped: asyncio.Event = field(default_factory=asyncio.Event)

    async def snapshots(self) -> AsyncIterator[Snapshot]:
        yield baseline()
        number = 0
        while not self._stopped.is_set():
            if number == self.length:
                raise SourceEndedError("the source is empty")
            number += 1
            yield example(time=TIME + number, health=Health(notes=(self.note,)))
            await self._wait()
        yield example(time=TIME + number + LAST_INTERVAL, interval=LAST_INTERVAL)

    async def _wait(self) -> None:
        self.waiting.set()
        try:
            await asyncio.wait_for(self._stopped.wait(), self.pause)
        except TimeoutError:
            return

    async def set_interval(self, seconds: float) -> None:
        self.pause = seconds

    async def stop(self) -> None:
        self.stops += 1
        if not self.deaf:
            self._stopped.set()

    async def close(self) -> None:
        self._stopped.set()


async def _main(source: MemorySource, count: int | None) -> int:
    return await run_headless(source, JsonLinesSink(sys.stdout, 1.0, "protocols"), count)


if __name__ == "__main__":
    match sys.argv[1]:
        case "endless":
            sys.exit(asyncio.run(_main(MemorySource(), None)))
        case "slow":
            sys.exit(asyncio.run(_main(MemorySource(pause=3600.0), None)))
        case "deaf":
            sys.exit(asyncio.run(_main(MemorySource(pause=3600.0, deaf=True), None)))
        case "flood":
            sys.exit(asyncio.run(_main(MemorySource(note="x" * 1_000), None)))
