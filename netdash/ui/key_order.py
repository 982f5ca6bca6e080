"""Keys are obeyed one after the other, each by what the one before has led to."""

from __future__ import annotations

from textual import events
from textual.widget import Widget
from textual.widgets import Input

from netdash.ui.frames import FrameApp, one_frame


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
        """Does what a key is bound to, if it is."""
        async with one_frame(where):
            return await self._check_bindings(key, priority=True) or await self._check_bindings(key)
