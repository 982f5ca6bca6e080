"""The filter on the tables of the dashboard: one call for each view, which says what it hides to the header.

All give None without a filter. What a view draws stays whole where the filter says nothing of its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from netdash.model.filter import Filter
from netdash.model.filter.context import FilterContext, Figures, HostNames, no_host_names
from netdash.model.flow_history import FlowTable
from netdash.model.process_history import ProcessRow
from netdash.model.protocols import protocol_name, state_name
from netdash.model.snapshot import Interface, Process, Snapshot
from netdash.ui.state import DashboardState

Mask = NDArray[np.bool_]

_ASKED_NAMES = 256
"""Addresses whose names are looked up for a filter by host name."""


def flow_filter(state: DashboardState) -> Callable[[FlowTable], Mask] | None:
    """A function that finds the rows of a table of flows that match; it may be called in a thread.

    `rate` is that over 2 seconds, `total` that since the start.
    """
    chosen = state.row_filter
    if chosen is None:
        return None
    context = _context(state, chosen)
    return lambda table: chosen.flows(table.flows, context, _flow_figures(table))


def process_mask(state: DashboardState, rows: Sequence[ProcessRow]) -> Mask | None:
    """The processes that match, also through their connections; `rate` is that of the last interval."""
    chosen = state.row_filter
    if chosen is None:
        return None
    figures = Figures(
        _sums([(row.moved.rx_rate, row.moved.tx_rate) for row in rows]),
        _sums([(row.moved.rx_total, row.moved.tx_total) for row in rows]),
    )
    return _told(state, chosen.processes(tuple(row.process for row in rows), _context(state, chosen), figures))


def socket_mask(state: DashboardState, sockets: NDArray[np.void]) -> Mask | None:
    """The sockets that match."""
    chosen = state.row_filter
    return None if chosen is None else _told(state, chosen.sockets(sockets, _context(state, chosen)))


def interface_mask(state: DashboardState, interfaces: Sequence[Interface]) -> Mask | None:
    """The interfaces that match; None where the filter says nothing of interfaces."""
    chosen = state.row_filter
    if chosen is None or chosen.foreign_words("interfaces"):
        return None
    return _told(state, chosen.interfaces(tuple(interfaces), _context(state, chosen)))


def seen_values(state: DashboardState, word: str) -> set[str]:
    """What a word could be followed by, of what is there now: for completion."""
    snapshot = state.snapshot
    if snapshot is None:
        return set()
    processes: Sequence[Process] = snapshot.processes
    match word:
        case "proc":
            return {process.name for process in processes}
        case "pid":
            return {str(process.pid) for process in processes}
        case "user":
            return {process.user for process in processes}
        case "unit":
            return {process.unit for process in processes if process.unit}
        case "container":
            return {process.container for process in processes if process.container}
        case "iface":
            return {interface.name for interface in snapshot.interfaces}
        case "host":
            return set(_known_names(state)().values())
        case "proto":
            return _protocols(snapshot)
        case "state":
            return _states(snapshot) | {interface.state for interface in snapshot.interfaces}
        case _:
            return set()


def _context(state: DashboardState, chosen: Filter) -> FilterContext:
    snapshot, table = state.snapshot, state.histories.flows.table
    resolver = state.resolver
    if chosen.wants_host_names and resolver is not None:
        for address in {end.tobytes() for end in table.flows["remote"][-_ASKED_NAMES:]}:
            resolver.name(address)
    return FilterContext(
        processes=state.histories.processes.known,
        interfaces=snapshot.interfaces if snapshot else (),
        flows=snapshot.flows if snapshot else table.flows[:0],
        sockets=snapshot.sockets if snapshot else FilterContext().sockets,
        interval=snapshot.interval if snapshot else 0.0,
        layer=state.histories.flows.layer,
        host_names=_known_names(state),
        bits=state.units.bits,
    )


def _known_names(state: DashboardState) -> HostNames:
    return state.resolver.known_names if state.resolver is not None else no_host_names


def _flow_figures(table: FlowTable) -> Figures:
    rates = table.rates[0].sum(axis=0)
    totals = table.totals.sum(axis=0).astype(np.float64)
    rates[~table.known] = totals[~table.known] = np.nan
    return Figures(rates, totals)


def _sums(pairs: Sequence[tuple[float | None, float | None]]) -> NDArray[np.float64]:
    """Both directions together; NaN where neither is known."""
    return np.array([np.nan if a is None and b is None else (a or 0.0) + (b or 0.0) for a, b in pairs], np.float64)


def _told(state: DashboardState, mask: Mask) -> Mask:
    state.hidden_rows = int(len(mask) - mask.sum())
    return mask


def _protocols(snapshot: Snapshot) -> set[str]:
    pairs = np.unique(snapshot.flows[["protocol", "ethertype"]]).tolist()
    names = {protocol_name(protocol, ethertype) for protocol, ethertype in pairs}
    return names | {protocol_name(protocol) for protocol in np.unique(snapshot.sockets["protocol"]).tolist()}


def _states(snapshot: Snapshot) -> set[str]:
    pairs = np.unique(snapshot.sockets[["protocol", "state"]]).tolist()
    return {name for protocol, state in pairs if (name := state_name(protocol, state)) is not None}
