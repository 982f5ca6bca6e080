"""One line of text in parts, each with its own look."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from netdash.ui.text import printable
from netdash.ui.theme import Palette, Tone, palette_of

Part = str | tuple[str, Tone]
"""A piece of text, with its tone where it is not NORMAL."""


class TextLine(Widget):
    """Parts from the left, parts from the right; when the line is too short the left side is cut."""

    DEFAULT_CSS = """
    TextLine { height: 1; width: 1fr; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._left: tuple[Part, ...] = ()
        self._right: tuple[Part, ...] = ()

    def show(self, left: Sequence[Part], right: Sequence[Part] = ()) -> None:
        """Draws these parts, if they are others than before."""
        if (tuple(left), tuple(right)) != (self._left, self._right):
            self._left, self._right = tuple(left), tuple(right)
            self.refresh()

    @property
    def text(self) -> str:
        """What is shown, without looks."""
        return "".join(part if isinstance(part, str) else part[0] for part in (*self._left, *self._right))

    def line_style(self, palette: Palette) -> Style | None:
        """A style under the whole line; None: the widget's own."""
        return None

    def render_line(self, y: int) -> Strip:
        """The line."""
        width = self.size.width
        palette = palette_of(self.app)
        base = self.rich_style + (self.line_style(palette) or Style.null())
        if y:
            return Strip.blank(width, base)
        right = segments_of(self._right, palette, base)
        room = max(0, width - sum(segment.cell_length for segment in right))
        left = segments_of(self._left, palette, base)
        used = sum(segment.cell_length for segment in left)
        if used > room:
            strip = Strip(left, used).crop(0, max(0, room - 1))
            left = [*strip, Segment("~" if palette.ascii_only else "…", base)] if room else []
            used = room
        return Strip([*left, Segment(" " * (room - used), base), *right]).crop(0, width)


def segments_of(parts: Sequence[Part], palette: Palette, base: Style) -> list[Segment]:
    """The parts as segments on the style `base`."""
    segments: list[Segment] = []
    for part in parts:
        text, tone = (part, None) if isinstance(part, str) else part
        style = base if tone is None else base + palette.tones[tone]
        segments.append(Segment(printable(text, ascii_only=palette.ascii_only), style))
    return segments
