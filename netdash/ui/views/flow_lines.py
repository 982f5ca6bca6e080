"""What stands above and below the table of flows: the bars' scale and iftop's three lines of sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from netdash.model.flow_sums import FlowTotals
from netdash.model.units import NOT_KNOWN, Units
from netdash.model.windows import WINDOW_SECONDS
from netdash.ui.text import fit, number_of, printable
from netdash.ui.theme import Tone, palette_of
from netdash.ui.views.flow_groups import Group
from netdash.ui.views.flow_order import KEPT_SHARE, SHOWN_FOR_NS, Arrangement, FlowOrder, Sort
from netdash.ui.views.flow_rows import LOG_DECADES, Bars, rate_cells
from netdash.ui.widgets.text_line import Part

_MARKS: Final = 5
"""Labels of the scale; on a logarithmic one each is a power of ten apart."""

_SORT_WORDS: Final[dict[Sort, str]] = {
    "total": "total",
    "packets": "packets",
    "local": "local address",
    "remote": "remote address",
    "port": "port",
}


def status_parts(
    arrangement: Arrangement, order: FlowOrder, bars: Bars | None, *, inside: str, new_since_frozen: int | None
) -> list[Part]:
    """What the table shows: how many rows of what, in which order, and what is not in it.

    `inside`: the row that was opened; `new_since_frozen`: None while the order is not frozen.
    """
    parts: list[Part] = [f" {number_of(len(arrangement), _rows_word(order).removesuffix('s'))}"]
    if inside:
        parts.append((f" in {inside}", Tone.ACCENT))
    parts.append(
        f" by {WINDOW_SECONDS[order.window]} s rate" if order.sort == "rate" else f" by {_SORT_WORDS[order.sort]}"
    )
    if new_since_frozen is not None:
        parts.append((f"  order frozen, {new_since_frozen} new at the end", Tone.WARN))
    elif order.sort in KEPT_SHARE and order.descending:
        parts.append((f" ±{KEPT_SHARE[order.sort]:.0%}", Tone.DIM))
    if arrangement.hidden:
        parts.append((f"  {arrangement.hidden} silent (T shows)", Tone.DIM))
    closed = int(arrangement.closed[arrangement.order].sum())
    if closed:
        parts.append((f"  {closed} closed, kept {SHOWN_FOR_NS // 10**9} s", Tone.EXITED))
    if bars is not None:
        parts.append((f"  bars {WINDOW_SECONDS[bars.window]} s {'log' if bars.log else 'linear'}", Tone.DIM))
    return parts


def _rows_word(order: FlowOrder) -> str:
    by = order.by
    if by.group is not Group.FLOWS:
        return str(by.group)
    if by.local and by.remote:
        return "flows" if by.ports else "host pairs"
    return "remote ends" if by.remote else "local ends" if by.local else "protocols"


class ScaleLine(Widget):
    """Names the rates that bars of a fifth, two fifths, … of the row stand for."""

    DEFAULT_CSS = """
    ScaleLine { height: 1; width: 1fr; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._bars = Bars()
        self._units = Units()

    def show(self, bars: Bars, units: Units) -> None:
        """Draws the scale of `bars`, if it is another than before."""
        if (bars, units) != (self._bars, self._units):
            self._bars, self._units = bars, units
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """The line."""
        width = self.size.width
        palette = palette_of(self.app)
        text = scale_text(self._bars, self._units, width - 1)
        text = printable(text, ascii_only=palette.ascii_only)
        return Strip([Segment(fit(text, width), self.rich_style + palette.tones[Tone.DIM])], width)


def scale_text(bars: Bars, units: Units, width: int) -> str:
    """Labels that end where a bar of their rate ends."""
    text = ""
    for mark in range(1, _MARKS + 1):
        rate = bars.top * 10.0 ** (mark - LOG_DECADES) if bars.log else bars.top * mark / _MARKS
        end = round(width * mark / _MARKS)
        label = f"{units.rate(rate)}│"
        if end - len(text) > len(label):
            text += label.rjust(end - len(text))
    return text


def footer_line(
    name: Part, figures: FlowTotals, units: Units, *, peak: bool, margin: int
) -> tuple[list[Part], list[Part]]:
    """One of the three lines: name, sum and peak at the left, the rates under their columns at the right.

    `peak`: False where it was not followed; `margin`: cells right of the table's columns.
    """
    left: list[Part] = [
        name,
        ("cum: ", Tone.DIM),
        f"{units.volume(figures.total_bytes):>{rate_cells(units)}}",
        ("   peak: ", Tone.DIM),
        f"{units.rate(figures.peak) if peak else NOT_KNOWN:>{rate_cells(units)}}",
    ]
    right: list[Part] = [("rates: ", Tone.DIM), *_rates(figures.rates, units), " " * margin]
    return left, right


def _rates(rates: Sequence[float], units: Units) -> list[Part]:
    cells = rate_cells(units)
    return [f" {units.rate(rate):>{cells}}" for rate in rates]
