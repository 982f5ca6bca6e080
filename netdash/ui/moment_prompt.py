"""The line that asks for a time to go to."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import ModalScreen
from textual.widgets import Input

from netdash.model.moments import FORMS, MomentError, parse_moment
from netdash.ui.keymap import KeyBinding, bindings
from netdash.ui.playback import Player
from netdash.ui.theme import Tone
from netdash.ui.widgets.text_line import TextLine

_KEYS = (KeyBinding("moment.close", "escape", "close", "close", "Stay here"),)


class MomentPrompt(ModalScreen[float | None]):
    """Returns seconds since the epoch, or None. What is no moment stays to be mended."""

    DEFAULT_CSS = """
    MomentPrompt { align: left bottom; background: transparent; }
    MomentPrompt Input { border: none; height: 1; width: 100%; padding: 0 1; }
    MomentPrompt Input:focus { border: none; }
    MomentPrompt TextLine { background: $panel; }
    """
    BINDINGS: ClassVar[list[BindingType]] = list(bindings(_KEYS))

    def __init__(self, player: Player) -> None:
        super().__init__()
        self._player = player

    def compose(self) -> ComposeResult:
        """What can be written, and the line for it."""
        yield TextLine(id="moment-forms")
        yield Input(id="moment", max_length=64)

    def on_mount(self) -> None:
        """Says what can be written."""
        self.query_one("#moment-forms", TextLine).show([f" Go to: {FORMS}"], [("Enter goes, Esc stays ", Tone.DIM)])
        self.set_focus(self.query_one(Input))

    @on(Input.Submitted)
    def _on_submitted(self, message: Input.Submitted) -> None:
        if not message.value.strip():
            self.dismiss(None)
            return
        player, table = self._player, self._player.table
        last = table.time(table.last)
        try:
            self.dismiss(parse_moment(message.value, shown=player.moment, first=table.earliest, last=last))
        except MomentError as error:
            self.query_one("#moment-forms", TextLine).show([(f" {error}", Tone.BAD)])

    def action_close(self) -> None:
        """Stays where one was."""
        self.dismiss(None)
