"""Screens as plain text, compared with stored ones: far lighter than pictures, and readable in a review.

A test takes the fixture `golden` (tests/ui/conftest.py):

    async def test_screen(golden: Golden) -> None:
        async with app.run_test(size=(80, 24)) as pilot:
            ...
            golden(app)

It compares with `tests/ui/goldens/<module>/<test without "test_">.txt`; `pytest --snapshot-update` writes them.
Colours are not in it: `looks` has those of 16, and one picture (`snap_compare`) a view shows the others.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.style import Style
from textual.app import App
from textual.strip import Strip

FOLDER = Path(__file__).parent / "goldens"
_ODD = re.compile(r"[^\w.\[\]-]+")


def screen_text(app: App[int]) -> str:
    """What is on the screen, line by line without the blanks at their ends."""
    return "\n".join(strip.text.rstrip() for strip in strips_of(app)) + "\n"


def strips_of(app: App[int]) -> list[Strip]:
    """The lines of the screen, as they are given to the terminal."""
    # Textual has no public way to text; its pictures are made of the same strips.
    return app.screen._compositor.render_strips()


def looks(app: App[int]) -> str:
    """The screen, with a letter for the look of each cell below each line, and what the letters mean."""
    letters: dict[str, str] = {"": " "}
    lines = []
    for strip in strips_of(app):
        below = ""
        for text, style, _ in strip:
            word = _word(style)
            below += letters.setdefault(word, chr(ord("a") + len(letters) - 1)) * cell_len(text)
        lines += [strip.text.rstrip(), *([below.rstrip()] if below.strip() else [])]
    return "\n".join([*lines, "", *(f"{letter} {word}" for word, letter in letters.items() if word), ""])


def _word(style: Style | None) -> str:
    """A style in words: "bold cyan on blue"; "" for the terminal's own."""
    if style is None:
        return ""
    on = [name for name in ("bold", "italic", "underline", "reverse") if getattr(style, name)]
    if style.color is not None and not style.color.is_default:
        on.append(_colour(style.color.number))
    if style.bgcolor is not None and not style.bgcolor.is_default:
        on += ["on", _colour(style.bgcolor.number)]
    return " ".join(on)


def _colour(number: int | None) -> str:
    names = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
    return "?" if number is None else f"{'bright ' if number > 7 else ''}{names[number % 8]}"


class Golden:
    """Compares the screens of one test with stored ones."""

    def __init__(self, module: str, test: str, *, update: bool) -> None:
        self._folder = FOLDER / module
        self._test = test
        self._update = update

    def __call__(self, app: App[int], part: str = "") -> None:
        """Fails with a diff unless the screen is as it was stored. `part` tells several screens of a test apart."""
        self.compare(screen_text(app), part)

    def compare(self, shown: str, part: str = "") -> None:
        """As a call, with text."""
        test = self._test.removeprefix("test_")
        name = _ODD.sub("_", f"{test}-{part}" if part else test)
        path = self._folder / f"{name}.txt"
        if self._update:
            self._folder.mkdir(parents=True, exist_ok=True)
            path.write_text(shown, encoding="utf-8")
            return
        if not path.exists():
            pytest.fail(f"{path} is missing: look at the screen, then run with --snapshot-update\n{shown}")
        stored = path.read_text(encoding="utf-8")
        if stored != shown:
            lines = difflib.unified_diff(stored.splitlines(), shown.splitlines(), "stored", "shown", lineterm="", n=2)
            pytest.fail("the screen is another than the stored one:\n" + "\n".join(lines))
