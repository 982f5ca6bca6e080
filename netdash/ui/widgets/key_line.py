"""The last line: the keys that have a use now, or something to tell for some seconds."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from netdash.ui.keymap import KeyBinding
from netdash.ui.text import fit, printable
from netdash.ui.theme import Palette, palette_of


class KeyLine(Widget):
    """Keys with their labels; what has no room is left out whole and is under the help key."""

    DEFAULT_CSS = """
    KeyLine { height: 1; width: 1fr; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._keys: tuple[KeyBinding, ...] = ()
        self._always: tuple[KeyBinding, ...] = ()
        self._notice = ""

    def show(self, keys: Sequence[KeyBinding], always: Sequence[KeyBinding]) -> None:
        """`keys` from the left as far as there is room, `always` at the right."""
        if (tuple(keys), tuple(always)) != (self._keys, self._always):
            self._keys, self._always = tuple(keys), tuple(always)
            self.refresh()

    def tell(self, notice: str) -> None:
        """Shows a notice instead of the keys; "" shows the keys again."""
        if notice != self._notice:
            self._notice = notice
            self.refresh()

    @property
    def keys(self) -> tuple[KeyBinding, ...]:
        """The keys that are shown, as far as there is room."""
        return (*self._keys, *self._always)

    @property
    def notice(self) -> str:
        """The notice that is shown; "" when there is none."""
        return self._notice

    def render_line(self, y: int) -> Strip:
        """The notice or the keys."""
        width = self.size.width
        palette = palette_of(self.app)
        base = self.rich_style
        if self._notice:
            text = fit(f" {self._notice}", width, ascii_only=palette.ascii_only)
            return Strip([Segment(text, base + palette.title)], width)
        right = [segment for key in self._always for segment in self._segments(key, palette, base)]
        room = width - sum(segment.cell_length for segment in right)
        left: list[Segment] = []
        for key in self._keys:
            segments = self._segments(key, palette, base)
            length = sum(segment.cell_length for segment in segments)
            if length > room:
                break
            left += segments
            room -= length
        return Strip([*left, Segment(" " * max(0, room), base), *right]).crop(0, width)

    def _segments(self, key: KeyBinding, palette: Palette, base: Style) -> list[Segment]:
        shown = printable(key.shown, ascii_only=palette.ascii_only)
        return [Segment(f" {shown}", base + palette.key), Segment(f" {key.label} ", base)]
