"""Where the dashboard is in time, and how it moves: now, paused, stepping, playing. No Textual, no clock of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    # The first paint does not wait for NumPy.
    from netdash.model.snapshot_store import Timetable

SPEEDS: Final = (1, 2, 5, 10, 60, 600)
_NOT_MADE_UP_SECONDS: Final = 0.25
"""When showing takes longer than playing allows, so much of the delay is made up; the rest only slows the playing."""
_LEAST_GAP_SECONDS: Final = 1.5
"""Time without figures that is told as a gap, beyond the jitter of the clock."""


class Player:
    """Points at one snapshot of a store that may grow at its end and lose its oldest.

    The live dashboard and a recording differ in one thing only: where one comes from a pause. Live, that is now.
    At the growing end and playing, every new snapshot is shown as it comes: that is the live dashboard.
    """

    def __init__(self, *, live: bool, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: seconds that go on; of what is played, not of what is shown."""
        self.live = live
        self.playing = True
        self.speed = SPEEDS[0]
        self.number = -1
        """The snapshot that should be shown; -1 before there is one. In a long pause the store may have dropped it."""
        self.moment = 0.0
        """Its wall clock, seconds since the epoch."""
        self._table: Timetable | None = None
        self._filling = False
        self._clock = clock
        self._due = 0.0  # when the snapshot after `number` is to be shown, if it plays

    @property
    def table(self) -> Timetable:
        """The store's moments as they were told last. Raises RuntimeError before the first."""
        if self._table is None:
            raise RuntimeError("nothing is stored yet")
        return self._table

    @property
    def ready(self) -> bool:
        """Whether there is anything to show."""
        return self._table is not None and self.number >= 0

    def grow(self, table: Timetable, *, filling: bool = False) -> None:
        """Takes what the store holds now. At the end and playing, the newest is what should be shown, unless the store
        is `filling`: what comes is then a file's next moments, as fast as they can be read."""
        if not len(table):
            return
        self._filling = filling
        following, begins = self.following, not self.ready
        self._table = table
        if begins:
            self._set(table.last if self.live else table.first)
        elif following:
            self._set(table.last)
        elif self.playing and self.number < table.first:
            self._set(table.first)

    @property
    def at_first(self) -> bool:
        """Whether one cannot go further back."""
        return not self.ready or self.number <= self.table.first

    @property
    def at_last(self) -> bool:
        """Whether the newest is shown."""
        return not self.ready or self.number >= self.table.last

    @property
    def following(self) -> bool:
        """Whether what comes is shown as it comes."""
        return self.playing and self.at_last and not self._filling

    @property
    def behind_seconds(self) -> float:
        """How long before the newest that is."""
        return max(0.0, self.table.time(self.table.last) - self.moment)

    def gap_seconds(self) -> float:
        """How long nothing was counted right before the interval that is shown: the recorder was stopped, the machine
        slept, or the clock was set. 0.0 = no gap; negative: the clock was set back by so much."""
        if self.at_first or self.number not in self.table.numbers:
            return 0.0
        index = self.number - self.table.first
        gap = float(self.table.times[index] - self.table.times[index - 1] - self.table.intervals[index])
        return gap if abs(gap) >= max(_LEAST_GAP_SECONDS, float(self.table.intervals[index]) / 2) else 0.0

    def toggle(self) -> None:
        """Pause; from a pause: live to now, in a recording on from here."""
        if self.playing:
            self.playing = False
        elif self.live:
            self.to_last()
        else:
            self._play()

    def step(self, count: int) -> None:
        """Pauses, `count` snapshots later, or earlier if negative."""
        self._put(self.number + count)

    def step_seconds(self, seconds: float) -> None:
        """Pauses, so much later or earlier, but at least one snapshot."""
        if not self.ready:
            return
        number = self.number
        if number in self.table.numbers:
            number = self.table.stepped(number, seconds)
        self._put(max(number, self.number + 1) if seconds > 0 else min(number, self.number - 1))

    def pass_by(self, step: int) -> bool:
        """What it points at cannot be read: the next one, or the one before (`step` -1); False where there is none."""
        number = self.number + step
        if not self.ready or number not in self.table.numbers:
            return False
        self._set(number)
        return True

    def go_to(self, moment: float) -> bool:
        """To the last snapshot at or before a time; what is outside of the store leads to its end, and False is
        returned. Live it pauses there."""
        if not self.ready:
            return False
        table = self.table
        self._set(table.at(moment))
        self.playing = self.playing and not self.live
        return table.earliest <= moment <= table.latest + 1.0

    def go_to_number(self, number: int) -> None:
        """Pauses at a snapshot."""
        self._put(number)

    def to_first(self) -> None:
        """The oldest. Live it pauses there."""
        if self.ready:
            self._set(self.table.first)
            self.playing = self.playing and not self.live

    def to_last(self) -> None:
        """The newest; live that is now, and it goes on."""
        if self.ready:
            self._set(self.table.last)
        if self.live:
            self.playing = True
            self.speed = SPEEDS[0]

    def faster(self) -> None:
        """Plays from a pause; else the next speed."""
        if not self.playing:
            self._play()
        elif not (self.live and self.at_last):
            self.speed = next((speed for speed in SPEEDS if speed > self.speed), self.speed)
            self._wait()

    def slower(self) -> None:
        """The speed before."""
        self.speed = next((speed for speed in reversed(SPEEDS) if speed < self.speed), self.speed)
        self._wait()

    def tick(self) -> bool:
        """Moves on to what is due by the clock; whether it moved. To be called while it plays, when what was due
        before is on the screen: where showing takes longer than playing allows, it plays slower and shows all."""
        if not self.playing or not self.ready or self.at_last:
            return False
        now, before = self._clock(), self.number
        self._due = max(self._due, now - _NOT_MADE_UP_SECONDS)
        due = self._due
        while due <= now and not self.at_last:
            self._set(self.number + 1)
            due += self._pause_seconds()
        self._due = due
        if self.live and self.at_last:
            self.speed = SPEEDS[0]
        return self.number != before

    def _play(self) -> None:
        self.playing = True
        self._wait()

    def _put(self, number: int) -> None:
        if self.ready:
            self.playing = False
            # A pause may have outlasted what it shows: back from there leads nowhere.
            if number > self.number or not self.at_first:
                self._set(min(self.table.last, max(self.table.first, number)))

    def _set(self, number: int) -> None:
        self.number, self.moment = number, self.table.time(number)
        self._wait()

    def _wait(self) -> None:
        self._due = self._clock() + self._pause_seconds()

    def _pause_seconds(self) -> float:
        """Until the next snapshot is shown: its interval, so a gap before it is not waited for."""
        if self.at_last or self.number < self.table.first:
            return 0.0
        return float(self.table.intervals[self.number + 1 - self.table.first]) / self.speed
