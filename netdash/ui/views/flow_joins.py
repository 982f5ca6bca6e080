"""Rows of one or more flows each. Pure NumPy on whole columns.

Of all rows only that is added up which they are ordered by, which takes little also with 100,000 flows; what a row
shows besides is added up when it comes into sight.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from netdash.model.flow_history import FlowTable
from netdash.model.tables import UNKNOWN, take
from netdash.ui.views.flow_groups import ALL_APART, Group, Joining, blank, one_per_connection, row_ids

Element = TypeVar("Element", bound=np.generic)

MIXED: Final = -2
"""Stands for a pid where joined flows have different ones."""


class Details(NamedTuple):
    """What n rows show. Of joined flows: sums, what all have in common, and 0 or nothing where they differ."""

    flows: NDArray[np.void]
    """FLOW_ROW."""
    known: NDArray[np.bool_]
    last_seen_ns: NDArray[np.int64]
    tcp_flags: NDArray[np.uint8]
    totals: NDArray[np.int64]
    """Shape (2, n)."""
    packets: NDArray[np.int64]
    """Shape (2, n)."""
    rates: NDArray[np.float64]
    """Shape (windows, 2, n)."""
    members: NDArray[np.int64]
    """How many flows each row has."""


@dataclass(frozen=True, eq=False)
class FlowRows:
    """n rows of the flows of a table."""

    table: FlowTable
    """Of flows."""
    ids: NDArray[np.uint64]
    """Of rows."""
    by: Joining = ALL_APART
    flows: NDArray[np.intp] | None = None
    """Positions in the table, those of a row side by side. None: each flow of the table is a row."""
    starts: NDArray[np.intp] | None = None
    """Where in `flows` each row begins; None: each row is one flow."""

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def members(self) -> NDArray[np.int64]:
        """How many flows each row has."""
        if self.flows is None or self.starts is None:
            return np.ones(len(self), np.int64)
        return np.diff(self.starts, append=len(self.flows)).astype(np.int64)

    @cached_property
    def rates(self) -> NDArray[np.float64]:
        """As of a FlowTable, added up."""
        return self.sums(self.table.rates)

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """Whether the bytes of any flow of a row ever had a counter."""
        return _reduced(self, np.logical_or, self.table.known)

    @cached_property
    def last_seen_ns(self) -> NDArray[np.int64]:
        """When the last flow of a row was seen."""
        return _reduced(self, np.maximum, self.table.last_seen_ns)

    @cached_property
    def tcp_flags(self) -> NDArray[np.uint8]:
        """Those of the flow, 0 where there are several."""
        flags = self.table.tcp_flags if self.flows is None else self.table.tcp_flags.take(self._first)
        return flags if self.starts is None else np.where(self.members > 1, np.uint8(0), flags)

    def sums(self, columns: NDArray[Element]) -> NDArray[Element]:
        """Columns of shape (…, flows) added up: shape (…, rows)."""
        return _reduced(self, np.add, columns)

    def common(self) -> NDArray[np.void]:
        """FLOW_ROW: what all flows of a row have in common by being in it; the rest is of one of them."""
        if self.flows is None:
            return self.table.flows
        rows = take(self.table.flows, self._first)
        blank(rows, self.by)
        return rows

    def details(self, numbers: NDArray[np.intp]) -> Details:
        """All that these rows show, in their order."""
        chosen = self._only(numbers)
        rows, members = chosen.common(), self.members.take(numbers)
        several = members > 1
        if several.any():
            chosen._agree(rows)
            for name in ("state", "rtt_us", "retransmits"):
                rows[name][several] = 0
        return Details(
            rows,
            self.known.take(numbers),
            self.last_seen_ns.take(numbers),
            self.tcp_flags.take(numbers),
            chosen.sums(self.table.totals),
            chosen.sums(self.table.packets),
            self.rates.take(numbers, axis=-1),
            members,
        )

    @property
    def _first(self) -> NDArray[np.intp]:
        """Positions in the table of one flow of each row, where rows are joined."""
        assert self.flows is not None
        return self.flows if self.starts is None else self.flows.take(self.starts)

    def _only(self, numbers: NDArray[np.intp]) -> FlowRows:
        """Some of the rows."""
        ids = self.ids.take(numbers)
        if self.flows is None or self.starts is None:
            flows = numbers if self.flows is None else self.flows.take(numbers)
            return FlowRows(self.table, ids, self.by, flows)
        members = self.members.take(numbers)
        starts = np.cumsum(members) - members
        places = (self.starts.take(numbers) - starts).repeat(members) + np.arange(members.sum())
        return FlowRows(self.table, ids, self.by, self.flows.take(places), starts)

    def _agree(self, rows: NDArray[np.void]) -> None:
        """Process and interface, where all flows of a row have the same."""
        lowest, same = {}, {}
        for name in ("pid", "attribution", "ifindex"):
            column = self.table.flows[name]
            lowest[name] = _reduced(self, np.minimum, column)
            same[name] = lowest[name] == _reduced(self, np.maximum, column)
        of_one = same["pid"] & (same["attribution"] | (lowest["pid"] != UNKNOWN))
        rows["pid"] = np.where(of_one, lowest["pid"], MIXED)
        rows["ifindex"] = np.where(same["ifindex"], lowest["ifindex"], 0)


def _reduced(rows: FlowRows, reduce: np.ufunc, columns: NDArray[Element]) -> NDArray[Element]:
    """Of columns of shape (…, flows) what `reduce` makes of the flows of each row: shape (…, rows)."""
    if rows.flows is None:
        return columns
    gathered = columns.take(rows.flows, axis=-1)
    if rows.starts is None or not len(rows.starts):
        return gathered
    reduced: NDArray[Element] = reduce.reduceat(gathered, rows.starts, axis=-1)
    return reduced


def join_flows(table: FlowTable, positions: NDArray[np.intp], by: Joining) -> FlowRows:
    """One row for all flows among `positions` that are equal in what `by` tells apart."""
    if by.group is not Group.FLOWS:
        positions = one_per_connection(table, positions)
    ids = row_ids(table.flows if len(positions) == len(table) else take(table.flows, positions), by)
    by_id = np.argsort(ids)
    ordered = ids.take(by_id)
    begins = np.ones(len(ids), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=begins[1:])
    if begins.all():
        return FlowRows(table, ids, by, positions)
    starts = np.flatnonzero(begins)
    return FlowRows(table, ordered.take(starts), by, positions.take(by_id), starts)


class RepeatedJoin:
    """`join_flows`, which has the rows of the last time once more for the same flows: to join many takes much of what a
    key may wait, and a key that orders them otherwise, or leads back to them, changes none."""

    def __init__(self) -> None:
        self._last: tuple[FlowTable, NDArray[np.intp], Joining, FlowRows] | None = None

    def __call__(self, table: FlowTable, positions: NDArray[np.intp], by: Joining) -> FlowRows:
        """As `join_flows`; may be called in any thread."""
        if self._last is not None:
            same_table, same_positions, same_by, joined = self._last
            if table is same_table and by == same_by and np.array_equal(positions, same_positions):
                return joined
        joined = join_flows(table, positions, by)
        self._last = table, positions, by, joined
        return joined
