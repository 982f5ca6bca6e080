"""Keys that come at once, as over a slow link: each is obeyed by what the one before has led to."""

from __future__ import annotations

import pytest
from textual import events
from textual.widgets import Input

from netdash.ui import frames
from netdash.ui.app import Dashboard
from netdash.ui.help import HelpScreen
from netdash.ui.moment_prompt import MomentPrompt
from netdash.ui.scope import ProcessScope
from netdash.ui.widgets.filter_prompt import FilterPrompt
from tests.ui.apps import dashboard, settle, take
from tests.ui.fixtures import FakeSource, flow, interface, process, snapshot
from tests.ui.flows import status

_NAMES = {"/": "slash", "?": "question_mark", " ": "space", "\r": "enter"}


def type_at_once(app: Dashboard, text: str) -> None:
    """All keys are there before the first is looked at."""
    for char in text:
        app.post_message(events.Key(_NAMES.get(char, char), char if char.isprintable() else None))


def view_of(app: Dashboard) -> str:
    assert app.main_screen.view is not None
    return app.main_screen.view.view_id


async def test_what_is_typed_with_the_key_of_the_prompt_is_the_prompts() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await take(app, pilot, snapshot(1, interfaces=[interface(), interface("eth1", 3)]))
        type_at_once(app, "/eth1 q")
        await settle(pilot, lambda: bool(app.main_screen.query(FilterPrompt)))
        await settle(pilot, lambda: app.main_screen.query_one(FilterPrompt).value == "eth1 q")
        assert app.is_running
        assert view_of(app) == "interfaces"


async def test_a_key_after_that_of_a_view_is_the_new_views() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await take(app, pilot, snapshot(0), snapshot(1, flows=[flow()]))
        type_at_once(app, "2P")
        await settle(pilot, lambda: view_of(app) == "flows")
        assert "by port" in status(app)
        type_at_once(app, "1a2Su")
        await settle(pilot, lambda: not app.state.units.bits)
        assert "by local address" in status(app)


async def test_enter_after_enter_goes_on_from_where_the_first_led() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(100, 24)) as pilot:
        await take(
            app,
            pilot,
            snapshot(0),
            snapshot(1, interfaces=[interface()], processes=[process()], flows=[flow(pid=4321)]),
        )
        type_at_once(app, "\r\r")
        await settle(pilot, lambda: view_of(app) == "flows")
        assert isinstance(app.state.scope.process, ProcessScope)
        assert app.state.scope.interface is not None


async def test_what_is_typed_with_the_key_that_asks_for_a_time_is_the_time() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await take(app, pilot, snapshot(1), snapshot(2), snapshot(3))
        type_at_once(app, " g14:00")
        await settle(pilot, lambda: isinstance(app.screen, MomentPrompt))
        await settle(pilot, lambda: app.screen.query_one(Input).value == "14:00")


async def test_a_key_behind_the_one_that_closes_the_help_waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "_LONGEST_WAIT_SECONDS", 1e6)
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await take(app, pilot, snapshot(1))
        type_at_once(app, "?")
        await settle(pilot, lambda: isinstance(app.screen, HelpScreen))
        type_at_once(app, " u")
        await settle(pilot, lambda: not app.state.units.bits)
        assert app.screen is app.main_screen
