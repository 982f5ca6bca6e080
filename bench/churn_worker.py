"""The dashboard itself, without a terminal, fed with made-up snapshots as fast as it takes them: `churn` starts this.

python -m bench.churn_worker INTERVALS...      prints a JSON line when so many intervals were taken
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from resource import getpagesize
from typing import Final

import msgspec

from bench.churn_load import churn
from netdash.model.snapshot import Snapshot
from netdash.options import Options
from netdash.ui.app import Dashboard

_LAST_INTERVALS: Final = 60


class Taken(msgspec.Struct, frozen=True):
    """The process after so many intervals."""

    intervals: int
    resident_bytes: int
    """The most of the last intervals: free memory goes back to the system only every so often."""
    cpu_seconds: float
    """So far; the making of snapshots included."""
    flows: int
    """Rows of the history."""
    moments: int
    """Intervals that one can step back to."""
    evicted: int
    """Flows that gave up their rows."""


class _Source:
    """A SnapshotSource that takes no time."""

    def __init__(self, marks: list[int]) -> None:
        self._marks = marks
        self._resident_bytes: deque[int] = deque(maxlen=_LAST_INTERVALS)
        self.app: Dashboard | None = None

    async def snapshots(self) -> AsyncIterator[Snapshot]:
        """The baseline and the intervals up to the last mark."""
        for number, snapshot in enumerate(churn(max(self._marks))):
            yield snapshot
            # Taken by now. It is drawn when the loop has time for it.
            await asyncio.sleep(0)
            self._resident_bytes.append(_resident_bytes())
            if number in self._marks:
                self._tell(number)

    def _tell(self, number: int) -> None:
        assert self.app is not None
        state = self.app.state
        flows = state.histories.flows
        moments = len(state.player.table)
        taken = Taken(number, max(self._resident_bytes), time.process_time(), len(flows.table), moments, flows.evicted)
        print(msgspec.json.encode(taken).decode(), flush=True)

    async def set_interval(self, seconds: float) -> None:
        """There is none."""

    async def stop(self) -> None:
        """Ends by itself."""

    async def close(self) -> None:
        """Nothing to free."""


def _resident_bytes() -> int:
    """proc_pid_statm(5)."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * getpagesize()


def main(marks: list[int]) -> None:
    """In the Flows view at 200x50."""
    source = _Source(marks)
    source.app = Dashboard(source, Options(view="flows", numeric=True))
    # Textual draws to where stdout leads otherwise.
    source.app.run(headless=True, size=(200, 50))


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]])
