"""Several lines of text in parts; only lines that changed are drawn again."""

from __future__ import annotations

from collections.abc import Sequence

from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from netdash.ui.theme import palette_of
from netdash.ui.widgets.text_line import Part, cut, segments_of

Line = Sequence[Part]


class TextLines(Widget):
    """Lines from the top; what is too long is cut with a mark, what has no room below is left out."""

    DEFAULT_CSS = """
    TextLines { height: auto; width: 1fr; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._lines: tuple[tuple[Part, ...], ...] = ()

    def show(self, lines: Sequence[Line]) -> None:
        """Draws these lines where they are others than before."""
        before, self._lines = self._lines, tuple(tuple(line) for line in lines)
        if len(before) != len(self._lines) or not self.size:  # no size: of a view that is not laid out yet
            self.styles.height = len(self._lines)
            self.refresh()
            return
        pairs = enumerate(zip(before, self._lines, strict=True))
        changed = [Region(0, y, self.size.width, 1) for y, (old, new) in pairs if old != new]
        if changed:
            self.refresh(*changed)

    @property
    def text(self) -> str:
        """What is shown, without looks."""
        return "\n".join("".join(p if isinstance(p, str) else p[0] for p in line) for line in self._lines)

    def render_line(self, y: int) -> Strip:
        """One line."""
        width, base = self.size.width, self.rich_style
        if y >= len(self._lines):
            return Strip.blank(width, base)
        palette = palette_of(self.app)
        strip = Strip(segments_of(self._lines[y], palette, base))
        return cut(strip, width, base, ascii_only=palette.ascii_only)
