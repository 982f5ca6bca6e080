"""What `--filter` leaves of a snapshot's tables."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.model.filter import Filter
from netdash.model.filter.context import Figures, FilterContext
from netdash.model.flow_history import FlowHistory
from netdash.model.sanitize import sanitize
from netdash.model.snapshot import Snapshot
from netdash.model.tables import take
from netdash.sources.resolver import Resolver

_ASKED_NAMES: Final = 256
"""Addresses of one snapshot whose names are looked up for a filter by host name."""


@dataclass(frozen=True, slots=True)
class HiddenRows:
    """Rows of one snapshot that do not match."""

    flows: int
    processes: int
    sockets: int


class RowFilter:
    """Keeps the flows, processes and sockets that match; all else of a snapshot stays whole."""

    def __init__(self, chosen: Filter, bits: bool, resolver: Resolver) -> None:
        """`bits`: rates without a unit are in bits; `resolver` stays the caller's to close."""
        self.text = sanitize(chosen.text)
        self.note = f"filter '{self.text}': flows, processes and sockets that match; all else is whole"
        self._chosen = chosen
        self._bits = bits
        self._resolver = resolver

    def apply(self, snapshot: Snapshot) -> tuple[Snapshot, HiddenRows]:
        """The snapshot with the rows that match; `rate` and `total` are those of its interval."""
        context = self._context(snapshot)
        flows = self._chosen.flows(snapshot.flows, context)
        sockets = self._chosen.sockets(snapshot.sockets, context)
        processes = self._chosen.processes(snapshot.processes, context)
        hidden = HiddenRows(*(int(len(mask) - mask.sum()) for mask in (flows, processes, sockets)))
        kept = tuple(p for p, matches in zip(snapshot.processes, processes.tolist(), strict=True) if matches)
        shown = replace(
            snapshot,
            flows=take(snapshot.flows, flows),
            sockets=take(snapshot.sockets, sockets),
            processes=kept,
        )
        return shown, hidden

    def history_mask(self, history: FlowHistory, snapshot: Snapshot) -> NDArray[np.bool_]:
        """The rows of a history's table that match; `rate` is that over 2 seconds, `total` that since the start."""
        table = history.table
        rates = table.rates[0].sum(axis=0)
        totals = table.totals.sum(axis=0).astype(np.float64)
        rates[~table.known] = totals[~table.known] = np.nan
        return self._chosen.flows(table.flows, self._context(snapshot), Figures(rates, totals))

    def _context(self, snapshot: Snapshot) -> FilterContext:
        if self._chosen.wants_host_names:
            for address in {end.tobytes() for end in snapshot.flows["remote"][:_ASKED_NAMES]}:
                self._resolver.name(address)
        return FilterContext.of(snapshot, host_names=self._resolver.known_names, bits=self._bits)
