"""Frames as differences: whatever was shown before, the terminal shows what a frame written in full would show."""

from __future__ import annotations

import string
from dataclasses import dataclass

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import get_character_cell_size
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from netdash.ui.shown_screen import _CERTAIN, Part, ShownScreen

WIDTH, HEIGHT = 24, 3
LOOKS = (
    "#d0d0d0 on #121212",
    "#5fd7af on #121212",
    "bold #5fd7af on #121212",
    "dim italic #949494 on #121212",
    "underline #949494 on #005f5f",
    "reverse #ff8787 on #303030",
    "on #303030",
    "default on default",
    "bold",
    "strike green on blue",
)


@dataclass
class Watched:
    """A terminal emulator behind a ShownScreen, and one that is given every frame in full."""

    width: int = WIDTH
    height: int = HEIGHT

    def __post_init__(self) -> None:
        self.shown = ShownScreen(ColorSystem.EIGHT_BIT)
        self.screen = pyte.Screen(self.width, self.height)
        self.stream = pyte.Stream(self.screen)
        self.lines: dict[int, Strip] = {}

    def show(self, *lines: Strip) -> str:
        """Shows lines from the top; what was written."""
        written = self.shown.update(self.width, self.height, [Part(y, 0, strip) for y, strip in enumerate(lines)])
        self.stream.feed(written)
        self.lines |= dict(enumerate(lines))
        return written

    def cells(self) -> list[list[tuple[object, ...]]]:
        return _looks_of(self.screen)

    def expected(self) -> list[list[tuple[object, ...]]]:
        screen = pyte.Screen(self.width, self.height)
        stream = pyte.Stream(screen)
        full = ShownScreen(ColorSystem.EIGHT_BIT)
        stream.feed(full.update(self.width, self.height, [Part(y, 0, strip) for y, strip in self.lines.items()]))
        # Textual's own way, as an independent judge.
        judge = pyte.Screen(self.width, self.height)
        judging = pyte.Stream(judge)
        for y, strip in self.lines.items():
            judging.feed(f"\x1b[{y + 1};1H")
            for text, style, _ in strip:
                judging.feed((style or Style()).render(text, color_system=ColorSystem.EIGHT_BIT))
        same = _looks_of(screen) == _looks_of(judge)
        assert same
        return _looks_of(judge)


def _looks_of(screen: pyte.Screen) -> list[list[tuple[object, ...]]]:
    """What is seen of each cell: the colour of a text does not show on a blank."""
    rows = []
    for y in range(screen.lines):
        row: list[tuple[object, ...]] = []
        for x in range(screen.columns):
            char = screen.buffer[y][x]
            seen: tuple[object, ...] = (char.data, char.bg, char.underscore, char.reverse, char.strikethrough)
            if char.data != " " or char.underscore or char.reverse or char.strikethrough:
                seen += (char.fg, char.bold, char.italics)
            row.append(seen)
        rows.append(row)
    return rows


def line(*pieces: tuple[str, str], width: int = WIDTH) -> Strip:
    """A line of texts and looks, filled with blanks: at least one, for pyte gets a combining mark at the edge wrong."""
    strip = Strip([Segment(text, Style.parse(look)) for text, look in pieces])
    return strip.adjust_cell_length(width - 1).adjust_cell_length(width, Style.parse(LOOKS[0]))


GLYPHS = (*string.ascii_letters[:6], *"  0123 ⣿⣷▁▇│漢", "e\u0301", "🪙")
TEXTS = st.lists(st.sampled_from(GLYPHS), max_size=9).map("".join)
LINES = st.lists(st.tuples(TEXTS, st.sampled_from(LOOKS)), max_size=6).map(lambda pieces: line(*pieces))


@settings(deadline=None, max_examples=80)
@given(st.lists(st.tuples(LINES, LINES, LINES), min_size=1, max_size=5))
def test_any_frame_after_any_other(frames: list[tuple[Strip, Strip, Strip]]) -> None:
    watched = Watched()
    for frame in frames:
        watched.show(*frame)
        same = watched.cells() == watched.expected()
        assert same
    assert watched.show(*frames[-1]) == ""


@settings(deadline=None, max_examples=50)
@given(st.text(st.sampled_from(" ⣀⣤⣶⣿⡇⢸"), min_size=30, max_size=60), st.integers(1, 4))
def test_a_line_that_scrolls(samples: str, step: int) -> None:
    watched = Watched(width=40)
    for start in range(0, len(samples) - 20, step):
        graph = line(("1.00Mb│", LOOKS[1]), (samples[start : start + 20], LOOKS[2]), (" Curr: 7", LOOKS[3]), width=40)
        watched.show(graph)
        assert watched.cells()[0] == watched.expected()[0]


def test_only_what_differs_is_written() -> None:
    watched = Watched()
    watched.show(line(("eth0", LOOKS[0]), (" 1.23Mb", LOOKS[1])), line(("lo", LOOKS[0])))
    written = watched.show(line(("eth0", LOOKS[0]), (" 1.25Mb", LOOKS[1])), line(("lo", LOOKS[0])))
    assert written == "\x1b[1;9H\x1b[38;5;79;48;5;233m5\x1b[0m"


def test_the_colour_of_blanks_is_no_difference() -> None:
    watched = Watched()
    watched.show(line(("a      b", LOOKS[0])))
    assert watched.show(line(("a", LOOKS[0]), ("      ", LOOKS[1]), ("b", LOOKS[0]))) == ""
    assert watched.show(line(("a", LOOKS[0]), ("      ", LOOKS[5]), ("b", LOOKS[0]))) != ""


def test_a_scrolled_graph_takes_few_bytes() -> None:
    watched = Watched(width=120)
    samples = "".join(chr(0x2801 + (number * 37) % 255) for number in range(101))
    watched.show(line((samples[:100], LOOKS[1]), (" Curr: 1", LOOKS[0]), width=120))
    written = watched.show(line((samples[1:], LOOKS[1]), (" Curr: 1", LOOKS[0]), width=120))
    assert len(written.encode()) < 50
    assert watched.cells() == watched.expected()


def test_forgotten_and_resized_screens_are_written_in_full() -> None:
    watched = Watched()
    full = watched.show(line(("abc", LOOKS[0])))
    assert watched.show(line(("abc", LOOKS[0]))) == ""
    watched.shown.forget()
    assert watched.show(line(("abc", LOOKS[0]))) == full
    assert watched.shown.update(WIDTH, HEIGHT + 1, [Part(0, 0, line(("abc", LOOKS[0])))]) == full


def test_nothing_that_a_terminal_obeys_comes_through() -> None:
    watched = Watched()
    written = watched.show(line(("a\x1b[2Jb\x9b1mc\u202ed", LOOKS[0])))
    assert "\x1b[2J" not in written
    assert "\x9b" not in written
    assert "\u202e" not in written
    assert watched.screen.display[0].startswith("a·[2Jb·1mc·d")


def test_parts_outside_of_the_screen_are_left_out() -> None:
    shown = ShownScreen(ColorSystem.EIGHT_BIT)
    parts = [Part(9, 0, line(("abc", LOOKS[0]))), Part(0, 99, line(("abc", LOOKS[0]))), Part(-1, 0, line())]
    assert shown.update(WIDTH, HEIGHT, parts) == ""


def test_characters_of_certain_width_have_one_cell() -> None:
    certain = [chr(number) for number in range(0x20, 0x30000) if _CERTAIN.fullmatch(chr(number))]
    assert len(certain) > 1500
    assert [char for char in certain if get_character_cell_size(char) != 1] == []


@pytest.mark.parametrize(
    ("system", "colour"),
    [(ColorSystem.STANDARD, "36"), (ColorSystem.EIGHT_BIT, "38;5;37"), (ColorSystem.TRUECOLOR, "38;2;0;175;175")],
)
def test_colours_are_those_of_the_terminal(system: ColorSystem, colour: str) -> None:
    written = ShownScreen(system).update(WIDTH, 1, [Part(0, 0, Strip([Segment("a", Style.parse("#00afaf"))]))])
    assert written == f"\x1b[1;1H\x1b[{colour}ma\x1b[0m"
