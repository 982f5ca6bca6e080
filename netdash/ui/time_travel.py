"""The part of the app that moves in time: pause, steps, playing, and the way to the moment that is wanted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar, Final

from textual import work
from textual.binding import BindingType
from textual.timer import Timer
from textual.widgets import Input

from netdash.errors import NetdashError
from netdash.ui.key_order import OrderedKeysApp
from netdash.ui.keymap import TIME_KEYS, bindings
from netdash.ui.screen import MainScreen
from netdash.ui.state import DashboardState

if TYPE_CHECKING:
    from netdash.ui.past import Errand

_TICK_SECONDS: Final = 0.1
_PROGRESS_SECONDS: Final = 0.5
"""A way that takes longer shows how far it is."""
_ON_THE_WAY: Final = 12
"""A moment so near to the one under way is reached sooner by going on."""
_TIME_ACTIONS: Final = frozenset(key.action.partition("(")[0].removeprefix("app.") for key in TIME_KEYS)
_ALSO_LIVE: Final = frozenset({"peak"})


class TimeTravelApp(OrderedKeysApp):
    """An app whose state can show another moment than now."""

    BINDINGS: ClassVar[list[BindingType]] = list(bindings(TIME_KEYS))
    state: DashboardState
    _errand: Errand | None = None
    """The way that is under way."""
    _travelling = False
    _play_timer: Timer | None = None
    failure: str | None = None
    """Why the dashboard ended by itself; None when it did not."""

    @property
    def main_screen(self) -> MainScreen:
        """The dashboard's screen, also while another is over it."""
        screen = self.screen_stack[0]
        assert isinstance(screen, MainScreen)
        return screen

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Live and not paused, the keys that move in time belong to the view; in a prompt, to the prompt."""
        if action in _TIME_ACTIONS:
            elsewhere = self.state.paused or not self.state.player.following or not self.state.player.live
            on_top = self.screen is self.main_screen and not isinstance(self.focused, Input)
            return on_top and (elsewhere or action in _ALSO_LIVE)
        return super().check_action(action, parameters)

    def end_with(self, failure: str, exit_code: int = 1) -> None:
        """Ends the dashboard; `failure` is told when the screen is gone."""
        self.failure = failure
        self.exit(exit_code)

    def go(self) -> None:
        """Brings to the screen what the player points at, and plays on from there."""
        player = self.state.player
        if self._play_timer is None:
            self._play_timer = self.set_interval(_TICK_SECONDS, self._tick, pause=True)
        if player.playing and not player.following:
            self._play_timer.resume()
        else:
            self._play_timer.pause()
        self._draw()
        if not self._travelling:
            self._travel()
        elif self._errand is not None and abs(self._errand.number - player.number) > _ON_THE_WAY:
            self._errand.abandoned = True

    def _draw(self) -> None:
        if self.is_running:  # nothing is left to draw on where the dashboard ends on the way
            self.main_screen.draw()

    def _tick(self) -> None:
        if not self._travelling and self.state.player.tick():
            self.go()

    @work
    async def _travel(self) -> None:
        """Until what is shown is what is wanted, with all its rates; then, in a pause, what will be wanted next is made
        ready."""
        state, player = self.state, self.state.player
        self._travelling = True
        try:
            while True:
                if not state.settled:
                    if not await self._show(player.number):
                        return
                elif not player.ready:
                    return
                elif not await self._run(state.complete, player.number) and state.settled:
                    if not state.paused:
                        return
                    if not player.at_first:
                        await self._prepare(player.number - 1)
                    if state.settled:
                        return
        except NetdashError as error:
            if state.snapshot is None:
                self.end_with(str(error))
                return
            self.main_screen.tell(str(error))
            state.stay()
        finally:
            self._travelling = False
            self._draw()

    async def _show(self, number: int) -> bool:
        """Shows a moment; one that cannot be read is passed by. False where nothing is left to show."""
        from netdash.model.snapshot_store import SnapshotGoneError  # imports NumPy

        try:
            await self._run(self.state.show, number)
        except SnapshotGoneError as error:
            if not self.is_running:
                return False
            passed = self.state.pass_by(number)
            if not passed and self.state.snapshot is None:
                raise NetdashError(f"none of the intervals can be read: {error}") from error
            self.main_screen.tell(str(error))
            return passed
        return True

    async def _prepare(self, number: int) -> None:
        from netdash.model.snapshot_store import SnapshotGoneError  # imports NumPy

        with suppress(SnapshotGoneError):  # told when somebody goes there
            await self._run(self.state.prepare, number)

    async def _run(self, way: Callable[[Errand], Awaitable[bool]], number: int) -> bool:
        """Goes one way, shows how far it is if it takes long, and draws when it changed what is shown."""
        from netdash.ui.past import AbandonedError, Errand  # import NumPy, too slow for the first paint

        self._errand = Errand(number)
        timer = self.set_interval(_PROGRESS_SECONDS, self._tell_progress)
        try:
            changed = await way(self._errand)
        except AbandonedError:
            return False
        finally:
            timer.stop()
            self._errand = None
            if self.is_running:
                self.main_screen.tell_progress(None)
        if changed:
            self._draw()
        return changed

    def _tell_progress(self) -> None:
        errand = self._errand
        if errand is None:
            return
        if not self.state.settled:
            self.main_screen.tell_progress(f"{errand.share:.0%} of the way")
        elif errand.number == self.state.shown_number:
            self.main_screen.tell_progress(f"graphs {errand.share:.0%}")

    def action_pause(self) -> None:
        """Freezes the view, or lets it go on: live with now, in a recording from where it is."""
        self.state.player.toggle()
        self.go()

    def action_step(self, count: int) -> None:
        """So many snapshots on, or back."""
        self.state.player.step(count)
        self.go()

    def action_step_seconds(self, seconds: int) -> None:
        """So many seconds on, or back."""
        self.state.player.step_seconds(seconds)
        self.go()

    def action_time_home(self) -> None:
        """Live to now, in a recording to its start."""
        if self.state.player.live:
            self.state.player.to_last()
        else:
            self.state.player.to_first()
        self.go()

    def action_time_end(self) -> None:
        """To now, or to the end of the recording."""
        self.state.player.to_last()
        self.go()

    def action_faster(self) -> None:
        """Plays from a pause, or faster."""
        self.state.player.faster()
        self.go()

    def action_slower(self) -> None:
        """Plays slower."""
        self.state.player.slower()
        self.go()

    def action_peak(self, step: int) -> None:
        """Pauses at the next peak, or the one before."""
        from netdash.model.peaks import PEAK_SECONDS, find_peak

        player = self.state.player
        found = find_peak(player.table, player.number, step) if player.ready else None
        if found is None:
            where = "after" if step > 0 else "before"
            self.main_screen.tell(f"no peak {where} this: none stands out of the {2 * PEAK_SECONDS:.0f} s around it")
            return
        player.go_to_number(found)
        self.go()

    async def action_ask_moment(self) -> None:
        """Asks for a time and goes there."""
        from netdash.ui.moment_prompt import MomentPrompt

        if self.state.player.ready:
            await self.push_screen(MomentPrompt(self.state.player), self._go_to)

    def _go_to(self, moment: float | None) -> None:
        if moment is None:
            return
        if not self.state.player.go_to(moment):
            self.main_screen.tell("that is outside of what is stored: this is the nearest")
        self.go()
