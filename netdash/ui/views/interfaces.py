"""The Interfaces view: every interface in a table, the one under the cursor, or several, as graphs below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Final

from textual import on
from textual.app import ComposeResult

from netdash.model.fault_history import InterfaceFaults
from netdash.ui.keymap import KeyBinding
from netdash.ui.scope import InterfaceScope, Scope
from netdash.ui.state import DashboardState
from netdash.ui.text import number_of
from netdash.ui.theme import Tone, palette_of
from netdash.ui.view import View
from netdash.ui.views.interface_facts import facts
from netdash.ui.views.interface_graphs import SPANS_SECONDS, GraphSettings, GraphStack, ScaleMode, draw_graph
from netdash.ui.views.interface_rows import (
    DEFAULT_ORDER,
    TEXT_SORTS,
    InterfaceRow,
    RowKey,
    TreeRow,
    order_rows,
    tree_rows,
)
from netdash.ui.views.interface_table import InterfaceTable
from netdash.ui.widgets.accounting_line import AccountingLine
from netdash.ui.widgets.area_graph import AreaGraph
from netdash.ui.widgets.holder import Row
from netdash.ui.widgets.line_table import LineTable
from netdash.ui.widgets.rate_figures import RateFigures
from netdash.ui.widgets.scale import age_text, next_top
from netdash.ui.widgets.text_line import TextLine

_GRAPH_LINES: Final = 11
"""Least lines of the graph where there is room: nload's five figures for each direction, and the time axis."""
_LEAST_TABLE_LINES: Final = 4
_GRAPH_SHARE: Final = 0.45
"""Of a large screen the graph gets at least this part."""
_STACK_SHARE: Final = 0.7
"""Several graphs get this part of any screen."""


class InterfacesView(View):
    """State, speed and rates of all interfaces; graphs and figures of one or of several."""

    DEFAULT_CSS = """
    InterfacesView #interface-large { height: 1fr; }
    InterfacesView #interface-table { height: 4; }
    """

    title: ClassVar[str] = "Interfaces"
    view_id: ClassVar[str] = "interfaces"
    keys: ClassVar[tuple[KeyBinding, ...]] = (
        KeyBinding("interfaces.open", "enter", "open", "processes", "Go to the processes of the interface"),
        KeyBinding("interfaces.graphs", "a", "graphs", "all graphs", "Graphs of one interface or of several"),
        KeyBinding("interfaces.span", "t", "span", "time span", "Graphs of 1, 5, 15 minutes, or an interval a column"),
        KeyBinding("interfaces.scale", "m", "scale", "scale", "Top of the graphs: automatic, link speed, fixed"),
        KeyBinding("interfaces.fold", "e", "fold", "fold", "Fold or unfold what stands under the interface"),
        KeyBinding("interfaces.sort_rate", "r", "sort('rate')", "rate", "Sort by rate, again: back to normal"),
        KeyBinding("interfaces.sort_total", "T", "sort('total')", "total", "Sort by bytes since the start"),
        KeyBinding("interfaces.sort_next", "c", "sort_column(1)", "", "Sort by the next column to the right"),
        KeyBinding("interfaces.sort_before", "C", "sort_column(-1)", "", "Sort by the next column to the left"),
        KeyBinding("interfaces.reverse", "R", "reverse", "", "Reverse the order"),
        KeyBinding("interfaces.fold_all", "E", "fold_all", "", "Fold or unfold all"),
        KeyBinding("interfaces.lower", "left_square_bracket", "fixed_top(-1)", "", "Smaller fixed scale", "["),
        KeyBinding("interfaces.higher", "right_square_bracket", "fixed_top(1)", "", "Larger fixed scale", "]"),
    )

    def __init__(self, state: DashboardState) -> None:
        super().__init__(state)
        self._rows: tuple[InterfaceRow, ...] = ()
        self._total: InterfaceRow | None = None
        self._shown: tuple[TreeRow, ...] = ()
        self._sort = DEFAULT_ORDER
        self._descending = False
        self._fold_wishes: dict[RowKey, bool] = {}
        self._settings = GraphSettings()
        self._several = False
        self._chosen = False  # a row worth looking at got the cursor
        self._large: RowKey | None = None
        self._row_lines = 0
        """Rows that have room in the table."""

    def compose(self) -> ComposeResult:
        """The table, two lines about one interface, its graph and its figures, or several graphs."""
        yield LineTable(id="interface-table")
        yield TextLine(id="interface-facts")
        yield AccountingLine(id="interface-accounting")
        with Row(id="interface-large"):
            yield AreaGraph(id="interface-graph")
            yield RateFigures(id="interface-figures")
        stack = GraphStack(id="interface-stack")
        stack.display = False
        yield stack

    def on_mount(self) -> None:
        """Before the first snapshot there is nothing to show but that."""
        self._draw()

    def on_resize(self) -> None:
        """Shares out lines and columns anew."""
        if self.size_changed():
            self._draw()
            self.call_after_refresh(self._draw_graphs)

    def measures(self) -> Sequence[str]:
        """Interfaces are counted by the kernel, frame by frame; those of a capture file by their packets."""
        unit = self.state.units.rate_unit
        captured = self.state.snapshot is not None and self.state.snapshot.mode.flows == "pcap"
        counted_by = "the packets of the file" if captured else "the kernel's counters"
        return (f"{counted_by}: wire bytes, {unit}", f"wire bytes, {unit}", unit)

    def receive(self, state: DashboardState) -> None:
        """Takes the interfaces of the newest snapshot."""
        snapshot = state.snapshot
        if snapshot is None:
            return
        from netdash.model.headline import total_interface  # imports NumPy, too slow for the first paint

        history = state.histories.interfaces
        wanted = [i for i in snapshot.interfaces if state.options.interfaces.matches(i.name)]
        faults = {i.index: state.faults.get((i.index, i.name), InterfaceFaults()) for i in wanted}
        self._rows = tuple(
            InterfaceRow(i, snapshot.interval, faults[i.index], history.series(i.index, i.name)) for i in wanted
        )
        total = total_interface(wanted)
        self._total = None
        if total is not None:
            parts = [faults[i.index] for i in total.members]
            summed = InterfaceFaults(sum(f.errors for f in parts), sum(f.dropped for f in parts))
            series = history.series(total.sum.index, total.sum.name)
            self._total = InterfaceRow(total.sum, snapshot.interval, summed, series)
        self._draw()
        if not self._chosen and snapshot.interval > 0 and self._rows:
            self._chosen = True
            self._choose_busiest()

    def redraw(self, state: DashboardState) -> None:
        """Draws what was taken last."""
        self._draw()

    def _draw(self) -> None:
        table = self.query_one(LineTable)
        chosen = self._rows
        if self.state.row_filter is not None:
            from netdash.ui.filtering import matching_interfaces  # imports NumPy, too slow for the first paint

            chosen = tuple(matching_interfaces(self.state, chosen))
        rows = tree_rows(order_rows(chosen, self._sort, self._descending), self._fold_wishes) if chosen else []
        total = [TreeRow(self._total)] if self._total else []
        self._shown = (*total, *rows)
        ascii_only = palette_of(self.app).ascii_only
        table.show(
            InterfaceTable(self._shown, self.state.units, width=self.size.width, ascii_only=ascii_only),
            sort=None if self._sort == DEFAULT_ORDER else self._sort,
            descending=self._descending,
            empty_text=self._empty_text(),
        )
        self._share_lines()
        self._draw_graphs()

    def _empty_text(self) -> str:
        if self.state.snapshot is None:
            return "waiting for the first figures"
        patterns = self.state.options.interfaces.patterns
        return f"no interface matches {' '.join(patterns)}" if patterns else "this system has no interface"

    def _choose_busiest(self) -> None:
        """The first look goes to the busiest of the interfaces that the headline counts."""
        from netdash.model.headline import headline_interfaces  # imports NumPy, too slow for the first paint

        candidates = headline_interfaces(row.interface for row in self._rows)
        busiest = max(candidates, key=lambda i: ((i.rx_bytes or 0) + (i.tx_bytes or 0), i.state == "up", -i.index))
        self.query_one(LineTable).select((busiest.index, busiest.name))

    def _share_lines(self) -> None:
        """As many lines for the table as it has rows, but never so many that the graph has no room."""
        height = self.size.height - (1 if self._several else 2)  # the lines of facts and of accounting
        if height <= 0:
            return
        graph = max(min(_GRAPH_LINES, height - _LEAST_TABLE_LINES), int(height * _GRAPH_SHARE))
        if self._several:
            graph = max(graph, int(height * _STACK_SHARE))
        lines = max(_LEAST_TABLE_LINES, min(len(self._shown) + 1, height - graph))
        self._row_lines = lines - 1
        table = self.query_one(LineTable)
        if table.styles.height is None or table.styles.height.value != lines:
            table.styles.height = lines

    def _draw_graphs(self) -> None:
        """Graphs and figures of the interface under the cursor, or the graphs of several."""
        key = self.query_one(LineTable).cursor_key
        row = next((each.row for each in self._shown if each.key == key), None)
        graph = self.query_one("#interface-graph", AreaGraph)
        if row is None or row.key != self._large:
            graph.reset_scale()
        self._large = row.key if row else None
        settings, units = self._settings, self.state.units
        span = age_text(settings.span_seconds)[1:] if settings.span_seconds else ""
        left, right = facts(row, units, span)
        if len(self._shown) > self._row_lines:
            right = [(f"{number_of(len(self._rows), 'interface')}  ", Tone.DIM), *right]
        self.query_one("#interface-facts", TextLine).show(left, right)
        if self._several:
            rows = [each.row for each in self._shown if each.row.interface.state != "down"]
            self.query_one(GraphStack).show(rows, self._large, units, settings)
            return
        series = row.series if row else None
        accounting = self.state.snapshot.accounting if self.state.snapshot is not None else {}
        self.query_one(AccountingLine).show_accounting(accounting.get(row.interface.name) if row else None, units)
        draw_graph(graph, row, units, settings)
        self.query_one(RateFigures).show(series.rx if series else None, series.tx if series else None, units=units)

    @on(LineTable.Highlighted)
    def _on_highlighted(self) -> None:
        self._draw_graphs()

    @on(LineTable.Selected)
    def _on_selected(self) -> None:
        self.action_open()

    @on(LineTable.SortRequested)
    def _on_sort_requested(self, message: LineTable.SortRequested) -> None:
        self.action_sort(message.column_key)

    def action_open(self) -> None:
        """Limits the dashboard to the interface under the cursor; of the sum there are all processes."""
        if self._large is None:
            return
        is_total = self._total is not None and self._large == self._total.key
        scope = Scope() if is_total else Scope(interface=InterfaceScope(*self._large))
        self.post_message(self.ScopeRequested(scope, "processes"))

    def action_sort(self, column: str) -> None:
        """Sorts by a column; by the same again: back to the normal order."""
        self._sort = DEFAULT_ORDER if column == self._sort else column
        self._descending = self._sort != DEFAULT_ORDER and column not in TEXT_SORTS
        self._draw()
        self.post_message(self.Notice(self._order_words()))

    def _order_words(self) -> str:
        """The order, which the title of a column tells only where that has room."""
        if self._sort == DEFAULT_ORDER:
            return "physical interfaces first, loopback last"
        both = {"rate": "rate, both directions", "total": "bytes since the start, both directions"}
        titles = {column.key: column.title.strip() for column in self.query_one(LineTable).model.columns}
        return f"by {both.get(self._sort) or titles.get(self._sort, self._sort)}"

    def action_sort_column(self, step: int) -> None:
        """Sorts by the column beside the one that is sorted by."""
        if (beside := self.query_one(LineTable).column_beside(self._sort, step)) is not None:
            self.action_sort(beside)

    def action_reverse(self) -> None:
        """Turns the order round."""
        self._descending = not self._descending
        self._draw()

    def action_fold(self) -> None:
        """Folds or unfolds what stands under the interface of the cursor, or under that which it stands under."""
        key = self.query_one(LineTable).cursor_key
        index = next((i for i, each in enumerate(self._shown) if each.key == key), None)
        while index is not None and index >= 0 and not self._shown[index].foldable:
            depth = self._shown[index].depth
            index = next((i for i in range(index - 1, -1, -1) if self._shown[i].depth < depth), None)
        if index is None:
            self.post_message(self.Notice("nothing stands under this interface"))
            return
        placed = self._shown[index]
        self._fold_wishes[placed.key] = not placed.folded
        self.query_one(LineTable).select(placed.key)
        self._draw()

    def action_fold_all(self) -> None:
        """Folds all, or where all is folded, unfolds all."""
        foldable = [each for each in self._shown if each.foldable]
        fold = not all(each.folded for each in foldable)
        self._fold_wishes = {row.key: fold for row in self._rows}
        self._draw()

    async def action_graphs(self) -> None:
        """The graph of one interface, or the graphs of several."""
        await self.query_one(GraphStack).fill()
        self._several = not self._several
        self.query_one("#interface-large").display = not self._several
        self.query_one(AccountingLine).display = not self._several
        self.query_one(GraphStack).display = self._several
        self._draw()
        self.call_after_refresh(self._draw_graphs)

    def action_span(self) -> None:
        """The next time span of the graphs."""
        index = SPANS_SECONDS.index(self._settings.span_seconds)
        span = SPANS_SECONDS[(index + 1) % len(SPANS_SECONDS)]
        self._settings = replace(self._settings, span_seconds=span)
        self.post_message(self.Notice(f"graphs of {span // 60} min" if span else "graphs: one interval a column"))
        self._draw_graphs()

    def action_scale(self) -> None:
        """The next kind of scale; fixed begins with what the graph shows now."""
        modes = list(ScaleMode)
        mode = modes[(modes.index(self._settings.scale) + 1) % len(modes)]
        top = self.query_one("#interface-graph", AreaGraph).top
        self._settings = replace(self._settings, scale=mode, fixed_top=next_top(top, 0, self.state.units))
        words = {ScaleMode.AUTO: "automatic", ScaleMode.SPEED: "link speed, where known"}
        fixed = f"fixed at {self.state.units.rate_per_second(self._settings.fixed_top)}, [ ] change it"
        self.post_message(self.Notice(f"scale: {words.get(mode, fixed)}"))
        self._draw_graphs()

    def action_fixed_top(self, step: int) -> None:
        """A smaller or larger fixed scale."""
        if self._settings.scale is not ScaleMode.FIXED:
            self._settings = replace(self._settings, fixed_top=self.query_one("#interface-graph", AreaGraph).top)
        top = next_top(self._settings.fixed_top, step, self.state.units)
        self._settings = replace(self._settings, scale=ScaleMode.FIXED, fixed_top=top)
        self.post_message(self.Notice(f"scale: fixed at {self.state.units.rate_per_second(top)}"))
        self._draw_graphs()
