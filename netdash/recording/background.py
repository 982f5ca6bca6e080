"""Records in a thread, so that a slow disk never holds up the clock."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import Final

from netdash.model.merge import merge
from netdash.model.snapshot import Snapshot
from netdash.recording.database import RecordingError
from netdash.recording.writer import InterfaceTotal, RecordingWriter

MAX_WAITING: Final = 30
"""Intervals waiting for the disk; those beyond are added to the last, so that no byte is missing."""

_END_SECONDS: Final = 30.0


class BackgroundRecorder:
    """Takes snapshots at once and writes them as fast as the disk allows. After a failure it takes none."""

    def __init__(self, writer: RecordingWriter) -> None:
        self.path = writer.path
        self.failure: str | None = None
        """Why nothing is recorded any more."""
        self.size_bytes = writer.size_bytes
        self.written = 0
        """Intervals in the file."""
        self._writer = writer
        self._waiting: deque[Snapshot] = deque()
        self._totals: Sequence[InterfaceTotal] = ()
        self._closing = ""
        self._ending = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)
        self._thread.start()

    def add(self, snapshot: Snapshot) -> None:
        """Hands over an interval; never waits."""
        with self._changed:
            if self.failure is not None:
                return
            if len(self._waiting) >= MAX_WAITING:
                self._waiting.append(merge(self._waiting.pop(), snapshot))
            else:
                self._waiting.append(snapshot)
            self._changed.notify()

    def finish(self, totals: Sequence[InterfaceTotal], closing: str) -> None:
        """Waits until everything is on the disk, writes the end and closes the file."""
        with self._changed:
            self._totals, self._closing, self._ending = totals, closing, True
            self._changed.notify()
        self._thread.join(_END_SECONDS)
        if self._thread.is_alive():
            self.failure = f"the disk did not take the last intervals of the recording within {_END_SECONDS:.0f} s"

    def _work(self) -> None:
        try:
            try:
                while (snapshot := self._next()) is not None:
                    self._writer.append(snapshot)
                    self.written += snapshot.interval > 0
                    self.size_bytes = self._writer.size_bytes
                self._writer.finish(self._totals, self._closing)
            finally:
                self._writer.close()
                self.size_bytes = self._writer.size_bytes
        except RecordingError as error:
            self._fail(str(error))
        except Exception as error:  # the last resort: a thread that ends in silence would look like a recording
            self._fail(f"cannot record to {self.path}: unforeseen failure {error!r}")

    def _next(self) -> Snapshot | None:
        with self._changed:
            while not self._waiting and not self._ending:
                self._changed.wait()
            return self._waiting.popleft() if self._waiting else None

    def _fail(self, why: str) -> None:
        with self._changed:
            self.failure = self.failure or why
            self._waiting.clear()
