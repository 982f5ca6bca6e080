"""Intervals by the packets' own clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_NS: Final = 1_000_000_000

SILENT_INTERVALS: Final = 60
"""A silence of more intervals is one long interval: a file with packets years apart has no million empty ones."""

_SHORTEST_END: Final = 10
"""The last interval ends with the last packet, but lasts at least this part of a full one."""


@dataclass(frozen=True, slots=True)
class Span:
    """An interval."""

    start_ns: int
    end_ns: int

    @property
    def seconds(self) -> float:
        """Its length."""
        return (self.end_ns - self.start_ns) / _NS


class IntervalClock:
    """Cuts the packets of a file into intervals of one length, counted from the first packet.

    A packet that is earlier than one before it in the file counts in the interval that is open then.
    """

    def __init__(self, seconds: float) -> None:
        self._length_ns = max(1, round(seconds * _NS))
        self._start_ns: int | None = None
        self.latest_ns = 0
        """Time of the latest packet."""
        self.disordered = 0
        """Packets that are earlier than one before them."""

    @property
    def start_ns(self) -> int | None:
        """When the open interval began; None before the first packet."""
        return self._start_ns

    def set_seconds(self, seconds: float) -> None:
        """Another length, from the open interval on."""
        self._length_ns = max(1, round(seconds * _NS))

    def cut(self, time_ns: NDArray[np.int64]) -> Iterator[tuple[list[Span], slice]]:
        """For packets that follow: the intervals that end before some of them, then which these are, in turn."""
        if not len(time_ns):
            return
        if self._start_ns is None:
            self._start_ns = self.latest_ns = int(time_ns[0])
        ordered = np.maximum.accumulate(np.maximum(time_ns, self.latest_ns))
        self.disordered += int((time_ns < ordered).sum())
        position = 0
        while position < len(ordered):
            ended = list(self._advance(int(ordered[position])))
            end_ns = self._start_ns + self._length_ns
            following = position + int(np.searchsorted(ordered[position:], end_ns))
            yield ended, slice(position, following)
            position = following
        self.latest_ns = int(ordered[-1])

    def finish(self) -> Span | None:
        """The open interval, which ends with the last packet; None without any packet."""
        if self._start_ns is None:
            return None
        shortest_ns = max(1, self._length_ns // _SHORTEST_END)
        return Span(self._start_ns, max(self.latest_ns, self._start_ns + shortest_ns))

    def _advance(self, time_ns: int) -> Iterator[Span]:
        """The intervals that end at or before `time_ns`."""
        assert self._start_ns is not None
        over = (time_ns - self._start_ns) // self._length_ns
        for _ in range(over if over <= SILENT_INTERVALS else min(over, 1)):
            yield self._next(self._start_ns + self._length_ns)
        if over > SILENT_INTERVALS:
            yield self._next(self._start_ns + (over - 1) * self._length_ns)

    def _next(self, end_ns: int) -> Span:
        assert self._start_ns is not None
        span = Span(self._start_ns, end_ns)
        self._start_ns = end_ns
        return span
