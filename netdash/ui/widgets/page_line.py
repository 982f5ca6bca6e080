"""One line that names the pages of a view; a click chooses one."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from textual import events
from textual.message import Message

from netdash.ui.text import width_of
from netdash.ui.theme import Tone
from netdash.ui.widgets.text_line import Part, TextLine, cells_of


class PageLine(TextLine):
    """The pages; the shown one stands in brackets."""

    DEFAULT_CSS = """
    PageLine { background: $panel; }
    """

    class Chosen(Message):
        """A click on the page at `index`."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._widths: tuple[int, ...] = ()

    def show_pages(
        self, titles: Sequence[str], active: int, right: Sequence[Part] = (), *, bad: Collection[int] = ()
    ) -> None:
        """Draws the titles, those at the indices `bad` as such, and parts at the right where there is room for them."""
        texts = [f"[{title}]" if index == active else f" {title} " for index, title in enumerate(titles)]
        self._widths = tuple(width_of(text) for text in texts)
        tones = [Tone.ACCENT if index == active else Tone.DIM for index in range(len(texts))]
        for index in bad:
            tones[index] = Tone.BAD
        needed = sum(self._widths) + cells_of(right)
        self.show(list(zip(texts, tones, strict=True)), right if needed <= self.size.width else ())

    def on_click(self, event: events.Click) -> None:
        """Chooses the page under the pointer."""
        end = 0
        for index, width in enumerate(self._widths):
            end += width
            if event.x < end:
                self.post_message(self.Chosen(index))
                return
