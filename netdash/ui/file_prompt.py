"""The line that asks for the name of a file to write."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import ModalScreen
from textual.widgets import Input

from netdash.ui.keymap import KeyBinding, bindings
from netdash.ui.theme import Tone
from netdash.ui.widgets.text_line import TextLine

_KEYS = (KeyBinding("file.close", "escape", "close", "close", "Write nothing"),)
_LONGEST_PATH = 4096


@dataclass(frozen=True, slots=True)
class ChosenFile:
    """Where to write."""

    path: Path
    replace: bool
    """Whether the user wants a file of that name replaced."""


class FilePrompt(ModalScreen[ChosenFile | None]):
    """Returns where to write, or None. To replace a file, that is said first and Enter has to come again."""

    DEFAULT_CSS = """
    FilePrompt { align: left bottom; background: transparent; }
    FilePrompt Input { border: none; height: 1; width: 100%; padding: 0 1; }
    FilePrompt Input:focus { border: none; }
    FilePrompt TextLine { background: $panel; }
    """
    BINDINGS: ClassVar[list[BindingType]] = list(bindings(_KEYS))

    def __init__(self, words: str, name: str) -> None:
        """`words`: what is written, as in "10 packets"; `name`: what the file is called if nothing else is typed."""
        super().__init__()
        self._words = words
        self._name = name
        self._warned: Path | None = None

    def compose(self) -> ComposeResult:
        """What is written, and the line for the name."""
        yield TextLine(id="file-words")
        yield Input(self._name, id="file", max_length=_LONGEST_PATH)

    def on_mount(self) -> None:
        """Says what is written."""
        self._say(f"Write {self._words} to:", Tone.NORMAL)
        self.set_focus(self.query_one(Input))

    def _say(self, text: str, tone: Tone) -> None:
        self.query_one("#file-words", TextLine).show([(f" {text}", tone)], [("Enter writes, Esc does not ", Tone.DIM)])

    @on(Input.Submitted)
    def _on_submitted(self, message: Input.Submitted) -> None:
        text = message.value.strip()
        if not text:
            self.dismiss(None)
            return
        path = Path(os.path.expanduser(text))
        if not text.isprintable():
            self._say("a name has no control characters", Tone.BAD)
        elif path.is_dir():
            self._say("that is a directory: add a name", Tone.BAD)
        elif os.path.lexists(path) and path != self._warned:
            self._warned = path
            self._say("there is such a file: Enter again replaces it", Tone.WARN)
        else:
            self.dismiss(ChosenFile(path, replace=path == self._warned))

    def action_close(self) -> None:
        """Writes nothing."""
        self.dismiss(None)
