"""Textual's terminal driver with manners for slow and stalled terminals."""

from __future__ import annotations

import signal
import termios
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import ClassVar, Final

from textual.drivers.linux_driver import LinuxDriver
from textual.geometry import Size

from netdash.ui.terminal_input import TerminalInput

MAX_PENDING_WRITES: Final = 12
"""Writes that may wait for a slow terminal: four frames. The driver's queue takes 30, then it blocks the event loop."""

_LAST_WRITES_SECONDS: Final = 1.0


class DashboardDriver(LinuxDriver):
    """Textual's driver, but a stalled terminal never blocks: frames that it cannot take are dropped and drawn anew."""

    _started: ClassVar[set[DashboardDriver]] = set()
    _dropped = False
    _input: TerminalInput | None = None
    on_typed: Callable[[], None] = staticmethod(lambda: None)
    """Called in the thread that reads, as soon as anything is typed: before it is known what."""

    @property
    def congested(self) -> bool:
        """Whether the terminal is behind."""
        return self._writer_thread is not None and self._writer_thread._queue.qsize() > MAX_PENDING_WRITES

    @property
    def terminal_size(self) -> Size:
        """Columns and rows of the terminal now."""
        return Size(*self._get_terminal_size())

    def take_dropped(self) -> bool:
        """Whether a frame was dropped since the last call, so that the whole screen has to be drawn again."""
        dropped, self._dropped = self._dropped, False
        return dropped

    def refuses_frame(self) -> bool:
        """Whether there is no room for a frame now. One that is refused is remembered as dropped."""
        if self.congested:
            self._dropped = True
        return self.congested

    def start_application_mode(self) -> None:
        """Takes the terminal, also again after a suspension."""
        self.exit_event.clear()
        self._input = TerminalInput(self.fileno)
        self._started.add(self)
        super().start_application_mode()  # type: ignore[no-untyped-call]  # Textual leaves it without types

    def _sigcont_application(self, *_: object) -> None:
        """SIGCONT comes not only after Ctrl+Z: kill(1) stops and wakes programs too, and the kernel sends it with the
        SIGHUP of a terminal that vanishes, when this program may be on its way out."""
        if self in self._started and not self._app._exit and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._resume)

    def _resume(self) -> None:
        """Takes the terminal again, unless it was given back for good."""
        suspended = self._must_signal_resume
        if self not in self._started or self._app._exit or (self.exit_event.is_set() and not suspended):
            return
        if not suspended:
            self.suspend_application_mode()
            self._must_signal_resume = True  # so that the whole screen is drawn
        self.resume_application_mode()

    def run_input_thread(self) -> None:
        """Hands on what is typed, until input is disabled."""
        if self._input is not None:
            self._input.run(self.process_message, lambda: self.on_typed())  # set after the start

    def disable_input(self) -> None:
        """Ends the input thread. Textual's own way gives up at a write that fails, as all do once the terminal is gone,
        and the thread would then keep the process alive."""
        if self._input is not None:
            self._input.end()
        super().disable_input()
        self.exit_event.set()

    @classmethod
    def end_input(cls) -> None:
        """Ends every input thread, whatever became of its driver: the terminal may go while the driver starts."""
        for driver in cls._started:
            driver.exit_event.set()
            if driver._input is not None:
                driver._input.end()
        cls._started.clear()

    def close(self) -> None:
        """Waits for the last writes; a terminal that takes nothing is not waited for."""
        writer = self._writer_thread
        if writer is None:
            return
        ender = threading.Thread(target=writer.stop, daemon=True, name="netdash-last-writes")
        ender.start()
        ender.join(_LAST_WRITES_SECONDS)
        if ender.is_alive():
            self._free(writer, ender)

    def _free(self, writer: threading.Thread, ender: threading.Thread) -> None:
        """Throws away what a stalled terminal has not taken, until the writer's stuck write(2) returns.

        TCOFLUSH makes room, but does not wake who sleeps for it: any signal with a handler does.
        """
        before = signal.signal(signal.SIGUSR1, _do_nothing)
        deadline = time.monotonic() + _LAST_WRITES_SECONDS
        while ender.is_alive() and time.monotonic() < deadline:
            with suppress(termios.error):
                termios.tcflush(self.fileno, termios.TCOFLUSH)
            if writer.ident is not None and writer.is_alive():
                signal.pthread_kill(writer.ident, signal.SIGUSR1)
            ender.join(0.02)
        signal.signal(signal.SIGUSR1, before)


def _do_nothing(number: int, frame: FrameType | None) -> None:
    """A signal handler: that it exists interrupts system calls."""
