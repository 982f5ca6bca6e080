"""What comes from the terminal, read in a thread that sleeps while nothing does."""

from __future__ import annotations

import os
import select
import weakref
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterable
from typing import Final

from textual import constants

# Textual has no public name for its parser of keys, the mouse and answers of the terminal.
from textual._xterm_parser import XTermParser
from textual.message import Message

_READ_BYTES: Final = 4096
ESCAPE_SECONDS: Final = constants.ESCAPE_DELAY if "ESCDELAY" in os.environ else 0.01
"""An escape with nothing after it for so long was the key; tmux waits as long. Terminals write a sequence at once, so
that it comes in one packet; Textual waits 100 ms, which is felt. Who has a link that tears sequences apart sets
ESCDELAY (milliseconds), as for programs with ncurses."""
constants.ESCAPE_DELAY = ESCAPE_SECONDS  # type: ignore[misc]  # the parser asks there, and has no argument for it
_LAST_TICKS: Final = 2
"""After the last byte: by then the parser has decided whether a lone escape was the key or began a sequence."""


class TerminalInput:
    """Bytes of a terminal as Textual's messages, until `end`.

    Textual's own thread wakes up ten times a second for ever, which costs a quarter of what a dashboard at rest may
    take, and is only ended at such a time.
    """

    def __init__(self, fileno: int) -> None:
        self._fileno = fileno
        self._parser = XTermParser()
        self._end = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        weakref.finalize(self, os.close, self._end)

    def end(self) -> None:
        """Makes `run` return, now or when it is called; from any thread."""
        os.eventfd_write(self._end, 1)

    def run(self, handle: Callable[[Message], None], on_typed: Callable[[], None] = lambda: None) -> None:
        """Reads and hands on until `end`. A terminal that is gone is not read again. `on_typed` is called as soon as
        there is anything: a lone escape is a key only some time later."""
        decode = getincrementaldecoder("utf-8")(errors="replace").decode
        poll = select.poll()
        poll.register(self._end, select.POLLIN)
        poll.register(self._fileno, select.POLLIN)
        ticks = 0
        while True:
            ready = [descriptor for descriptor, _ in poll.poll(ESCAPE_SECONDS * 1000 if ticks else None)]
            if self._end in ready:
                return
            if ready:
                data = _read(self._fileno)
                on_typed()
                if not data:
                    poll.unregister(self._fileno)
                for character in decode(data):
                    self._hand_on(self._parser.feed(character), handle)
            ticks = _LAST_TICKS if ready else ticks - 1
            self._hand_on(self._parser.tick(), handle)

    def _hand_on(self, parsed: Iterable[Message], handle: Callable[[Message], None]) -> None:
        messages: list[Message] = []
        try:
            messages.extend(parsed)
        except (ValueError, OverflowError):
            # Of Textual's parser, at a sequence that tells of no character: "ESC [ 97:65 u", "ESC [ 99999999999 u".
            # Such a sequence is no key.
            self._parser = XTermParser()
        for message in messages:
            handle(message)


def _read(fileno: int) -> bytes:
    try:
        return os.read(fileno, _READ_BYTES)
    except OSError:  # EIO of a terminal that hung up: as end-of-file
        return b""
