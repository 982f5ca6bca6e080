"""Which flows are shown, and in which order. Pure NumPy on whole columns."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netdash.model.flow_history import FlowTable
from netdash.model.hashing import address_words, lookup
from netdash.model.ordering import stable_order
from netdash.model.windows import WINDOW_NS, WINDOW_SECONDS
from netdash.ui.views.flow_groups import ALL_APART, Joining, one_per_connection, service_ports
from netdash.ui.views.flow_joins import FlowRows, join_flows

Sort = Literal["rate", "total", "packets", "local", "remote", "port"]
SUMS: Final[frozenset[Sort]] = frozenset({"total", "packets"})
"""Orders by what was counted since the start."""

SHOWN_FOR_NS: Final = WINDOW_NS[-1]
"""A flow that was silent for so long, closed or not, is shown only in the order by totals."""

KEPT_SHARE: Final[dict[Sort, float]] = {"rate": 0.1, "total": 0.01, "packets": 0.01}
"""A row passes another one only when it has more by this share, so that equals do not change places all the time."""

_PORT_BITS: Final = np.uint64(16)
_ABOVE_IPV4: Final = np.uint64(48)
"""Bits of the lower half of ::ffff:a.b.c.d."""

_FIN_OR_RST: Final = 0x05
"""TCP flags, RFC 9293 §3.1."""


class LineMode(StrEnum):
    """How many lines a flow has, and what they show."""

    TWO = "two lines"
    SUM = "sum of both"
    SENT = "sent only"
    RECEIVED = "received only"


@dataclass(frozen=True, slots=True)
class FlowOrder:
    """What the user chose."""

    sort: Sort = "rate"
    window: int = 0
    """Index in WINDOW_SECONDS of the rates that are sorted by."""
    descending: bool = True
    lines: LineMode = LineMode.TWO
    by: Joining = ALL_APART


@dataclass(frozen=True, slots=True)
class FlowLimits:
    """What the rows are limited to: None = no limit."""

    ifindex: int | None = None
    pid: int | None = None
    flow_id: int | None = None
    narrowed: Callable[[NDArray[np.void]], NDArray[np.bool_]] | None = None
    """Gives, of FLOW_ROW, those of some rows of a joined table, or with something else in common."""
    matching: Callable[[FlowTable, NDArray[np.bool_] | None], NDArray[np.bool_]] | None = None
    """Gives, of the flows within the other limits, those that match the filter."""

    @property
    def inner(self) -> bool:
        """Whether they limit to more than an interface."""
        return (self.pid, self.flow_id, self.narrowed, self.matching) != (None,) * 4


_NO_FLOWS: Final = FlowTable.empty()
_PAGE_ROWS: Final = 64
_MOST_PAGES: Final = 8
"""Pages of rows that are kept: more than a screen has."""


class ShownRow(NamedTuple):
    """All that a row of the screen shows."""

    flow: np.void
    """FLOW_ROW."""
    known: bool
    last_seen_ns: int
    tcp_flags: int
    totals: tuple[int, int]
    """Bytes received and sent."""
    packets: tuple[int, int]
    rates: list[list[float]]
    """Bytes per second received and sent, for each of WINDOW_SECONDS."""
    members: int
    """Flows that are joined in it."""
    closed: bool


@dataclass(frozen=True, slots=True, eq=False)
class Arrangement:
    """Rows in the order of the screen."""

    rows: FlowRows = field(default_factory=lambda: FlowRows(_NO_FLOWS, _NO_FLOWS.flows["id"]))
    order: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, np.intp))
    """Numbers in `rows`."""
    new: int = 0
    """Rows at the end that came after the order was frozen."""
    hidden: int = 0
    """Flows that are not shown because they were silent for long."""
    closed: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    """By number: a TCP connection that has ended."""
    sums: NDArray[np.float64] | None = None
    """Where the rows are limited to more than an interface: of all of them, shown or not, each connection once. Total
    bytes, then the rate of each window; received and sent."""
    peaks: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
    """The highest rate of a line in each window."""
    _pages: dict[int, list[ShownRow]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.order)

    @property
    def ids(self) -> NDArray[np.uint64]:
        """Row identities, in the order of the screen."""
        return self.rows.ids.take(self.order)

    def find(self, row_id: int) -> int | None:
        """Where a row stands."""
        number = np.flatnonzero(self.rows.ids == np.uint64(row_id))
        found = np.flatnonzero(self.order == number[0]) if len(number) else number
        return int(found[0]) if len(found) else None

    def row(self, place: int) -> ShownRow:
        """The row at a place of the screen."""
        number, inside = divmod(place, _PAGE_ROWS)
        page = self._pages.get(number)
        if page is None:
            if len(self._pages) >= _MOST_PAGES:
                self._pages.clear()
            page = self._pages[number] = self._page(self.order[number * _PAGE_ROWS : (number + 1) * _PAGE_ROWS])
        return page[inside]

    def _page(self, numbers: NDArray[np.intp]) -> list[ShownRow]:
        details = self.rows.details(numbers)
        columns = zip(
            details.flows,
            details.known.tolist(),
            details.last_seen_ns.tolist(),
            details.tcp_flags.tolist(),
            details.totals.T.tolist(),
            details.packets.T.tolist(),
            details.rates.transpose(2, 0, 1).tolist(),
            details.members.tolist(),
            self.closed[numbers].tolist(),
            strict=True,
        )
        return [ShownRow(*row) for row in columns]


def arrange(
    table: FlowTable,
    now_ns: int,
    wanted: FlowOrder,
    limits: FlowLimits,
    frozen: NDArray[np.uint64] | None = None,
    before: NDArray[np.uint64] | None = None,
    settled: int = 0,
    join: Callable[[FlowTable, NDArray[np.intp], Joining], FlowRows] = join_flows,
) -> Arrangement:
    """The rows to show.

    `frozen`: identities of an order to keep; rows that are not in it go to its end. `before`: those of the rows that
    stood first; the `settled` first rows keep their places as KEPT_SHARE says.

    Takes some ten milliseconds for 100,000 flows.
    """
    chosen = _within(table, limits)
    recent = table.last_seen_ns > now_ns - SHOWN_FOR_NS
    if chosen is not None:
        recent &= chosen
    if wanted.sort in SUMS or limits.flow_id is not None:
        visible = np.ones(len(table), np.bool_) if chosen is None else chosen
    elif frozen is not None and not wanted.by.joins:
        kept = lookup(frozen, table.flows["id"]) >= 0
        visible = recent | (kept if chosen is None else kept & chosen)
    else:
        visible = recent
    positions = np.flatnonzero(visible)
    hidden = (len(table) if chosen is None else int(np.count_nonzero(chosen))) - len(positions)
    sums = None
    if chosen is not None and limits.inner:
        sums = _sums(table, np.flatnonzero(chosen))
    if wanted.by.joins:
        rows = join(table, positions, wanted.by)
        numbers = np.arange(len(rows))
    else:
        rows, numbers = FlowRows(table, table.flows["id"]), positions
    measure = _measure(rows, wanted) if wanted.sort in KEPT_SHARE else None
    if measure is None:
        order = numbers[_text_order(rows.common(), numbers, wanted)]
    else:
        key = measure[numbers]
        order = numbers[stable_order(-key if wanted.descending else key)]
        if before is not None and frozen is None and wanted.descending:
            order = keep_places(order, measure, _places(rows.ids, before), settled, KEPT_SHARE[wanted.sort])
    new = 0
    if frozen is not None:
        order, new = _in_frozen_order(order, lookup(frozen, rows.ids[order]), len(frozen))
    closed = ((rows.tcp_flags & _FIN_OR_RST) != 0) & (rows.last_seen_ns < now_ns)
    return Arrangement(rows, order, new, hidden, closed, sums, _peaks(rows.rates, order, wanted.lines))


def _within(table: FlowTable, limits: FlowLimits) -> NDArray[np.bool_] | None:
    """Which flows are within the limits; None: all."""
    masks = []
    if limits.ifindex is not None:
        masks.append(table.flows["ifindex"] == limits.ifindex)
    if limits.pid is not None:
        masks.append(table.flows["pid"] == limits.pid)
    if limits.flow_id is not None:
        masks.append(table.flows["id"] == np.uint64(limits.flow_id))
    if limits.narrowed is not None:
        masks.append(limits.narrowed(table.flows))
    within = np.logical_and.reduce(masks) if masks else None
    return within if limits.matching is None else limits.matching(table, within)


def _sums(table: FlowTable, positions: NDArray[np.intp]) -> NDArray[np.float64]:
    once = one_per_connection(table, positions)
    totals, rates = table.totals.take(once, axis=-1), table.rates.take(once, axis=-1)
    return np.concatenate([totals[None].sum(axis=2), rates.sum(axis=2)])


def line_rates(rates: NDArray[np.float64], lines: LineMode) -> NDArray[np.float64]:
    """What a row is measured by: shape (…, 2, n) to (…, n)."""
    if lines == LineMode.SENT:
        return np.asarray(rates[..., 1, :])
    if lines == LineMode.RECEIVED:
        return np.asarray(rates[..., 0, :])
    return np.asarray(rates[..., 0, :] + rates[..., 1, :])


def _peaks(rates: NDArray[np.float64], order: NDArray[np.intp], lines: LineMode) -> NDArray[np.float64]:
    if not len(order):
        return np.zeros(len(WINDOW_SECONDS))
    shown = rates if len(order) == rates.shape[-1] else rates.take(order, axis=-1)
    if lines == LineMode.TWO:
        return np.asarray(shown.max(axis=(1, 2)))
    return np.asarray(line_rates(shown, lines).max(axis=1))


def _measure(rows: FlowRows, wanted: FlowOrder) -> NDArray[np.float64]:
    """By number: what is sorted by; less than nothing where nothing is known."""
    if wanted.sort == "rate":
        columns = rows.rates[wanted.window]
    else:
        counted = rows.table.packets if wanted.sort == "packets" else rows.table.totals
        columns = rows.sums(counted).astype(np.float64)
    return np.where(rows.known, line_rates(columns, wanted.lines), -1.0)


def _text_order(flows: NDArray[np.void], positions: NDArray[np.intp], wanted: FlowOrder) -> NDArray[np.intp]:
    """Of `positions`: by the address as a number, then its port; or by the port of the service, which mostly is the
    lower one. What is equal stays in the order in which it came up, or the other way round."""
    order = _ascending(flows, positions, wanted.sort)
    return order[::-1] if wanted.descending else order


def _ascending(flows: NDArray[np.void], positions: NDArray[np.intp], sort: Sort) -> NDArray[np.intp]:
    local_port, remote_port = flows["local_port"][positions], flows["remote_port"][positions]
    if sort == "port":
        return np.lexsort([np.maximum(local_port, remote_port), service_ports(flows)[positions]])
    port = local_port if sort == "local" else remote_port
    high, low = (np.ascontiguousarray(word).byteswap() for word in address_words(flows[sort][positions]))
    if high.any() or (low >> _ABOVE_IPV4).any():
        return np.lexsort([port, low, high])
    # IPv4 alone, which is most common: address and port in one number.
    return stable_order(low << _PORT_BITS | port.astype(np.uint64))


def _places(ids: NDArray[np.uint64], wanted: NDArray[np.uint64]) -> NDArray[np.intp]:
    """Positions of the identities `wanted` in `ids`, in their order; those that are there no more are left out."""
    found = lookup(ids, wanted)
    return found[found >= 0]


def keep_places(
    order: NDArray[np.intp],
    measure: NDArray[np.float64],
    before: NDArray[np.intp],
    count: int,
    share: float,
) -> NDArray[np.intp]:
    """`order` (positions, those of the largest `measure` first) with the first `count` rows kept from changing places
    for little: they stand as in `before`, and a row moves up only past rows that it exceeds by `share`. So no row ever
    stands below one that has less than it by more than that."""
    count = min(count, len(order))
    if not count or not len(before):
        return order
    factor = 1.0 + share
    shown = np.zeros(len(measure), np.bool_)
    shown[order] = True
    last = measure[order[count - 1]]
    kept = before[shown[before] & (measure[before] * factor >= last)]
    first = order[:count]
    ranked: list[int] = []
    lowest: list[float] = []  # the least measure up to each rank, negated so that it rises
    for position in (*kept.tolist(), *first[~np.isin(first, kept)].tolist()):
        value = max(0.0, float(measure[position]))  # what is not known counts as nothing here
        rank = bisect_right(lowest, -value / factor)
        lowest.insert(rank, max(lowest[rank - 1], -value) if rank else -value)
        ranked.insert(rank, position)
    top = np.array(ranked[:count], np.intp)
    shown[top] = False
    return np.concatenate([top, order[shown[order]]])


def _in_frozen_order(order: NDArray[np.intp], places: NDArray[np.intp], frozen: int) -> tuple[NDArray[np.intp], int]:
    """`order` with those that have one of the `frozen` places (-1: none) there, the others behind them; how many those
    are."""
    known = places >= 0
    placed = np.full(frozen, -1, np.intp)
    placed[places[known]] = order[known]
    others = order[~known]
    return np.concatenate([placed[placed >= 0], others]), len(others)
