"""The Sockets view: states, queues, round trips and processes of all sockets, as ss shows them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Final

import numpy as np
from textual import on
from textual.app import ComposeResult

from netdash.model.connection import rows_of_socket
from netdash.model.history import SocketFigures
from netdash.model.protocols import protocol_name
from netdash.model.tables import UNKNOWN, pack_address
from netdash.ui.filtering import matching_sockets
from netdash.ui.keymap import KeyBinding
from netdash.ui.scope import Narrowing, ProcessScope, Scope
from netdash.ui.state import DashboardState
from netdash.ui.text import number_of
from netdash.ui.theme import Tone
from netdash.ui.view import View
from netdash.ui.views.flow_text import Labels, connection_scope
from netdash.ui.views.socket_choice import (
    FROM_A_TO_Z,
    SORT_WORDS,
    ProtocolCount,
    SocketKind,
    chosen,
    in_scope,
    of_kind,
    ordered,
    protocol_counts,
)
from netdash.ui.views.socket_detail import first_line, second_line
from netdash.ui.views.socket_table import SocketTable
from netdash.ui.widgets.line_table import LineTable
from netdash.ui.widgets.text_line import Part, TextLine

_GAUGE_CELLS: Final = 120
"""From this width on the kernel's own counts stand beside the summary."""
_PASSING_STATES: Final = frozenset({"SYN-SENT", "SYN-RECV", "CLOSE-WAIT", "LAST-ACK", "FIN-WAIT1", "CLOSING"})
"""States that a connection leaves soon: many of them are worth a look."""
_MANY: Final = 10


@dataclass(frozen=True, slots=True, eq=False)
class _Taken:
    """What the view draws from until it takes a newer snapshot."""

    figures: SocketFigures = field(default_factory=SocketFigures)
    addresses: Mapping[int, frozenset[bytes]] = field(default_factory=dict)
    """By interface."""
    gauges: Mapping[str, int] = field(default_factory=dict)


class SocketsView(View):
    """Sockets, and how many are in which state."""

    DEFAULT_CSS = """
    SocketsView #socket-table { scrollbar-gutter: stable; }
    SocketsView #socket-first, SocketsView #socket-second { background: $panel; }
    """

    title: ClassVar[str] = "Sockets"
    view_id: ClassVar[str] = "sockets"
    keys: ClassVar[tuple[KeyBinding, ...]] = (
        KeyBinding("sockets.open", "enter", "open", "open", "Go to the connection, of a listener to its port's flows"),
        KeyBinding("sockets.packets", "v", "packets", "packets", "Go to the packets of the same"),
        KeyBinding("sockets.kind", "s", "kind", "all/listen/estab/!", "All, listening, established, or troubled ones"),
        KeyBinding("sockets.sort_rate", "r", "sort('rate')", "rate", "Sort by the payload of about 10 s"),
        KeyBinding("sockets.sort_total", "T", "sort('total')", "total", "Sort by the payload of the connection so far"),
        KeyBinding("sockets.sort_queue", "Q", "sort('queue')", "queues", "Sort by what waits in the queues"),
        KeyBinding("sockets.sort_port", "P", "sort('port')", "port", "Sort by the local port"),
        KeyBinding("sockets.sort_source", "S", "sort('local')", "source", "Sort by the local (source) address"),
        KeyBinding("sockets.sort_destination", "D", "sort('remote')", "dest", "Sort by the remote address"),
        KeyBinding("sockets.sort_next", "c", "sort_column(1)", "column", "Sort by the next column to the right"),
        KeyBinding("sockets.sort_before", "C", "sort_column(-1)", "", "Sort by the next column to the left"),
        KeyBinding("sockets.sort_trouble", "exclamation_mark", "sort('trouble')", "", "Troubled ones first", "!"),
        KeyBinding("sockets.names", "n", "names", "names", "Host names or addresses"),
        KeyBinding("sockets.services", "N", "services", "", "Names of services or numbers of ports"),
        KeyBinding("sockets.reverse", "R", "reverse", "", "Reverse the order"),
    )

    def __init__(self, state: DashboardState) -> None:
        super().__init__(state)
        self._kind = SocketKind.ALL
        self._sort = "rate"
        self._descending = True
        self._taken: _Taken | None = None

    def compose(self) -> ComposeResult:
        """How many there are, the table, and two lines about the socket under the cursor."""
        yield TextLine(id="socket-counts")
        yield LineTable(id="socket-table")
        yield TextLine(id="socket-first")
        yield TextLine(id="socket-second")

    def on_mount(self) -> None:
        """Before the first snapshot there is nothing to show but that."""
        self._draw()

    def on_resize(self) -> None:
        """The columns depend on the width."""
        if self.size_changed():
            self._draw()

    def measures(self) -> tuple[str, ...]:
        """Sockets count what the application moves."""
        unit = self.state.units.rate_unit
        return (f"payload of TCP sockets, {unit}", f"TCP payload, {unit}", "payload", unit)

    def receive(self, state: DashboardState) -> None:
        """Takes the sockets of the newest snapshot."""
        snapshot = state.snapshot
        if snapshot is None:
            return
        addresses = {i.index: frozenset(_packed(i.addresses)) for i in snapshot.interfaces}
        self._taken = _Taken(state.histories.sockets.figures, addresses, snapshot.gauges)
        self._draw()

    def redraw(self, state: DashboardState) -> None:
        """Draws what was taken last."""
        self._draw()

    def _draw(self) -> None:
        taken = self._taken or _Taken()
        scope, figures = self.state.scope, taken.figures
        index = scope.interface.index if scope.interface else None
        within = in_scope(
            figures.sockets,
            pid=scope.process.pid if scope.process else None,
            addresses=taken.addresses.get(index, frozenset()) if index is not None else None,
            ifindex=index,
        )
        within = matching_sockets(self.state, figures.sockets, within)
        positions = (within & of_kind(figures, self._kind)).nonzero()[0]
        labels = Labels.of(self.state)
        names = {pid: (process.name, process.user) for pid, process in labels.processes.items()}
        order = ordered(figures, positions, self._sort, self._descending, names)
        width = self.size.width - self.query_one(LineTable).styles.scrollbar_size_vertical
        self.query_one(LineTable).show(
            SocketTable(figures, order, labels, self.state.units, width=width),
            sort=self._sort,
            descending=self._descending,
            empty_text=self._empty_text(),
        )
        self._draw_counts(
            len(order),
            protocol_counts(chosen(figures.sockets, within.nonzero()[0])),
            int((figures.trouble[within] > 0).sum()),
        )
        self._draw_detail()

    def _draw_counts(self, shown: int, counts: list[ProtocolCount], troubled: int) -> None:
        """The line above the table: `ss -s`, then what the table shows."""
        parts: list[Part] = [(f" ! {troubled} troubled ", Tone.BAD)] if troubled else []
        parts.append(" ")
        for each in counts:
            parts += [(f"{each.protocol} ", Tone.DIM), f"{each.number} "]
            for name, number in each.states:
                tone = Tone.WARN if name in _PASSING_STATES and number >= _MANY else Tone.DIM
                parts.append((f"{name.lower()} {number} ", tone))
        gauges = self._taken.gauges if self._taken else {}
        right: list[Part] = []
        if self.size.width >= _GAUGE_CELLS and not self.state.scope.trail:
            for title, name in (("in use", "sockets.used"), ("timewait", "TCP.tw"), ("orphans", "TCP.orphan")):
                if (value := gauges.get(f"Sockstat.{name}")) is not None:
                    right.append((f"{title} {value}  ", Tone.DIM))
        kind = "" if self._kind is SocketKind.ALL else str(self._kind)
        what = f"{shown} {kind}" if kind else number_of(shown, "socket")
        where = f"of {self.state.scope.trail} " if self.state.scope.trail else ""
        if self._taken is not None:  # what is not known yet is not 0
            right.append(f"{what} {where}by {SORT_WORDS[self._sort]} ")
        self.query_one("#socket-counts", TextLine).show(parts, right)

    def _draw_detail(self) -> None:
        """The lines about the socket under the cursor."""
        table = self.query_one(LineTable)
        first, second = self.query_one("#socket-first", TextLine), self.query_one("#socket-second", TextLine)
        model = table.model
        if self._taken is None or not isinstance(model, SocketTable) or not len(model):
            first.show([])
            second.show([])
            return
        position, labels = model.position(table.cursor_index), Labels.of(self.state)
        first.show(first_line(self._taken.figures, position, labels))
        second.show(second_line(self._taken.figures, position, labels, self.state.units))

    def _empty_text(self) -> str:
        if self._taken is None:
            return "waiting for the first interval"
        kind = "" if self._kind is SocketKind.ALL else f" {self._kind}"
        trail = self.state.scope.trail
        return f"no{kind} socket" + (f" of {trail}" if trail else "")

    @on(LineTable.Highlighted)
    def _on_highlighted(self) -> None:
        self._draw_detail()

    @on(LineTable.Selected)
    def _on_selected(self) -> None:
        self.action_open()

    @on(LineTable.SortRequested)
    def _on_sort_requested(self, message: LineTable.SortRequested) -> None:
        if message.column_key == self._sort:
            self.action_reverse()
        else:
            self.action_sort(message.column_key)

    def action_open(self) -> None:
        """Goes to the connection of the socket under the cursor, else to the flows of its port or its process."""
        scope = self._scope_at_cursor()
        if scope is not None:
            self.post_message(self.ScopeRequested(scope, "connection" if scope.connection else "flows"))

    def action_packets(self) -> None:
        """The same, and goes to its packets."""
        scope = self._scope_at_cursor()
        if scope is not None:
            self.post_message(self.ScopeRequested(scope, "packets"))

    def _scope_at_cursor(self) -> Scope | None:
        """What the dashboard is limited to by the socket under the cursor; None where that is told not to be known."""
        table = self.query_one(LineTable)
        model = table.model
        if self._taken is None or not isinstance(model, SocketTable) or not len(model):
            return None
        socket = self._taken.figures.sockets[model.position(table.cursor_index)]
        flow = self._flow_of(socket)
        if flow is not None:
            return replace(self.state.scope, connection=connection_scope(flow, Labels.of(self.state)))
        port, connected = int(socket["local_port"]), int(socket["remote_port"]) != 0
        if port and not connected:
            words = f"sport:{port} proto:{protocol_name(int(socket['protocol']))}"
            return self.state.scope.narrowed(Narrowing(words))
        silent = "this connection moved nothing since the start" if connected else "this socket has no port"
        pid = int(socket["pid"])
        process = self.state.histories.processes.known.get(pid) if pid != UNKNOWN else None
        if process is None:
            self.post_message(self.Notice(f"{silent}, and its process is not known"))
            return None
        self.post_message(self.Notice(f"{silent}: the flows of its process"))
        return replace(self.state.scope, process=ProcessScope(process.pid, process.start_ticks, process.name))

    def _flow_of(self, socket: np.void) -> np.void | None:
        """The flow of a socket: on the interface in scope, else on the one where it moved most."""
        table, interface = self.state.histories.flows.table, self.state.scope.interface
        rows = rows_of_socket(table.flows, socket)
        if not len(rows):
            return None
        in_scope = table.flows["ifindex"][rows] == (interface.index if interface else 0)
        moved = table.totals[:, rows].sum(axis=0)
        flow: np.void = table.flows[rows[np.lexsort((moved, in_scope))[-1]]]
        return flow

    def action_sort(self, sort: str) -> None:
        """Sorts by a column or by one of the other orders of `SORT_WORDS`."""
        self._sort, self._descending = sort, sort not in FROM_A_TO_Z
        self._draw()

    def action_sort_column(self, step: int) -> None:
        """Sorts by the column beside the one that is sorted by."""
        if (beside := self.query_one(LineTable).column_beside(self._sort, step)) is not None:
            self.action_sort(beside)

    def action_reverse(self) -> None:
        """Turns the order round."""
        self._descending = not self._descending
        self._draw()

    def action_kind(self) -> None:
        """The next kind of sockets."""
        kinds = list(SocketKind)
        self._kind = kinds[(kinds.index(self._kind) + 1) % len(kinds)]
        self._draw()

    def action_names(self) -> None:
        """Host names or addresses."""
        self.state.names = not self.state.names
        self._draw()
        self.post_message(self.Notice("host names where known" if self.state.names else "addresses"))

    def action_services(self) -> None:
        """Names of services or numbers of ports."""
        self.state.services = not self.state.services
        self._draw()
        self.post_message(self.Notice("service names where known" if self.state.services else "port numbers"))


def _packed(addresses: Iterable[str]) -> Iterator[bytes]:
    """Addresses with or without the length of their prefix; what is none is left out."""
    for address in addresses:
        with contextlib.suppress(ValueError):
            yield pack_address(address.partition("/")[0])
