"""Scrolling graph of two rates: what came in upwards, what went out downwards, the newest sample at the right."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from math import nan
from typing import Final, NamedTuple

from rich.segment import Segment
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from netdash.model.units import Units
from netdash.ui.text import fit
from netdash.ui.theme import Tone, palette_of
from netdash.ui.widgets.scale import Scale, time_labels

LABEL_CELLS: Final = 8
_DOTS: Final = 4
"""Levels in a cell: the rows of a braille pattern, or the characters of `_ASCII_UP`."""


def _braille(left: Sequence[int], right: Sequence[int]) -> tuple[tuple[str, ...], ...]:
    """Characters by filled dots of the left and the right column, in the order in which the dots fill."""
    lefts = list(accumulate(left, initial=0))
    rights = list(accumulate(right, initial=0))
    # A blank cell is a plain space: one byte instead of three, and every font has it.
    return tuple(tuple(chr(0x2800 + a + b) if a + b else " " for b in rights) for a in lefts)


# Dot numbering: Unicode Standard, chapter 21.1 "Braille"; bit n-1 is dot n.
_UP: Final = _braille((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))
_DOWN: Final = _braille((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
_ASCII_UP: Final = " .:|#"
_ASCII_DOWN: Final = " '\"|#"


class Halves(NamedTuple):
    """How the lines of a graph are shared out."""

    rx: int
    tx: int
    axis: int


def halves(height: int) -> Halves:
    """Lines for what came in, for what went out, and for the time axis (0 or 1)."""
    axis = 1 if height >= 5 else 0
    rx = (height - axis + 1) // 2
    return Halves(rx, height - axis - rx, axis)


class AreaGraph(Widget):
    """The graph; two samples a cell in braille, one in ASCII. The scales of both directions are their own."""

    DEFAULT_CSS = """
    AreaGraph { height: 1fr; width: 1fr; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._rx: Sequence[float] = ()
        self._tx: Sequence[float] = ()
        self._times: Sequence[float] = ()
        self._units = Units()
        self._span_seconds: float | None = None
        self._fixed_top: float | None = None
        self._word = ""
        self._number = 0
        self._rx_scale = Scale()
        self._tx_scale = Scale()
        self._lines: list[Strip] = []
        self._drawn_for = Size()

    def show(
        self,
        rx: Sequence[float],
        tx: Sequence[float],
        *,
        times: Sequence[float],
        units: Units,
        number: int = 0,
        span_seconds: float | None = None,
        top: float | None = None,
        word: str = "",
    ) -> None:
        """Draws rates in bytes per second, the oldest first; NaN leaves a gap.

        `times`: seconds of any clock, one per sample. `number`: that of the newest sample, where they are numbered; an
        odd one fills the left half of the last cell. `span_seconds`: what the width stands for, each column being the
        mean of its time; None: one sample a column, and old ones that have no room are not drawn. `top`: of both
        scales, what is above is cut; None: as the samples need it. `word`: stands below the axis. Lines that look as
        before are not drawn again.
        """
        self._rx, self._tx, self._times, self._units, self._number = rx, tx, times, units, number
        self._span_seconds, self._fixed_top, self._word = span_seconds, top, word
        before, size_before = self._lines, self._drawn_for
        self._draw()
        if not before or size_before != self._drawn_for:
            self.refresh()
            return
        changed: list[Region] = []
        for y, (old, new) in enumerate(zip(before, self._lines, strict=True)):
            if old != new:
                spans = _changed_spans(old.text, new.text)
                changed += [Region(start, y, end - start, 1) for start, end in spans]
        if changed:
            self.refresh(*changed)

    @property
    def top(self) -> float:
        """The higher of both scales' tops, in bytes per second."""
        return self._fixed_top or max(self._rx_scale.top, self._tx_scale.top)

    def reset_scale(self) -> None:
        """Forgets the scales: the next samples are of something else."""
        self._rx_scale, self._tx_scale = Scale(), Scale()

    def notify_style_update(self) -> None:
        """The colours may be others now."""
        super().notify_style_update()
        self._lines = []

    @property
    def capacity(self) -> int:
        """Samples that fit in the graph now."""
        return max(0, self.size.width - LABEL_CELLS) * self._samples_per_cell

    @property
    def _samples_per_cell(self) -> int:
        return 1 if palette_of(self.app).ascii_only else 2

    def render_line(self, y: int) -> Strip:
        """A line that was drawn when the samples came, or now when the size or the colours are others."""
        if not self._lines or self._drawn_for != self.size:
            self._draw()
        return self._lines[y] if y < len(self._lines) else Strip.blank(self.size.width, self.rich_style)

    def _draw(self) -> None:
        self._drawn_for = self.size
        self._lines = self._all_lines(*self.size)

    def _all_lines(self, width: int, height: int) -> list[Strip]:
        if width <= LABEL_CELLS or height < 2:
            return [Strip.blank(width, self.rich_style)] * height
        room = halves(height)
        rx, tx, times = self._columns()
        lines = self._half(rx, self._rx_scale, room.rx, upwards=True)
        lines += self._half(tx, self._tx_scale, room.tx, upwards=False)
        if room.axis:
            lines.append(self._time_axis(width, times))
        return lines

    def _columns(self) -> tuple[Sequence[float], Sequence[float], Sequence[float]]:
        """Both rates and the time of each column of dots."""
        capacity = self.capacity
        per_cell = self._samples_per_cell
        if self._span_seconds is None or not self._times or capacity < 2:
            # Two samples share a cell and each keeps its half, so that the graph moves by whole cells.
            free = self._number % per_cell if capacity >= per_cell else 0
            rx, tx = ([*_last(samples, capacity - free), *[nan] * free] for samples in (self._rx, self._tx))
            return rx, tx, _last_times(self._times, capacity)
        import numpy as np  # too slow for the first paint, which has no samples

        from netdash.model.resample import column_times, resample

        times = np.asarray(self._times, np.float64)
        ends = column_times(float(times[-1]), self._span_seconds, capacity, per_cell)
        rx, tx = (resample(times, np.asarray(samples, np.float32), ends).tolist() for samples in (self._rx, self._tx))
        return rx, tx, ends.tolist()

    def _half(self, samples: Sequence[float], scale: Scale, rows: int, *, upwards: bool) -> list[Strip]:
        """The lines of one direction from top to bottom."""
        palette = palette_of(self.app)
        ascii_only = palette.ascii_only
        top = self._fixed_top or scale.fit(max((v for v in samples if v == v), default=0.0), self._units)
        levels = [_level(v, top, rows * _DOTS) for v in samples]
        texts = _half_lines(levels, rows, upwards=upwards, ascii_only=ascii_only)
        gradient = palette.rx_gradient if upwards else palette.tx_gradient
        base = self.rich_style
        label_style = base + palette.tones[Tone.RX if upwards else Tone.TX]
        axis_style = base + palette.tones[Tone.DIM]
        lines: list[Strip] = []
        for row in range(rows):
            distance = rows - 1 - row if upwards else row
            text = texts[row]
            style = gradient[distance * len(gradient) // rows]
            label = self._label(top, distance, rows, upwards)
            lines.append(
                Strip(
                    [
                        Segment(fit(label, LABEL_CELLS - 1, "right", ascii_only=ascii_only), label_style),
                        Segment("|" if ascii_only else "│", axis_style),
                        Segment(text, base + style),
                    ],
                    LABEL_CELLS + len(text),
                )
            )
        return lines

    def _label(self, top: float, distance: int, rows: int, upwards: bool) -> str:
        """What stands at the axis `distance` lines from the middle."""
        if distance == rows - 1:
            return self._units.rate(top)
        # The middle of the scale is the upper (lower) edge of the line where half of the lines are full.
        if rows >= 4 and rows % 2 == 0 and distance == rows // 2 - 1:
            return self._units.rate(top / 2)
        return "0" if upwards and distance == 0 and rows >= 3 else ""

    def _time_axis(self, width: int, times: Sequence[float]) -> Strip:
        palette = palette_of(self.app)
        labels = time_labels(times, self._samples_per_cell, width - LABEL_CELLS)
        text = fit(self._word, LABEL_CELLS - 1, "right", ascii_only=palette.ascii_only) + " " + labels
        return Strip([Segment(text, self.rich_style + palette.tones[Tone.DIM])], width)


def _half_lines(levels: Sequence[int], rows: int, *, upwards: bool, ascii_only: bool) -> list[str]:
    """The lines of one direction from top to bottom, for filled levels of `rows` times _DOTS."""
    if ascii_only:
        columns = [_column(level, None, rows, upwards) for level in levels]
    else:
        columns = [_column(a, b, rows, upwards) for a, b in zip(levels[::2], levels[1::2], strict=True)]
    return ["".join(line) for line in zip(*columns, strict=True)] if columns else [""] * rows


@lru_cache(maxsize=8192)
def _column(left: int, right: int | None, rows: int, upwards: bool) -> tuple[str, ...]:
    """The characters of a column of cells from top to bottom, by filled levels; `right`: None in ASCII."""
    cells = []
    for distance in range(rows):
        a, b = (min(_DOTS, max(0, (level or 0) - distance * _DOTS)) for level in (left, right))
        if right is None:
            cells.append((_ASCII_UP if upwards else _ASCII_DOWN)[a])
        else:
            cells.append((_UP if upwards else _DOWN)[a][b])
    return tuple(reversed(cells)) if upwards else tuple(cells)


def _level(value: float, top: float, levels: int) -> int:
    """Filled levels of `levels`; any traffic at all fills one. NaN fills none."""
    if not value > 0:
        return 0
    return max(1, min(levels, round(value / top * levels)))


def _last(samples: Sequence[float], count: int) -> list[float]:
    """The last `count` samples, with gaps in front where there are fewer."""
    kept = [float(v) for v in samples[-count:]] if count else []
    return [nan] * (count - len(kept)) + kept


def _last_times(times: Sequence[float], count: int) -> Sequence[float]:
    return times[-count:] if count else ()


_NEAR_CELLS: Final = 8
"""Changes that are nearer to each other are drawn as one: going to a cell takes about as many bytes."""


def _changed_spans(before: str, now: str) -> list[tuple[int, int]]:
    """First cell and end of each part where two lines of a graph differ: every character is one cell wide. Equal texts,
    whose colours differ, do so everywhere."""
    if before == now or len(before) != len(now):
        return [(0, len(now))]
    spans: list[tuple[int, int]] = []
    for x, (a, b) in enumerate(zip(before, now, strict=True)):
        if a == b:
            continue
        if spans and x - spans[-1][1] < _NEAR_CELLS:
            spans[-1] = (spans[-1][0], x + 1)
        else:
            spans.append((x, x + 1))
    return spans
