"""A real pseudo-terminal with a terminal emulator (pyte) behind it: what a user would see and press."""

from __future__ import annotations

import array
import codecs
import errno
import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

import pyte


class Terminal:
    """Runs one program in a terminal of `columns` x `rows`; leaving the context ends it."""

    def __init__(
        self,
        command: Sequence[str],
        columns: int = 80,
        rows: int = 24,
        environment: Mapping[str, str] | None = None,
        prepare: Callable[[], None] | None = None,
        patience_seconds: float = 20.0,
    ) -> None:
        """`prepare` runs in the child before the program; `patience_seconds`: how long a screen may take to show what
        is waited for on a loaded machine."""
        self.screen = pyte.Screen(columns, rows)
        self.output = bytearray()
        self._stream = pyte.Stream(self.screen)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._command = list(command)
        self._environment = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", **(environment or {})}
        self._prepare = prepare
        self._patience_seconds = patience_seconds
        self._master = -1

    def __enter__(self) -> Self:
        self._master, slave = os.openpty()
        self._set_size(slave)

        def take_terminal() -> None:
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            if self._prepare is not None:
                self._prepare()

        self.before = termios.tcgetattr(slave)
        self.process = subprocess.Popen(
            self._command, stdin=slave, stdout=slave, stderr=slave, env=self._environment, preexec_fn=take_terminal
        )
        # The slave stays open here, so that the terminal's settings can be read after the program's end.
        self._slave = slave
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._slave)
        if self._master >= 0:
            os.close(self._master)

    @property
    def text(self) -> str:
        """The screen as it stands."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    @property
    def unread_bytes(self) -> int:
        """What the program wrote and nobody has read."""
        room = array.array("i", [0])
        fcntl.ioctl(self._master, termios.FIONREAD, room)
        return room[0]

    def press(self, keys: str | bytes) -> None:
        """Sends keys as the terminal would."""
        os.write(self._master, keys if isinstance(keys, bytes) else keys.encode())

    def resize(self, columns: int, rows: int) -> None:
        """Gives the terminal another size."""
        self.screen.resize(rows, columns)
        self._set_size(self._slave)
        self.process.send_signal(signal.SIGWINCH)

    def hang_up(self) -> None:
        """The other end vanishes, as when an SSH connection breaks."""
        os.close(self._master)
        self._master = -1

    def wait_for(self, *texts: str) -> str:
        """Reads until all `texts` are on the screen; returns the screen."""
        return self.wait_until(lambda: all(text in self.text for text in texts), f"{texts!r} on the screen")

    def wait_until(self, condition: Callable[[], bool], what: str) -> str:
        """Reads until `condition` holds."""
        deadline = time.monotonic() + self._patience_seconds
        while not condition():
            left = deadline - time.monotonic()
            assert left > 0, f"no {what} in time; the screen:\n{self.text}"
            if not self._read(left):
                assert condition(), f"the program ended before there was {what}; the screen:\n{self.text}"
        return self.text

    def wait_for_quiet(self, seconds: float) -> None:
        """Reads until nothing has come for so long: what a key changes need not be drawn in one go."""
        deadline = time.monotonic() + self._patience_seconds
        while self._read(seconds):
            assert time.monotonic() < deadline, f"the screen never rests; the screen:\n{self.text}"

    def wait_for_end(self) -> int:
        """Reads until the program has ended; returns its exit code (negative: the signal)."""
        deadline = time.monotonic() + self._patience_seconds
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"the program does not end; the screen:\n{self.text}"
            self._read(0.05)
        while self._master >= 0 and self._read(0):
            pass
        return self.process.wait()

    def quit(self) -> None:
        """Presses q: it ends with exit code 0, and leaves the terminal as it was."""
        self.press("q")
        assert self.wait_for_end() == 0
        assert self.is_restored()

    def is_restored(self) -> bool:
        """Whether the program left the terminal as it found it: modes of the line, main screen, cursor, mouse."""
        output = bytes(self.output)
        pairs = ((b"\x1b[?1049h", b"\x1b[?1049l"), (b"\x1b[?25l", b"\x1b[?25h"), (b"\x1b[?1003h", b"\x1b[?1003l"))
        balanced = all(output.rfind(on) <= output.rfind(off) for on, off in pairs)
        return balanced and termios.tcgetattr(self._slave) == self.before

    def _set_size(self, descriptor: int) -> None:
        size = struct.pack("HHHH", self.screen.lines, self.screen.columns, 0, 0)
        fcntl.ioctl(descriptor, termios.TIOCSWINSZ, size)

    def _read(self, timeout: float) -> bool:
        """Takes what there is, waiting at most `timeout`; False when nothing came or nothing can come."""
        if self._master < 0:
            # Nothing to read from: only the program's end can be waited for.
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(min(timeout, 0.05))
            return False
        ready, _, _ = select.select([self._master], [], [], timeout)
        if not ready:
            return False
        try:
            data = os.read(self._master, 1 << 16)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return False
        self.output += data
        self._stream.feed(self._decoder.decode(data))
        return bool(data)
