"""Work on a file that may take long: it can be interrupted, and says how far it is."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Final, Self

from netdash.errors import NetdashError

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Work:
    """While it is entered, signals that end a program only ask for the end; to be used in the main thread."""

    def __init__(self) -> None:
        self.done = 0.0
        """Share that is done, 0 to 1."""
        self.stopped = False
        """Whether the end was asked for."""
        self._before: dict[int, signal._HANDLER] = {}

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._stop)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def advance(self, done: float) -> None:
        """Notes the share that is done. Raises NetdashError where the end was asked for."""
        self.done = done
        if self.stopped:
            raise NetdashError("interrupted")

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self.stopped:
            # Once more: it hangs in a write to somebody who does not read.
            raise NetdashError("interrupted")
        self.stopped = True
