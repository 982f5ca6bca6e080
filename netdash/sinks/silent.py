"""No output: while the collector records, there is nothing to write."""

from __future__ import annotations

from typing import TextIO

from netdash.model.snapshot import Snapshot


class SilentSink:
    """Takes snapshots and writes nothing."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def start(self, snapshot: Snapshot) -> None:
        """Nothing."""

    def write(self, snapshot: Snapshot) -> None:
        """Nothing."""

    def finish(self) -> None:
        """Nothing."""
