"""What the terminal shows, and the fewest bytes that turn it into the next frame.

Textual writes each line in which something changed from the left edge of its widget on, with all attributes of every
piece. Over a slow link that is too much for a screen whose figures change once a second. Here the cells are compared
with those that were written last, and only those that differ are written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import compress
from operator import ne, or_
from typing import Final, NamedTuple

from rich.cells import get_character_cell_size
from rich.color import ColorSystem
from textual.strip import Strip

from netdash.ui.pens import PLAIN, Pens
from netdash.ui.text import printable

_UNKNOWN: Final = ""
"""The text of a cell of which nothing is known."""
_REST: Final = "\0"
"""The text of the second cell of a wide character."""

# Latin, Greek, Cyrillic, punctuation, arrows, mathematics, frames, blocks, marks, braille: one cell on every terminal.
_CERTAIN: Final = re.compile("[ -~¡-¬®-˿Ͱ-ͷͺ-Ϳ΄-ΊΌΎ-ΡΣ-ҁҊ-ԯ‐-‧‰-⁞←-⋿─-◼◿⠀-⣿]*")
_LONGEST_BRIDGE: Final = 4
"""So many cells that stay are written again rather than stepped over: a step takes as many bytes."""
_LEAST_SHIFT: Final = 12
"""So many changed cells may be a line that moved: taking one out and putting one in takes about 20 bytes."""


class Part(NamedTuple):
    """What shall stand in a line from a cell on."""

    y: int
    x: int
    strip: Strip


class Cells(NamedTuple):
    """Neighbouring cells: their texts, and the numbers of their pens."""

    texts: list[str]
    looks: list[int]


class ShownScreen:
    """Remembers the cells of one terminal. Whoever writes to that in another way calls `forget`."""

    def __init__(self, color_system: ColorSystem) -> None:
        self._pens = Pens(color_system)
        self._pen = PLAIN
        self._size = (0, 0)
        self._texts: list[list[str]] = []
        self._looks: list[list[int]] = []
        self._odd_lines: set[int] = set()
        """Lines with characters about whose width terminals disagree."""
        self._output: list[str] = []
        self._place: tuple[int, int] | None = None
        """Line and cell of the terminal's cursor, where it is certain."""

    def forget(self) -> None:
        """The terminal shows something else, or nothing: what comes is written in full."""
        self._size = (0, 0)

    def update(self, width: int, height: int, parts: Iterable[Part]) -> str:
        """What to write so that the terminal shows `parts`, none of which reaches out of the screen."""
        if self._size != (width, height):
            self._size = (width, height)
            self._texts = [[_UNKNOWN] * width for _ in range(height)]
            self._looks = [[PLAIN] * width for _ in range(height)]
            self._odd_lines = set()
        self._output, self._place = [], None
        for y, x, strip in parts:
            if 0 <= y < height and 0 <= x < width:
                self._show(y, x, strip)
        self._take(PLAIN)
        return "".join(self._output)

    def _show(self, y: int, x: int, strip: Strip) -> None:
        now, odd = self._cells(strip, self._size[0] - x)
        end = x + len(now.texts)
        before = Cells(self._texts[y][x:end], self._looks[y][x:end])
        if now == before:
            return
        was_odd = y in self._odd_lines
        if odd or was_odd:
            # The cells of such a line may stand elsewhere than here: the whole part is written.
            changed = list(range(len(now.texts)))
            self._odd_lines.add(y)
        else:
            changed = _differences(before, now)
            if len(changed) >= _LEAST_SHIFT:
                changed = self._shift(y, x, changed, before, now)
        self._texts[y][x:end], self._looks[y][x:end] = now
        for first, last in self._runs(now, changed):
            self._write(y, x + first, Cells(now.texts[first:last], now.looks[first:last]), odd)
        if was_odd and not odd and all(_CERTAIN.fullmatch(text) and text != _UNKNOWN for text in self._texts[y]):
            self._odd_lines.remove(y)

    def _cells(self, strip: Strip, room: int) -> tuple[Cells, bool]:
        """The cells of a strip, and whether there are characters of uncertain width."""
        texts: list[str] = []
        looks: list[int] = []
        odd = False
        for text, style, control in strip:
            if control:
                continue
            pen = self._pens.number(style)
            blank = self._pens.blank[pen]
            if _CERTAIN.fullmatch(text):
                texts += text
                looks += [blank if char == " " else pen for char in text] if blank != pen else [pen] * len(text)
                continue
            odd = True
            for char in printable(text):
                cells = get_character_cell_size(char)
                if cells:
                    texts += [char, _REST][:cells]
                    looks += [blank if char == " " else pen] * cells
                elif texts:
                    # It belongs to the character before it.
                    texts[-2 if texts[-1] == _REST else -1] += char
        return Cells(texts[:room], looks[:room]), odd

    def _shift(self, y: int, x: int, changed: list[int], before: Cells, now: Cells) -> list[int]:
        """Lets the terminal move cells by one to the left where that saves writing; what then still differs.

        DCH takes out a cell and the line moves up; ICH puts in one, and the line behind it moves back (ECMA-48
        sections 8.3.26 and 8.3.64).
        """
        first, last = changed[0], changed[-1]
        texts, looks = before
        moved = Cells(
            [*texts[:first], *texts[first + 1 : last + 1], _UNKNOWN, *texts[last + 1 :]],
            [*looks[:first], *looks[first + 1 : last + 1], PLAIN, *looks[last + 1 :]],
        )
        left = _differences(moved, now)
        if len(left) + _LEAST_SHIFT > len(changed):
            return changed
        self._go_to(y, x + first)
        self._output.append("\x1b[P")
        self._go_to(y, x + last)
        self._output.append("\x1b[@")
        return left

    def _runs(self, cells: Cells, changed: list[int]) -> Iterator[tuple[int, int]]:
        """The changed cells in stretches, over short gaps that look alike."""
        if not changed:
            return
        first = last = changed[0]
        for index in changed[1:]:
            if index > last + 1 and not self._bridges(cells, last, index):
                yield first, last + 1
                first = index
            last = index
        yield first, last + 1

    def _bridges(self, cells: Cells, last: int, following: int) -> bool:
        """Whether the gap between two cells is as cheap to write as to step over."""
        texts, looks = cells.texts[last + 1 : following], cells.looks[last + 1 : following]
        if len(texts) > _LONGEST_BRIDGE or not "".join(texts).isascii():
            return False
        pen = cells.looks[last]
        blank = self._pens.blank[pen]
        return all(look == pen or (text == " " and look == blank) for text, look in zip(texts, looks, strict=True))

    def _write(self, y: int, x: int, cells: Cells, odd: bool) -> None:
        """Writes a stretch of cells; `odd`: there may be characters of uncertain width."""
        self._go_to(y, x)
        texts, pens = cells.texts, self._pens_of(cells)
        if odd:
            self._write_singly(y, x, texts, pens)
            return
        start = 0
        for index in range(1, len(pens) + 1):
            if index == len(pens) or pens[index] != pens[start]:
                self._take(pens[start])
                self._output.append("".join(texts[start:index]))
                start = index
        self._be_at(y, x + len(texts))

    def _write_singly(self, y: int, x: int, texts: list[str], pens: list[int]) -> None:
        """Writes cell by cell: behind a character of uncertain width the cursor has to be told where it is."""
        for offset, (text, pen) in enumerate(zip(texts, pens, strict=True)):
            if text == _REST:
                continue
            self._take(pen)
            self._output.append(text)
            self._be_at(y, x + offset + 1)
            if not _CERTAIN.fullmatch(text):
                self._place = None
                self._go_to(y, x + offset + (2 if texts[offset + 1 : offset + 2] == [_REST] else 1))

    def _pens_of(self, cells: Cells) -> list[int]:
        """The pens to write cells with: a blank takes that of what stands before it, or else behind it, if it looks the
        same with it."""
        texts, pens, blank = cells.texts, list(cells.looks), self._pens.blank
        before = self._pen
        for index, text in enumerate(texts):
            if text == " " and blank[before] == pens[index]:
                pens[index] = before
            before = pens[index]
        for index in range(len(pens) - 2, -1, -1):
            if texts[index] == " " and pens[index] == cells.looks[index] and blank[pens[index + 1]] == pens[index]:
                pens[index] = pens[index + 1]
        return pens

    def _take(self, pen: int) -> None:
        if pen != self._pen:
            self._output.append(self._pens.change(self._pen, pen))
            self._pen = pen

    def _go_to(self, y: int, x: int) -> None:
        """Moves the cursor: some cells on, or to a line and column (CUF, CUP: ECMA-48 sections 8.3.20, 8.3.21)."""
        if x >= self._size[0] or self._place == (y, x):
            return
        if self._place is not None and self._place[0] == y and self._place[1] < x:
            steps = x - self._place[1]
            self._output.append(f"\x1b[{steps if steps > 1 else ''}C")
        else:
            self._output.append(f"\x1b[{y + 1};{x + 1}H")
        self._place = (y, x)

    def _be_at(self, y: int, x: int) -> None:
        """The cursor has come here by what was written. At the right edge it hangs between two lines."""
        self._place = (y, x) if x < self._size[0] else None


def _differences(before: Cells, now: Cells) -> list[int]:
    """The cells that differ."""
    differ = map(or_, map(ne, before.texts, now.texts), map(ne, before.looks, now.looks))
    return list(compress(range(len(now.texts)), differ))
