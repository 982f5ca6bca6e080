"""The page of one connection: its rates over the last minutes, its socket's health, its process, where it crosses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from textual import work
from textual.app import ComposeResult

from netdash.errors import NetdashError
from netdash.model.connection import row_of_flow, rows_of_connection, socket_of_flow
from netdash.model.connection_series import ConnectionSeries
from netdash.model.snapshot import Layer
from netdash.ui.keymap import KeyBinding
from netdash.ui.state import DashboardState
from netdash.ui.theme import Tone
from netdash.ui.view import View
from netdash.ui.views.connection_facts import ConnectionLook, Crossing, fact_lines
from netdash.ui.views.flow_text import Labels
from netdash.ui.widgets.area_graph import AreaGraph
from netdash.ui.widgets.text_lines import TextLines

if TYPE_CHECKING:
    from netdash.model.flow_history import FlowTable
    from netdash.ui.widgets.text_line import Part

_TOP_LINES: Final = 2
_LEAST_GRAPH_LINES: Final = 5
_ANY_CELLS: Final = 10_000
"""The width before it is known."""


@dataclass(slots=True)
class _Shown:
    """Which part of the series the graph shows."""

    series: ConnectionSeries
    number: int


class ConnectionView(View):
    """One connection, drawn at the moment that the dashboard shows."""

    DEFAULT_CSS = f"""
    ConnectionView AreaGraph {{ min-height: {_LEAST_GRAPH_LINES}; }}
    """

    title: ClassVar[str] = "Connection"
    view_id: ClassVar[str] = "connection"
    keys: ClassVar[tuple[KeyBinding, ...]] = (
        KeyBinding("connection.packets", "enter", "packets", "packets", "Look at its packets one by one"),
        KeyBinding("connection.names", "n", "names", "names", "Host names or addresses"),
        KeyBinding("connection.services", "N", "services", "services", "Names of services or numbers of ports"),
    )

    def __init__(self, state: DashboardState) -> None:
        super().__init__(state)
        self.can_focus = True
        self._shown: _Shown | None = None

    def compose(self) -> ComposeResult:
        """Both ends and what they move, the graph, and everything else."""
        yield TextLines(id="connection-top")
        yield AreaGraph(id="connection-graph")
        yield TextLines(id="connection-facts")

    def on_resize(self) -> None:
        """A wider graph shows more of the past, and wider lines hold more figures."""
        if self.size_changed() and self.state.snapshot is not None:
            if self._shown is not None:
                self._draw_facts(self._shown.series.flow_id)
            self._draw_graph()

    def focus_default(self) -> None:
        """Its keys work without a table."""
        self.focus(scroll_visible=False)

    def receive(self, state: DashboardState) -> None:
        """Draws the connection in scope as it is at the moment that is shown."""
        connection = state.scope.connection
        if connection is None or state.snapshot is None:
            return
        if self._shown is None or self._shown.series.flow_id != connection.flow_id:
            self._shown = _Shown(ConnectionSeries(connection.flow_id), -1)
            self.query_one(AreaGraph).reset_scale()
        self._shown.number = state.shown_number
        self._draw_facts(connection.flow_id)
        self._draw_graph()

    def _draw_facts(self, flow_id: int) -> None:
        look = _look(self.state, flow_id)
        lines: Sequence[Sequence[Part]]
        if look is None:
            lines = [[(f" {self.state.scope.trail} moved nothing up to this moment", Tone.DIM)], []]
        else:
            lines = fact_lines(look, Labels.of(self.state), self.state.units, self.size.width or _ANY_CELLS)
        self.query_one("#connection-top", TextLines).show(lines[:_TOP_LINES])
        self.query_one("#connection-facts", TextLines).show(lines[_TOP_LINES:])

    def _draw_graph(self) -> None:
        """What is known of the past by now; the rest is read in the background."""
        shown, graph = self._shown, self.query_one(AreaGraph)
        if shown is None:
            return
        first = max(self.state.player.table.first, shown.number - max(1, graph.capacity) + 1)
        times, rx, tx = shown.series.samples(first, shown.number)
        graph.show(rx, tx, times=times, units=self.state.units, number=shown.number)
        if shown.series.missing(first, shown.number):
            self._read(shown, first)

    @work(exclusive=True, group="connection-series", description="series")  # else all of it is written out as text
    async def _read(self, shown: _Shown, first: int) -> None:
        """The next bit of the past."""
        try:
            await self.state.read_stored(shown.series, shown.series.missing(first, shown.number))
        except NetdashError as error:
            self.post_message(self.Notice(str(error)))
            return
        shown.series.forget_before(self.state.player.table.first)
        self._draw_graph()

    def action_packets(self) -> None:
        """Goes on to the packets of the connection."""
        self.post_message(self.ScopeRequested(self.state.scope, "packets"))

    def action_names(self) -> None:
        """Host names or addresses."""
        self.state.names = not self.state.names
        self.redraw(self.state)
        self.post_message(self.Notice("host names where known" if self.state.names else "addresses"))

    def action_services(self) -> None:
        """Names of services or numbers of ports."""
        self.state.services = not self.state.services
        self.redraw(self.state)
        self.post_message(self.Notice("service names where known" if self.state.services else "port numbers"))


def _look(state: DashboardState, flow_id: int) -> ConnectionLook | None:
    """All that is known at the moment shown; None where the flow was not seen by then."""
    snapshot, history = state.snapshot, state.histories.flows
    table = history.table
    row = row_of_flow(table.flows, flow_id)
    if row is None or snapshot is None:
        return None
    flow = table.flows[row]
    sockets = state.histories.sockets.figures
    wall_minus_monotonic = snapshot.time - snapshot.monotonic_ns / 1e9
    return ConnectionLook(
        crossings=[_crossing(table, each) for each in rows_of_connection(table.flows, row).tolist()],
        tcp_flags=int(table.tcp_flags[row]),
        first_seen=int(table.first_seen_ns[row]) / 1e9 + wall_minus_monotonic,
        last_seen=int(table.last_seen_ns[row]) / 1e9 + wall_minus_monotonic,
        now=snapshot.time,
        process=state.histories.processes.known.get(int(flow["pid"])),
        sockets=sockets,
        socket=socket_of_flow(sockets.sockets, flow),
        payload=history.layer is Layer.PAYLOAD,
    )


def _crossing(table: FlowTable, row: int) -> Crossing:
    rx_rate, tx_rate = table.rates[0][:, row].tolist()
    rx_total, tx_total = table.totals[:, row].tolist()
    rx_packets, tx_packets = table.packets[:, row].tolist()
    return Crossing(table.flows[row], (rx_rate, tx_rate), (rx_total, tx_total), (rx_packets, tx_packets))
