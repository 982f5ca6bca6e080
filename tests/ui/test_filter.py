"""The filter's prompt: live, right or wrong, completed, kept, cleared; and what it does to each view."""

from __future__ import annotations

from textual.pilot import Pilot

from netdash.model.filter import parse_filter
from netdash.options import Options
from netdash.ui.app import Dashboard
from netdash.ui.widgets.filter_prompt import FilterPrompt
from netdash.ui.widgets.header_line import HeaderLine
from netdash.ui.widgets.line_table import LineTable
from netdash.ui.widgets.text_line import TextLine
from tests.ui.apps import dashboard, settle, take
from tests.ui.fixtures import FakeSource
from tests.ui.test_processes_view import host


def _header(app: Dashboard) -> str:
    return app.main_screen.query_one(HeaderLine).text


def _rows(app: Dashboard) -> int:
    view = app.main_screen.view
    assert view is not None
    return len(view.query_one(LineTable).model)


async def _open(app: Dashboard, pilot: Pilot[int], view: str = "3") -> FilterPrompt:
    await take(app, pilot, host(0), host(1), host(2))
    await pilot.press(view, "slash")
    await pilot.pause()
    return app.main_screen.query_one(FilterPrompt)


async def _type(pilot: Pilot[int], text: str) -> None:
    for char in text:
        await pilot.press({" ": "space", ":": "colon", ">": "greater_than_sign", "/": "slash"}.get(char, char))


def _hint(app: Dashboard) -> str:
    return app.main_screen.query_one("#filter-hint", TextLine).text


async def test_filters_while_it_is_typed_and_esc_takes_it_away() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(120, 24)) as pilot:
        await _open(app, pilot)
        every = _rows(app)
        await _type(pilot, "quit")
        await settle(pilot, lambda: app.state.row_filter is not None)
        assert _rows(app) == 0, "letters go to the prompt, not to the dashboard's keys"
        await pilot.press("ctrl+u")
        await _type(pilot, "ngin")
        await settle(pilot, lambda: _rows(app) == 1)
        assert f"/ngin hides {every - 1}" in _header(app)
        await pilot.press("escape")
        await settle(pilot, lambda: _rows(app) == every)
        assert "hides" not in _header(app)
        assert app.main_screen.focused is not None


async def test_a_wrong_filter_says_where_and_the_view_stays() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(120, 24)) as pilot:
        await _open(app, pilot)
        await _type(pilot, "proc:nginx")
        await settle(pilot, lambda: _rows(app) == 1)
        await _type(pilot, " prt:80")
        await settle(pilot, lambda: "unknown word 'prt:' at 12; do you mean port:?" in _hint(app))
        assert _rows(app) == 1
        await pilot.press("enter")
        assert app.main_screen.query_one(FilterPrompt).has_focus, "a wrong filter is not kept"
        for _ in " prt:80":
            await pilot.press("backspace")
        await pilot.press("enter")
        await settle(pilot, lambda: not app.main_screen.query_one(FilterPrompt).has_focus)
        assert app.state.row_filter == parse_filter("proc:nginx")


async def test_tab_completes_words_and_what_is_there() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(120, 24)) as pilot:
        prompt = await _open(app, pilot)
        await _type(pilot, "us")
        await pilot.press("tab")
        assert prompt.value == "user:"
        await _type(pilot, "w")
        await pilot.press("tab")
        assert prompt.value == "user:www-data"
        await _type(pilot, " proc:")
        await pilot.press("tab")
        first = prompt.value
        await pilot.press("tab")
        assert prompt.value != first
        await pilot.press("shift+tab")
        assert prompt.value == first
        assert "nginx" in _hint(app)
        # What is offered stays there when the filter is tried.
        await settle(pilot, lambda: app.state.row_filter == parse_filter(prompt.value))
        assert "nginx" in _hint(app)


async def test_arrows_bring_older_filters_back() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(120, 24)) as pilot:
        prompt = await _open(app, pilot)
        for text in ("nginx", "curl"):
            await pilot.press("ctrl+u")
            await _type(pilot, text)
            await pilot.press("enter")
            await settle(pilot, lambda: not prompt.has_focus)
            await pilot.press("slash")
            await settle(pilot, lambda: prompt.has_focus)
        await pilot.press("ctrl+u")
        await _type(pilot, "x")
        await pilot.press("up", "up")
        assert prompt.value == "nginx"
        await pilot.press("down", "down")
        assert prompt.value == "x"


async def test_each_view_shows_what_matches_or_says_that_it_does_not_apply() -> None:
    app = dashboard(FakeSource(), Options(row_filter=parse_filter("port:443")))
    async with app.run_test(size=(120, 24)) as pilot:
        await take(app, pilot, host(0), host(1))
        await pilot.press("1")
        await pilot.pause()
        assert "does not apply here" in _header(app)
        assert _rows(app) == 2
        await pilot.press("2")
        await pilot.pause()
        assert (_rows(app), "hides 4" in _header(app)) == (2, True), "two lines of one flow"
        await pilot.press("3")
        await pilot.pause()
        assert _rows(app) == 1
        await pilot.press("4")
        await pilot.pause()
        assert "hides 0" in _header(app)
        await pilot.press("5")
        await pilot.pause()
        assert "does not apply here" in _header(app)


async def test_esc_goes_back_to_where_the_filter_was_set_before_it_takes_it_away() -> None:
    app = dashboard(FakeSource(), Options(row_filter=parse_filter("nginx")))
    async with app.run_test(size=(120, 24)) as pilot:
        await take(app, pilot, host(0), host(1))
        await pilot.press("3")
        await pilot.pause()
        await pilot.press("enter")
        await settle(pilot, lambda: app.state.scope.process is not None)
        await pilot.press("escape")
        assert app.state.scope.process is None
        assert app.state.row_filter is not None
        await pilot.press("escape")
        assert app.state.row_filter is None
