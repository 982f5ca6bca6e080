"""A graph of one line, as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_BLOCKS: Final = "▁▂▃▄▅▆▇"
# The full block is missing: the graphs of two lines would run into each other.
_ASCII: Final = "_.-=*#"


def sparkline(values: Sequence[float], width: int, *, ascii_only: bool = False) -> str:
    """The last `width` values, one a cell, the newest at the right. 0 and NaN are blank, the top is the highest."""
    kept = values[-width:] if width > 0 else ()
    marks = _ASCII if ascii_only else _BLOCKS
    top = max((v for v in kept if v == v), default=0.0)
    text = "".join([_mark(v, top, marks) for v in kept])
    return text.rjust(max(0, width))


def _mark(value: float, top: float, marks: str) -> str:
    if not value > 0:
        return " "
    return marks[min(len(marks) - 1, int(value / top * len(marks)))]
