"""The help screen, made from the keys themselves, and all notes of the collector."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import ClassVar, Final

from rich.style import Style
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from netdash.model.filter.words import WORDS
from netdash.ui.keymap import KeyBinding, bindings
from netdash.ui.text import printable
from netdash.ui.theme import Palette, Tone, palette_of
from netdash.ui.widgets.text_line import TextLine

_KEY_CELLS: Final = 14
_LEAST_CELLS: Final = 16
_FRAME_CELLS: Final = 3
"""Padding and scroll bar."""

_HELP_KEYS: Final = (
    KeyBinding("help.close", "escape,question_mark,f1,enter,space", "close", "close", "Close the help"),
    KeyBinding("help.quit", "q,ctrl+c,ctrl+q", "app.quit", "quit", "Quit at once"),
)

_OTHER_KEYS: Final = (
    ("Ctrl+P", "Command palette: every action by its name, and which columns are shown"),
    ("Click", "Cursor to a row; again: Enter; on a title: sort by it"),
)
_FILTER_FORMS: Final = (
    ("text", "Part of a process, address, protocol, state or interface; a number: port or pid"),
    ("/pattern/", "The same by a regular expression"),
    ("a b, or, not", "Both; one of them; what does not match. Parentheses, quotes, several values: port:80,443"),
)
_FLOW_MODES: Final = {
    "ebpf": "every packet, counted in the kernel",
    "ring": "every packet, copied to netdash and counted there",
    "sockets": "payload of TCP sockets only, by their own counters; no headers, no UDP",
    "pcap": "packets of a capture file",
    "recording": "figures of a recording",
}
_PROCESS_MODES: Final = {
    "exact": "every byte by the process that moved it, short-lived ones too",
    "hooks": "sockets by the process that opened them",
    "scan": "sockets by a look at all processes once per interval",
    "own": "only your own processes; the others need privilege",
    "none": "not known here",
}


class HelpScreen(ModalScreen[None]):
    """All keys, the chosen view's first, what the mode means, and the notes."""

    DEFAULT_CSS = """
    HelpScreen { align: center middle; background: $background; }
    HelpScreen VerticalScroll { width: 100%; height: 1fr; padding: 0 1; scrollbar-size-vertical: 1; }
    HelpScreen Static { width: 100%; }
    """
    BINDINGS: ClassVar[list[BindingType]] = list(bindings(_HELP_KEYS))

    def __init__(
        self,
        views: Sequence[tuple[str, Sequence[KeyBinding]]],
        general: Sequence[KeyBinding],
        *,
        prompt: Sequence[KeyBinding],
        mode: tuple[str, str] | None,
        notes: Sequence[str],
    ) -> None:
        """`views`: titles and keys, the chosen view first; `general`: keys that work in all of them; `prompt`: those of
        the filter's prompt; `mode`: names of the flow and the process layer."""
        super().__init__()
        self._views = views
        self._general = general
        self._filter = prompt
        self._mode = mode
        self._notes = notes

    def compose(self) -> ComposeResult:
        """A title line and the text, which scrolls."""
        yield TextLine(id="help-title")
        with VerticalScroll():
            yield Static(self.text, markup=False)

    def on_mount(self) -> None:
        """The title says how to leave."""
        self.query_one("#help-title", TextLine).show([(" netdash: help", Tone.ACCENT)], ["Esc closes  q quits "])

    def on_resize(self) -> None:
        """Wraps the lines anew."""
        self.query_one(Static).update(self.text)

    def action_close(self) -> None:
        """Back to the dashboard."""
        self.dismiss()

    @property
    def text(self) -> Text:
        """The page."""
        page = _Page(palette_of(self.app), self.app.size.width - _FRAME_CELLS)
        if self._notes:
            page.heading("Notes")
            for note in self._notes:
                page.line(f"  ! {note}")
        if self._mode is not None:
            flows, processes = self._mode
            page.heading("How it is measured")
            page.row(flows, f"flows: {_FLOW_MODES.get(flows, flows)}")
            page.row(processes, f"processes: {_PROCESS_MODES.get(processes, processes)}")
        chosen, *others = self._views
        page.keys(f"{chosen[0]} (this view)", chosen[1])
        page.keys("Everywhere", self._general)
        for shown, description in _OTHER_KEYS:
            page.row(shown, description)
        page.keys("Prompt of the filter", self._filter)
        page.heading("Words of the filter")
        for word in WORDS:
            page.row(word.written, word.description)
        for shown, description in _FILTER_FORMS:
            page.row(shown, description)
        for title, keys in others:
            page.keys(title, keys)
        return page.text


class _Page:
    """Text in the looks of the palette; nothing in it is read as markup."""

    def __init__(self, palette: Palette, width: int) -> None:
        self.text = Text()
        self._palette = palette
        self._description_cells = max(_LEAST_CELLS, width - _KEY_CELLS - 2)

    def _append(self, text: str, style: Style) -> None:
        self.text.append(printable(text, ascii_only=self._palette.ascii_only), style)

    def heading(self, title: str) -> None:
        if self.text:
            self.text.append("\n")
        self._append(title, self._palette.tones[Tone.ACCENT])
        self.text.append("\n")

    def line(self, text: str) -> None:
        self._append(text, self._palette.tones[Tone.NORMAL])
        self.text.append("\n")

    def row(self, key: str, description: str) -> None:
        first, *others = wrap(description, self._description_cells) or [""]
        self._append(f"  {key:<{_KEY_CELLS}}", self._palette.key)
        self.line(first)
        for more in others:
            self.line(" " * (_KEY_CELLS + 2) + more)

    def keys(self, title: str, keys: Sequence[KeyBinding]) -> None:
        if keys:
            self.heading(title)
        for key in keys:
            if key.key:  # without one it is in the command palette alone
                self.row(key.shown, key.description)
