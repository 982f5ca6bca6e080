"""Dashboards that look the same wherever the tests run."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Protocol

import pytest
from textual.pilot import Pilot

from netdash.model.snapshot import Snapshot
from netdash.options import Options
from netdash.ui.app import Dashboard
from netdash.ui.theme import choose_palette, textual_theme
from tests.ui.fixtures import FakeSource
from tests.ui.golden import screen_text

_SECONDS: Final = 30.0
"""Long enough for a loaded machine."""
_PASSING: Final = ("arrange", "rows", "connection-series", "packet-choice")
"""Groups of workers whose end changes what a view shows."""


def dashboard(
    source: FakeSource,
    options: Options | None = None,
    *,
    color_system: str = "256",
    clock: Callable[[], float] = lambda: 0.0,
) -> Dashboard:
    """A dashboard that looks the same whatever terminal the tests run in, and however long they take."""
    options = options or Options()
    app = Dashboard(source, options, clock=clock)
    app.palette = choose_palette(color_system, ascii_only=options.ascii_only, no_color=False)
    app.theme = textual_theme(color_system, "dark")
    return app


async def take(app: Dashboard, pilot: Pilot[int], *snapshots: Snapshot) -> None:
    """Lets the dashboard take and draw `snapshots`; its source must be a FakeSource."""
    source = app.source
    assert isinstance(source, FakeSource)
    source.give(*snapshots)
    while app.state.newest is not snapshots[-1]:
        await pilot.pause(0.005)
    await pilot.pause()


async def settle(pilot: Pilot[int], condition: Callable[[], bool]) -> None:
    """Waits for what a key or a new size does in the end."""
    deadline = time.monotonic() + _SECONDS
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail("never came true")
        await pilot.pause(0.01)


async def at_rest(app: Dashboard, pilot: Pilot[int]) -> None:
    """Waits until nothing changes the screen any more."""
    same, before = False, ""
    while not same:
        working = any(worker.group in _PASSING and not worker.is_finished for worker in app.workers)
        await pilot.pause(0.005 if working else 0)
        now = screen_text(app)
        same, before = now == before and not working, now


class SnapCompare(Protocol):
    """The fixture `snap_compare` of pytest-textual-snapshot."""

    def __call__(
        self,
        app: Dashboard,
        press: Iterable[str] = (),
        terminal_size: tuple[int, int] = (80, 24),
        run_before: Callable[[Pilot[int]], Awaitable[None] | None] | None = None,
    ) -> bool:
        """Whether the screen is as it was stored."""
