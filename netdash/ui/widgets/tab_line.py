"""The second line: the views, which of them is shown, and what its figures count."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from netdash.ui.text import printable, width_of
from netdash.ui.theme import Tone, palette_of


class TabLine(Widget):
    """The tabs with their keys. The shown one stands in brackets in ASCII, else inverted."""

    DEFAULT_CSS = """
    TabLine { height: 1; width: 1fr; }
    """

    class Chosen(Message):
        """A click on the tab at `index`."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    def __init__(self, titles: Sequence[str], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._titles = tuple(titles)
        self._active: int | None = 0
        self._measures: tuple[str, ...] = ()

    def show(self, active: int | None, measures: Sequence[str]) -> None:
        """Marks the tab `active`; None: a page without a tab is shown.

        `measures`: what its figures count, the longest wording first.
        """
        if (active, tuple(measures)) != (self._active, self._measures):
            self._active, self._measures = active, tuple(measures)
            self.refresh()

    def _texts(self) -> list[str]:
        return [
            f"[{index + 1} {title}]" if index == self._active else f" {index + 1} {title} "
            for index, title in enumerate(self._titles)
        ]

    def render_line(self, y: int) -> Strip:
        """The tabs at the left, the measure at the right if there is room."""
        width = self.size.width
        palette = palette_of(self.app)
        base = self.rich_style
        segments: list[Segment] = []
        used = 0
        for index, text in enumerate(self._texts()):
            active = index == self._active
            if active and not palette.ascii_only:
                text = f" {text[1:-1]} "
            segments.append(Segment(text, base + (palette.active if active else palette.tones[Tone.DIM])))
            used += len(text)
        room = width - used - 2
        measure = next((m for m in self._measures if width_of(m) <= room), "")
        measure = printable(measure, ascii_only=palette.ascii_only)
        padding = " " * max(0, width - used - width_of(measure) - 1)
        segments.append(Segment(f"{padding}{measure} ", base + palette.tones[Tone.DIM]))
        return Strip(segments).crop(0, width)

    def on_click(self, event: events.Click) -> None:
        """Chooses the tab under the pointer."""
        x = 0
        for index, text in enumerate(self._texts()):
            if x <= event.x < x + len(text):
                self.post_message(self.Chosen(index))
                return
            x += len(text)
