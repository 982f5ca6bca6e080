"""The line that says how far a file was read."""

from __future__ import annotations

import io
import threading

import pytest

from netdash.sinks import progress
from netdash.sinks.progress import progress_line


class Screen(io.StringIO):
    """A terminal, or none; `shown` is set when the line stands there."""

    def __init__(self, terminal: bool = True) -> None:
        super().__init__()
        self.terminal = terminal
        self.shown = threading.Event()

    def isatty(self) -> bool:
        return self.terminal

    def write(self, text: str) -> int:
        if "reading" in text:
            self.shown.set()
        return super().write(text)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_FIRST_SECONDS", 0.01)
    monkeypatch.setattr(progress, "_NEXT_SECONDS", 0.01)


def test_it_goes_on_while_the_body_is_busy_and_is_gone_at_the_end() -> None:
    screen, shares = Screen(), iter([0.1, 0.426, 1.7])
    with progress_line(lambda: next(shares, 1.0), screen):
        while "100%" not in screen.getvalue():
            screen.shown.wait(20)
    for share in ("10%", "43%", "100%"):
        assert f"\r\x1b[Knetdash: reading, {share}" in screen.getvalue()
    assert screen.getvalue().endswith("\r\x1b[K")


def test_what_is_quick_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_FIRST_SECONDS", 100.0)
    screen = Screen()
    with progress_line(lambda: 0.5, screen):
        pass
    assert screen.getvalue() == ""


@pytest.mark.parametrize(("stream", "output"), [(False, False), (False, True), (True, True)])
def test_only_on_a_terminal_that_shows_nothing_else(stream: bool, output: bool) -> None:
    screen = Screen(stream)
    with progress_line(lambda: 0.5, screen, Screen(output)):
        assert not screen.shown.wait(0.05)
    assert screen.getvalue() == ""


def test_an_interruption_takes_it_away() -> None:
    screen = Screen()

    def interrupted() -> None:
        with progress_line(lambda: 0.5, screen):
            assert screen.shown.wait(20)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert screen.getvalue().endswith("\r\x1b[K")
