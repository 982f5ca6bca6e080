"""The Sockets view: states, queues, round trips and processes of all sockets, as ss shows them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from textual import on
from textual.app import ComposeResult

from netdash.model.tables import SOCKET_ROW, empty, pack_address
from netdash.ui.keymap import KeyBinding
from netdash.ui.state import DashboardState
from netdash.ui.theme import Tone
from netdash.ui.view import View
from netdash.ui.views.flow_text import Labels
from netdash.ui.views.socket_rows import (
    FROM_A_TO_Z,
    SocketKind,
    SocketSort,
    SocketTable,
    chosen_sockets,
    ordered,
    state_counts,
)
from netdash.ui.widgets.line_table import LineTable
from netdash.ui.widgets.text_line import Part, TextLine

_SORTS_OF_COLUMNS: Final[dict[str, SocketSort]] = {
    "state": "state",
    "rqueue": "queue",
    "wqueue": "queue",
    "local": "local",
    "remote": "remote",
    "rx": "rate",
    "tx": "rate",
    "rtt": "rtt",
    "retransmits": "retransmits",
}
_SORT_WORDS: Final[dict[SocketSort, str]] = {
    "rate": "▼+▲ rate",
    "queue": "queued bytes",
    "local": "local address",
    "remote": "remote address",
    "port": "local port",
    "state": "state",
    "rtt": "round trip",
    "retransmits": "retransmits",
}


@dataclass(frozen=True, slots=True, eq=False)
class _Taken:
    """What the view draws from until it takes a newer snapshot."""

    sockets: NDArray[np.void]
    interval: float
    addresses: dict[int, frozenset[bytes]]
    """By interface."""


class SocketsView(View):
    """Sockets, and how many are in which state."""

    DEFAULT_CSS = """
    SocketsView #socket-table { scrollbar-gutter: stable; }
    SocketsView #socket-status { background: $panel; }
    """

    title: ClassVar[str] = "Sockets"
    view_id: ClassVar[str] = "sockets"
    keys: ClassVar[tuple[KeyBinding, ...]] = (
        KeyBinding("sockets.kind", "s", "kind", "all/listen/estab", "All sockets, those that listen, those connected"),
        KeyBinding("sockets.sort_rate", "r", "sort('rate')", "rate", "Sort by the payload of the last interval"),
        KeyBinding("sockets.sort_queue", "Q", "sort('queue')", "queues", "Sort by what waits in the queues"),
        KeyBinding("sockets.sort_port", "P", "sort('port')", "port", "Sort by the local port"),
        KeyBinding("sockets.sort_source", "S", "sort('local')", "source", "Sort by the local (source) address"),
        KeyBinding("sockets.sort_destination", "D", "sort('remote')", "dest", "Sort by the remote address"),
        KeyBinding("sockets.names", "n", "names", "names", "Host names or addresses"),
        KeyBinding("sockets.services", "N", "services", "", "Names of services or numbers of ports"),
        KeyBinding("sockets.reverse", "R", "reverse", "", "Reverse the order"),
    )

    def __init__(self, state: DashboardState) -> None:
        super().__init__(state)
        self._kind = SocketKind.ALL
        self._sort: SocketSort = "rate"
        self._descending = True
        self._taken: _Taken | None = None

    def compose(self) -> ComposeResult:
        """How many there are, the table, and a line about the table."""
        yield TextLine(id="socket-counts")
        yield LineTable(id="socket-table")
        yield TextLine(id="socket-status")

    def on_mount(self) -> None:
        """Before the first snapshot there is nothing to show but that."""
        self._draw()

    def on_resize(self) -> None:
        """The columns depend on the width."""
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
        self._taken = _Taken(snapshot.sockets, snapshot.interval, addresses)
        self._draw()

    def redraw(self, state: DashboardState) -> None:
        """Draws what was taken last."""
        self._draw()

    def _draw(self) -> None:
        taken = self._taken or _Taken(empty(SOCKET_ROW), 0.0, {})
        scope = self.state.scope
        index = scope.interface.index if scope.interface else None
        positions = chosen_sockets(
            taken.sockets,
            self._kind,
            pid=scope.process.pid if scope.process else None,
            addresses=None if index is None else taken.addresses.get(index, frozenset()),
            ifindex=index,
        )
        model = SocketTable(
            taken.sockets,
            ordered(taken.sockets, positions, self._sort, self._descending),
            Labels.of(self.state),
            self.state.units,
            interval=taken.interval,
            width=self.size.width - self.query_one(LineTable).styles.scrollbar_size_vertical,
        )
        self.query_one(LineTable).show(
            model,
            sort=self._sort,
            descending=self._descending,
            empty_text=self._empty_text(),
        )
        self._draw_lines(len(positions), state_counts(taken.sockets), len(taken.sockets))

    def _draw_lines(self, shown: int, counts: list[tuple[str, int]], total: int) -> None:
        """The lines above and below the table."""
        parts: list[Part] = [f" {total} sockets "]
        for name, number in counts:
            parts += [f" {number} ", (name, Tone.DIM), " "]
        self.query_one("#socket-counts", TextLine).show(parts)
        kind = "" if self._kind is SocketKind.ALL else f"{self._kind} "
        where = f" of {self.state.scope.trail}" if self.state.scope.trail else ""
        self.query_one("#socket-status", TextLine).show(
            [f" {shown} {kind}sockets{where} by {_SORT_WORDS[self._sort]}"],
            [("queues: bytes; of a listener: waiting, ≤limit ", Tone.DIM)],
        )

    def _empty_text(self) -> str:
        if self._taken is None:
            return "waiting for the first interval"
        kind = "" if self._kind is SocketKind.ALL else f" {self._kind}"
        trail = self.state.scope.trail
        return f"no{kind} socket" + (f" of {trail}" if trail else "")

    @on(LineTable.SortRequested)
    def _on_sort_requested(self, message: LineTable.SortRequested) -> None:
        sort = _SORTS_OF_COLUMNS.get(message.column_key)
        if sort is not None:
            self.action_sort(sort)

    def action_sort(self, sort: SocketSort) -> None:
        """Sorts by rate, queues, an address or a port."""
        self._sort, self._descending = sort, sort not in FROM_A_TO_Z
        self._draw()

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
