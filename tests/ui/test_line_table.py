"""LineTable: what it asks of its model, what it draws, and what it draws again."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from textual.app import ComposeResult
from textual.geometry import Region

from netdash.ui.theme import PaletteApp, choose_palette
from netdash.ui.widgets.line_table import Cell, Column, LineTable, Tone

COLUMNS = (
    Column("name", "name", 10, flexible=True),
    Column("rate", "rate", 8, "right"),
    Column("extra", "extra", 6, priority=1),
)


@dataclass
class Model:
    """Rows of name, rate and extra; remembers which were asked for."""

    rows: Sequence[tuple[str, str, str]]
    bars: Sequence[float | None] = ()
    columns: Sequence[Column] = COLUMNS
    asked: set[int] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self.rows)

    def cells(self, index: int) -> Sequence[Cell]:
        self.asked.add(index)
        name, rate, extra = self.rows[index]
        return name, (rate, Tone.RX), extra

    def key(self, index: int) -> Hashable:
        return self.rows[index][0]

    def find(self, key: Hashable) -> int | None:
        return next((i for i, row in enumerate(self.rows) if row[0] == key), None)

    def bar(self, index: int) -> float | None:
        return self.bars[index] if self.bars else None


def numbered(count: int) -> Model:
    return Model([(f"row{i}", str(i), "x") for i in range(count)])


class Recording(LineTable):
    """Remembers what it was asked to redraw; None = all of it."""

    def __init__(self) -> None:
        super().__init__(id="table")
        self.redrawn: list[Region | None] = []

    def refresh(
        self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False
    ) -> Recording:
        if hasattr(self, "redrawn"):
            self.redrawn += regions or [None]
        super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)
        return self


class TableApp(PaletteApp):
    """One table."""

    def __init__(self, *, ascii_only: bool = False) -> None:
        super().__init__()
        self.palette = choose_palette("256", ascii_only=ascii_only, no_color=False)
        self.table = Recording()
        self.messages: list[tuple[str, Hashable]] = []

    def compose(self) -> ComposeResult:
        yield self.table

    def on_line_table_highlighted(self, message: LineTable.Highlighted) -> None:
        self.messages.append(("highlighted", message.key))

    def on_line_table_selected(self, message: LineTable.Selected) -> None:
        self.messages.append(("selected", message.key))

    def on_line_table_sort_requested(self, message: LineTable.SortRequested) -> None:
        self.messages.append(("sort", message.column_key))

    def lines(self) -> list[str]:
        """What is drawn, line by line."""
        return [self.table.render_line(y).text.rstrip() for y in range(self.table.size.height)]


async def test_only_visible_rows_are_asked_for() -> None:
    app = TableApp()
    async with app.run_test(size=(40, 10)) as pilot:
        model = numbered(100_000)
        app.table.show(model)
        await pilot.pause()
        assert model.asked == set(range(9))
        assert app.lines()[:3] == [
            "name                        rate extra",
            "row0                           0 x",
            "row1                           1 x",
        ]
        model.asked.clear()
        await pilot.press("end")
        assert model.asked <= set(range(99_991, 100_000)) | set(range(9))
        assert app.lines()[-1].startswith("row99999")


async def test_only_changed_cells_are_redrawn() -> None:
    app = TableApp()
    async with app.run_test(size=(40, 10)) as pilot:
        app.table.show(Model([("a", "1", "x"), ("b", "2", "x"), ("c", "3", "x")]))
        await pilot.pause()
        app.table.redrawn.clear()
        app.table.show(Model([("a", "1", "x"), ("b", "7", "x"), ("c", "3", "y")]))
        assert app.table.redrawn == [Region(25, 2, 8, 1), Region(34, 3, 6, 1)]
        app.table.redrawn.clear()
        app.table.show(Model([("a", "1", "x"), ("b", "7", "x"), ("c", "3", "y")]))
        assert app.table.redrawn == []


async def test_neighbouring_changes_are_one_region() -> None:
    app = TableApp()
    async with app.run_test(size=(40, 10)) as pilot:
        app.table.show(Model([("a", "1", "x")]))
        await pilot.pause()
        app.table.redrawn.clear()
        app.table.show(Model([("a", "2", "y")]))
        assert app.table.redrawn == [Region(25, 1, 15, 1)]


async def test_bar_redraws_what_it_gained() -> None:
    app = TableApp()
    async with app.run_test(size=(40, 10)) as pilot:
        app.table.show(Model([("a", "1", "x"), ("b", "1", "x")], bars=[0.0, 0.5]))
        await pilot.pause()
        app.table.redrawn.clear()
        app.table.show(Model([("a", "1", "x"), ("b", "1", "x")], bars=[0.0, 0.75]))
        assert app.table.redrawn == [Region(20, 2, 10, 1)]


async def test_bar_is_a_background_and_in_ascii_an_underline() -> None:
    for ascii_only in (False, True):
        app = TableApp(ascii_only=ascii_only)
        async with app.run_test(size=(40, 10)) as pilot:
            app.table.show(Model([("a", "1", "x"), ("b", "1", "x")], bars=[None, 0.5]))
            await pilot.pause()
            marked = 0
            for segment in app.table.render_line(2):
                style = segment.style
                assert style is not None
                lit = bool(style.underline) if ascii_only else style.bgcolor == app.palette.bar.bgcolor
                marked += segment.cell_length if lit else 0
            assert marked == 20


async def test_columns_of_low_priority_go_first_on_narrow_screens() -> None:
    app = TableApp()
    async with app.run_test(size=(22, 5)) as pilot:
        app.table.show(numbered(2))
        await pilot.pause()
        assert app.lines()[:2] == ["name              rate", "row0                 0"]


def named(*names: str) -> Model:
    return Model([(name, "1", "") for name in names])


async def test_cursor_stays_on_top_until_it_is_moved_and_then_with_its_row() -> None:
    app = TableApp()
    async with app.run_test(size=(40, 10)) as pilot:

        def cursor_after(model: Model) -> tuple[Hashable, int]:
            app.table.show(model)
            return app.table.cursor_key, app.table.cursor_index

        assert cursor_after(named("a", "b", "c")) == ("a", 0)
        assert cursor_after(named("c", "a", "b")) == ("c", 0)
        await pilot.press("down")
        assert cursor_after(named("c", "a", "b")) == ("a", 1)
        assert cursor_after(named("b", "c", "a")) == ("a", 2)
        assert cursor_after(named("b", "c")) == ("c", 1)
        assert cursor_after(named()) == (None, 0)
        await pilot.press("enter", "up", "pagedown", "end")
        assert "selected" not in [kind for kind, _ in app.messages]


async def test_a_followed_row_stays_in_sight() -> None:
    app = TableApp()
    async with app.run_test(size=(40, 10)) as pilot:
        model = numbered(100)
        app.table.show(model)
        await pilot.press("j", "j", "k", "down")
        assert app.table.cursor_key == "row2"
        app.table.show(Model(list(reversed(model.rows))))
        await pilot.pause()
        assert any(line.startswith("row2 ") for line in app.lines())


async def test_lines_of_equal_key_are_one_entry() -> None:
    app = TableApp()
    async with app.run_test(size=(40, 10)) as pilot:
        app.table.show(Model([("a", "1", ""), ("a", "2", ""), ("b", "1", ""), ("b", "2", "")]))
        await pilot.press("down")
        assert (app.table.cursor_key, app.table.cursor_index) == ("b", 2)
        await pilot.press("up")
        assert (app.table.cursor_key, app.table.cursor_index) == ("a", 0)


async def test_messages() -> None:
    app = TableApp()
    async with app.run_test(size=(40, 10)) as pilot:
        app.table.show(numbered(5))
        await pilot.press("down", "enter")
        await pilot.click("#table", offset=(2, 4))
        await pilot.click("#table", offset=(30, 0))
        await pilot.pause()
        assert app.messages == [
            ("highlighted", "row0"),
            ("highlighted", "row1"),
            ("selected", "row1"),
            ("highlighted", "row3"),
            ("sort", "rate"),
        ]


async def test_sort_mark_and_empty_text() -> None:
    app = TableApp()
    async with app.run_test(size=(40, 10)) as pilot:
        app.table.show(numbered(1), sort="rate", descending=True)
        await pilot.pause()
        assert "▼rate" in app.lines()[0]
        app.table.show(numbered(1), sort="name", descending=False)
        assert app.lines()[0].startswith("name▲")
        app.table.show(Model([]), empty_text="nothing here")
        assert "nothing here" in "\n".join(app.lines())


async def test_hostile_text_is_shown_not_obeyed() -> None:
    hostile = ["[red]bold[/]", "\x1b[31mred", "\u202eevil", "a\nb", "\x9b31m", "漢字漢字漢字漢字"]
    app = TableApp()
    async with app.run_test(size=(40, 10)) as pilot:
        app.table.show(Model([(name, name, name) for name in hostile]))
        await pilot.pause()
        for y in range(1, 7):
            strip = app.table.render_line(y)
            assert strip.cell_length == 40
            assert all(segment.text.isprintable() for segment in strip)
        assert app.lines()[1].startswith("[red]bold[/]")


async def test_ascii_has_nothing_else() -> None:
    app = TableApp(ascii_only=True)
    async with app.run_test(size=(40, 10)) as pilot:
        app.table.show(Model([("▼ – … ü 漢", "very long rate", "µ")]), sort="rate")
        await pilot.pause()
        assert "".join(app.lines()).isascii()
        assert all(app.table.render_line(y).cell_length == 40 for y in range(10))


async def test_an_empty_line_after_rows_went() -> None:
    app = TableApp()
    async with app.run_test(size=(40, 10)) as pilot:
        app.table.show(numbered(4))
        await pilot.pause()
        app.table.redrawn.clear()
        app.table.show(numbered(2))
        await pilot.pause()
        assert app.lines()[3:] == [""] * 7
        assert {region.y for region in app.table.redrawn if region is not None} >= {3, 4} or None in app.table.redrawn


async def test_more_rows_lay_out_no_screen_unless_the_scroll_bar_comes() -> None:
    app = TableApp()
    async with app.run_test(size=(30, 10)) as pilot:
        app.table.show(numbered(100))
        await pilot.pause()
        laid_out: list[object] = []
        app.screen.screen_layout_refresh_signal.subscribe(app.screen, laid_out.append)
        app.table.show(numbered(200))
        await pilot.pause()
        assert not laid_out
        assert app.table.vertical_scrollbar.window_virtual_size == 201
        app.table.action_last()
        await pilot.pause()
        assert app.table.cursor_index == 199
        assert app.table.scroll_offset.y == 201 - 10
        app.table.show(numbered(20))
        await pilot.pause()
        assert not laid_out
        assert app.table.scroll_offset.y == 21 - 10
        app.table.show(numbered(3))
        await pilot.pause()
        assert laid_out
        assert not app.table.show_vertical_scrollbar
