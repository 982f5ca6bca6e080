"""The Flows view: every connection with its rates over 2, 10 and 40 seconds, as iftop shows them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from textual import on
from textual.app import ComposeResult

from netdash.model.flow_history import HEADLINE, FlowHistory, FlowTable, FlowTotals
from netdash.model.headline import headline_interfaces
from netdash.model.snapshot import Layer
from netdash.model.windows import WINDOW_SECONDS
from netdash.ui.filtering import flow_match
from netdash.ui.keymap import KeyBinding
from netdash.ui.state import DashboardState
from netdash.ui.theme import Tone, palette_of
from netdash.ui.view import View
from netdash.ui.views.flow_lines import ScaleLine, footer_line
from netdash.ui.views.flow_order import SHOWN_FOR_NS, Arrangement, FlowLimits, FlowOrder, LineMode, Sort, arrange
from netdash.ui.views.flow_rows import Bars, FlowTableModel
from netdash.ui.views.flow_text import Labels
from netdash.ui.widgets.line_table import LineTable
from netdash.ui.widgets.scale import Scale
from netdash.ui.widgets.text_line import Part, TextLine

_NAMED_INTERFACES: Final = 3
_SORTED_AT_ONCE: Final = 20_000
"""With more flows than this they are sorted in a thread, so that no key waits."""

_FROM_A_TO_Z: Final = frozenset({"local", "remote", "port"})
_SORT_WORDS: Final[dict[Sort, str]] = {
    "total": "total",
    "local": "local address",
    "remote": "remote address",
    "port": "port",
}
_Sums = tuple[FlowTotals, FlowTotals, FlowTotals]


@dataclass(frozen=True, slots=True, eq=False)
class _Taken:
    """What the view draws from until it takes a newer snapshot."""

    table: FlowTable
    now_ns: int
    sums: dict[int, _Sums]
    headline: list[str]
    layer: Layer


class FlowsView(View):
    """Connections, bars behind them, and the sums of all below."""

    DEFAULT_CSS = """
    FlowsView #flow-table { scrollbar-gutter: stable; }
    FlowsView #flow-status { background: $panel; }
    """

    title: ClassVar[str] = "Flows"
    view_id: ClassVar[str] = "flows"
    keys: ClassVar[tuple[KeyBinding, ...]] = (
        KeyBinding("flows.names", "n", "names", "names", "Host names or addresses"),
        KeyBinding("flows.sort_rate", "r", "sort_rate", "rate", "Sort by rate; again: the next of 2, 10, 40 s"),
        KeyBinding("flows.sort_port", "P", "sort('port')", "port", "Sort by the lower port, mostly the service"),
        KeyBinding("flows.sort_source", "S", "sort('local')", "source", "Sort by the local (source) address"),
        KeyBinding("flows.sort_destination", "D", "sort('remote')", "dest", "Sort by the remote (destination) address"),
        KeyBinding("flows.sort_total", "T", "sort('total')", "total", "Sort by bytes since the start; silent ones too"),
        KeyBinding("flows.lines", "t", "lines", "lines", "Two lines a flow, their sum, sent only, received only"),
        KeyBinding("flows.freeze", "o", "freeze", "freeze", "Freeze the order; new flows are put at the end"),
        KeyBinding("flows.reverse", "R", "reverse", "", "Reverse the order"),
        KeyBinding("flows.bars", "b", "bars", "", "Bars on or off"),
        KeyBinding("flows.bar_window", "B", "bar_window", "", "Bars show the rate of 2, 10 or 40 s"),
        KeyBinding("flows.log", "L", "log", "", "Bars linear or logarithmic"),
        KeyBinding("flows.ports", "p", "ports", "", "Ports shown, or flows joined by their hosts"),
        KeyBinding("flows.services", "N", "services", "", "Names of services or numbers of ports"),
    )

    def __init__(self, state: DashboardState) -> None:
        super().__init__(state)
        self._order = FlowOrder()
        self._show_bars = True
        self._bars = Bars()
        self._scale = Scale()
        self._frozen: NDArray[np.uint64] | None = None
        self._new_since_frozen = 0
        self._taken: _Taken | None = None
        self._arrangement = arrange(FlowHistory().table, 0, self._order, FlowLimits())

    def compose(self) -> ComposeResult:
        """Scale, table, a line about the table, and the three lines of sums."""
        yield ScaleLine(id="flow-scale")
        yield LineTable(id="flow-table")
        yield TextLine(id="flow-status")
        yield TextLine(id="flow-sent", classes="sum")
        yield TextLine(id="flow-received", classes="sum")
        yield TextLine(id="flow-both", classes="sum")

    def on_mount(self) -> None:
        """Before the first snapshot there is nothing to show but that."""
        self._show_rows()

    def on_resize(self) -> None:
        """The columns depend on the width."""
        self._show_rows()

    def receive(self, state: DashboardState) -> None:
        """Takes the flows of the newest snapshot."""
        history = state.histories.flows
        interfaces = state.snapshot.interfaces if state.snapshot else ()
        self._taken = _Taken(
            history.table,
            history.now_ns,
            {index: history.totals(index) for index in (HEADLINE, *(interface.index for interface in interfaces))},
            [interface.name for interface in headline_interfaces(interfaces)],
            state.layer or Layer.WIRE,
        )
        self._draw()

    def redraw(self, state: DashboardState) -> None:
        """Draws what was taken last."""
        self._draw()

    def _draw(self) -> None:
        """Arranges what was taken, and shows it: at once, or when a thread has sorted it."""
        taken, scope = self._taken, self.state.scope
        if taken is None:
            return
        limits = FlowLimits(
            scope.interface.index if scope.interface else None,
            scope.process.pid if scope.process else None,
            flow_match(self.state),
        )
        work = partial(arrange, taken.table, taken.now_ns, self._order, limits, self._frozen)
        if len(taken.table) <= _SORTED_AT_ONCE:
            self._show(work())
        else:
            # Exclusive: of several that are wanted while one is sorted, the last is shown.
            self.run_worker(self._show_later(work), exclusive=True, group="arrange")

    async def _show_later(self, work: Callable[[], Arrangement]) -> None:
        self._show(await asyncio.to_thread(work))
        self.post_message(self.KeysChanged())

    def _show(self, arrangement: Arrangement) -> None:
        if self._frozen is not None:
            self._new_since_frozen += arrangement.new
            self._frozen = arrangement.ids
        self._arrangement = arrangement
        self._show_rows()
        self._show_sums()

    def _show_rows(self) -> None:
        """The table, its scale and the line about it."""
        table = self.query_one(LineTable)
        arrangement, units = self._arrangement, self.state.units
        top = self._scale.fit(float(arrangement.peaks[self._bars.window]), units)
        self._bars = replace(self._bars, top=top)
        scale = self.query_one(ScaleLine)
        scale.display = self._show_bars
        scale.show(self._bars, units)
        table.show(
            FlowTableModel(
                arrangement,
                self._order.lines,
                Labels.of(self.state, ports=self._order.ports),
                units,
                width=self.size.width - self._margin,
                bars=self._bars if self._show_bars else None,
                ascii_only=palette_of(self.app).ascii_only,
            ),
            sort=f"rate{WINDOW_SECONDS[self._order.window]}" if self._order.sort == "rate" else self._order.sort,
            descending=self._order.descending,
            empty_text=self._empty_text(),
        )
        self._show_status(arrangement)

    @property
    def _margin(self) -> int:
        """Cells right of the table's columns, where its scroll bar stands or could stand."""
        return self.query_one(LineTable).styles.scrollbar_size_vertical

    def _empty_text(self) -> str:
        if self._taken is None:
            return "waiting for the first interval"
        if self.state.row_filter is not None:
            return "no flow matches the filter"
        silent = f"in the last {SHOWN_FOR_NS // 10**9} s"
        if self._taken.layer == Layer.PAYLOAD:
            return f"no TCP socket moved anything {silent}"
        return f"no flow {silent}" + (f" of {self.state.scope.trail}" if self.state.scope.trail else "")

    def _show_status(self, arrangement: Arrangement) -> None:
        order = self._order
        by = f"{WINDOW_SECONDS[order.window]} s rate" if order.sort == "rate" else _SORT_WORDS[order.sort]
        left: list[Part] = [f" {len(arrangement.ids)} {'flows' if order.ports else 'host pairs'} by {by}"]
        if self._frozen is not None:
            left.append((f"  order frozen, {self._new_since_frozen} new at the end", Tone.WARN))
        if arrangement.hidden:
            left.append((f"  {arrangement.hidden} silent (T shows)", Tone.DIM))
        if self._show_bars:
            kind = "log" if self._bars.log else "linear"
            left.append((f"  bars {WINDOW_SECONDS[self._bars.window]} s {kind}", Tone.DIM))
        layer = "TCP payload" if self._taken is not None and self._taken.layer == Layer.PAYLOAD else "wire bytes"
        self.query_one("#flow-status", TextLine).show(left, [(f"{layer} of {self._summed()} ", Tone.NORMAL)])

    def _summed(self) -> str:
        """What the three lines below are sums of."""
        if self.state.row_filter is not None:
            return "the flows that match"
        if self.state.scope.process or self.state.scope.interface:
            return self.state.scope.trail
        names = self._taken.headline if self._taken is not None else []
        return ", ".join(names) if len(names) <= _NAMED_INTERFACES else f"{len(names)} physical interfaces"

    def _show_sums(self) -> None:
        received, sent, both = self._sums()
        followed = self.state.scope.process is None and self.state.row_filter is None
        marks: tuple[Part, ...] = ((" ▲ TX    ", Tone.TX), (" ▼ RX    ", Tone.RX), "   TOTAL ")
        lines = ("#flow-sent", "#flow-received", "#flow-both")
        for line, mark, figures in zip(lines, marks, (sent, received, both), strict=True):
            parts = footer_line(mark, figures, self.state.units, peak=followed, margin=self._margin)
            self.query_one(line, TextLine).show(*parts)

    def _sums(self) -> _Sums:
        scope = self.state.scope
        if scope.process is not None or self.state.row_filter is not None:
            rx, tx = (FlowTotals(int(column[0]), 0.0, tuple(column[1:])) for column in self._arrangement.sums.T)
            rates = tuple(a + b for a, b in zip(rx.rates, tx.rates, strict=True))
            return rx, tx, FlowTotals(rx.total_bytes + tx.total_bytes, 0.0, rates)
        index = scope.interface.index if scope.interface else HEADLINE
        nothing = (FlowTotals(), FlowTotals(), FlowTotals())
        return self._taken.sums.get(index, nothing) if self._taken is not None else nothing

    def _reorder(self, order: FlowOrder) -> None:
        """Another order thaws a frozen one."""
        if order != self._order:
            self._order = order
            self._frozen = None
        self._draw()

    def _tell(self, text: str) -> None:
        self.post_message(self.Notice(text))

    @on(LineTable.SortRequested)
    def _on_sort_requested(self, message: LineTable.SortRequested) -> None:
        for window, seconds in enumerate(WINDOW_SECONDS):
            if message.column_key == f"rate{seconds}":
                self._reorder(replace(self._order, sort="rate", window=window, descending=True))
        for sort in _SORT_WORDS:
            if message.column_key == sort:
                self.action_sort(sort)

    def action_sort(self, sort: Sort) -> None:
        """Sorts by total bytes, an address or a port."""
        self._reorder(replace(self._order, sort=sort, descending=sort not in _FROM_A_TO_Z))

    def action_sort_rate(self) -> None:
        """Sorts by rate; if it is sorted so already, by that of the next window."""
        step = 1 if self._order.sort == "rate" else 0
        window = (self._order.window + step) % len(WINDOW_SECONDS)
        self._reorder(replace(self._order, sort="rate", window=window, descending=True))

    def action_reverse(self) -> None:
        """Turns the order round."""
        self._reorder(replace(self._order, descending=not self._order.descending))

    def action_lines(self) -> None:
        """The next line mode."""
        modes = list(LineMode)
        mode = modes[(modes.index(self._order.lines) + 1) % len(modes)]
        frozen = self._frozen
        self._reorder(replace(self._order, lines=mode))
        if frozen is not None:
            self._frozen = frozen
            self._draw()
        self._tell(f"lines: {mode}")

    def action_freeze(self) -> None:
        """Keeps the order of rows as it is, or lets them move again."""
        if self._frozen is None:
            self._frozen, self._new_since_frozen = self._arrangement.ids, 0
        else:
            self._frozen = None
        self._draw()

    def action_bars(self) -> None:
        """Bars on or off."""
        self._show_bars = not self._show_bars
        self._show_rows()

    def action_bar_window(self) -> None:
        """Bars of the next window."""
        window = (self._bars.window + 1) % len(WINDOW_SECONDS)
        self._bars = replace(self._bars, window=window)
        self._show_rows()
        self._tell(f"bars show the {WINDOW_SECONDS[window]} s rate")

    def action_log(self) -> None:
        """Linear or logarithmic bars."""
        self._bars = replace(self._bars, log=not self._bars.log)
        self._show_rows()
        self._tell(f"bars are {'logarithmic: a fifth is a power of ten' if self._bars.log else 'linear'}")

    def action_ports(self) -> None:
        """Ports shown, or flows joined by their hosts."""
        self._reorder(replace(self._order, ports=not self._order.ports))
        self._tell("ports shown" if self._order.ports else "ports hidden: one row for two hosts and a protocol")

    def action_names(self) -> None:
        """Host names or addresses."""
        self.state.names = not self.state.names
        self._show_rows()
        self._tell("host names where known" if self.state.names else "addresses")

    def action_services(self) -> None:
        """Names of services or numbers of ports."""
        self.state.services = not self.state.services
        self._show_rows()
        self._tell("service names where known" if self.state.services else "port numbers")
