"""The line in which a filter is typed: live, with completion, a history, and the place of an error marked."""

from __future__ import annotations

from typing import ClassVar, Final

from rich.highlighter import Highlighter
from rich.text import Text
from textual import on
from textual.binding import BindingType
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Input

from netdash.model.filter.completion import Completion, Values, complete
from netdash.model.filter.lexer import MAX_LENGTH
from netdash.ui.keymap import FILTER_KEYS, bindings

_PAUSE_SECONDS: Final = 0.15
"""So long after the last key the filter is tried."""
_HISTORY: Final = 50


class _ErrorMark(Highlighter):
    """Marks the character at which the filter is wrong, by reverse video: colour alone would not do."""

    def __init__(self) -> None:
        self.position: int | None = None

    def highlight(self, text: Text) -> None:
        if self.position is not None:
            at = min(self.position, max(0, len(text) - 1))
            text.stylize("reverse underline", at, at + 1)


class FilterPrompt(Input):
    """Tells what is typed after a short rest, then what the user does with it. The dashboard decides what it means."""

    DEFAULT_CSS = """
    FilterPrompt { height: 1; border: none; padding: 0 1; background: $panel; }
    FilterPrompt:focus { border: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = list(bindings(FILTER_KEYS))

    class Typed(Message):
        """The text has rested."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Kept(Message):
        """Enter: the filter stays."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Dropped(Message):
        """Esc: no filter."""

    class Offered(Message):
        """Completion found these."""

        def __init__(self, options: tuple[str, ...], chosen: str) -> None:
            super().__init__()
            self.options = options
            self.chosen = chosen

    def __init__(self, values: Values, *, id: str | None = None) -> None:
        """`values`: what a word could be followed by now."""
        self._mark = _ErrorMark()
        super().__init__(
            placeholder="filter: text, /pattern/, port:443, proc:nginx, not …   Tab completes, Esc clears",
            max_length=MAX_LENGTH,
            highlighter=self._mark,
            id=id,
        )
        self._values = values
        self._history: list[str] = []
        self._recalled = 0
        self._draft = ""
        self._cycle: Completion | None = None
        self._cycle_index = 0
        self._expected = ""
        self._rest: Timer | None = None

    def open(self, text: str) -> None:
        """Begins with a text, the cursor behind it."""
        self.value = text
        self.cursor_position = len(text)
        self._recalled, self._cycle = 0, None
        self.mark_error(None)
        # Not `focus`, which comes later: the next key is for the prompt already.
        self.screen.set_focus(self)

    @property
    def completing(self) -> bool:
        """Whether what stands there was put there by completion, which tells what else it could be."""
        return self.value != "" and self.value == self._expected

    def mark_error(self, position: int | None) -> None:
        """Marks the character at `position`; None: no error."""
        if position != self._mark.position:
            self._mark.position = position
            self.refresh()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Waits for a rest."""
        event.stop()
        if event.value != self._expected:
            self._cycle = None
        self._stop_waiting()
        self._rest = self.set_timer(_PAUSE_SECONDS, self._tell)

    @on(Input.Submitted)
    def _on_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._stop_waiting()
        self.post_message(self.Kept(self.value))

    def _tell(self) -> None:
        self._rest = None
        self.post_message(self.Typed(self.value))

    def _stop_waiting(self) -> None:
        if self._rest is not None:
            self._rest.stop()
            self._rest = None

    def remember(self, text: str) -> None:
        """Adds a filter to the history."""
        if text:
            self._history = [*(old for old in self._history if old != text), text][-_HISTORY:]

    def action_clear_filter(self) -> None:
        """Esc."""
        self._stop_waiting()
        self.post_message(self.Dropped())

    def action_recall(self, step: int) -> None:
        """An older (1) or newer (-1) filter; before the newest stands what was being typed."""
        if self._recalled == 0:
            self._draft = self.value
        self._recalled = min(max(0, self._recalled + step), len(self._history))
        self.value = self._draft if self._recalled == 0 else self._history[-self._recalled]
        self.cursor_position = len(self.value)

    def action_complete(self, step: int) -> None:
        """What all possible continuations have in common; then one after the other."""
        if self._cycle is None:
            found = complete(self.value, self.cursor_position, self._values)
            if not found.options:
                self.post_message(self.Offered((), ""))
                return
            if len(found.options) > 1 and len(found.common) > found.end - found.start:
                self._put(found, found.common)
                self.post_message(self.Offered(found.options, ""))
                return
            self._cycle, self._cycle_index = found, 0 if step > 0 else len(found.options) - 1
        else:
            self._cycle_index = (self._cycle_index + step) % len(self._cycle.options)
        cycle = self._cycle
        option = cycle.options[self._cycle_index]
        self._put(cycle, option)
        self._cycle = (
            Completion(cycle.start, cycle.start + len(option), cycle.options) if len(cycle.options) > 1 else None
        )
        self.post_message(self.Offered(cycle.options, option))

    def _put(self, completion: Completion, option: str) -> None:
        text, cursor = completion.insert(self.value, option)
        self._expected = text
        self.value = text
        self.cursor_position = cursor
