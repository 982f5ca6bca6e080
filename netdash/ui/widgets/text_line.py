"""One line of text in parts, each with its own look."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from netdash.ui.text import printable, width_of
from netdash.ui.theme import Palette, Tone, palette_of

_LAST_WORD: Final = re.compile(r"\S+$")
_SHORT_WORD: Final = 12
"""A longer piece, of a name or of a command, tells something also where it is cut."""

Part = str | tuple[str, Tone]
"""A piece of text, with its tone where it is not NORMAL."""


class TextLine(Widget):
    """Parts from the left, parts from the right, a blank between; when the line is too short the left side is cut."""

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
        if right and not right[0].text.startswith(" "):
            right.insert(0, Segment(" ", base))
        room = max(0, width - sum(segment.cell_length for segment in right))
        left = cut(Strip(segments_of(self._left, palette, base)), room, base, ascii_only=palette.ascii_only)
        return Strip([*left, *right]).crop(0, width)


def cells_of(parts: Sequence[Part]) -> int:
    """The width of some parts."""
    return sum(width_of(part if isinstance(part, str) else part[0]) for part in parts)


def cut(strip: Strip, room: int, base: Style, *, ascii_only: bool) -> Strip:
    """The strip in exactly `room` cells. What is too long ends with a mark; half a figure is none, so it goes whole."""
    if strip.cell_length <= room:
        return strip.extend_cell_length(room, base)
    kept = strip.crop(0, max(0, room - 1))
    last = _LAST_WORD.search(kept.text)
    rest = strip.text[len(kept.text) :]
    if last is not None and len(last[0]) <= _SHORT_WORD and rest and not rest[0].isspace():
        word = last[0] + rest.split(maxsplit=1)[0]
        if any(char.isdigit() for char in word):
            kept = kept.crop(0, kept.cell_length - width_of(last[0]))
    mark = Segment("~" if ascii_only else "…", base)
    return Strip([*kept, mark]).crop(0, room).extend_cell_length(room, base)


def segments_of(parts: Sequence[Part], palette: Palette, base: Style) -> list[Segment]:
    """The parts as segments on the style `base`."""
    segments: list[Segment] = []
    for part in parts:
        text, tone = (part, None) if isinstance(part, str) else part
        style = base if tone is None else base + palette.tones[tone]
        segments.append(Segment(printable(text, ascii_only=palette.ascii_only), style))
    return segments
