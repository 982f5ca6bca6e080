"""A table of any length that formats and redraws only what is seen and changed."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from typing import ClassVar, Final

from rich.segment import Segment
from textual import events
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from netdash.ui.keymap import TABLE_KEYS, bindings
from netdash.ui.text import fit
from netdash.ui.theme import Tone, palette_of
from netdash.ui.widgets.columns import Column, PlacedColumn, place_columns
from netdash.ui.widgets.row_painter import Lit, Look, RowImage, RowPainter, title_line
from netdash.ui.widgets.table_model import Cell, NoRows, TableModel

__all__ = ["Cell", "Column", "LineTable", "TableModel", "Tone"]

_HEADER_LINES: Final = 1


class LineTable(ScrollView, can_focus=True):
    """A table with a cursor row, its own title line and bars behind rows.

    Until the cursor is moved it stays on the first row; from then on it stays with its row (`TableModel.key`).
    """

    DEFAULT_CSS = """
    LineTable { height: 1fr; width: 1fr; overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = list(bindings(TABLE_KEYS))

    class _RowMessage(Message):
        def __init__(self, table: LineTable, key: Hashable) -> None:
            super().__init__()
            self.table = table
            self.key = key

        @property
        def control(self) -> LineTable:
            """The table that sent it."""
            return self.table

    class Highlighted(_RowMessage, namespace="line_table"):
        """The cursor went to the row `key`."""

    class Selected(_RowMessage, namespace="line_table"):
        """Enter, or a second click, on the row `key`."""

    class SortRequested(Message, namespace="line_table"):
        """A click on the title of the column `column_key`."""

        def __init__(self, table: LineTable, column_key: str) -> None:
            super().__init__()
            self.table = table
            self.column_key = column_key

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._model: TableModel = NoRows()
        self._sort: str | None = None
        self._descending = True
        self._empty_text = ""
        self._cursor = 0
        self._cursor_key: Hashable | None = None
        self._pinned = False
        self._placed: list[PlacedColumn] = []
        self._placed_for: tuple[Sequence[Column], int] | None = None
        self._images: dict[int, RowImage] = {}
        self._drawn_size = Size()
        self._look: Look | None = None
        self._painter = RowPainter()
        self._hidden_columns: frozenset[str] = frozenset()

    @property
    def hidden_columns(self) -> frozenset[str]:
        """Keys of the columns that the user does not want to see."""
        return self._hidden_columns

    def hide_columns(self, keys: Collection[str]) -> None:
        """Shows all columns but these; what is sorted by stays sorted by."""
        self._hidden_columns = frozenset(keys)
        self._placed_for = None
        self.refresh()

    @property
    def model(self) -> TableModel:
        """What is shown now."""
        return self._model

    @property
    def cursor_key(self) -> Hashable | None:
        """Key of the cursor's row; None in an empty table."""
        return self._cursor_key

    @property
    def cursor_index(self) -> int:
        """The cursor's row."""
        return self._cursor

    @property
    def capacity(self) -> int:
        """Rows that have room on the screen."""
        return self._body_lines

    def column_beside(self, key: str, step: int) -> str | None:
        """Key of the column `step` columns to the right of column `key`, round the ends; from another key the first or
        the last."""
        keys = [column.key for column in self._model.columns]
        if not keys:
            return None
        return keys[((keys.index(key) + step) if key in keys else (0 if step > 0 else -1)) % len(keys)]

    def show(
        self, model: TableModel, *, sort: str | None = None, descending: bool = True, empty_text: str = ""
    ) -> None:
        """Shows `model`, sorted by the column of key `sort` (the caller sorts; the table marks the title).

        Redraws only cells that look different from before. `empty_text` stands in a table without rows.
        """
        heading_changed = (sort, descending) != (self._sort, self._descending) or model.columns != self._model.columns
        was_empty = not len(self._model)
        before = self._images
        offset_before = self.scroll_offset.y
        self._model, self._sort, self._descending, self._empty_text = model, sort, descending, empty_text
        self._images = {}
        highlighted = self._find_cursor()
        self._set_lines(len(model) + _HEADER_LINES)
        if highlighted and self._cursor_key is not None:
            self.post_message(self.Highlighted(self, self._cursor_key))
        if self._pinned:
            self._scroll_to_cursor()
        if heading_changed or was_empty or not len(model) or offset_before != self.scroll_offset.y:
            self.refresh()
        else:
            self._refresh_changes(before)

    def _set_lines(self, lines: int) -> None:
        """Where the scroll bar neither comes nor goes, only that is drawn: Textual would lay out the whole screen."""
        before, room = self.virtual_size.height, self.container_size.height
        if before == lines:
            return
        size = Size(1, lines)
        if room and (before > room) == (lines > room):
            self.set_reactive(Widget.virtual_size, size)
            self._scroll_update(size)
        else:
            self.virtual_size = size

    def reveal(self, first: int, last: int) -> None:
        """Scrolls down so far that the rows from `first` to `last` are in sight, or as many of them as there is room
        for."""
        if self._body_lines and last >= self.scroll_offset.y + self._body_lines:
            self.scroll_to(y=min(first, last + 1 - self._body_lines), animate=False, force=True)

    def select(self, key: Hashable) -> bool:
        """Puts the cursor on the row `key` and keeps it there. False when there is no such row."""
        index = self._model.find(key)
        if index is None:
            return False
        self._put_cursor(index)
        return True

    def _find_cursor(self) -> bool:
        """Puts the cursor where its row went. True when it stands on another row than before."""
        length = len(self._model)
        key_before = self._cursor_key
        if not length:
            self._cursor, self._cursor_key = 0, None
            return False
        found = self._model.find(key_before) if self._pinned and key_before is not None else None
        if found is not None:
            self._cursor = found
        else:
            self._cursor = min(self._cursor, length - 1) if self._pinned else 0
        self._cursor_key = self._model.key(self._cursor)
        return self._cursor_key != key_before

    def _put_cursor(self, index: int) -> None:
        """Moves the cursor to the entry at `index`, by the user's wish."""
        length = len(self._model)
        if not length:
            return
        self._pinned = True
        index = max(0, min(length - 1, index))
        key = self._model.key(index)
        while index > 0 and self._model.key(index - 1) == key:
            index -= 1
        if index == self._cursor and key == self._cursor_key:
            return
        before, self._images = self._images, {}
        self._cursor, self._cursor_key = index, key
        offset = self.scroll_offset.y
        self._scroll_to_cursor()
        if offset == self.scroll_offset.y:
            self._refresh_changes(before)
        self.post_message(self.Highlighted(self, key))

    def _entry_end(self, index: int) -> int:
        """Index after the last line of the entry at `index`."""
        key = self._model.key(index)
        end = index + 1
        while end < len(self._model) and self._model.key(end) == key:
            end += 1
        return end

    def action_move(self, step: int) -> None:
        """Cursor one entry up or down."""
        if len(self._model):
            self._put_cursor(self._cursor - 1 if step < 0 else self._entry_end(self._cursor))

    def action_page(self, step: int) -> None:
        """Cursor one page up or down."""
        self._put_cursor(self._cursor + step * max(1, self._body_lines - 1))

    def action_first(self) -> None:
        """Cursor to the first row, where it stays again whatever comes up there."""
        self._put_cursor(0)
        self._pinned = False

    def action_last(self) -> None:
        """Cursor to the last row."""
        self._put_cursor(len(self._model) - 1)

    def action_select(self) -> None:
        """Chooses the cursor's row."""
        if self._cursor_key is not None:
            self.post_message(self.Selected(self, self._cursor_key))

    def on_click(self, event: events.Click) -> None:
        """A click moves the cursor, a second one chooses the row; a click on a title asks for that order."""
        if event.y < _HEADER_LINES:
            for column in self._columns():
                if column.x <= event.x < column.x + column.width:
                    self.post_message(self.SortRequested(self, column.column.key))
            return
        index = event.y - _HEADER_LINES + self.scroll_offset.y
        if index < len(self._model):
            self._put_cursor(index)
            if event.chain >= 2:
                self.action_select()

    def on_focus(self) -> None:
        """The cursor looks different with the focus."""
        self._redraw_cursor()

    def on_blur(self) -> None:
        """The cursor looks different without the focus."""
        self._redraw_cursor()

    def on_resize(self) -> None:
        """The columns are placed anew and the cursor stays in sight."""
        if self.size == self._drawn_size:
            return  # it is shown again
        self._drawn_size = self.size
        self._redraw()
        if self._pinned:
            self._scroll_to_cursor()

    def _redraw_cursor(self) -> None:
        """The lines of the cursor's entry."""
        if len(self._model):
            top, width = self.scroll_offset.y, self.scrollable_content_region.width
            lines = range(self._cursor, min(self._entry_end(self._cursor), top + self._body_lines))
            for index in lines:
                self._images.pop(index, None)
            regions = [Region(0, index - top + _HEADER_LINES, width, 1) for index in lines if index >= top]
            if regions:
                self.refresh(*regions)

    def _redraw(self) -> None:
        self._images = {}
        self.refresh()

    @property
    def _body_lines(self) -> int:
        return max(0, self.scrollable_content_region.height - _HEADER_LINES)

    def _scroll_to_cursor(self) -> None:
        top = self.scroll_offset.y
        end = self._entry_end(self._cursor) if len(self._model) else 0
        if self._cursor < top:
            self.scroll_to(y=self._cursor, animate=False, force=True)
        elif self._body_lines and end > top + self._body_lines:
            # Forced: in a table that has just grown, the scroll bar is not there yet.
            self.scroll_to(y=end - self._body_lines, animate=False, force=True)

    def _columns(self) -> list[PlacedColumn]:
        """The columns that fit, where they stand."""
        columns, width = self._model.columns, self.scrollable_content_region.width
        if self._placed_for != (columns, width):
            self._placed_for = (columns, width)
            self._placed = place_columns(columns, width, self._hidden_columns)
        return self._placed

    def _image(self, index: int, width: int) -> RowImage:
        """What the row at `index` looks like in `width` cells; asked of the model once per `show`."""
        image = self._images.get(index)
        if image is None:
            share = self._model.bar(index)
            bar_cells = 0 if share is None else round(max(0.0, min(1.0, share)) * width)
            lit: Lit = "plain"
            if self._model.key(index) == self._cursor_key:
                lit = "cursor" if self.has_focus else "idle cursor"
            image = self._images[index] = RowImage(tuple(self._model.cells(index)), bar_cells, lit)
        return image

    def _refresh_changes(self, before: dict[int, RowImage]) -> None:
        """Asks for a redraw of the regions of visible lines that differ from `before`."""
        if not self.size:  # of a view that is not laid out yet: all is drawn when it is
            self.refresh()
            return
        regions: list[Region] = []
        top = self.scroll_offset.y
        width, columns, length = self.scrollable_content_region.width, self._columns(), len(self._model)
        for y in range(self._body_lines):
            index = top + y
            old = before.get(index)
            if index >= length:
                if old is not None:
                    regions.append(Region(0, y + _HEADER_LINES, width, 1))
                continue
            new = self._image(index, width)
            if old is None or old.lit != new.lit or len(old.cells) != len(new.cells):
                regions.append(Region(0, y + _HEADER_LINES, width, 1))
            elif old != new:
                regions += [Region(x, y + _HEADER_LINES, end - x, 1) for x, end in _changed_spans(old, new, columns)]
        if regions:
            self.refresh(*regions)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Lines of the table; what all of them have in common is looked up once."""
        self._look = self._current_look()
        self._columns()  # places them anew where that is due
        try:
            return super().render_lines(crop)
        finally:
            self._look = None

    def _current_look(self) -> Look:
        return Look(self.scrollable_content_region.width, palette_of(self.app), self.rich_style)

    def render_line(self, y: int) -> Strip:
        """One line of the table: the titles, then the rows in sight."""
        look = self._look or self._current_look()
        columns = self._placed if self._look else self._columns()
        if y < _HEADER_LINES:
            return title_line(columns, self._sort, self._descending, look)
        index = y - _HEADER_LINES + self.scroll_offset.y
        if index < len(self._model):
            return self._painter.line(self._image(index, look.width), columns, look)
        width, palette, base = look
        if not len(self._model) and y == _HEADER_LINES + 1 and self._empty_text:
            text = fit("  " + self._empty_text, width, ascii_only=palette.ascii_only)
            return Strip([Segment(text, base + palette.tones[Tone.DIM])], width)
        return Strip.blank(width, base)


def _changed_spans(old: RowImage, new: RowImage, columns: Sequence[PlacedColumn]) -> list[tuple[int, int]]:
    """First cell and end of what differs between two images of a line; neighbouring columns as one."""
    spans = [
        (placed.x, placed.x + placed.width)
        for placed in columns
        if old.cells[placed.source] != new.cells[placed.source]
    ]
    if old.bar_cells != new.bar_cells:
        spans.append((min(old.bar_cells, new.bar_cells), max(old.bar_cells, new.bar_cells)))
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged
