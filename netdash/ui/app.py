"""The dashboard: takes snapshots from a source and lets the screen draw them."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final

from textual import on, work
from textual.app import SystemCommand
from textual.binding import BindingType
from textual.driver import Driver
from textual.screen import Screen

from netdash.errors import NetdashError
from netdash.options import Options
from netdash.settings import KEY_PROFILES, THEMES, save_settings, settings_path
from netdash.sources.source import RecordingSnapshots
from netdash.ui.driver import DashboardDriver
from netdash.ui.key_profiles import PROFILES
from netdash.ui.keymap import DASHBOARD_KEYS, TIME_KEYS, Keymap
from netdash.ui.messages import IntervalWanted, RecordingChanged, RecordingWanted, SnapshotTaken
from netdash.ui.packet_feed import packet_feed
from netdash.ui.registry import load_views
from netdash.ui.screen import MainScreen
from netdash.ui.state import DashboardState, Resolver
from netdash.ui.terminal import is_hung_up
from netdash.ui.theme import TEXTUAL_THEMES, choose_palette, textual_theme
from netdash.ui.time_travel import TimeTravelApp

if TYPE_CHECKING:
    from netdash.model.snapshot_store import SnapshotStore
    from netdash.sources.source import SnapshotSource

_GARBAGE_THRESHOLDS: Final = (5_000, 10, 10)
"""Of gc.set_threshold. A frame makes some thousand objects that reference counts take away again; with Python's own 700
the young ones are searched ten times a frame, and all of them, which takes up to 15 ms, every few hundred keys."""
_WATCH_SECONDS: Final = 1.0
_FOLLOW_SECONDS: Final = 1.0
_SILENT_INTERVALS: Final = 3.0
"""So many intervals without a snapshot are said on the screen."""


class Dashboard(TimeTravelApp):
    """The app. Its return value is the program's exit code."""

    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = []
    TITLE = "netdash"

    def __init__(
        self,
        source: SnapshotSource | None,
        options: Options,
        *,
        store: SnapshotStore | None = None,
        start: float | None = None,
        make_resolver: Callable[[], Resolver] | None = None,
        driver_class: type[Driver] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`source`: what is shown live; None where a `store`, a recording, is played, from the time `start` on.
        `clock`: seconds, by which a silent source is noticed."""
        super().__init__(driver_class=driver_class)
        self.source = source
        self.state = DashboardState(options, make_resolver, store, packet_feed(source, store))
        self._start = start
        self._clock = clock
        self._last_taken = clock()
        self._loaded = False  # what is wanted after the first figures
        self._behind = False  # a snapshot was not drawn, because the terminal does not keep up
        for theme in TEXTUAL_THEMES:
            self.register_theme(theme)
        self._theme_name = options.settings.theme
        self.use_theme(options.settings.theme)
        self._profile = options.settings.profile
        self.use_profile(options.settings.profile)

    def use_theme(self, name: str) -> None:
        """Looks of `netdash.settings.THEMES`."""
        self._theme_name = name
        system = self.console.color_system
        self.palette = choose_palette(system, ascii_only=self.state.options.ascii_only, theme=name)
        self.theme = textual_theme(system, name)

    def use_profile(self, name: str) -> None:
        """Keys of `netdash.settings.KEY_PROFILES`, under those that the user's file sets one by one."""
        self._profile = name
        self.state.keymap = Keymap({**PROFILES[name], **self.state.options.settings.keys})
        self.set_keymap(self.state.keymap.for_textual())

    def action_save_settings(self) -> None:
        """Keeps units, names, theme, keys and columns for the next start."""
        state = self.state
        settings = replace(
            state.options.settings,
            units="bits" if state.units.bits else "bytes",
            iec=state.units.iec,
            names=state.names,
            services=state.services,
            theme=self._theme_name,
            profile=self._profile,
            hidden_columns=dict(state.hidden_columns),
        )
        path = settings_path()
        try:
            save_settings(settings, path)
        except NetdashError as error:
            self.main_screen.tell(str(error))
        else:
            self.main_screen.tell(f"saved in {path}")

    def get_default_screen(self) -> MainScreen:
        """The only screen besides the help."""
        return MainScreen(self.state)

    def on_mount(self) -> None:
        """Starts taking snapshots, once the first frame is painted."""
        if isinstance(self._driver, DashboardDriver):
            self._driver.on_typed = self.state.keys_first.key_came
        self.set_interval(_WATCH_SECONDS, self._watch)
        self.app_resume_signal.subscribe(self, self._on_resumed)
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        """The first frame is painted."""
        # What was loaded until now stays: no search for garbage has to go through it.
        gc.freeze()
        gc.set_threshold(*_GARBAGE_THRESHOLDS)
        gc.enable()
        if self.source is None:
            self._follow_store()
        else:
            self._take_snapshots()

    def _on_resumed(self, _: object) -> None:
        """Back from the shell: nothing of the screen is left."""
        self.action_draw_anew()

    @work
    async def _take_snapshots(self) -> None:
        """Runs beside the screen and touches no widget: it changes the state and posts a message."""
        assert self.source is not None
        try:
            async for snapshot in self.source.snapshots():
                gone = await self.state.advance(snapshot)
                self._take_recording_status()
                self._last_taken = self._clock()
                self.post_message(SnapshotTaken(gone))
                if not self._loaded and snapshot.interval > 0:
                    self._loaded = True
                    await asyncio.to_thread(load_views)
                    gc.freeze()
        except NetdashError as error:
            self.end_with(str(error), error.exit_code)
        else:
            self.exit(0)

    @work
    async def _follow_store(self) -> None:
        """Looks again and again how far the recording goes by now."""
        player = self.state.player
        try:
            while True:
                begins = not player.ready
                if await self.state.follow() and begins and self._start is not None:
                    player.go_to(self._start)
                self.go()
                await asyncio.sleep(_FOLLOW_SECONDS)
        except NetdashError as error:
            self.end_with(str(error), error.exit_code)

    def _take_recording_status(self) -> None:
        if not isinstance(self.source, RecordingSnapshots):
            return
        before, now = self.state.recording, self.source.recording
        self.state.recording = now
        if now is None or (before is not None and before.active == now.active):
            return
        if now.active:
            self.post_message(RecordingChanged(f"recording to {now.path}"))
        elif now.closing is not None:
            self.post_message(RecordingChanged(now.closing))

    @on(RecordingChanged)
    def _on_recording_changed(self, message: RecordingChanged) -> None:
        self.main_screen.tell(message.text)

    @on(SnapshotTaken)
    def _on_snapshot_taken(self, message: SnapshotTaken) -> None:
        if not self.is_running:  # The screen is being taken down.
            return
        if message.gone:
            self.main_screen.tell(f"gone: {', '.join(message.gone)}")
        self._behind = isinstance(self._driver, DashboardDriver) and self._driver.congested
        if not self._behind:
            self.main_screen.draw()

    def _watch(self) -> None:
        """Once a second: is the terminal still there, does it keep up again, do snapshots still come?"""
        if not self.is_running:
            return
        driver = self._driver
        if isinstance(driver, DashboardDriver):
            if is_hung_up(driver.fileno):
                self.exit(0)
            elif not driver.congested and (driver.take_dropped() or self._behind):
                self._behind = False
                self.main_screen.draw()
                self.screen.refresh(layout=True)
        silent = self._clock() - self._last_taken
        limit = _SILENT_INTERVALS * self.state.interval_seconds
        if self.state.newest is not None and silent > max(limit, _SILENT_INTERVALS):
            self.main_screen.tell_silence(int(silent))

    @on(RecordingWanted)
    async def _on_recording_wanted(self, message: RecordingWanted) -> None:
        if not isinstance(self.source, RecordingSnapshots):
            self.main_screen.tell("only the live system can be recorded")
            return
        await self.source.set_recording(message.on)

    @on(IntervalWanted)
    async def _on_interval_wanted(self, message: IntervalWanted) -> None:
        if self.source is None:
            self.main_screen.tell("a recording has the intervals that it was recorded with; < and > change the speed")
            return
        try:
            await self.source.set_interval(message.seconds)
        except NetdashError as error:
            self.main_screen.tell(str(error))

    async def action_quit(self) -> None:
        """Quits at once."""
        self.exit(0)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The command palette: every key of the chosen view and of the dashboard, columns, themes, key profiles."""
        main = self.main_screen
        view, keymap = main.view, self.state.keymap
        for key in keymap.of(view.keys) if view else ():
            yield SystemCommand(key.description, key.shown, partial(self.run_action, key.action, view))
        for key in keymap.of((*DASHBOARD_KEYS, *TIME_KEYS)):
            yield SystemCommand(key.description, key.shown, partial(self.run_action, key.action, main))
        for column_key, title, hidden in main.columns():
            words = f"Column {title}: {'show' if hidden else 'hide'}"
            yield SystemCommand(words, "of this view", partial(main.toggle_column, column_key))
        for name in THEMES:
            yield SystemCommand(f"Theme: {name}", "colours", partial(self._change_theme, name))
        for name in KEY_PROFILES:
            yield SystemCommand(f"Keys: {name}", "key profile", partial(self._change_profile, name))

    def _change_theme(self, name: str) -> None:
        self.use_theme(name)
        self.screen.refresh(layout=True)
        self.main_screen.tell(f"theme {name}; Ctrl+S keeps it")

    def _change_profile(self, name: str) -> None:
        self.use_profile(name)
        self.main_screen.draw_frame()
        self.main_screen.tell(f"keys as in {name}; ? shows them, Ctrl+S keeps them")
