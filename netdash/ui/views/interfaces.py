"""The Interfaces view: every interface in a table, the one under the cursor large below it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal

from netdash.ui.keymap import KeyBinding
from netdash.ui.state import DashboardState, InterfaceFaults, InterfaceScope, Scope
from netdash.ui.theme import Tone, palette_of
from netdash.ui.view import View
from netdash.ui.views.interface_table import (
    DEFAULT_ORDER,
    TEXT_SORTS,
    InterfaceRow,
    InterfaceTable,
    order_rows,
)
from netdash.ui.widgets.accounting_line import AccountingLine
from netdash.ui.widgets.area_graph import AreaGraph
from netdash.ui.widgets.line_table import LineTable
from netdash.ui.widgets.rate_figures import RateFigures
from netdash.ui.widgets.text_line import Part, TextLine

_GRAPH_LINES: Final = 11
"""Least lines of the graph where there is room: nload's five figures for each direction, and the time axis."""
_LEAST_TABLE_LINES: Final = 4
_GRAPH_SHARE: Final = 0.45
"""Of a large screen the graph gets at least this part."""


class InterfacesView(View):
    """State, speed and rates of all interfaces; graphs and figures of one."""

    DEFAULT_CSS = """
    InterfacesView #interface-large { height: 1fr; }
    InterfacesView #interface-table { height: 4; }
    """

    title: ClassVar[str] = "Interfaces"
    view_id: ClassVar[str] = "interfaces"
    keys: ClassVar[tuple[KeyBinding, ...]] = (
        KeyBinding("interfaces.open", "enter", "open", "its processes", "Go to the processes of the interface"),
        KeyBinding("interfaces.sort_rate", "r", "sort('rate')", "sort by rate", "Sort by rate, again: back to normal"),
        KeyBinding("interfaces.sort_total", "T", "sort('total')", "by total", "Sort by bytes since the start"),
        KeyBinding("interfaces.reverse", "R", "reverse", "reverse", "Reverse the order"),
    )

    def __init__(self, state: DashboardState) -> None:
        super().__init__(state)
        self._rows: tuple[InterfaceRow, ...] = ()
        self._sort = DEFAULT_ORDER
        self._descending = False
        self._chosen = False  # a row worth looking at got the cursor
        self._large: tuple[int, str] | None = None

    def compose(self) -> ComposeResult:
        """The table, two lines about one interface, its graph and its figures."""
        yield LineTable(id="interface-table")
        yield TextLine(id="interface-facts")
        yield AccountingLine(id="interface-accounting")
        with Horizontal(id="interface-large"):
            yield AreaGraph(id="interface-graph")
            yield RateFigures(id="interface-figures")

    def on_mount(self) -> None:
        """Before the first snapshot there is nothing to show but that."""
        self._draw()

    def on_resize(self) -> None:
        """Shares out lines and columns anew."""
        self._draw()

    def measures(self) -> Sequence[str]:
        """Interfaces are always counted by the kernel, frame by frame."""
        unit = self.state.units.rate_unit
        return (f"the kernel's counters: wire bytes, {unit}", f"wire bytes, {unit}", unit)

    def receive(self, state: DashboardState) -> None:
        """Takes the interfaces of the newest snapshot."""
        snapshot = state.snapshot
        if snapshot is None:
            return
        history = state.histories.interfaces
        self._rows = tuple(
            InterfaceRow(
                interface,
                snapshot.interval,
                state.faults.get((interface.index, interface.name), InterfaceFaults()),
                history.series(interface.index, interface.name),
            )
            for interface in snapshot.interfaces
            if state.options.interfaces.matches(interface.name)
        )
        self._draw()
        if not self._chosen and snapshot.interval > 0 and self._rows:
            self._chosen = True
            self._choose_busiest()

    def redraw(self, state: DashboardState) -> None:
        """Draws what was taken last."""
        self._draw()

    def _draw(self) -> None:
        table = self.query_one(LineTable)
        rows = order_rows(self._rows, self._sort, self._descending)
        table.show(
            InterfaceTable(rows, self.state.units, width=self.size.width, ascii_only=palette_of(self.app).ascii_only),
            sort=None if self._sort == DEFAULT_ORDER else self._sort,
            descending=self._descending,
            empty_text=self._empty_text(),
        )
        self._share_lines()
        self._draw_large()

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
        height = self.size.height - 2  # the lines of facts and of accounting
        if height <= 0:
            return
        graph = max(min(_GRAPH_LINES, height - _LEAST_TABLE_LINES), int(height * _GRAPH_SHARE))
        lines = max(_LEAST_TABLE_LINES, min(len(self._rows) + 1, height - graph))
        table = self.query_one(LineTable)
        if table.styles.height is None or table.styles.height.value != lines:
            table.styles.height = lines

    def _draw_large(self) -> None:
        """The graph and the figures of the interface under the cursor."""
        key = self.query_one(LineTable).cursor_key
        row = next((row for row in self._rows if row.key == key), None)
        graph = self.query_one(AreaGraph)
        if row is None or row.key != self._large:
            graph.reset_scale()
        self._large = row.key if row else None
        self.query_one("#interface-facts", TextLine).show(*_facts(row, self.state))
        series = row.series if row else None
        units = self.state.units
        accounting = self.state.snapshot.accounting if self.state.snapshot is not None else {}
        self.query_one(AccountingLine).show_accounting(accounting.get(row.interface.name) if row else None, units)
        if series is None:
            graph.show((), (), times=(), units=units)
        else:
            times = series.samples["time"].tolist()
            graph.show(series.rx_rates.tolist(), series.tx_rates.tolist(), times=times, units=units)
        self.query_one(RateFigures).show(
            series.rx if series else None,
            series.tx if series else None,
            units=units,
        )

    @on(LineTable.Highlighted)
    def _on_highlighted(self) -> None:
        self._draw_large()

    @on(LineTable.Selected)
    def _on_selected(self) -> None:
        self.action_open()

    @on(LineTable.SortRequested)
    def _on_sort_requested(self, message: LineTable.SortRequested) -> None:
        self.action_sort(message.column_key)

    def action_open(self) -> None:
        """Limits the dashboard to the interface under the cursor."""
        if self._large is not None:
            self.post_message(self.ScopeRequested(Scope(interface=InterfaceScope(*self._large)), "processes"))

    def action_sort(self, column: str) -> None:
        """Sorts by a column; by the same again: back to the normal order."""
        self._sort = DEFAULT_ORDER if column == self._sort else column
        self._descending = self._sort != DEFAULT_ORDER and column not in TEXT_SORTS
        self._draw()

    def action_reverse(self) -> None:
        """Turns the order round."""
        self._descending = not self._descending
        self._draw()


def _facts(row: InterfaceRow | None, state: DashboardState) -> tuple[list[Part], list[Part]]:
    """The line above the graph."""
    if row is None:
        return [], []
    interface = row.interface
    parts: list[Part] = [(f" {interface.name} ", Tone.ACCENT), f" {interface.state}, {interface.kind}"]
    if interface.speed_bps is not None:
        parts.append(f", {state.units.speed(interface.speed_bps)}/s")
    parts.append(f", mtu {interface.mtu}")
    if interface.master is not None:
        parts.append(f", in {interface.master}")
    if interface.addresses:
        parts.append((f"  {'  '.join(interface.addresses)}", Tone.NORMAL))
    if interface.mac is not None:
        parts.append((f"  {interface.mac}", Tone.DIM))
    return parts, [(" since the start ", Tone.DIM)]
