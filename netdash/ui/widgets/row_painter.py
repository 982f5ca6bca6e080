"""Rows of a table as styled text, in as few pieces as their tones and bars need."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal, NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from netdash.ui.text import fit, width_of
from netdash.ui.theme import Palette, Tone
from netdash.ui.widgets.columns import PlacedColumn
from netdash.ui.widgets.table_model import Cell

Lit = Literal["plain", "cursor", "idle cursor"]
_Run = tuple[str, Tone]


class RowImage(NamedTuple):
    """What a line shows; lines of equal images need no redraw."""

    cells: tuple[Cell, ...]
    bar_cells: int
    lit: Lit


class Look(NamedTuple):
    """What all lines of one drawing have in common."""

    width: int
    palette: Palette
    base: Style


class RowPainter:
    """Makes lines of images, and each style only once."""

    def __init__(self) -> None:
        self._styles: dict[tuple[Tone, Style | None], Style] = {}
        self._styles_for: tuple[Palette, Style] | None = None

    def line(self, image: RowImage, columns: Sequence[PlacedColumn], look: Look) -> Strip:
        """One row with its bar behind it."""
        palette = look.palette
        lit = palette.cursor if image.lit == "cursor" else palette.idle_cursor if image.lit == "idle cursor" else None
        bar = palette.cursor_bar if lit else palette.bar
        before, after = _cut(_runs(image, columns, look), image.bar_cells)
        segments = [Segment(text, self._style(look, tone, bar)) for text, tone in before]
        segments += [Segment(text, self._style(look, tone, lit)) for text, tone in after]
        strip = Strip(segments)
        return strip.crop(0, look.width) if strip.cell_length != look.width else strip

    def _style(self, look: Look, tone: Tone, laid_over: Style | None) -> Style:
        if self._styles_for != (look.palette, look.base):
            self._styles_for, self._styles = (look.palette, look.base), {}
        style = self._styles.get((tone, laid_over))
        if style is None:
            style = look.base + look.palette.tones[tone]
            if laid_over is not None:
                style += laid_over
            self._styles[tone, laid_over] = style
        return style


def _runs(image: RowImage, columns: Sequence[PlacedColumn], look: Look) -> list[_Run]:
    """The row's text in pieces of one tone; blanks belong to whatever stands beside them."""
    ascii_only = look.palette.ascii_only
    runs: list[_Run] = []
    text, run_tone, x = "", Tone.NORMAL, 0
    for column, source, start, cells in columns:
        cell = image.cells[source]
        content, tone = cell if isinstance(cell, tuple) else (cell, Tone.NORMAL)
        piece = " " * (start - x) + fit(content, cells, column.align, ascii_only=ascii_only)
        x = start + cells
        if tone != run_tone and not piece.isspace():
            if text.isspace():
                piece = text + piece
            elif text:
                runs.append((text, run_tone))
            text, run_tone = "", tone
        text += piece
    runs.append((text + " " * (look.width - x), run_tone))
    return runs


def _cut(runs: Sequence[_Run], cells: int) -> tuple[list[_Run], list[_Run]]:
    """The runs of the first `cells` cells, and the rest."""
    before: list[_Run] = []
    for number, (text, tone) in enumerate(runs):
        length = width_of(text)
        if cells < length:
            head, tail = Segment(text).split_cells(cells)
            if head.text + tail.text != text:  # in the middle of a wide character, which would be lost
                head, tail = Segment(text).split_cells(cells + 1)
            if head.text:
                before.append((head.text, tone))
            return before, [(tail.text, tone), *runs[number + 1 :]]
        before.append((text, tone))
        cells -= length
    return before, []


def title_line(columns: Sequence[PlacedColumn], sort: str | None, descending: bool, look: Look) -> Strip:
    """The titles of `columns`, with a mark at the one of key `sort`."""
    width, palette, base = look
    write = partial(fit, ascii_only=palette.ascii_only)
    texts: list[str] = []
    x = 0
    for placed in columns:
        title = placed.column.title
        if placed.column.key == sort:
            mark = "▼" if descending else "▲"
            title = mark + title if placed.column.align == "right" else title + mark
        texts.append(" " * (placed.x - x) + write(title, placed.width, placed.column.align))
        x = placed.x + placed.width
    text = "".join(texts)
    text += " " * (width - width_of(text))
    return Strip([Segment(text, base + palette.title)], width_of(text)).crop(0, width)
