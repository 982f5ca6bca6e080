"""The thread that reads the terminal: keys as typed, whatever the bytes, and its end."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, Queue

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from textual import events
from textual.message import Message

from netdash.ui.terminal_input import TerminalInput

_LONG_SECONDS = 30.0


class Typist:
    """One end of a pipe, whose other end is read as a terminal's."""

    def __init__(self) -> None:
        self.messages: Queue[Message] = Queue()
        self.typed = threading.Event()
        self._out, self.typing = os.pipe()
        self.input = TerminalInput(self._out)
        self.thread = threading.Thread(target=self.input.run, args=(self.messages.put, self.typed.set))

    def type(self, data: bytes) -> None:
        """Writes what a terminal would."""
        os.write(self.typing, data)

    def key(self) -> str:
        """The next key."""
        while True:
            message = self.messages.get(timeout=_LONG_SECONDS)
            if isinstance(message, events.Key):
                return message.key

    def close(self) -> None:
        """Ends the thread and frees the pipe."""
        self.input.end()
        self.thread.join(_LONG_SECONDS)
        assert not self.thread.is_alive()
        for descriptor in {self._out, self.typing}:
            os.close(descriptor)


@contextmanager
def typist() -> Iterator[Typist]:
    one = Typist()
    one.thread.start()
    try:
        yield one
    finally:
        one.close()


def test_keys_come_as_typed() -> None:
    with typist() as one:
        one.type(b"n\x1b[A2")
        assert [one.key(), one.key(), one.key()] == ["n", "up", "2"]


def test_an_escape_alone_is_a_key_without_waiting_for_the_next() -> None:
    with typist() as one:
        one.type(b"\x1b")
        assert one.key() == "escape"
        one.type(b"q")
        assert one.key() == "q"


def test_that_something_is_typed_is_known_before_what() -> None:
    """What counts stands back from then on."""
    with typist() as one:
        assert not one.typed.is_set()
        one.type("é".encode()[:1])
        assert one.typed.wait(_LONG_SECONDS)
        assert one.messages.empty()


def test_a_character_that_comes_in_two_parts() -> None:
    with typist() as one:
        one.type("ä".encode()[:1])
        with pytest.raises(Empty):
            one.messages.get_nowait()
        one.type("ä".encode()[1:])
        assert one.messages.get(timeout=_LONG_SECONDS).character == "ä"  # type: ignore[attr-defined]


def test_an_end_before_the_start_is_not_missed() -> None:
    one = Typist()
    one.input.end()
    one.thread.start()
    one.close()


def test_a_terminal_that_is_gone_is_left_alone() -> None:
    one = Typist()
    one.thread.start()
    one.type(b"n")
    os.close(one.typing)
    assert one.key() == "n"
    one.typing = one._out  # closed once
    one.close()


SEQUENCES = st.text("\x1b[]<>?O;:0123456789MmRcyuqtIO~$ABCD\x07\\ ä", min_size=1, max_size=40)
"""What answers of terminals, keys, the mouse and pasted text are made of."""


@example([b"\x1b[97:65;5u"])
@example([b"\x1b[99999999999999999999u"])
@example([b"\x1b[" + b"9" * 5000 + b"u"])
@given(st.lists(st.one_of(st.binary(min_size=1, max_size=40), SEQUENCES.map(str.encode)), max_size=8))
def test_no_bytes_end_it(parts: list[bytes]) -> None:
    with typist() as one:
        for part in parts:
            one.type(part)
        # Whatever sequence was begun, these end it.
        one.type(b"\x1b[201~\x07\x1b\\")
        one.type(b"qqqq")
        while one.key() != "q":
            pass
