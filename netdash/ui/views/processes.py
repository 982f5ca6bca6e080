"""The Processes view: what each process moves, and what no process does, so that the sum is complete."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from functools import partial
from typing import ClassVar, Final

from textual import on, work
from textual.app import ComposeResult

from netdash.model.headline import headline_accounting, headline_interfaces
from netdash.model.snapshot import Layer, Process
from netdash.ui.filtering import flows_in_scope, matching_processes
from netdash.ui.keymap import KeyBinding
from netdash.ui.scope import ProcessScope
from netdash.ui.state import DashboardState
from netdash.ui.text import number_of
from netdash.ui.theme import Tone, palette_of
from netdash.ui.view import View
from netdash.ui.views.flow_text import Labels
from netdash.ui.views.process_groups import ProcessGroup, connection_rows, group_rows, with_opened
from netdash.ui.views.process_rows import (
    FROM_A_TO_Z,
    SORTABLE,
    TakenProcesses,
    TrafficRow,
    all_rows,
    flow_rows,
    order_rows,
    total_of,
)
from netdash.ui.views.process_table import ProcessTable, total_row
from netdash.ui.widgets.accounting_line import AccountingLine
from netdash.ui.widgets.columns import place_columns
from netdash.ui.widgets.line_table import LineTable
from netdash.ui.widgets.text_line import Part, TextLine, cells_of

_SUMMED_AT_ONCE: Final = 20_000
"""With more flows than this they are summed up in a thread, so that no key waits."""


_OTHER_AMOUNT: Final = {
    "rate": "total",
    "total": "rate",
    "rx": "rx_total",
    "rx10": "rx_total",
    "rx_total": "rx",
    "tx": "tx_total",
    "tx10": "tx_total",
    "tx_total": "tx",
}


class ProcessesView(View):
    """Processes with their rates, as nethogs shows them, and the sum of all."""

    DEFAULT_CSS = """
    ProcessesView #process-table { scrollbar-gutter: stable; }
    ProcessesView #process-total { background: $panel; }
    """

    title: ClassVar[str] = "Processes"
    view_id: ClassVar[str] = "processes"
    keys: ClassVar[tuple[KeyBinding, ...]] = (
        KeyBinding("processes.open", "enter", "open", "flows of it", "Go to the flows of the process"),
        KeyBinding("processes.packets", "v", "packets", "packets", "Go to the packets of the process, one by one"),
        KeyBinding("processes.sort_received", "r", "sort('rx')", "received", "Sort by what is received"),
        KeyBinding("processes.sort_sent", "s", "sort('tx')", "sent", "Sort by what is sent"),
        KeyBinding("processes.sort_both", "b", "sort('rate')", "both", "Sort by received and sent together"),
        KeyBinding("processes.sort_total", "T", "sort('total')", "total", "Sort by bytes since the start"),
        KeyBinding("processes.sort_name", "N", "sort('name')", "name", "Sort by name"),
        KeyBinding("processes.amounts", "m", "amounts", "rate/total", "Sort by rates, or by totals of that direction"),
        KeyBinding("processes.layer", "p", "layer", "payload", "Wire bytes with headers, or the payload in them"),
        KeyBinding("processes.group", "a", "group", "group", "A row for each process, user, unit, container"),
        KeyBinding("processes.expand", "e", "expand", "expand", "Show or hide the connections below the process"),
        KeyBinding("processes.commands", "c", "commands", "command", "Command lines or names"),
        KeyBinding("processes.reverse", "R", "reverse", "", "Reverse the order"),
    )

    def __init__(self, state: DashboardState) -> None:
        super().__init__(state)
        self._taken: TakenProcesses | None = None
        self._rows: list[TrafficRow] = []
        self._shown: list[TrafficRow] = []
        self._sort = "rate"
        self._descending = True
        self._commands = False
        self._payload = False  # whether payload is wanted; see _shows_payload
        self._group = ProcessGroup.PROCESSES
        self._opened: set[Hashable] = set()

    def compose(self) -> ComposeResult:
        """The table, where all bytes went, and the sum of the table."""
        yield LineTable(id="process-table")
        yield AccountingLine(id="process-accounting")
        yield TextLine(id="process-total")

    def on_mount(self) -> None:
        """Before the first snapshot there is nothing to show but that."""
        self._draw()

    def on_resize(self) -> None:
        """The columns depend on the width."""
        if self.size_changed():
            self._draw()

    def measures(self) -> Sequence[str]:
        """Wire bytes, or what processes moved."""
        if not self._shows_payload:
            return super().measures()
        unit = self.state.units.rate_unit
        return (f"payload that processes moved, {unit}", f"payload, {unit}", unit)

    @property
    def _shows_payload(self) -> bool:
        """Payload is known of whole processes: not of some of their flows."""
        return self._payload and flows_in_scope(self.state) is None

    def receive(self, state: DashboardState) -> None:
        """Takes the processes of the newest snapshot."""
        if state.snapshot is not None:
            self._taken = TakenProcesses.of(state.histories.processes, state.histories.flows, state.snapshot)
            self._make_rows()

    def redraw(self, state: DashboardState) -> None:
        """Draws what was taken last."""
        self._make_rows()

    def _make_rows(self) -> None:
        """The rows of the scope from what was taken: at once, or in a thread where many flows must be summed up."""
        taken = self._taken
        if taken is None:
            return
        within = flows_in_scope(self.state)
        if within is None:
            self._show(all_rows(taken, payload=self._payload))
            return
        work = partial(flow_rows, taken, within)
        if len(taken.table) <= _SUMMED_AT_ONCE:
            self._show(work())
        else:
            # Exclusive: of several that are wanted while one is summed up, the last is shown.
            self._show_later(work)

    @work(exclusive=True, group="rows", description="rows")  # else all columns are written out as text
    async def _show_later(self, work: Callable[[], list[TrafficRow]]) -> None:
        self._show(await asyncio.to_thread(work))

    def _show(self, rows: list[TrafficRow]) -> None:
        process = self.state.scope.process
        if process is not None:
            rows = [row for row in rows if row.key == (process.pid, process.start_ticks)]
        self._rows = matching_processes(self.state, rows)
        self._draw()

    def _draw(self) -> None:
        grouped = order_rows(group_rows(self._rows, self._group), self._sort, self._descending)
        rows = self._shown = with_opened(
            grouped,
            self._opened,
            lambda members: order_rows(members, self._sort, self._descending),
            self._connections_of,
        )
        table = self.query_one(LineTable)
        table.show(
            ProcessTable(
                rows,
                self.state.units,
                commands=self._commands,
                width=self.size.width,
                ascii_only=palette_of(self.app).ascii_only,
            ),
            sort=self._sort,
            descending=self._descending,
            empty_text=self._empty_text(),
        )
        self._draw_accounting()
        self._draw_total(self._rows, table)

    def _draw_accounting(self) -> None:
        """Of the interface in scope, else of the interfaces whose sum the header tells."""
        snapshot, interface = self.state.snapshot, self.state.scope.interface
        line = self.query_one(AccountingLine)
        if snapshot is None:
            return
        line.display = snapshot.mode.layer is Layer.WIRE  # else there is nothing to tell, for good
        if interface is None:
            where = ", ".join(each.name for each in headline_interfaces(snapshot.interfaces))
            line.show_accounting(headline_accounting(snapshot), self.state.units, where)
        else:
            line.show_accounting(snapshot.accounting.get(interface.name), self.state.units, interface.name)

    def _connections_of(self, process: Process) -> list[TrafficRow]:
        if self._taken is None:
            return []
        return connection_rows(
            self._taken, Labels.of(self.state), process, flows_in_scope(self.state), payload=self._shows_payload
        )

    def _empty_text(self) -> str:
        if self._taken is None:
            return "waiting for the first interval"
        if self.state.row_filter is not None:
            return "no process matches the filter"
        trail = self.state.scope.trail
        return f"nothing was moved by any process: {trail}" if trail else "no process has a network socket"

    def _draw_total(self, rows: Sequence[TrafficRow], table: LineTable) -> None:
        """The sum of all rows, its figures below those of the rows."""
        total = total_row(total_of(rows), self.state.units)
        layer = "payload" if self._shows_payload else "wire bytes"
        if self.state.layer == Layer.PAYLOAD:
            layer = "TCP payload"
        margin = table.styles.scrollbar_size_vertical
        right: list[Part] = []
        for placed in place_columns(table.model.columns, self.size.width - margin, table.hidden_columns):
            if placed.column.key in total:
                text, tone = total[placed.column.key]
                right.append((f" {text:>{placed.width}}", tone))
            elif right:
                right.append(" " * (placed.width + 1))
        room = self.size.width - margin - cells_of(right)
        self.query_one("#process-total", TextLine).show(self._total_words(rows, layer, room), [*right, " " * margin])

    def _total_words(self, rows: Sequence[TrafficRow], layer: str, room: int) -> list[Part]:
        """What the sum is of, in `room` cells: the order where no title marks it, then how many rows there are."""
        words = [f" TOTAL {layer}"]
        if self._taken is None:
            return [*words]
        if self._sort in ("rate", "total"):
            words.append(f", by ▼+▲ {self._sort}")
        number = sum(row.process is not None for row in rows)
        words.append(f", {number_of(number, 'process', 'processes')}")
        if cells_of(words) > room:
            words[-1] = f", {number} procs"
        if exited := sum(row.exited for row in rows):
            words.append(f", {exited} exited")
        while cells_of(words) > room and len(words) > 1:
            words.pop()
        return [words[0], *((word, Tone.DIM) for word in words[1:])]

    @on(LineTable.SortRequested)
    def _on_sort_requested(self, message: LineTable.SortRequested) -> None:
        if message.column_key in SORTABLE:
            self.action_sort(message.column_key)

    @on(LineTable.Selected)
    def _on_selected(self) -> None:
        self.action_open()

    def action_open(self) -> None:
        """Limits the dashboard to the process under the cursor and shows its flows."""
        row = self._row_at_cursor()
        if row is None:
            return
        if row.group is not None:
            self.action_expand()
            return
        if row.connection is not None:
            owner = self._owner_of(row)
            self.post_message(
                self.ScopeRequested(replace(self.state.scope, process=owner, connection=row.connection), "connection")
            )
            return
        if row.process is None:
            self.post_message(self.Notice(f"{row.name}: no process to look into"))
            return
        self.post_message(self.ScopeRequested(replace(self.state.scope, process=_scope_of(row.process)), "flows"))

    def action_packets(self) -> None:
        """Limits the dashboard to the process, or the connection, under the cursor and shows its packets."""
        row = self._row_at_cursor()
        if row is None or (row.process is None and row.connection is None):
            self.post_message(self.Notice("choose a process or a connection whose packets are to be seen"))
            return
        owner = _scope_of(row.process) if row.process is not None else self._owner_of(row)
        scope = replace(self.state.scope, process=owner, connection=row.connection)
        self.post_message(self.ScopeRequested(scope, "packets"))

    def _row_at_cursor(self) -> TrafficRow | None:
        key = self.query_one(LineTable).cursor_key
        return next((row for row in self._shown if row.key == key), None)

    def _owner_of(self, row: TrafficRow) -> ProcessScope | None:
        """The process above a connection's row."""
        above = self._shown[: self._shown.index(row)]
        process = next((each.process for each in reversed(above) if each.process is not None), None)
        return _scope_of(process) if process else None

    def action_expand(self) -> None:
        """Shows or hides what stands below the row at the cursor; below a connection's row, that of its process."""
        row = self._row_at_cursor()
        if row is None or (row.process is None and row.group is None and row.connection is None):
            return
        key = row.key
        if row.connection is not None:
            above = self._shown[: self._shown.index(row)]
            key = next(each.key for each in reversed(above) if each.depth < row.depth)
            self.query_one(LineTable).select(key)
        self._opened ^= {key}
        self._draw()

    def action_group(self) -> None:
        """Groups by the next of what there is."""
        groups = list(ProcessGroup)
        self._group = groups[(groups.index(self._group) + 1) % len(groups)]
        self._draw()
        self.post_message(self.Notice(f"a row for each of the {self._group}; e shows what is below"))

    def action_layer(self) -> None:
        """Payload or wire bytes."""
        if self.state.layer == Layer.PAYLOAD:
            self.post_message(self.Notice("packets are not counted here: payload of TCP is all that is known"))
            return
        self._payload = not self._payload
        if self._payload and not self._shows_payload:
            self.post_message(self.Notice("payload is known of whole processes: here are wire bytes"))
        self._make_rows()
        self.post_message(self.KeysChanged())  # the tab line says what is counted

    def action_amounts(self) -> None:
        """Rates or totals of the direction that is sorted by."""
        self.action_sort(_OTHER_AMOUNT.get(self._sort, "rate"))
        self.post_message(self.Notice(f"by {'totals since the start' if 'total' in self._sort else 'rates'}"))

    def action_sort(self, column: str) -> None:
        """Sorts by a column."""
        self._sort, self._descending = column, column not in FROM_A_TO_Z
        self._draw()

    def action_reverse(self) -> None:
        """Turns the order round."""
        self._descending = not self._descending
        self._draw()

    def action_commands(self) -> None:
        """Command lines or names."""
        self._commands = not self._commands
        self._draw()


def _scope_of(process: Process) -> ProcessScope:
    return ProcessScope(process.pid, process.start_ticks, process.name)
