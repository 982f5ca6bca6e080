"""Averaging windows over intervals of any length."""

from __future__ import annotations

from collections import deque
from typing import Final

WINDOW_SECONDS: Final = (2, 10, 40)
"""The windows that iftop has made a habit."""

WINDOW_NS: Final = tuple(seconds * 1_000_000_000 for seconds in WINDOW_SECONDS)

SLOT_NS: Final = 900_000_000
"""Intervals shorter than this are joined, so that a window never has more than about fifty parts. A little less than a
second: an interval of one second stays one slot although the clock jitters."""


class Timeline:
    """Cuts time into slots and tells which slots each window holds.

    A window holds the whole slots whose middle is less than its length ago, and always the newest. So a rate is an
    exact sum divided by the time that it was counted in, whatever the interval; a window that is longer than the time
    since the start is averaged over the time that there was, as iftop does.
    """

    def __init__(self) -> None:
        self._slots: deque[tuple[int, int]] = deque()
        self._first = 0
        self.now_ns = 0
        """End of the newest slot on the monotonic clock."""
        self.first_slots: tuple[int, ...] = (0,) * len(WINDOW_NS)
        """Number of the oldest slot in each window. Slots are numbered from 0 on; these numbers never fall."""
        self.covered_seconds: tuple[float, ...] = (0.0,) * len(WINDOW_NS)
        """Time that was counted in within each window; 0.0 before the first interval."""

    @property
    def newest(self) -> int:
        """Number of the newest slot; -1 before the first."""
        return self._first + len(self._slots) - 1

    def advance(self, end_ns: int, span_ns: int) -> int:
        """Takes an interval that ended at `end_ns` after `span_ns` > 0, and returns the number of its slot."""
        if self._slots and self._slots[-1][1] < SLOT_NS:
            self._slots[-1] = (end_ns, self._slots[-1][1] + span_ns)
        else:
            self._slots.append((end_ns, span_ns))
        self.now_ns = end_ns
        while not self._within(0, WINDOW_NS[-1]):
            self._slots.popleft()
            self._first += 1
        first_slots, covered = [], []
        for window_ns in WINDOW_NS:
            inside = sum(self._within(index, window_ns) for index in range(len(self._slots)))
            first_slots.append(self._first + len(self._slots) - inside)
            covered.append(sum(span for _, span in list(self._slots)[-inside:]) / 1e9)
        self.first_slots, self.covered_seconds = tuple(first_slots), tuple(covered)
        return self.newest

    def copy(self) -> Timeline:
        """One that goes on from here by itself."""
        twin = Timeline()
        twin._slots, twin._first, twin.now_ns = self._slots.copy(), self._first, self.now_ns
        twin.first_slots, twin.covered_seconds = self.first_slots, self.covered_seconds
        return twin

    def _within(self, index: int, window_ns: int) -> bool:
        end_ns, span_ns = self._slots[index]
        return index == len(self._slots) - 1 or 2 * (self.now_ns - end_ns) + span_ns < 2 * window_ns


class SlotCounter:
    """Bytes in and out of one thing, by slot of a timeline; slots without bytes take no room."""

    __slots__ = ("_slots",)

    def __init__(self) -> None:
        self._slots: deque[tuple[int, int, int]] = deque()

    def add(self, timeline: Timeline, rx_bytes: int, tx_bytes: int) -> None:
        """Counts into the timeline's newest slot and forgets what no window holds any more."""
        number = timeline.newest
        if rx_bytes or tx_bytes:
            if self._slots and self._slots[-1][0] == number:
                _, rx, tx = self._slots.pop()
                rx_bytes, tx_bytes = rx_bytes + rx, tx_bytes + tx
            self._slots.append((number, rx_bytes, tx_bytes))
        oldest = timeline.first_slots[-1]
        while self._slots and self._slots[0][0] < oldest:
            self._slots.popleft()

    def copy(self) -> SlotCounter:
        """One that goes on from here by itself."""
        twin = SlotCounter()
        twin._slots = self._slots.copy()
        return twin

    def rates(self, timeline: Timeline, window: int) -> tuple[float, float]:
        """Bytes per second in and out over a window."""
        seconds = timeline.covered_seconds[window]
        if not seconds or not self._slots:
            return 0.0, 0.0
        first, rx_bytes, tx_bytes = timeline.first_slots[window], 0, 0
        for number, rx, tx in reversed(self._slots):
            if number < first:
                break
            rx_bytes, tx_bytes = rx_bytes + rx, tx_bytes + tx
        return rx_bytes / seconds, tx_bytes / seconds
