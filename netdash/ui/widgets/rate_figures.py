"""The figures beside a graph, as nload has them: Curr, Avg, Min, Max and Ttl of both directions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from netdash.model.units import NOT_KNOWN, Units
from netdash.ui.text import fit
from netdash.ui.theme import Tone, palette_of
from netdash.ui.widgets.area_graph import halves

if TYPE_CHECKING:
    from netdash.model.interface_history import DirectionFigures

WIDTH_CELLS: Final = 20
_BY_IMPORTANCE: Final = ("Curr", "Max", "Avg", "Ttl", "Min")
_IN_ORDER: Final = ("Curr", "Avg", "Min", "Max", "Ttl")


def _texts(figures: DirectionFigures | None, units: Units) -> dict[str, str]:
    """The figures by their names."""
    if figures is None or figures.average is None:
        return dict.fromkeys(_IN_ORDER, NOT_KNOWN)
    return {
        "Curr": units.rate_per_second(figures.current),
        "Avg": units.rate_per_second(figures.average),
        "Min": units.rate_per_second(figures.minimum),
        "Max": units.rate_per_second(figures.maximum),
        "Ttl": units.volume_spaced(figures.total_bytes),
    }


class RateFigures(Widget):
    """Stands beside an AreaGraph of the same height and has its halves."""

    DEFAULT_CSS = f"""
    RateFigures {{ height: 1fr; width: {WIDTH_CELLS}; }}
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._rx: DirectionFigures | None = None
        self._tx: DirectionFigures | None = None
        self._units = Units()
        self._base = Style.null()

    def show(self, rx: DirectionFigures | None, tx: DirectionFigures | None, *, units: Units) -> None:
        """Draws the figures that are others than before; None: nothing is known yet."""
        before = [self._line(y) for y in range(self.size.height)]
        self._rx, self._tx, self._units = rx, tx, units
        if not self.size:  # of a view that is not laid out yet: all is drawn when it is
            self.refresh()
            return
        changed = [Region(0, y, self.size.width, 1) for y, line in enumerate(before) if line != self._line(y)]
        if changed:
            self.refresh(*changed)

    def render_lines(self, crop: Region) -> list[Strip]:
        """The figures; what all have in common is looked up once."""
        self._base = self.rich_style
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        """One figure."""
        width = self.size.width
        palette = palette_of(self.app)
        text, tone = self._line(y)
        line = fit(text, width, ascii_only=palette.ascii_only)
        return Strip([Segment(line, self._base + palette.tones[tone])], width)

    def _line(self, y: int) -> tuple[str, Tone]:
        """Text of a line, and what it is of."""
        room = halves(self.size.height)
        if y < room.rx:
            return self._text(self._rx, "▼", "Incoming", y, room.rx), Tone.RX
        if y < room.rx + room.tx:
            return self._text(self._tx, "▲", "Outgoing", y - room.rx, room.tx), Tone.TX
        return "", Tone.DIM

    def _text(self, figures: DirectionFigures | None, mark: str, heading: str, row: int, rows: int) -> str:
        """Line `row` of a half: a heading where there is room for it, then the figures that matter most."""
        with_heading = rows > len(_IN_ORDER)
        if with_heading:
            if row == 0:
                return f" {mark} {heading}"
            row -= 1
        kept = [name for name in _IN_ORDER if name in _BY_IMPORTANCE[:rows]]
        if row >= len(kept):
            return ""
        lead = mark if row == 0 and not with_heading else " "
        return f" {lead} {kept[row] + ':':<5} {_texts(figures, self._units)[kept[row]]:>10}"
