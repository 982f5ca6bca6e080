"""Frames as Textual composes them, written as what differs from the frame before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from rich.color import ColorSystem
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from textual import events

# Textual has no public name for what it hands to the terminal.
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.screen import Screen
from textual.widget import Widget

from netdash.ui.driver import DashboardDriver
from netdash.ui.shown_screen import Part, ShownScreen
from netdash.ui.theme import PaletteApp

_COLOR_SYSTEMS: Final = {"standard": ColorSystem.STANDARD, "256": ColorSystem.EIGHT_BIT}
"""By Rich's names; any other terminal takes all colours."""

_LONGEST_WAIT_SECONDS: Final = 0.5
_ROUNDS: Final = 2
"""What a table tells its view, and what the view then tells the screen."""

_RESIZED_SECONDS: Final = 0.25
"""After a change of size: long enough that no process waits so long for a CPU without a break."""


class Frame(CompositorUpdate):
    """One of Textual's updates, written by way of a ShownScreen."""

    def __init__(self, update: ChopsUpdate | LayoutUpdate, shown: ShownScreen, width: int, height: int) -> None:
        self._update = update
        self._shown = shown
        self._size = (width, height)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        return self._update.__rich_console__(console, options)

    def render_segments(self, console: Console) -> str:
        """What to write to the terminal."""
        update = self._update
        parts = _of_layout(update) if isinstance(update, LayoutUpdate) else _of_chops(update)
        return self._shown.update(*self._size, parts)


def _of_layout(update: LayoutUpdate) -> Iterator[Part]:
    for y, strips in enumerate(update.strips, update.region.y):
        x = update.region.x
        for strip in strips:
            yield Part(y, x, strip)
            x += strip.cell_length


def _of_chops(update: ChopsUpdate) -> Iterator[Part]:
    """The pieces of lines that a span of the update lies in. Others need not be as they are on the screen: only what
    the spans touch was composed."""
    for y, start, end in update.spans:
        for stop, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=True):
            if strip is not None and x < end and stop > start:
                yield Part(y, x, strip)


@asynccontextmanager
async def one_frame(where: Widget) -> AsyncIterator[None]:
    """What changes meanwhile is drawn in one frame and at once, not at ticks of Textual's clock for frames: also what
    `where` tells the widgets from there up to its screen, which has come there when this ends."""
    app = where.app
    with app.batch_update():
        yield
        await _let_pass(where)
    if app.screen_stack:  # else the program ends
        app.screen._on_timer_update()


async def _let_pass(where: Widget) -> None:
    """Waits until what a widget was told to tell has come to its screen."""
    if where.screen not in where.app.screen_stack:
        return  # its screen was closed: nobody is left to be told anything
    passed = asyncio.Event()
    way = [node for node in where.ancestors_with_self if node is not where.app] * _ROUNDS

    def go_on() -> None:
        if way:
            way.pop(0).call_later(go_on)
        else:
            passed.set()

    go_on()
    with suppress(TimeoutError):
        await asyncio.wait_for(passed.wait(), _LONGEST_WAIT_SECONDS)


class FrameScreen(Screen[None]):
    """A screen that makes no frame during a batch, and what waits for one waits."""

    def _compositor_refresh(self) -> None:
        """Textual makes one after a layout, also in a batch, and then throws it away."""
        if self.app._batch_count:
            self._dirty_widgets.add(self)
        else:
            super()._compositor_refresh()

    async def _invoke_and_clear_callbacks(self) -> None:
        """What waits for a frame waits for one, also in a batch."""
        if not self.app._batch_count:
            await super()._invoke_and_clear_callbacks()


class FrameApp(PaletteApp):
    """An app that writes to its terminal only what differs, and nothing while that does not keep up."""

    _shown: ShownScreen | None = None

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        driver = self._driver
        if renderable is None or (isinstance(driver, DashboardDriver) and driver.refuses_frame()):
            return
        if isinstance(renderable, (ChopsUpdate, LayoutUpdate)):
            if self._shown is None:
                system = _COLOR_SYSTEMS.get(self.console.color_system or "", ColorSystem.TRUECOLOR)
                self._shown = ShownScreen(system)
            super()._display(screen, Frame(renderable, self._shown, *self.size))
        else:
            super()._display(screen, renderable)

    def on_resize(self, event: events.Resize) -> None:
        """Terminals rearrange what they show when they get another size, also if they then get the old one again."""
        self.set_timer(_RESIZED_SECONDS, self._resize_surely)
        if self._shown is None:
            return
        if event.size == self.size:
            self.action_draw_anew()
        else:
            self.forget_screen()

    def _resize_surely(self) -> None:
        """On a busy machine the last of many changes was seen to get lost in Textual, which waits for their end by a
        timer of 8 ms: that is left out as missed where the process gets no CPU for as long (Timer._run)."""
        if self._resize_event is not None:
            self._check_resize()
        driver = self._driver
        if isinstance(driver, DashboardDriver) and (size := driver.terminal_size) != self.screen.size:
            self._size = size
            self.forget_screen()
            self.screen.post_message(events.Resize(size, size))
            self.set_timer(_RESIZED_SECONDS, self._resize_surely)

    def _end_batch(self) -> None:
        """What waited for a frame goes on, also if nothing has changed."""
        super()._end_batch()
        if not self._batch_count and self.screen_stack:
            self.screen.check_idle()

    def forget_screen(self) -> None:
        """The terminal shows something else than what was written to it: the next frame is written in full."""
        if self._shown is not None:
            self._shown.forget()

    def action_draw_anew(self) -> None:
        """Writes the whole screen."""
        self.forget_screen()
        self.screen.refresh(layout=True)
