"""The Flows view: every connection with its rates over 2, 10 and 40 seconds, as iftop shows them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray
from textual import on, work
from textual.app import ComposeResult

from netdash.model.flow_history import FlowTable
from netdash.model.flow_sums import HEADLINE, FlowTotals
from netdash.model.headline import headline_interfaces
from netdash.model.snapshot import Layer
from netdash.model.tables import FLOW_OVERFLOW
from netdash.model.windows import WINDOW_SECONDS
from netdash.ui.filtering import flow_match, narrowed
from netdash.ui.frames import one_frame
from netdash.ui.keymap import KeyBinding
from netdash.ui.scope import Narrowing
from netdash.ui.state import DashboardState
from netdash.ui.theme import Tone, palette_of
from netdash.ui.view import View
from netdash.ui.views.flow_groups import ALL_APART, Group, Joining
from netdash.ui.views.flow_joins import RepeatedJoin
from netdash.ui.views.flow_keys import FLOW_KEYS
from netdash.ui.views.flow_lines import ScaleLine, footer_line, status_parts
from netdash.ui.views.flow_order import SHOWN_FOR_NS, Arrangement, FlowLimits, FlowOrder, LineMode, Sort, arrange
from netdash.ui.views.flow_rows import Bars, FlowTableModel
from netdash.ui.views.flow_text import Labels, connection_scope, row_words
from netdash.ui.widgets.line_table import LineTable
from netdash.ui.widgets.scale import Scale
from netdash.ui.widgets.text_line import Part, TextLine

_NAMED_INTERFACES: Final = 3
_SORTED_AT_ONCE: Final = 20_000
"""With more flows than this they are sorted in a thread, so that no key waits."""

_FROM_A_TO_Z: Final = frozenset({"local", "remote", "port"})
_SORTS: Final[frozenset[Sort]] = frozenset({"total", "packets", "local", "remote", "port"})
_MOST_SETTLED: Final = 512
"""Rows below this rank stand in their exact order."""
_Sums = tuple[FlowTotals, FlowTotals, FlowTotals]


@dataclass(frozen=True, slots=True, eq=False)
class _Taken:
    """What the view draws from until it takes a newer snapshot."""

    table: FlowTable
    now_ns: int
    sums: dict[int, _Sums]
    headline: list[str]
    layer: Layer


def _with_details(arrange: Callable[[], Arrangement], lines: range) -> Arrangement:
    """With what the rows in those lines show, if there is one line a row."""
    arrangement = arrange()
    for place in range(lines.start, min(lines.stop, len(arrangement))):
        arrangement.row(place)
    return arrangement


class FlowsView(View):
    """Connections, bars behind them, and the sums of all below."""

    DEFAULT_CSS = """
    FlowsView #flow-table { scrollbar-gutter: stable; }
    FlowsView #flow-status { background: $panel; }
    """

    title: ClassVar[str] = "Flows"
    view_id: ClassVar[str] = "flows"
    keys: ClassVar[tuple[KeyBinding, ...]] = FLOW_KEYS

    def __init__(self, state: DashboardState) -> None:
        super().__init__(state)
        self._order = FlowOrder()
        self._show_bars = True
        self._bars = Bars()
        self._scale = Scale()
        self._frozen: NDArray[np.uint64] | None = None
        self._new_since_frozen = 0
        self._taken: _Taken | None = None
        self._arrangement = Arrangement()
        self._join = RepeatedJoin()
        self._arranging = False
        """Whether a thread sorts what will be shown next."""
        self._wanted: Callable[[], Arrangement] | None = None
        """What it is to sort next."""
        self._freezes = False
        """Whether the order of that is to be frozen."""
        self._narrowings: tuple[Narrowing, ...] = ()
        """Of the scope that was drawn last."""
        self._joinings: dict[tuple[Narrowing, ...], Joining] = {}
        """How the flows of the wider scopes on the way here were joined."""
        self._return_to: int | None = None
        """Row that the cursor goes to: the one that was opened before."""
        self._before: NDArray[np.uint64] | None = None
        """The rows that stood first, which keep their places as `keep_places` says; None: another order was chosen."""

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
        if self.size_changed():
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
        self._draw(after_frame=True)

    def redraw(self, state: DashboardState) -> None:
        """Draws what was taken last."""
        self._draw()

    def _follow_narrowings(self) -> None:
        """The flows of a row that was opened stand apart; whoever comes back finds the rows joined as they were."""
        narrowings, before = self.state.scope.narrowings, self._narrowings
        if narrowings == before:
            return
        self._joinings[before] = self._order.by
        wider = len(narrowings) < len(before)
        by = self._joinings.get(narrowings, ALL_APART) if wider else ALL_APART
        if wider and before[: len(narrowings)] == narrowings:
            row = before[len(narrowings)].row
            self._return_to = row[1] if row is not None else None
        self._joinings = {key: joining for key, joining in self._joinings.items() if narrowings[: len(key)] == key}
        self._narrowings = narrowings
        self._order = replace(self._order, by=by)
        self._frozen = self._before = None

    def _draw(self, *, after_frame: bool = False) -> None:
        """Arranges what was taken, and shows it: at once, or when a thread has sorted it. `after_frame`: that does not
        begin before the screen is drawn, as whoever comes to this view waits for that first."""
        self._follow_narrowings()
        taken = self._taken
        if taken is None:
            return
        work = partial(
            arrange,
            taken.table,
            taken.now_ns,
            self._order,
            self._limits,
            self._frozen,
            self._before,
            self._rows_to_settle,
            self._join,
        )
        if len(taken.table) <= _SORTED_AT_ONCE:
            self._show(work())
        else:
            self._arranging = True
            self._wanted = partial(_with_details, work, self._lines_in_sight)
            # Exclusive: of several that are wanted while one is sorted, the last is shown.
            if after_frame:
                self.call_after_refresh(self._show_later)
            else:
                self._show_later()

    @property
    def _limits(self) -> FlowLimits:
        scope = self.state.scope
        return FlowLimits(
            scope.interface.index if scope.interface else None,
            scope.process.pid if scope.process else None,
            scope.connection.flow_id if scope.connection else None,
            narrowed(self.state),
            flow_match(self.state),
        )

    @property
    def _lines_in_sight(self) -> range:
        """Of the table; rows in sight are as many, or half as many."""
        table = self.query_one(LineTable)
        return range(table.scroll_offset.y, table.scroll_offset.y + table.size.height)

    @property
    def _rows_to_settle(self) -> int:
        """Rows down to the last one in sight."""
        return min(_MOST_SETTLED, self._lines_in_sight.stop)

    @work(exclusive=True, group="arrange", description="arrange")  # else all columns are written out as text
    async def _show_later(self) -> None:
        # Not an argument: Textual's worker would hold its tables until garbage is looked for.
        wanted, self._wanted = self._wanted, None
        if wanted is None:
            return
        arrangement = await asyncio.to_thread(wanted)
        async with one_frame(self):
            self._show(arrangement)
            self.post_message(self.KeysChanged())

    def _show(self, arrangement: Arrangement) -> None:
        self._arranging = False
        if self._freezes:
            self._freezes, self._frozen, self._new_since_frozen = False, arrangement.ids, 0
        elif self._frozen is not None:
            self._new_since_frozen += arrangement.new
            self._frozen = arrangement.ids
        self._arrangement = arrangement
        self._before = arrangement.rows.ids.take(arrangement.order[: self._rows_to_settle])
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
                Labels.of(self.state, self._order.by),
                units,
                width=self.size.width - self._margin,
                bars=self._bars if self._show_bars else None,
                ascii_only=palette_of(self.app).ascii_only,
            ),
            sort=f"rate{WINDOW_SECONDS[self._order.window]}" if self._order.sort == "rate" else self._order.sort,
            descending=self._order.descending,
            empty_text=self._empty_text(),
        )
        if self._return_to is not None:
            table.select(self._return_to)
            self._return_to = None
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
        left = status_parts(
            arrangement,
            self._order,
            self._bars if self._show_bars else None,
            inside=" ".join(narrowing.words for narrowing in self.state.scope.narrowings),
            new_since_frozen=None if self._frozen is None else self._new_since_frozen,
        )
        if self._taken is None:  # what is not known yet is not 0
            self.query_one("#flow-status", TextLine).show([])
            return
        layer = "TCP payload" if self._taken.layer == Layer.PAYLOAD else "wire bytes"
        summed = self._summed()
        self.query_one("#flow-status", TextLine).show(left, [f"{layer} of {summed} " if summed else f"{layer} "])

    def _summed(self) -> str:
        """What the three lines below are sums of."""
        if self.state.scope.narrowings or self.state.row_filter is not None:
            return "the flows that match"
        if self.state.scope.trail:
            return self.state.scope.trail
        names = self._taken.headline if self._taken is not None else []
        return ", ".join(names) if len(names) <= _NAMED_INTERFACES else f"{len(names)} physical interfaces"

    def _show_sums(self) -> None:
        received, sent, both = self._sums()
        followed = self._arrangement.sums is None
        marks: tuple[Part, ...] = ((" ▲ TX    ", Tone.TX), (" ▼ RX    ", Tone.RX), "   TOTAL ")
        lines = ("#flow-sent", "#flow-received", "#flow-both")
        for line, mark, figures in zip(lines, marks, (sent, received, both), strict=True):
            parts = footer_line(mark, figures, self.state.units, peak=followed, margin=self._margin)
            self.query_one(line, TextLine).show(*parts)

    def _sums(self) -> _Sums:
        scope, sums = self.state.scope, self._arrangement.sums
        if sums is not None:
            rx, tx = (FlowTotals(int(column[0]), 0.0, tuple(column[1:])) for column in sums.T)
            rates = tuple(a + b for a, b in zip(rx.rates, tx.rates, strict=True))
            return rx, tx, FlowTotals(rx.total_bytes + tx.total_bytes, 0.0, rates)
        index = scope.interface.index if scope.interface else HEADLINE
        nothing = (FlowTotals(), FlowTotals(), FlowTotals())
        return self._taken.sums.get(index, nothing) if self._taken is not None else nothing

    def _reorder(self, order: FlowOrder) -> None:
        """Another order thaws a frozen one."""
        if order != self._order:
            self._order = order
            self._frozen = self._before = None
            self._freezes = False
        self._draw()

    def _tell(self, text: str) -> None:
        self.post_message(self.Notice(text))

    @on(LineTable.SortRequested)
    def _on_sort_requested(self, message: LineTable.SortRequested) -> None:
        for window, seconds in enumerate(WINDOW_SECONDS):
            if message.column_key == f"rate{seconds}":
                self._reorder(replace(self._order, sort="rate", window=window, descending=True))
        for sort in _SORTS:
            if message.column_key == sort:
                self.action_sort(sort)

    @on(LineTable.Selected)
    def _on_selected(self) -> None:
        self.action_open()

    def action_open(self) -> None:
        """Into the row under the cursor: the flows of a joined one, else that one flow."""
        key = self.query_one(LineTable).cursor_key
        place = self._arrangement.find(key) if isinstance(key, int) else None
        if place is None or self._taken is None:
            return
        row = self._arrangement.row(place)
        if row.members > 1:
            self._open_row(row.flow, int(self._arrangement.rows.ids[self._arrangement.order[place]]))
            return
        flow = self._taken.table.flows[np.flatnonzero(self._taken.table.flows["id"] == row.flow["id"])[0]]
        scope = replace(self.state.scope, connection=connection_scope(flow, Labels.of(self.state)))
        self.post_message(self.ScopeRequested(scope, "connection"))

    def _open_row(self, row: np.void, row_id: int) -> None:
        """Limits the dashboard to the flows of a joined row."""
        if int(row["flags"]) & FLOW_OVERFLOW:
            self._tell("these flows found no room for rows of their own")
            return
        by, labels = self._order.by, Labels.of(self.state)
        narrowing = Narrowing(row_words(row, by, labels), (by, row_id))
        self.query_one(LineTable).action_first()
        self.post_message(self.ScopeRequested(self.state.scope.narrowed(narrowing), "flows"))

    def action_packets(self) -> None:
        """Goes to the packets of what is shown."""
        self.post_message(self.ScopeRequested(self.state.scope, "packets"))

    def action_sort(self, sort: Sort) -> None:
        """Sorts by total bytes, an address or a port."""
        self._reorder(replace(self._order, sort=sort, descending=sort not in _FROM_A_TO_Z))

    def action_sort_rate(self) -> None:
        """Sorts by rate; if it is sorted so already, by that of the next window."""
        step = 1 if self._order.sort == "rate" else 0
        self.action_sort_window((self._order.window + step) % len(WINDOW_SECONDS))

    def action_sort_window(self, window: int) -> None:
        """Sorts by the rate over one of WINDOW_SECONDS."""
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
        if self._frozen is not None:
            self._frozen = None
            self._draw()
        elif self._arranging:
            self._freezes = not self._freezes
        else:
            self._frozen, self._new_since_frozen = self._arrangement.ids, 0
            self._show_status(self._arrangement)  # the rows stand as they are to stand

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

    def action_apart(self, part: Literal["local", "remote", "ports"]) -> None:
        """Shows ports, local or remote ends, or joins the flows that differ only in them."""
        by = self._order.by
        if by.group is not Group.FLOWS:
            self._tell("rows are grouped: a key of flows has no use here (a: back to flows)")
            return
        by = by.toggled(part)
        shown = getattr(by, part)
        self._reorder(replace(self._order, by=by))
        hidden = {
            "ports": "ports hidden: one row for two hosts and a protocol",
            "local": "local ends joined: one row for a remote end",
            "remote": "remote ends joined: one row for a local end",
        }
        self._tell(f"{part} {'shown' if part == 'ports' else 'ends shown'}" if shown else hidden[part])

    def action_group(self) -> None:
        """Groups by the next of what there is."""
        groups = list(Group)
        group = groups[(groups.index(self._order.by.group) + 1) % len(groups)]
        self._reorder(replace(self._order, by=replace(self._order.by, group=group)))
        self._tell(f"a row for each of the {group}: a connection on several interfaces counts once")

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
