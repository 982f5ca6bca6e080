"""Keys are obeyed one after the other, each by what the one before has led to."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from textual import events
from textual.widget import Widget
from textual.widgets import Input

from netdash.ui.frames import FrameApp

_LONGEST_WAIT_SECONDS: Final = 0.5
_ROUNDS: Final = 2
"""What a table tells its view, and what the view then tells the screen."""


class OrderedKeysApp(FrameApp):
    """An app whose keys may come many at once, as they do over a slow link.

    Textual passes every key on to what has the focus when it comes, and obeys it when it comes back. Of "/ssh" in one
    packet the prompt that the first key opens would see nothing: the others would be obeyed as keys of the table.
    """

    async def on_event(self, event: events.Event) -> None:
        """Obeys a key before the next one is looked at; keys of a prompt are the prompt's."""
        is_new = isinstance(event, events.Key) and not event.is_forwarded
        where = self.focused if is_new else None
        # Without a focus the screen is still being made.
        if (
            isinstance(event, events.Key)
            and where is not None
            and not isinstance(where, Input)
            and await self._obey(event.key, where)
        ):
            return
        await super().on_event(event)

    async def _obey(self, key: str, where: Widget) -> bool:
        """Does what a key is bound to, if it is, and draws all that changes by that in one frame."""
        with self.batch_update():
            obeyed = await self._check_bindings(key, priority=True) or await self._check_bindings(key)
            if obeyed:
                await self._let_pass(where)
        if obeyed:
            self.draw_now()
        return obeyed

    async def _let_pass(self, where: Widget) -> None:
        """Waits until what an action has told the widgets from here up to the screen has come there."""
        if where.screen not in self.screen_stack:
            return  # its screen was closed: nobody is left to be told anything
        passed = asyncio.Event()
        way = [node for node in where.ancestors_with_self if node is not self] * _ROUNDS

        def go_on() -> None:
            if way:
                way.pop(0).call_later(go_on)
            else:
                passed.set()

        go_on()
        with suppress(TimeoutError):
            await asyncio.wait_for(passed.wait(), _LONGEST_WAIT_SECONDS)
