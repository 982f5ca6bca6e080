"""The one clock: ticks at fixed distances from its start; a late tick is late alone."""

from __future__ import annotations

import asyncio
import time
from typing import Final

_SHORTEST: Final = 0.25
"""Share of the interval that lies between two ticks at least."""


class IntervalClock:
    """Waits for ticks of a changeable interval on the monotonic clock. Missed ticks are left out, not made up for."""

    def __init__(self, seconds: float, start: float | None = None) -> None:
        """`start`: monotonic seconds from which ticks are reckoned, default now."""
        self._seconds = seconds
        self._start = time.monotonic() if start is None else start
        self._ticks = 0
        self._changed = asyncio.Event()

    @property
    def seconds(self) -> float:
        """The interval."""
        return self._seconds

    def set_interval(self, seconds: float) -> None:
        """Another interval, from now on."""
        self._seconds = seconds
        self._changed.set()

    def wake(self) -> None:
        """Ends the present wait at once."""
        self._changed.set()

    async def tick(self) -> bool:
        """Waits for the next tick. False when `wake` or `set_interval` ended the wait."""
        try:
            await asyncio.wait_for(self._changed.wait(), self.wait_seconds(time.monotonic()))
        except TimeoutError:
            return True
        self._changed.clear()
        self._start, self._ticks = time.monotonic(), 0
        return False

    def wait_seconds(self, now: float) -> float:
        """How long to wait at `now`, monotonic seconds, for the next tick; counts it as the one that is waited for.

        It is on the grid of the start, but not so near that an interval would be too short to give a rate.
        """
        self._ticks = max(self._ticks + 1, int((now - self._start) / self._seconds) + 1)
        return max(self._start + self._ticks * self._seconds - now, _SHORTEST * self._seconds)
