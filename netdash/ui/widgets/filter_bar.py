"""The filter's prompt and, above it, what is wrong with it or how it may go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical

from netdash.model.filter import FilterError, parse_filter
from netdash.services import service_port
from netdash.ui.messages import FilterChanged, FilterClosed
from netdash.ui.state import DashboardState
from netdash.ui.theme import Tone
from netdash.ui.widgets.filter_prompt import FilterPrompt
from netdash.ui.widgets.text_line import Part, TextLine

if TYPE_CHECKING:
    from netdash.model.filter import Filter

_HELP: Final = "Tab completes  ↑ older  Enter keeps  Esc clears"


class FilterBar(Vertical):
    """Two lines at the bottom while a filter is typed. It sets `state.row_filter`; a wrong one leaves it as it is."""

    DEFAULT_CSS = """
    FilterBar { height: 2; width: 1fr; background: $panel; }
    """

    def __init__(self, state: DashboardState, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._state = state

    def compose(self) -> ComposeResult:
        """The line about the prompt, and the prompt."""
        yield TextLine(id="filter-hint")
        yield FilterPrompt(self._values, id="filter-prompt")

    def open(self) -> None:
        """Shows the prompt with the filter that is on."""
        self.display = True
        chosen = self._state.row_filter
        self.query_one(FilterPrompt).open(chosen.text if chosen else "")
        self._hint([(f" {_HELP}", Tone.DIM)])

    def _values(self, word: str) -> set[str]:
        # NumPy comes with it, for which the first paint does not wait.
        from netdash.ui.filtering import seen_values

        return seen_values(self._state, word)

    def _hint(self, parts: list[Part]) -> None:
        self.query_one("#filter-hint", TextLine).show(parts)

    def _try(self, text: str) -> bool:
        """Takes a filter if it is right; False, with the reason shown, if not."""
        prompt = self.query_one(FilterPrompt)
        try:
            chosen = parse_filter(text, service_port) if text.strip() else None
        except FilterError as error:
            prompt.mark_error(error.position)
            self._hint([(f" {error.message}", Tone.WARN)])
            return False
        prompt.mark_error(None)
        if not prompt.completing:
            self._hint([(f" {_HELP}", Tone.DIM)])
        self._take(chosen)
        return True

    def _take(self, chosen: Filter | None) -> None:
        if chosen != self._state.row_filter:
            self._state.set_filter(chosen)
            self.post_message(FilterChanged())

    def _close(self) -> None:
        self.display = False
        self.post_message(FilterClosed())

    @on(FilterPrompt.Typed)
    def _on_typed(self, message: FilterPrompt.Typed) -> None:
        message.stop()
        if self.display:
            self._try(message.text)

    @on(FilterPrompt.Kept)
    def _on_kept(self, message: FilterPrompt.Kept) -> None:
        message.stop()
        if self._try(message.text):
            self.query_one(FilterPrompt).remember(message.text.strip())
            self._close()

    @on(FilterPrompt.Dropped)
    def _on_dropped(self, message: FilterPrompt.Dropped) -> None:
        message.stop()
        self._take(None)
        self._close()

    @on(FilterPrompt.Offered)
    def _on_offered(self, message: FilterPrompt.Offered) -> None:
        message.stop()
        if not message.options:
            self._hint([(" nothing here goes on like this", Tone.DIM)])
            return
        parts: list[Part] = []
        for option in message.options:
            parts += [" ", (option, Tone.ACCENT if option == message.chosen else Tone.DIM)]
        self._hint(parts)
