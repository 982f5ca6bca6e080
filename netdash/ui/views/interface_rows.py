"""Interfaces as rows: what is counted of each, their order, and how they are stacked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from netdash.model.fault_history import InterfaceFaults
    from netdash.model.interface_history import InterfaceSeries
    from netdash.model.snapshot import Interface

DEFAULT_ORDER: Final = "order"
FOLDED_FROM: Final = 9
"""So many interfaces under one are folded until the user unfolds them."""

RowKey = tuple[int, str]
"""Index and name: an interface that is made anew under its old name is another one."""


@dataclass(frozen=True, slots=True)
class InterfaceRow:
    """One interface, or the sum of several, at one moment. Rates per second; None = not known."""

    interface: Interface
    interval: float
    faults: InterfaceFaults
    series: InterfaceSeries | None

    @property
    def key(self) -> RowKey:
        """Index and name."""
        return self.interface.index, self.interface.name

    def rate(self, amount: int | None) -> float | None:
        """An amount of the interval per second."""
        return None if amount is None or self.interval <= 0 else amount / self.interval

    @property
    def rx(self) -> float | None:
        """Bytes per second that came in."""
        return self.rate(self.interface.rx_bytes)

    @property
    def tx(self) -> float | None:
        """Bytes per second that went out."""
        return self.rate(self.interface.tx_bytes)

    def use(self, rate: float | None) -> float | None:
        """Share of the nominal speed that a rate takes, 1 = all."""
        speed = self.interface.speed_bps
        return rate * 8 / speed if speed and rate is not None else None

    @property
    def errors_now(self) -> int:
        """Packets in error in the interval, both directions."""
        return (self.interface.rx_errors or 0) + (self.interface.tx_errors or 0)

    @property
    def dropped_now(self) -> int:
        """Packets dropped in the interval, both directions."""
        return (self.interface.rx_dropped or 0) + (self.interface.tx_dropped or 0)

    @property
    def rx_total(self) -> int:
        """Bytes that came in since the start."""
        return self.series.rx.total_bytes if self.series else 0

    @property
    def tx_total(self) -> int:
        """Bytes that went out since the start."""
        return self.series.tx.total_bytes if self.series else 0


@dataclass(frozen=True, slots=True)
class TreeRow:
    """A row where it stands in the tree."""

    row: InterfaceRow
    depth: int = 0
    foldable: int = 0
    """How many rows stand under it that folding hides."""
    folded: bool = False

    @property
    def key(self) -> RowKey:
        """Index and name."""
        return self.row.key


def _order(row: InterfaceRow) -> tuple[int, int]:
    """Physical interfaces first, loopback last, else as the kernel numbers them."""
    kind = row.interface.kind
    return (0 if kind == "physical" else 2 if kind == "loopback" else 1), row.interface.index


_SORTS: Final[dict[str, Callable[[InterfaceRow], tuple[float | int | str, ...]]]] = {
    "name": lambda row: (row.interface.name,),
    "state": lambda row: (row.interface.state,),
    "kind": lambda row: (row.interface.kind,),
    "speed": lambda row: (row.interface.speed_bps or 0,),
    "rate": lambda row: ((row.rx or 0.0) + (row.tx or 0.0),),
    "rx": lambda row: (row.rx or 0.0,),
    "tx": lambda row: (row.tx or 0.0,),
    "rx_use": lambda row: (row.use(row.rx) or 0.0,),
    "tx_use": lambda row: (row.use(row.tx) or 0.0,),
    "rx_packets": lambda row: (row.interface.rx_packets or 0,),
    "tx_packets": lambda row: (row.interface.tx_packets or 0,),
    "errors": lambda row: (row.faults.errors,),
    "dropped": lambda row: (row.faults.dropped,),
    "rx_total": lambda row: (row.rx_total,),
    "tx_total": lambda row: (row.tx_total,),
    "total": lambda row: (row.rx_total + row.tx_total,),
    "multicast": lambda row: (row.interface.rx_multicast or 0,),
    "master": lambda row: (row.interface.master or row.interface.parent or "",),
    "address": lambda row: row.interface.addresses[:1],
    "spark": lambda row: ((row.rx or 0.0) + (row.tx or 0.0),),
}
TEXT_SORTS: Final = frozenset({"name", "state", "kind", "master", "address"})
"""Columns that are read from A to Z; figures are read from the largest."""


def order_rows(rows: Sequence[InterfaceRow], sort: str, descending: bool) -> list[InterfaceRow]:
    """The rows by a column; equal ones, and all by DEFAULT_ORDER, in the order of `_order`."""
    ordered = sorted(rows, key=_order)
    if sort in _SORTS:
        ordered.sort(key=_SORTS[sort], reverse=descending)
    elif descending:
        ordered.reverse()
    return ordered


def tree_rows(rows: Sequence[InterfaceRow], wishes: Mapping[RowKey, bool]) -> list[TreeRow]:
    """The rows in their order, each followed by what is stacked on it. `wishes`: what the user folded or unfolded."""
    from netdash.model.topology import tree  # imports NumPy, too slow for the first paint

    by_index = {row.interface.index: row for row in rows}

    def is_folded(interface: Interface, hidden: int) -> bool:
        return wishes.get((interface.index, interface.name), hidden >= FOLDED_FROM)

    placed = tree([row.interface for row in rows], is_folded)
    return [TreeRow(by_index[each.interface.index], each.depth, each.foldable, each.folded) for each in placed]
