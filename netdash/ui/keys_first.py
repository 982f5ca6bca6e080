"""Work of an interval that stands back while a key is being obeyed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from netdash.model.steps import Between

_KEY_SECONDS: Final = 0.06
"""Longer than a key may wait for what it does."""
_MOST_SHARE: Final = 0.3
"""Of an interval: however many keys come, its figures are late by no more."""


class KeysFirst:
    """Python runs one thread at a time: with many flows a key that comes together with a snapshot would wait twice as
    long. So the counting sleeps at its next step, for as long as a key takes."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """`clock`: seconds."""
        self._clock, self._sleep = clock, sleep
        self._until = 0.0

    def key_came(self) -> None:
        """Told by the screen."""
        self._until = self._clock() + _KEY_SECONDS

    def steps(self, interval_seconds: float) -> Between:
        """To be called by a thread between the steps of its work for one interval: sleeps while a key is obeyed."""
        left = _MOST_SHARE * interval_seconds

        def give_way() -> None:
            nonlocal left
            while left > 0 and (wait := min(left, self._until - self._clock())) > 0:
                left -= wait
                self._sleep(wait)

        return give_way
