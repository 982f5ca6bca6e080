"""Headless: says at once when a recording fails, which nobody would see otherwise."""

from __future__ import annotations

import sys

from netdash.model.sanitize import sanitize
from netdash.sources.source import RecordingSnapshots

_LINE_LIMIT = 1000


class RecordingWatch:
    """Looks at the recording after each snapshot."""

    def __init__(self, source: RecordingSnapshots, *, alone: bool) -> None:
        """`alone`: without the recording there is nothing to go on for."""
        self._source = source
        self._alone = alone
        self.told = False
        """Whether a failure was told."""

    def is_over(self) -> bool:
        """Whether the run may end."""
        status = self._source.recording
        if status is None or status.failure is None:
            return False
        if not self.told:
            self.told = True
            sys.stderr.write(f"netdash: {sanitize(status.failure, _LINE_LIMIT)}\n")
            sys.stderr.flush()
        return self._alone
