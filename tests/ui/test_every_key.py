"""Every key of every profile does in every view what the key line and the help say, or nothing where they do not.

Driven by the key map itself: a key that is new, or that loses its effect, is found here. An effect is what a user can
see: another screen, the end of the program, what the source is asked for.
"""

from __future__ import annotations

import string
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
from textual.events import Key
from textual.pilot import Pilot

from netdash.model.snapshot import Snapshot
from netdash.options import Options
from netdash.settings import KEY_PROFILES, Settings
from netdash.ui.app import Dashboard
from netdash.ui.help import HelpScreen
from netdash.ui.key_profiles import PROFILES
from netdash.ui.keymap import DASHBOARD_KEYS, FILTER_KEYS, TABLE_KEYS, TIME_KEYS, KeyBinding, Keymap
from netdash.ui.registry import PAGES, VIEWS
from netdash.ui.scope import Scope
from netdash.ui.views.protocol_keys import Page
from netdash.ui.widgets.filter_prompt import FilterPrompt
from netdash.ui.widgets.key_line import KeyLine
from netdash.ui.widgets.line_table import LineTable
from tests.ui import scenes
from tests.ui.apps import at_rest, dashboard, settle, take
from tests.ui.fixtures import flow, interface, snapshot
from tests.ui.golden import looks
from tests.ui.packets import FakePacketSource, packet_list

WAYS: Final = {
    "interfaces": "choose_view(1)",
    "flows": "choose_view(2)",
    "processes": "choose_view(3)",
    "sockets": "choose_view(4)",
    **{f"protocols-{page.name.lower()}": f"choose_view(5) go_to({page.value})" for page in Page},
    "connection": "choose_view(2) select",
    "packets": "choose_view(2) select packets",
}
"""The actions that lead to every view, whatever their keys are."""
FIRST: Final = {
    "table.up": ("table.last",),
    "table.page_up": ("table.last",),
    "table.first": ("table.last",),
    "table.down": ("table.first",),
    "table.page_down": ("table.first",),
    "table.last": ("table.first",),
    "interfaces.fold": ("table.last", "table.up", "table.up"),
    "flows.sort_rate": ("flows.sort_total",),
    "flows.sort_2s": ("flows.sort_total",),
    "processes.sort_both": ("processes.sort_sent",),
    "sockets.sort_rate": ("sockets.sort_total",),
    "protocols.sort_rate": ("protocols.sort_total",),
    "packets.out": ("packets.in",),
}
"""Bindings that have an effect after others only."""
ELSEWHERE: Final = frozenset({"dashboard.suspend", "dashboard.redraw", "dashboard.quit"})
"""Bindings that need a terminal (test_run, tests/e2e), or end all (below)."""
_TRIES: Final = 4
_SECONDS: Final = 5.0
"""Long enough for a loaded machine; only what fails takes so long."""


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


class Hand:
    """Presses keys of one dashboard and looks what becomes of them."""

    def __init__(self, app: Dashboard, pilot: Pilot[int]) -> None:
        self.app, self.pilot = app, pilot
        self.keymap: Keymap = app.state.keymap

    def seen(self) -> tuple[object, ...]:
        """All that a user can see."""
        return looks(self.app), self.app.return_value

    async def press(self, *keys: str) -> None:
        """Presses keys and waits for the end of what they do."""
        for key in keys:
            self.send(key)
            await self.pilot.pause(0)
        await at_rest(self.app, self.pilot)

    def send(self, key: str) -> None:
        """A key, as the terminal's driver sends it; Pilot.press waits 40 ms more for each."""
        self.app.post_message(Key(key, key if len(key) == 1 else None))

    async def has_effect(self, key: str) -> bool:
        """Presses a key: whether anything changes."""
        before, deadline = self.seen(), time.monotonic() + _SECONDS
        self.send(key)
        await self.pilot.pause(0)
        while self.seen() == before:
            if time.monotonic() > deadline:
                return False
            await self.pilot.pause(0.005)
        await at_rest(self.app, self.pilot)
        return True

    async def go(self, place: str) -> None:
        """To a view, from wherever."""
        app, screen = self.app, self.app.main_screen
        while app.screen is not screen:
            app.pop_screen()
        for prompt in screen.query(FilterPrompt):
            await prompt.run_action("clear_filter")
        app.state.scope, app.state.row_filter = Scope(), None
        screen._steps.clear()
        if app.state.paused:
            app.action_time_end()
            app.state.player.toggle() if app.state.paused else None
        for action in WAYS[place].split():
            owner = screen if action.startswith("choose_view") else app.focused if action == "select" else screen.view
            assert owner is not None
            await app.run_action(action, owner)
            await at_rest(app, self.pilot)
        if place == "packets":
            source = app.source
            assert isinstance(source, FakePacketSource)
            await settle(self.pilot, lambda: source.watch is not None)
            source.deliver(*scenes.usual_packets())
            await settle(self.pilot, lambda: len(packet_list(app).span) > 0)
        await at_rest(app, self.pilot)

    async def pause_at(self, number: int) -> None:
        """Shows a moment that is past."""
        app, player = self.app, self.app.state.player
        while app.screen is not app.main_screen:
            app.pop_screen()
        if player.playing:
            app.action_pause()
        player.go_to_number(player.table.first + number)
        app.go()
        app.main_screen.tell("")
        await settle(self.pilot, lambda: app.state.settled and not app._travelling)
        await at_rest(app, self.pilot)

    async def prepare(self, binding: KeyBinding) -> None:
        """What has to be done before a key has an effect."""
        every = {each.id: each for each in every_binding()}
        for name in FIRST.get(binding.id, ()):
            owner = self.app.focused if name.startswith("table.") else self.app.main_screen.view
            assert owner is not None
            await self.app.run_action(every[name].action, owner)
        await at_rest(self.app, self.pilot)

    async def undo(self, binding: KeyBinding, key: str, before: str, place: str) -> None:
        """Brings back what stood there: by the key itself where it goes round, else by leaving; an order may stay."""
        for _ in range(_TRIES):
            view = self.app.main_screen.view
            if self.app.screen is not self.app.main_screen or view is None or not place.startswith(view.view_id):
                await self.go(place)
                return
            self.app.main_screen.tell("")
            if looks(self.app) == before or "sort" in binding.action:
                return
            await self.press(key)
        await self.go(place)


@asynccontextmanager
async def hand(
    profile: str = "default",
    snapshots: Sequence[Snapshot] | None = None,
    *,
    wishes: Mapping[str, str] | None = None,
) -> AsyncIterator[Hand]:
    """A dashboard with a little of everything, and a hand on its keys."""
    app = dashboard(FakePacketSource(), Options(settings=Settings(profile=profile, keys=wishes or {})))
    async with app.run_test(size=(80, 24)) as pilot:
        snapshots = scenes.busy() if snapshots is None else snapshots
        for each in snapshots[:-1]:
            await app.state.advance(each)
        app.state.resolver = scenes.RESOLVER
        if snapshots:
            await take(app, pilot, snapshots[-1])
        yield Hand(app, pilot)


def every_binding() -> list[KeyBinding]:
    """Of all views and all that is around them."""
    own = [key for entry in (*VIEWS, *PAGES) for key in entry.load().keys]
    return [*DASHBOARD_KEYS, *TABLE_KEYS, *TIME_KEYS, *FILTER_KEYS, *own]


def keys_of(binding: KeyBinding) -> list[str]:
    """Its keys, one by one."""
    return [key for key in binding.key.split(",") if key]


def working(hand: Hand) -> list[KeyBinding]:
    """The bindings that the shown view says it has a use for."""
    app, view = hand.app, hand.app.main_screen.view
    assert view is not None
    own = view.key_line_keys()
    leads_on = any("enter" in keys_of(key) for key in own)
    table = [key for key in TABLE_KEYS if isinstance(app.focused, LineTable) and (leads_on or key.id != "table.select")]
    peaks = [key for key in TIME_KEYS if key.id.startswith("time.peak")]
    return hand.keymap.of((*own, *table, *DASHBOARD_KEYS, *peaks))


def is_here(binding: KeyBinding, place: str) -> bool:
    """Whether a key leads to where one is already."""
    view_id, _, page = place.partition("-")
    views = [f"dashboard.view_{number}" for number, entry in enumerate(VIEWS, 1) if entry.view_id == view_id]
    return binding.id in (*views, f"protocols.page_{page}")


def changed_in(profile: str) -> Collection[str]:
    """Bindings that have other keys in a profile than by themselves: for "default" all."""
    return {key.id for key in every_binding()} if profile == "default" else PROFILES[profile].keys()


def places() -> Iterator[tuple[str, str]]:
    """Profiles and views: profiles change keys of tables and of all views, for which one page of Protocols will do."""
    for profile in KEY_PROFILES:
        for place in WAYS:
            if profile == "default" or not place.startswith("protocols-") or place == "protocols-ports":
                yield profile, place


@pytest.mark.parametrize(("profile", "place"), places())
async def test_what_is_said_to_work_has_an_effect(profile: str, place: str) -> None:
    idle = []
    async with hand(profile) as fingers:
        await fingers.go(place)
        looked_at = [key for key in working(fingers) if key.id in changed_in(profile) and key.id not in ELSEWHERE]
        if place.startswith("protocols-") and place != "protocols-protocols":
            looked_at = [key for key in looked_at if not key.id.startswith("dashboard.")]  # as on the first page
        for binding in looked_at:
            for key in keys_of(binding):
                if is_here(binding, place) or is_shadowed(binding, key, fingers):
                    continue
                if binding.id == "dashboard.back":
                    await fingers.press("slash", *"tcp", "enter")
                await fingers.prepare(binding)
                before = looks(fingers.app)
                if await fingers.has_effect(key):
                    await fingers.undo(binding, key, before, place)
                else:
                    idle.append(f"{key} ({binding.id}: {binding.description})")
    assert not idle


def is_shadowed(binding: KeyBinding, key: str, fingers: Hand) -> bool:
    """Whether a key of the dashboard is the shown view's in this profile."""
    view = fingers.app.main_screen.view
    assert view is not None
    own = fingers.keymap.of(view.keys)
    return binding.id.startswith("dashboard.") and any(key in keys_of(each) for each in own)


def idle_keys(fingers: Hand) -> list[str]:
    """Keys that somebody could try and that the shown view has no use for: all of other views, and all characters."""
    used = {key for binding in working(fingers) for key in keys_of(binding)}
    moving = {key for binding in fingers.keymap.of(TIME_KEYS) for key in keys_of(binding)}
    others = {key for binding in fingers.keymap.of(every_binding()) for key in keys_of(binding)}
    characters = set(string.ascii_letters + string.digits) | {"full_stop", "comma", "number_sign", "f2", "ctrl+a"}
    return sorted((others | moving | characters) - used - {"enter"} - {"ctrl+z", "ctrl+p"})


@pytest.mark.parametrize("place", WAYS)
async def test_what_a_view_has_no_use_for_does_nothing_there(place: str) -> None:
    async with hand() as fingers:
        await fingers.go(place)
        before = fingers.seen()
        await fingers.press(*idle_keys(fingers))
        assert fingers.seen() == before
        view = fingers.app.main_screen.view
        assert view is not None
        shown = fingers.app.main_screen.query_one(KeyLine).keys
        assert {key.id for key in shown} <= {key.id for key in working(fingers)}


@pytest.mark.parametrize("profile", KEY_PROFILES)
def test_no_key_means_two_things_in_one_view(profile: str) -> None:
    keymap = Keymap(PROFILES[profile])
    # A table tells its view that a row was chosen, which does what the view's own Enter says.
    select = {key for binding in keymap.of(TABLE_KEYS) if binding.id == "table.select" for key in keys_of(binding)}
    # iftop's digits sort its only view; its tabs are a click or Tab away.
    shadowed = {"flows": set("123")} if profile == "iftop" else {}
    for entry in (*VIEWS, *PAGES):
        counted = Counter(key for each in keymap.of(entry.load().keys) for key in keys_of(each))
        counted.update(key for each in keymap.of((*TABLE_KEYS, *DASHBOARD_KEYS)) for key in keys_of(each))
        twice = {key for key, number in counted.items() if number > 1}
        assert twice - select == shadowed.get(entry.view_id, set()), entry.view_id
    for keys in (FILTER_KEYS, TIME_KEYS):
        alone = Counter(key for each in keymap.of(keys) for key in keys_of(each))
        assert max(alone.values()) == 1
    moving = {key for each in keymap.of(TIME_KEYS) if not each.id.startswith("time.peak") for key in keys_of(each)}
    everywhere = {key for each in keymap.of(DASHBOARD_KEYS) for key in keys_of(each)}
    assert not moving & everywhere, "a pause takes no key of the dashboard away"
    assert set(PROFILES[profile]) <= {each.id for each in every_binding()}


@pytest.mark.parametrize("profile", KEY_PROFILES)
async def test_the_way_through_time(profile: str) -> None:
    """Some minutes with two peaks: paused between them, each key leads to another moment, in every view."""
    story = [
        snapshot(tick, interfaces=[interface(rx_bytes=9_000_000 if tick in (60, 160) else 100_000)], flows=[flow()])
        for tick in range(220)
    ]
    idle = []
    async with hand(profile, story) as fingers:
        for place in ("interfaces", "flows", "processes", "sockets", "protocols-protocols", "connection"):
            await fingers.go(place)
            for binding in fingers.keymap.of(TIME_KEYS):
                for key in keys_of(binding) if binding.id in changed_in(profile) else ():
                    await fingers.pause_at(110)
                    if binding.id == "time.slower":
                        fingers.app.action_faster()
                        fingers.app.action_faster()
                        await at_rest(fingers.app, fingers.pilot)
                    if not await fingers.has_effect(key):
                        idle.append(f"{place}: {key} ({binding.id}: {binding.description})")
    assert not idle


@pytest.mark.parametrize("profile", KEY_PROFILES)
async def test_the_prompt_of_the_filter(profile: str) -> None:
    async with hand(profile) as fingers:
        await fingers.go("flows")
        slash = next(keys_of(key)[0] for key in fingers.keymap.of(DASHBOARD_KEYS) if key.id == "dashboard.filter")
        await fingers.press(slash, *"tcp", "enter", slash, *"udp", "enter", slash)
        typed = {"filter.complete": "pro", "filter.complete_back": "p", "filter.newer": "", "filter.older": ""}
        for binding in fingers.keymap.of(FILTER_KEYS):
            for key in keys_of(binding):
                if fingers.app.focused is None or not isinstance(fingers.app.focused, FilterPrompt):
                    await fingers.press(slash)
                prompt = fingers.app.focused
                assert isinstance(prompt, FilterPrompt)
                prompt.value = typed.get(binding.id, "proto:tcp")
                if binding.id == "filter.newer":
                    await fingers.press("up")
                await at_rest(fingers.app, fingers.pilot)
                assert await fingers.has_effect(key), binding.id


@pytest.mark.parametrize("profile", KEY_PROFILES)
async def test_what_lies_over_the_screen_is_left_by_its_keys(profile: str) -> None:
    async with hand(profile) as fingers:
        app = fingers.app
        opener = next(keys_of(key)[0] for key in fingers.keymap.of(DASHBOARD_KEYS) if key.id == "dashboard.help")
        for key in ("escape", opener, "f1", "enter", "space"):
            await fingers.press(opener)
            assert len(app.screen_stack) == 2
            await fingers.press(key)
            assert len(app.screen_stack) == 1, key


@pytest.mark.parametrize(("key", "place"), [("w", "packets"), ("g", "interfaces")])
async def test_a_prompt_is_left_with_escape(key: str, place: str) -> None:
    async with hand() as fingers:
        await fingers.go(place)
        if key == "g":
            await fingers.pause_at(2)
        await fingers.press(key)
        assert fingers.app.screen is not fingers.app.main_screen
        await fingers.press("escape")
        assert fingers.app.screen is fingers.app.main_screen


@pytest.mark.parametrize(("profile", "place"), [*((each, "flows") for each in KEY_PROFILES), ("default", "packets")])
async def test_quit(profile: str, place: str) -> None:
    quit_keys = next(keys_of(key) for key in Keymap(PROFILES[profile]).of(DASHBOARD_KEYS) if key.id == "dashboard.quit")
    for key in quit_keys:
        async with hand(profile) as fingers:
            await fingers.go(place)
            fingers.send(key)
            await settle(fingers.pilot, lambda: fingers.app.return_value is not None)
        assert fingers.app.return_value == 0


async def test_another_key_takes_the_place_of_the_own_one() -> None:
    wishes = {
        "flows.freeze": "z,f5",
        "table.down": "ctrl+n",
        "dashboard.view_3": "",
        "flows.sort_2s": "exclamation_mark",
    }
    async with hand(wishes=wishes) as fingers:
        await fingers.go("flows")
        before = fingers.seen()
        await fingers.press("o", "down", "j", "3")
        assert fingers.seen() == before
        for key in ("z", "f5", "ctrl+n", "T", "exclamation_mark"):
            assert await fingers.has_effect(key), key
        shown = {key.id: key.shown for key in fingers.app.main_screen.query_one(KeyLine).keys}
        assert shown["flows.freeze"] == "z f5"
        await fingers.press("question_mark")
        assert isinstance(fingers.app.screen, HelpScreen)
        assert "z f5          Freeze the order" in fingers.app.screen.text.plain


@pytest.mark.parametrize("snapshots", [[], scenes.silent()], ids=["waiting", "empty"])
async def test_no_key_harms_where_there_is_nothing(snapshots: list[Snapshot]) -> None:
    async with hand(snapshots=snapshots) as fingers:
        screen = fingers.app.main_screen
        for number, entry in enumerate(VIEWS, 1):
            own = [*entry.load().keys, *TABLE_KEYS, *TIME_KEYS]
            bindings = own if number > 1 else [*own, *DASHBOARD_KEYS]
            for key in [key for each in bindings if each.id not in ELSEWHERE for key in keys_of(each)]:
                fingers.send(key)
                fingers.send("escape")
                await fingers.pilot.pause(0)
                await fingers.app.run_action(f"choose_view({number})", screen)
        assert fingers.app.return_value is None
