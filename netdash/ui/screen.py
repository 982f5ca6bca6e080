"""The dashboard's screen: header, tabs, notes, the chosen view, keys."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Final, NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.timer import Timer

from netdash.ui.frames import FrameScreen
from netdash.ui.keymap import DASHBOARD_KEYS, FILTER_KEYS, TABLE_KEYS, TIME_KEYS, KeyBinding, bindings
from netdash.ui.messages import FilterChanged, FilterClosed, IntervalWanted, RecordingWanted
from netdash.ui.registry import PAGES, VIEWS, ViewEntry, entry_of
from netdash.ui.scope import Scope
from netdash.ui.state import DashboardState
from netdash.ui.view import View
from netdash.ui.widgets.banner import Banner
from netdash.ui.widgets.header_line import HeaderLine
from netdash.ui.widgets.holder import Blank, Stack
from netdash.ui.widgets.key_line import KeyLine
from netdash.ui.widgets.line_table import LineTable
from netdash.ui.widgets.tab_line import TabLine

INTERVALS_SECONDS: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0)
_NOTICE_SECONDS: Final = 4.0
_ALWAYS_SHOWN: Final = ("dashboard.help", "dashboard.quit")


def capture_filter_words(expression: str | None) -> str:
    """Which packets are counted, and how another choice is made: loading a program takes privilege, which is given
    up after the start."""
    if expression is None:
        return "all packets are counted; fewer: start netdash with --capture-filter 'port 443' (it needs privilege)"
    return f"counted are only packets that match '{expression}'; start netdash anew to change that"


class _Step(NamedTuple):
    """One step down: where it began, and the view that it led to."""

    scope: Scope
    view_id: str
    led_to: str


class MainScreen(FrameScreen, Blank):
    """Holds the views and the keys that work in all of them. Views are mounted when they are first chosen."""

    DEFAULT_CSS = """
    MainScreen { layout: vertical; overflow: hidden; }
    MainScreen #views { height: 1fr; }
    MainScreen #filter { height: auto; }
    MainScreen.-ascii LineTable { scrollbar-size-vertical: 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = list(bindings(DASHBOARD_KEYS))

    def __init__(self, state: DashboardState) -> None:
        super().__init__()
        self._state = state
        self._active = VIEWS[0]
        self._steps: list[_Step] = []  # the way down to here
        self._views: dict[str, View] = {}
        self._notice_timer: Timer | None = None
        self._drawn: tuple[object, object] | None = None  # the snapshot and the histories that the view took last

    def compose(self) -> ComposeResult:
        """The lines, and room for the views."""
        yield HeaderLine(id="header")
        yield TabLine([entry.title for entry in VIEWS], id="tabs")
        yield Banner(id="banner")
        yield Stack(id="views")
        yield Vertical(id="filter")
        yield KeyLine(id="keys")

    async def on_mount(self) -> None:
        """Shows the first view, or the one that the command line names."""
        self.set_class(self._state.options.ascii_only, "-ascii")
        self.query_one(HeaderLine).draw(self._state)
        await self._choose(entry_of(self._state.options.view or VIEWS[0].view_id))

    @property
    def view(self) -> View | None:
        """The chosen view; None before the first is mounted."""
        return self._views.get(self._active.view_id)

    async def _choose(self, entry: ViewEntry) -> None:
        """Shows a view or a page, mounting it if it is new."""
        before, view = self.view, self._views.get(entry.view_id)
        if view is None:
            view = self._views[entry.view_id] = entry.load()(self._state)
            await self.query_one("#views").mount(view)
            self._hide_columns(view)
        self._active = entry
        if before is not None and before is not view:
            before.leave()
        self._state.hidden_rows = None
        with self.app.batch_update():
            for other in self._views.values():
                other.display = other is view
            if view is not before:
                # Laid out, the view knows its size when it draws, and does so once.
                self._refresh_layout()
            if self._state.snapshot is not None:
                view.receive(self._state)
                self._drawn = (self._state.snapshot, self._state.histories)
        view.focus_default()
        self.draw_frame()

    async def action_filter(self) -> None:
        """Opens the filter's prompt at the bottom."""
        # Loaded when it is first wanted.
        from netdash.ui.widgets.filter_bar import FilterBar

        place = self.query_one("#filter", Vertical)
        if not place.children:
            await place.mount(FilterBar(self._state))
        place.query_one(FilterBar).open()

    @on(FilterChanged)
    def _on_filter_changed(self) -> None:
        self._redraw()

    @on(FilterClosed)
    def _on_filter_closed(self) -> None:
        if self.view is not None:
            self.view.focus_default()

    def action_own_session(self) -> None:
        """Hides the user's own SSH connection, or shows it again."""
        # Here, not above: NumPy comes with it.
        from netdash.sources.own_session import find_own_session

        state = self._state
        if state.hidden_session is not None:
            state.hidden_session = None
            self.tell("your own SSH session is shown again")
        else:
            state.hidden_session = find_own_session()
            hidden = "is hidden; the header says what it moves" if state.hidden_session else "is not found: no SSH here"
            self.tell(f"your own SSH session {hidden}")
        self._redraw()

    def action_capture_filter(self) -> None:
        """Tells which packets are counted at all, and how to change that."""
        self.tell(capture_filter_words(self._state.options.capture_filter))

    def _hide_columns(self, view: View) -> None:
        for table in view.query(LineTable):
            table.hide_columns(self._state.hidden_columns.get(view.view_id, ()))

    def toggle_column(self, key: str) -> None:
        """Shows a column of the chosen view's tables, or hides it."""
        if self.view is None:
            return
        hidden = self._state.hidden_columns
        before = hidden.get(self.view.view_id, ())
        after = tuple(each for each in before if each != key) if key in before else (*before, key)
        hidden[self.view.view_id] = after
        self._hide_columns(self.view)
        self.tell(f"column {'hidden' if key in after else 'shown'}; Ctrl+S keeps it so")

    def draw(self) -> None:
        """Draws the moment that is shown, if it is another than before, and the lines around the view."""
        self.query_one(Banner).tell(self.notes())
        if self.view is not None and self._state.snapshot is not None:
            shown = (self._state.snapshot, self._state.histories)
            if self._drawn is None or any(new is not old for new, old in zip(shown, self._drawn, strict=True)):
                self._drawn = shown
                self.view.receive(self._state)
        self.draw_frame()

    def _redraw(self) -> None:
        """Draws what is shown with other settings."""
        self._state.hidden_rows = None
        if self.view is not None and self._state.snapshot is not None:
            self.view.redraw(self._state)
        self.draw_frame()

    def columns(self) -> list[tuple[str, str, bool]]:
        """Key, title and whether it is hidden, of each column of the chosen view's tables."""
        if self.view is None:
            return []
        hidden = self._state.hidden_columns.get(self.view.view_id, ())
        columns = {column.key: column.title for table in self.view.query(LineTable) for column in table.model.columns}
        return [(key, title, key in hidden) for key, title in columns.items() if title]

    def draw_frame(self, silent_seconds: int = 0) -> None:
        """Draws the lines around the view."""
        self.query_one(HeaderLine).draw(self._state, silent_seconds)
        if self.view is None:
            return
        tab = VIEWS.index(self._active) if self._active in VIEWS else None
        self.query_one(TabLine).show(tab, self.view.measures())
        keymap = self._state.keymap
        dashboard_keys = [key for key in keymap.of((*TIME_KEYS, *DASHBOARD_KEYS)) if key.key]
        general = [key for key in dashboard_keys if key.label and key.id not in _ALWAYS_SHOWN and self._is_usable(key)]
        always = [key for key in dashboard_keys if key.id in _ALWAYS_SHOWN]
        own = [key for key in keymap.of(self.view.key_line_keys()) if key.label and key.key]
        if self._state.paused:
            # Whoever has paused wants to move in time.
            own = [key for key in general if key.action.startswith("app.")] + own
            general = [key for key in general if not key.action.startswith("app.")]
        self.query_one(KeyLine).show([*own, *general], always)

    def _is_usable(self, key: KeyBinding) -> bool:
        """Whether a key that works in all views has a use now."""
        return not key.priority or bool(self.app.check_action(key.action.partition("(")[0].removeprefix("app."), ()))

    def tell_silence(self, seconds: int) -> None:
        """Says for how long no snapshot has come; 0 takes it back."""
        if self._state.player.following:
            self.draw_frame(seconds)

    def tell_progress(self, words: str | None) -> None:
        """How far the way to another moment is, or what is read of the time before it; None: it has ended."""
        self.query_one(HeaderLine).progress = words
        self.draw_frame()

    def notes(self) -> tuple[str, ...]:
        """What is missing, lost packets first."""
        snapshot = self._state.snapshot
        if snapshot is None:
            return ()
        damaged = (f"{self._state.damage}; what is left of it is shown",) if self._state.damage else ()
        lost = ("packets were lost: figures are too low",) if self._state.lost_packets else ()
        recording = self._state.recording
        ended = recording.failure_note if recording is not None else None
        return (
            *lost,
            *damaged,
            *((ended,) if ended else ()),
            *self._state.options.settings.problems,
            *snapshot.health.notes,
        )

    def tell(self, text: str) -> None:
        """Shows a notice in the key line for some seconds."""
        self.query_one(KeyLine).tell(text)
        if self._notice_timer is not None:
            self._notice_timer.stop()
        self._notice_timer = self.set_timer(_NOTICE_SECONDS, lambda: self.query_one(KeyLine).tell(""))

    @on(View.Notice)
    def _on_view_notice(self, message: View.Notice) -> None:
        self.tell(message.text)

    @on(View.KeysChanged)
    def _on_keys_changed(self) -> None:
        self.draw_frame()

    @on(View.ScopeRequested)
    async def _on_scope_requested(self, message: View.ScopeRequested) -> None:
        self._steps.append(_Step(self._state.scope, self._active.view_id, message.view_id))
        self._state.scope = message.scope
        await self._choose(entry_of(message.view_id))

    @on(TabLine.Chosen)
    async def _on_tab_chosen(self, message: TabLine.Chosen) -> None:
        await self._choose(VIEWS[message.index])

    async def action_choose_view(self, number: int) -> None:
        """Shows the view with this number."""
        await self._choose(VIEWS[number - 1])

    async def action_next_view(self, step: int) -> None:
        """Shows the next view, or the one before; from a page, those beside the view that led to it."""
        if self._active in VIEWS:
            place = VIEWS.index(self._active)
        else:
            tabs = [VIEWS.index(entry_of(each.view_id)) for each in self._steps if entry_of(each.view_id) in VIEWS]
            place = tabs[-1] if tabs else 0
        await self._choose(VIEWS[(place + step) % len(VIEWS)])

    async def action_back(self) -> None:
        """Esc: closes the notes, what is open in the view, goes one step up again, takes the filter away.

        A filter that was set in this very scope goes before the scope does. A step up leads to the view that it came
        from, unless another was chosen meanwhile.
        """
        if self.query_one(Banner).dismiss() or (self.view is not None and self.view.back()):
            return
        is_tab = self._active in VIEWS
        if is_tab and self._state.row_filter is not None and self._state.scope in (Scope(), self._state.filter_scope):
            self._state.set_filter(None)
            self._redraw()
            return
        if self._steps:
            step = self._steps.pop()
            self._state.scope = step.scope
            if not is_tab or step.led_to == self._active.view_id:
                await self._choose(entry_of(step.view_id))
            else:
                self._redraw()
        elif self._state.scope != Scope():
            self._state.scope = self._state.scope.outer()
            self._redraw()

    def action_toggle_recording(self) -> None:
        """Begins or ends a recording."""
        recording = self._state.recording
        self.post_message(RecordingWanted(recording is None or not recording.active))

    def action_toggle_bits(self) -> None:
        """Bits or bytes per second."""
        self._state.units = replace(self._state.units, bits=not self._state.units.bits)
        self._redraw()

    def action_toggle_iec(self) -> None:
        """Prefixes of 1000 or of 1024."""
        self._state.units = replace(self._state.units, iec=not self._state.units.iec)
        self._redraw()

    def action_change_interval(self, step: int) -> None:
        """The next longer (1) or shorter (-1) interval."""
        now = self._state.interval_seconds
        others = [s for s in INTERVALS_SECONDS if (s > now if step > 0 else s < now)]
        if not others:
            self.tell(f"{now:g} s is the {'longest' if step > 0 else 'shortest'} interval")
            return
        seconds = min(others) if step > 0 else max(others)
        self.post_message(IntervalWanted(seconds))
        if self._state.player.live:
            self._state.interval_seconds = seconds
            self.tell(f"interval {seconds:g} s")
        self.draw_frame()

    def action_help(self) -> None:
        """Shows all keys and notes."""
        # Loaded when it is first wanted.
        from netdash.ui.help import HelpScreen

        chosen = self._active
        keymap = self._state.keymap
        order = [chosen, *(entry for entry in (*VIEWS, *PAGES) if entry is not chosen)]
        snapshot = self._state.snapshot
        lost = self._state.lost_packets
        notes = [f"{lost} packets were lost: figures are too low"] if lost else []
        views = [(entry.title, keymap.of(entry.load().keys)) for entry in order]
        self.app.push_screen(
            HelpScreen(
                [views[0], ("Time", keymap.of(TIME_KEYS)), *views[1:]],
                keymap.of((*DASHBOARD_KEYS, *TABLE_KEYS)),
                prompt=keymap.of(FILTER_KEYS),
                mode=(snapshot.mode.flows, snapshot.mode.processes) if snapshot else None,
                notes=notes + list(snapshot.health.notes if snapshot else ()),
            )
        )
