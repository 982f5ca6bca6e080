"""Keys, columns, themes and what is kept of them, in the running dashboard."""

from __future__ import annotations

from pathlib import Path

import pytest

from netdash.options import Options
from netdash.settings import Settings, load_settings, settings_path
from netdash.ui.help import HelpScreen
from netdash.ui.widgets.header_line import HeaderLine
from netdash.ui.widgets.key_line import KeyLine
from netdash.ui.widgets.line_table import LineTable
from netdash.ui.widgets.text_line import TextLine
from tests.ui.apps import dashboard, settle, take
from tests.ui.fixtures import FakeSource, interface, snapshot


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


async def test_keys_of_the_file_work_and_are_shown() -> None:
    options = Options(settings=Settings(keys={"dashboard.bits": "Z", "dashboard.iec": ""}))
    app = dashboard(FakeSource(), options)
    async with app.run_test(size=(160, 24)) as pilot:
        await take(app, pilot, snapshot(interfaces=[interface()]))
        await pilot.press("u")
        assert "Mb/s" in app.main_screen.query_one(HeaderLine).text
        await pilot.press("Z")
        assert "MB/s" in app.main_screen.query_one(HeaderLine).text
        await pilot.press("U")
        assert "MiB/s" not in app.main_screen.query_one(HeaderLine).text
        assert "Z bits/bytes" in app.main_screen.query_one(KeyLine).render_line(0).text
        await pilot.press("?")
        assert isinstance(app.screen, HelpScreen)
        assert "Z             Rates in bits or bytes" in app.screen.text.plain


async def test_a_column_goes_and_the_choice_is_kept() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(120, 24)) as pilot:
        await take(app, pilot, snapshot(interfaces=[interface()]))
        table = app.main_screen.query_one(LineTable)
        title = next(title for key, title, _ in app.main_screen.columns() if key == "state")
        assert title in table.render_line(0).text
        app.main_screen.toggle_column("state")
        await pilot.pause()
        assert title not in table.render_line(0).text
        commands = {command.title for command in app.get_system_commands(app.screen)}
        assert f"Column {title}: show" in commands
        await pilot.press("u", "ctrl+s")
        await settle(pilot, lambda: "saved in" in app.main_screen.query_one(KeyLine).notice)
    kept = load_settings(settings_path())
    assert (kept.units, kept.hidden_columns) == ("bytes", {"interfaces": ("state",)})


async def test_themes_and_profiles_change_at_once() -> None:
    app = dashboard(FakeSource(), Options(settings=Settings(theme="light")))
    async with app.run_test(size=(120, 24)) as pilot:
        await take(app, pilot, snapshot(interfaces=[interface()]))
        for command in app.get_system_commands(app.screen):
            if command.title in ("Theme: contrast", "Keys: vim"):
                command.callback()
                await pilot.pause()
        await pilot.press("ctrl+s")
        await settle(pilot, lambda: "saved in" in app.main_screen.query_one(KeyLine).notice)
    kept = load_settings(settings_path())
    assert (kept.theme, kept.profile) == ("contrast", "vim")


async def test_a_wrong_file_is_a_note() -> None:
    app = dashboard(FakeSource(), Options(settings=Settings(problems=("netdash.toml: colour is no setting; ignored",))))
    async with app.run_test(size=(120, 24)) as pilot:
        await take(app, pilot, snapshot(interfaces=[interface()]))
        assert "netdash.toml: colour is no setting; ignored" in app.main_screen.notes()


async def test_iftops_keys() -> None:
    app = dashboard(FakeSource(), Options(settings=Settings(profile="iftop"), view="flows"))
    async with app.run_test(size=(120, 24)) as pilot:
        await take(app, pilot, snapshot(interfaces=[interface()]))
        await pilot.press("3")
        assert app.main_screen.view is not None
        assert app.main_screen.view.view_id == "flows"
        assert "by 40 s rate" in app.main_screen.view.query_one("#flow-status", TextLine).text
        await pilot.press("P")
        await settle(pilot, lambda: app.state.paused)
