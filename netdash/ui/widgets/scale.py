"""Axes of graphs: round numbers at the top, round times below."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from netdash.model.units import Units

_MANTISSAS: Final = tuple(digit * ten for ten in (1, 10, 100) for digit in (1, 2, 3, 4, 5, 6, 8))
_LEAST: Final = 1000.0
"""The smallest scale, in the unit shown: 1 kbit/s or 1 kB/s. Noise of some packets shall not fill the graph."""
_SHRINK_BELOW: Final = 0.45
_LABEL_SPACING_CELLS: Final = 12
_TIME_STEPS_SECONDS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400)


def round_up(value: float, *, iec: bool) -> float:
    """The next of 1, 2, 3, 4, 5, 6, 8, 10, 20, ... times a power of 1000 or 1024 that is not below `value`."""
    step = 1024.0 if iec else 1000.0
    unit = 1.0
    while True:
        for mantissa in _MANTISSAS:
            if mantissa * unit >= value:
                return mantissa * unit
        unit *= step


def next_top(top_bytes: float, step: int, units: Units) -> float:
    """A round top in bytes per second: not below `top_bytes` (0), the next larger one (1) or the next smaller one (-1)
    of 1, 2, 5, 10, 20, ... in the unit shown."""
    factor = 8.0 if units.bits else 1.0
    base = 1024.0 if units.iec else 1000.0
    rounds = [digit * ten * base**power for power in range(1, 6) for ten in (1, 10, 100) for digit in (1, 2, 5)]
    value = top_bytes * factor
    if step > 0:
        chosen = next((each for each in rounds if each > value * 1.001), rounds[-1])
    elif step < 0:
        chosen = next((each for each in reversed(rounds) if each < value * 0.999), rounds[0])
    else:
        chosen = next((each for each in rounds if each >= value * 0.999), rounds[-1])
    return chosen / factor


class Scale:
    """The top of an axis. It grows at once and shrinks late, so that it does not flutter."""

    def __init__(self) -> None:
        self._top = 0.0
        self._units: Units | None = None

    @property
    def top(self) -> float:
        """Top of the axis in bytes per second, as `fit` gave it last; 0.0 before that."""
        return self._top

    def fit(self, peak_bytes: float, units: Units) -> float:
        """Top of the axis in bytes per second for samples up to `peak_bytes`."""
        factor = 8.0 if units.bits else 1.0
        if units != self._units or peak_bytes > self._top or peak_bytes < self._top * _SHRINK_BELOW:
            self._units = units
            self._top = round_up(max(peak_bytes * factor, _LEAST), iec=units.iec) / factor
        return self._top


def age_text(seconds: int) -> str:
    """A time ago: "-30s", "-5m", "-2m30s", "-2h"."""
    if seconds < 60:
        return f"-{seconds}s"
    if seconds % 3600 == 0:
        return f"-{seconds // 3600}h"
    minutes, rest = divmod(seconds, 60)
    return f"-{minutes}m{rest:02}s" if rest else f"-{minutes}m"


def time_labels(times: Sequence[float], samples_per_cell: int, width: int) -> str:
    """The line under a graph of `width` cells whose newest sample stands at the right: ages of round numbers.

    Before the first sample the times go on with the distance of the newest two (1 s where there is only one).
    """
    if width < len("now"):
        return " " * width
    cells = list(" " * (width - 3) + "now")
    spacing = times[-1] - times[-2] if len(times) > 1 else 1.0
    if spacing <= 0:
        return "".join(cells)
    least = _LABEL_SPACING_CELLS * samples_per_cell * spacing
    step = next((s for s in _TIME_STEPS_SECONDS if s >= least), _TIME_STEPS_SECONDS[-1])
    age = step
    free_from = width - 4
    while True:
        end = width - _samples_ago(times, age, spacing) // samples_per_cell
        text = age_text(age)
        start = end - len(text)
        if start < 0:
            return "".join(cells)
        if end <= free_from:
            cells[start:end] = text
            free_from = start - 1
        age += step


def _samples_ago(times: Sequence[float], age: float, spacing: float) -> int:
    """How many samples lie between now and `age` seconds ago."""
    if not times:
        return round(age / spacing)
    moment = times[-1] - age
    if moment >= times[0]:
        return len(times) - 1 - bisect_left(times, moment)
    return len(times) - 1 + round((times[0] - moment) / spacing)
