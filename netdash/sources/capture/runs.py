"""Runs of equally long records: packets of one size, the case that matters most at high rates, need no loop."""

from __future__ import annotations

from typing import Final

import numpy as np

_LONGEST: Final = 8192
WORTH_IT: Final = 16
"""A shorter run is not faster than a loop."""

SHORT_LOOP, LONG_LOOP = 64, 4096
"""Records to loop over before the next look for a run: twice as many each time that there was none."""


def equal_run(data: bytearray, position: int, stride: int, room: int, dtype: str) -> int:
    """How many words in a row equal the first, one every `stride` bytes from `position` on, over at most `room` bytes.

    `dtype`: of the word, such as "<u4"; the last one may lie at the end of `room`.
    """
    count = min(room // stride, _LONGEST)
    if count < WORTH_IT:
        return 0
    words = np.ndarray((count,), dtype, data, position, (stride,))
    if words[WORTH_IT - 1] != words[0]:
        return 0
    others = np.flatnonzero(words != words[0])
    return int(others[0]) if len(others) else count
