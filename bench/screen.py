"""Programs that want a terminal: run in a pseudo-terminal, what they draw kept with its time."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import selectors
import signal
import struct
import termios
import threading
import time
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from bench.processes import end, spawn
from netdash.errors import NetdashError, NotSupportedError

if TYPE_CHECKING:
    from pyte import ByteStream

_SYNCHRONIZED_QUERY = b"\x1b[?2026$p"
_SYNCHRONIZED_KNOWN = b"\x1b[?2026;2$y"
"""DECRQM for synchronized output, and the answer of a terminal that has it."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """One read of what a program wrote."""

    time: float
    """Of time.monotonic."""
    data: bytes


class Screen:
    """A program in a terminal of `columns` x `rows`; entering starts it, leaving ends it. `cpu` as of `spawn`."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        namespace: str,
        cpu: int | None,
        columns: int = 200,
        rows: int = 50,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.chunks: list[Chunk] = []
        """All that was drawn; another thread appends."""
        self._command = command
        self._namespace = namespace
        self._cpu = cpu
        self.columns, self.rows = columns, rows
        self._environment = {"TERM": "xterm-256color", "LANG": "C.UTF-8", **(environment or {})}
        self._emulator: ByteStream | None = None
        self._emulated = 0  # chunks that the emulator has seen
        self._arrived = threading.Condition()
        self._closing = False

    def __enter__(self) -> Self:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", self.rows, self.columns, 0, 0))
        self.started = time.monotonic()
        try:
            self.process = spawn(
                self._command,
                cpu=self._cpu,
                namespace=self._namespace,
                stdin=slave,
                stdout=slave,
                stderr=slave,
                environment=self._environment,
            )
        finally:
            os.close(slave)
        self._reader = threading.Thread(target=self._read, name="screen", daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        end(self.process, signal.SIGTERM)
        self._closing = True
        self._reader.join()
        os.close(self._master)

    def press(self, keys: bytes) -> float:
        """Types; the time of it."""
        os.write(self._master, keys)
        return time.monotonic()

    def resize(self, columns: int, rows: int) -> float:
        """Makes the terminal another size; the time of it. What is drawn from then on has no `text`."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process.send_signal(signal.SIGWINCH)  # the kernel tells only those whose controlling terminal it is
        return time.monotonic()

    def check_running(self) -> None:
        """Raises NetdashError when the program has ended."""
        if self.process.poll() is not None:
            raise NetdashError(f"{' '.join(self._command)} ended with status {self.process.returncode}")

    def written_bytes(self) -> int:
        """Bytes drawn so far."""
        return sum(len(chunk.data) for chunk in self.chunks)

    def await_text(self, pattern: str, *, timeout_seconds: float = 20.0) -> float:
        """When the screen first showed text that matches, from the start or the last call on.

        Programs draw only what changes, so it is looked for on the screen, not in what was written. Raises NetdashError
        when it is not drawn in time or the program ends.
        """
        wanted = re.compile(pattern)
        deadline = time.monotonic() + timeout_seconds
        emulator = self._emulate()
        while True:
            while self._emulated < len(self.chunks):
                chunk = self.chunks[self._emulated]
                emulator.feed(chunk.data)
                self._emulated += 1
                if wanted.search(self._shown()):
                    return chunk.time
            self._await_chunk(self._emulated, deadline, pattern)

    def await_drawing(self, since: float, timeout_seconds: float = 20.0) -> float:
        """When anything was drawn after `since`. Raises NetdashError as `await_text`."""
        deadline = time.monotonic() + timeout_seconds
        while not self.chunks or self.chunks[-1].time <= since:
            self._await_chunk(len(self.chunks), deadline, "anything")
        return self.chunks[bisect_right(self.chunks, since, key=lambda chunk: chunk.time)].time

    def await_quiet(self, quiet_seconds: float, timeout_seconds: float) -> None:
        """Until nothing was drawn for so long, or the time is over."""
        deadline = time.monotonic() + timeout_seconds
        while (now := time.monotonic()) < deadline:
            rest = self.chunks[-1].time + quiet_seconds - now if self.chunks else quiet_seconds
            if rest <= 0.0:
                return
            time.sleep(rest)

    def find_drawn(self, pattern: str, since: float, until: float) -> float | None:
        """When between two times the screen first showed text that matches. None: it did not. Of calls one after the
        other none goes back in time."""
        wanted, emulator = re.compile(pattern), self._emulate()
        while self._emulated < len(self.chunks) and (chunk := self.chunks[self._emulated]).time <= until:
            emulator.feed(chunk.data)
            self._emulated += 1
            if chunk.time > since and wanted.search(self._shown()):
                return chunk.time
        return None

    def text(self) -> str:
        """The screen as it stands. Raises NotSupportedError without the package pyte."""
        emulator = self._emulate()
        for chunk in self.chunks[self._emulated :]:
            emulator.feed(chunk.data)
            self._emulated += 1
        return self._shown()

    def _emulate(self) -> ByteStream:
        if self._emulator is None:
            try:
                import pyte
            except ImportError as error:
                raise NotSupportedError("reading a screen needs the package pyte (netdash's extra 'test')") from error
            self._display = pyte.Screen(self.columns, self.rows)
            self._emulator = pyte.ByteStream(self._display)
        return self._emulator

    def _shown(self) -> str:
        return "\n".join(self._display.display)

    def _await_chunk(self, seen: int, deadline: float, what: str) -> None:
        with self._arrived:
            while len(self.chunks) <= seen:
                self.check_running()
                if time.monotonic() > deadline:
                    raise NetdashError(f"{' '.join(self._command)} did not draw {what!r} in time")
                self._arrived.wait(0.05)

    def _read(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._master, selectors.EVENT_READ)
            while not self._closing:
                if not selector.select(0.1):
                    continue
                try:
                    data = os.read(self._master, 1 << 16)
                except OSError:
                    # EIO: the program has closed the terminal.
                    return
                chunk = Chunk(time.monotonic(), data)
                if _SYNCHRONIZED_QUERY in data:
                    os.write(self._master, _SYNCHRONIZED_KNOWN)
                with self._arrived:
                    self.chunks.append(chunk)
                    self._arrived.notify_all()
