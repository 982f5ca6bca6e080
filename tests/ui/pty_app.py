"""The dashboard on made-up figures, to be run in a terminal: python -m tests.ui.pty_app MODE BEATS_FILE."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator

from netdash.model.snapshot import Snapshot
from netdash.options import Options
from netdash.sources.source import SourceEndedError
from netdash.ui.run import run_dashboard
from tests.ui.fixtures import interface, snapshot

_PAUSE_SECONDS = {"steady": 0.1, "ends": 0.1, "flood": 0.02}


class Ticker:
    """A source that makes snapshots by the clock and writes a byte a snapshot into a file: the loop's pulse."""

    def __init__(self, mode: str, beats: str) -> None:
        self.mode = mode
        self.beats = os.open(beats, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.ended = False

    async def snapshots(self) -> AsyncIterator[Snapshot]:
        """Yields until it is stopped; in the mode "ends" it fails after three."""
        tick = 0
        while not self.ended:
            busy = [interface(f"eth{i}", i + 2, rx_bytes=tick * 7919 * (i + 1), tx_bytes=tick * 997) for i in range(20)]
            yield snapshot(tick, interfaces=busy)
            os.write(self.beats, b".")
            tick += 1
            if self.mode == "ends" and tick == 3:
                raise SourceEndedError("the collector ended: killed by signal 9; start netdash again")
            await asyncio.sleep(_PAUSE_SECONDS[self.mode])

    async def set_interval(self, seconds: float) -> None:
        """Has no meaning here."""

    async def stop(self) -> None:
        """Ends the iterator."""
        self.ended = True

    async def close(self) -> None:
        """Leaves a mark that it was closed."""
        os.write(self.beats, b"closed")
        os.close(self.beats)


if __name__ == "__main__":
    sys.exit(run_dashboard(Ticker(sys.argv[1], sys.argv[2]), Options()))
