"""The dashboard's shell: keys, notes, pause, units, scope, and how it takes snapshots."""

from __future__ import annotations

import pytest

from netdash.model.filter.words import WORDS
from netdash.model.select import InterfaceSelection
from netdash.options import Options
from netdash.settings import Settings
from netdash.sources.source import SourceEndedError
from netdash.ui.app import Dashboard
from netdash.ui.help import HelpScreen
from netdash.ui.keymap import DASHBOARD_KEYS, FILTER_KEYS, TABLE_KEYS, TIME_KEYS
from netdash.ui.registry import PAGES, VIEWS
from netdash.ui.screen import MainScreen
from netdash.ui.widgets.banner import Banner
from netdash.ui.widgets.filter_prompt import FilterPrompt
from netdash.ui.widgets.header_line import HeaderLine
from netdash.ui.widgets.key_line import KeyLine
from netdash.ui.widgets.line_table import LineTable
from netdash.ui.widgets.tab_line import TabLine
from tests.ui.apps import dashboard, settle, take
from tests.ui.fixtures import FakeSource, interface, snapshot


def header(app: Dashboard) -> str:
    return app.main_screen.query_one(HeaderLine).text


async def test_first_paint_needs_no_snapshot() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert "waiting for the first figures" in header(app)
        assert app.main_screen.view is not None


async def test_header_has_totals_of_physical_interfaces() -> None:
    source = FakeSource()
    app = dashboard(source)
    async with app.run_test(size=(100, 24)) as pilot:
        await take(
            app,
            pilot,
            snapshot(
                interfaces=[
                    interface("lo", 1, kind="loopback"),
                    interface("eth0", 2, rx_bytes=1_250_000, tx_bytes=125_000),
                    interface("eth1", 3, rx_bytes=None, tx_bytes=None),
                    interface("br0", 4, kind="bridge"),
                ]
            ),
        )
        assert header(app) == " web-01 all interfaces  ▼ 10.0 Mb/s  ▲ 1.00 Mb/s ebpf/scan  1s  14:00:01 "


async def test_header_of_a_container_and_of_a_selection() -> None:
    inside = [interface("lo", 1, kind="loopback"), interface("eth0", 5, kind="veth", rx_bytes=1000, tx_bytes=0)]
    app = dashboard(FakeSource())
    async with app.run_test(size=(100, 24)) as pilot:
        await take(app, pilot, snapshot(interfaces=inside))
        assert "▼ 8.00 kb/s  ▲ 0 b/s" in header(app)
    app = dashboard(FakeSource(), Options(interfaces=InterfaceSelection(("lo",))))
    async with app.run_test(size=(100, 24)) as pilot:
        await take(app, pilot, snapshot(interfaces=inside))
        assert " lo  ▼ 10.0 Mb/s" in header(app)


async def test_unknown_rates_are_not_zero() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(100, 24)) as pilot:
        await take(app, pilot, snapshot(0, interfaces=[interface(rx_bytes=None, tx_bytes=None)]))
        assert "▼ –  ▲ –" in header(app)


async def test_narrow_header_drops_what_matters_least() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(60, 24)) as pilot:
        await take(app, pilot, snapshot(interfaces=[interface()], lost_packets=3))
        assert header(app) == " web-01 all interfaces  ▼ 10.0 Mb/s  ▲ 1.00 Mb/s lost 3 "


async def test_units() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(100, 24)) as pilot:
        await take(app, pilot, snapshot(interfaces=[interface(rx_bytes=1_048_576)]))
        await pilot.press("u")
        assert "▼ 1.05 MB/s" in header(app)
        await pilot.press("U")
        assert "▼ 1.00 MiB/s" in header(app)
        await pilot.press("u")
        assert "▼ 8.00 Mib/s" in header(app)


async def test_pause_freezes_the_view_and_counts_on() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(100, 24)) as pilot:
        await take(app, pilot, snapshot(1, interfaces=[interface(rx_bytes=1000)]))
        await pilot.press("space")
        assert "PAUSED" in header(app)
        await take(app, pilot, snapshot(2, interfaces=[interface(rx_bytes=2000)]))
        assert "14:00:01" in header(app)
        assert "▼ 8.00 kb/s" in header(app)
        table = app.main_screen.query_one(LineTable)
        assert "8.00kb" in str(table.model.cells(0))
        await pilot.press("u")
        assert "1.00kB" in str(table.model.cells(0))
        await pilot.press("space")
        assert "PAUSED" not in header(app)
        assert "14:00:02" in header(app)
        series = app.state.histories.interfaces.series(2, "eth0")
        assert series is not None
        assert series.rx.total_bytes == 3000


async def test_interval_steps() -> None:
    source = FakeSource()
    app = dashboard(source, Options(delay_seconds=0.2))
    async with app.run_test(size=(100, 24)) as pilot:
        await take(app, pilot, snapshot(interfaces=[interface()]))
        await pilot.press("-", "-", "+", "+", "plus")
        await settle(pilot, lambda: source.intervals == [0.1, 0.2, 0.5, 1.0])
        assert "  1s " in header(app)
        assert app.main_screen.query_one(KeyLine).notice == "interval 1 s"


async def test_notes_can_be_dismissed_and_new_ones_come_back() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        banner = app.main_screen.query_one(Banner)
        await take(app, pilot, snapshot(1, interfaces=[interface()]))
        assert not banner.display
        await take(app, pilot, snapshot(2, interfaces=[interface()], notes=("[b]no[/b] privilege",)))
        assert banner.display
        assert "[b]no[/b] privilege" in banner.text
        await pilot.press("escape")
        assert not banner.display
        await take(app, pilot, snapshot(3, interfaces=[interface()], notes=("[b]no[/b] privilege",)))
        assert not banner.display
        await take(app, pilot, snapshot(4, interfaces=[interface()], notes=("other", "[b]no[/b] privilege")))
        assert banner.display
        assert "! other" in banner.text
        await take(app, pilot, snapshot(5, interfaces=[interface()]))
        assert not banner.display
        await take(app, pilot, snapshot(6, interfaces=[interface()], lost_packets=7))
        assert "packets were lost" in banner.text
        assert "lost 7" in header(app)


async def test_a_vanished_interface_is_said() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await take(app, pilot, snapshot(1, interfaces=[interface("eth0", 2), interface("tun0", 9, kind="tun")]))
        await take(app, pilot, snapshot(2, interfaces=[interface("eth0", 2)]))
        assert app.main_screen.query_one(KeyLine).notice == "gone: tun0"
        assert len(app.main_screen.query_one(LineTable).model) == 1


async def test_silence_is_said_until_data_comes_again() -> None:
    now = 100.0
    app = dashboard(FakeSource(), clock=lambda: now)
    async with app.run_test(size=(100, 24)) as pilot:
        await take(app, pilot, snapshot(1, interfaces=[interface()]))
        assert "no data" not in header(app)
        now += 7.5
        await settle(pilot, lambda: " no data for 7 s " in header(app))
        await take(app, pilot, snapshot(2, interfaces=[interface()]))
        assert "no data" not in header(app)


async def test_silence_at_the_very_end_is_not_drawn() -> None:
    now = 100.0
    app = dashboard(FakeSource(), clock=lambda: now)
    async with app.run_test(size=(100, 24)) as pilot:
        await take(app, pilot, snapshot(1, interfaces=[interface()]))
    now += 7.5
    # The timer may still fire while the screen is taken down, and is taken down itself last.
    app._watch()


async def test_payload_is_named_where_packets_are_not_counted() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(100, 24)) as pilot:
        await take(app, pilot, snapshot(1, interfaces=[interface()], flow_layer="sockets"))
        tabs = app.main_screen.query_one(TabLine)
        assert tabs.render_line(0).text.rstrip().endswith("  wire bytes, bit/s")
        await pilot.press("2")
        assert tabs.render_line(0).text.rstrip().endswith("payload of TCP sockets, bit/s")
        assert "sockets/scan" in header(app)


async def test_source_that_ends_ends_the_dashboard() -> None:
    source = FakeSource()
    app = dashboard(source)
    async with app.run_test(size=(80, 24)) as pilot:
        await take(app, pilot, snapshot(1, interfaces=[interface()]))
        source.fail(SourceEndedError("the collector ended"))
        await settle(pilot, lambda: app.failure is not None)
    assert app.return_value == 1
    assert app.failure == "the collector ended"


@pytest.mark.parametrize("key", ["q", "ctrl+c", "ctrl+q"])
async def test_quit_keys(key: str) -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(key)
    assert app.return_value == 0


async def test_quit_from_the_help() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        await pilot.press("q")
    assert app.return_value == 0


DESIGNED_KEYS = [
    *("1", "2", "3", "4", "5", "tab", "shift+tab", "enter", "escape", "n", "P", "S", "D", "N", "p", "s", "d", "t", "b"),
    *("B", "L", "r", "R", "T", "o", "space", "left", "right", "slash", "f", "u", "U", "plus", "minus", "l", "x", "w"),
    *("question_mark", "q", "g", "less_than_sign", "greater_than_sign", "home"),
]


@pytest.mark.parametrize("profile", ["default", "vim", "nethogs"])
async def test_every_designed_key_is_in_the_help_and_does_something(profile: str) -> None:
    app = dashboard(FakeSource(), Options(settings=Settings(profile=profile)))
    async with app.run_test(size=(100, 30)) as pilot:
        await take(app, pilot, snapshot(interfaces=[interface()]))
        await pilot.press("question_mark")
        screen = app.screen
        assert isinstance(screen, HelpScreen)
        text = screen.text.plain
    keymap, owners = app.state.keymap, {"": MainScreen, "app": Dashboard}
    bound: set[str] = set()
    for owner, keys in (
        (MainScreen, DASHBOARD_KEYS),
        (Dashboard, TIME_KEYS),
        (LineTable, TABLE_KEYS),
        (FilterPrompt, FILTER_KEYS),
        *((entry.load(), entry.load().keys) for entry in (*VIEWS, *PAGES)),
    ):
        for key in keymap.of(keys):
            where, _, action = key.action.partition("(")[0].rpartition(".")
            assert hasattr(owners[where] if where else owner, f"action_{action}"), key.id
            assert not key.key or key.description in " ".join(text.split()), key.id
            bound |= set(key.key.split(","))
    assert set(DESIGNED_KEYS) <= bound


async def test_help_tells_the_words_of_the_filter() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(100, 30)) as pilot:
        await take(app, pilot, snapshot(interfaces=[interface()]))
        await pilot.press("question_mark")
        screen = app.screen
        assert isinstance(screen, HelpScreen)
        for word in WORDS:
            assert f"{word.written:<14}{word.description}" in screen.text.plain


async def test_help_lists_every_key_and_note() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(200, 50)) as pilot:
        await take(app, pilot, snapshot(1, interfaces=[interface()], notes=("run as root [sudo]",), lost_packets=5))
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        text = app.screen.text.plain
        every = [*DASHBOARD_KEYS, *(key for entry in (*VIEWS, *PAGES) for key in entry.load().keys)]
        assert [key.id for key in every if key.key and (key.description not in text or key.shown not in text)] == []
        assert "! run as root [sudo]" in text
        assert "! 5 packets were lost" in text
        await pilot.press("escape")
        assert not isinstance(app.screen, HelpScreen)


def test_key_ids_are_unique() -> None:
    ids = [key.id for key in DASHBOARD_KEYS] + [key.id for entry in (*VIEWS, *PAGES) for key in entry.load().keys]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("entry", [*VIEWS, *PAGES], ids=lambda entry: entry.view_id)
def test_no_view_takes_a_key_of_the_dashboard(entry: object) -> None:
    taken = {name for key in DASHBOARD_KEYS for name in key.key.split(",")}
    for each in (*VIEWS, *PAGES):
        if each is entry:
            own = {name for key in each.load().keys for name in key.key.split(",")}
            assert not own & taken


async def test_every_view_shows_and_takes_snapshots() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        for number, entry in enumerate(VIEWS, 1):
            await pilot.press(str(number))
            view = app.main_screen.view
            assert view is not None
            assert (view.view_id, view.title) == (entry.view_id, entry.title)
            await take(app, pilot, snapshot(number, interfaces=[interface()]))
            assert app.focused is not None
        await pilot.press("tab")
        assert app.main_screen.view is not None
        assert app.main_screen.view.view_id == VIEWS[0].view_id
        await pilot.press("shift+tab")
        assert app.main_screen.view.view_id == VIEWS[-1].view_id
        await pilot.click(TabLine, offset=(20, 0))
        assert app.main_screen.view.view_id == "flows"


async def test_only_the_shown_view_is_drawn() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await take(app, pilot, snapshot(1, interfaces=[interface(rx_bytes=1000)]))
        table = app.main_screen.query_one("#interface-table", LineTable)
        assert "8.00kb" in str(table.model.cells(0))
        await pilot.press("2")
        await take(app, pilot, snapshot(2, interfaces=[interface(rx_bytes=2000)]))
        assert "8.00kb" in str(table.model.cells(0))
        await pilot.press("1")
        assert "16.0kb" in str(table.model.cells(0))


async def test_drilling_into_an_interface_and_back() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(100, 24)) as pilot:
        both = [interface("eth0", 2), interface("eth1", 3, rx_bytes=2500, tx_bytes=0)]
        await take(app, pilot, snapshot(1, interfaces=both))
        await pilot.press("down", "enter")
        await settle(pilot, lambda: app.main_screen.view is not None and app.main_screen.view.view_id == "processes")
        assert " eth1  ▼ 20.0 kb/s" in header(app)
        await pilot.press("escape")
        assert " all interfaces " in header(app)


async def test_starts_at_the_view_of_the_command_line() -> None:
    app = dashboard(FakeSource(), Options(view="sockets"))
    async with app.run_test(size=(80, 24)):
        assert app.main_screen.view is not None
        assert app.main_screen.view.view_id == "sockets"


async def test_command_palette_has_every_action() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)):
        titles = {command.title for command in app.get_system_commands(app.screen)}
        assert titles >= {key.description for key in DASHBOARD_KEYS}
