"""The filter on the tables of the dashboard: one call for each view, which says what it hides to the header.

All rows stay without a filter, and where the filter says nothing of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from netdash.model.filter import Filter, parse_filter
from netdash.model.filter.context import Figures, FilterContext, HostNames, no_host_names
from netdash.model.flow_history import FlowTable
from netdash.model.own_session import OwnSession
from netdash.model.process_history import Moved
from netdash.model.protocols import protocol_name, state_name
from netdash.model.snapshot import Interface, Process, Snapshot
from netdash.model.windows import WINDOW_NS
from netdash.ui.scope import Narrowing
from netdash.ui.state import DashboardState
from netdash.ui.views.flow_groups import row_ids

Mask = NDArray[np.bool_]

_ASKED_NAMES = 256
"""Addresses whose names are looked up for a filter by host name."""


@runtime_checkable
class _Remembers(Protocol):
    """A resolver that tells what it knows by now."""

    def known_names(self) -> Mapping[bytes, str]: ...


class FlowMatch:
    """Finds the flows that match, in a thread too; `rate` is that over 2 seconds, `total` that since the start."""

    def __init__(self, state: DashboardState, chosen: Filter) -> None:
        self._state = state
        self._chosen = chosen
        self._context = _context(state, asks_names=chosen.wants_host_names)
        self._now_ns = state.histories.flows.now_ns

    def __call__(self, table: FlowTable, within: Mask | None = None) -> Mask:
        """Of the flows `within` the scope (None: all) those that match; of the others the recent ones are hidden."""
        rates = table.rates[0].sum(axis=0)
        totals = table.totals.sum(axis=0).astype(np.float64)
        rates[~table.known] = totals[~table.known] = np.nan
        matching = self._chosen.flows(table.flows, self._context, Figures(rates, totals))
        recent = table.last_seen_ns > self._now_ns - WINDOW_NS[-1]
        return _told(self._state, matching, recent, within)


class Narrowed:
    """Finds the flows within a scope's narrowings, in a thread too."""

    def __init__(self, narrowings: Sequence[Narrowing], context: FilterContext) -> None:
        self._rows = [narrowing.row for narrowing in narrowings if narrowing.row is not None]
        self._filters = [parse_filter(narrowing.words) for narrowing in narrowings if narrowing.row is None]
        self._context = context

    def __call__(self, flows: NDArray[np.void]) -> Mask:
        """FLOW_ROW (n) -> bool (n)."""
        within = np.ones(len(flows), np.bool_)
        for joining, row_id in self._rows:
            within &= row_ids(flows, joining) == np.uint64(row_id)
        for chosen in self._filters:
            within &= chosen.flows(flows, self._context)
        return within


def narrowed(state: DashboardState) -> Narrowed | None:
    """What finds the flows within the scope's narrowings; None: there are none."""
    narrowings = state.scope.narrowings
    if not narrowings or state.snapshot is None:
        return None
    return Narrowed(narrowings, _context(state, asks_names=False))


def flows_in_scope(state: DashboardState) -> Callable[[NDArray[np.void]], Mask] | None:
    """What finds the flows of the scope's interface and within its narrowings; None: all are."""
    interface, narrowings = state.scope.interface, narrowed(state)
    if interface is None:
        return narrowings

    def within(flows: NDArray[np.void]) -> Mask:
        of_interface: Mask = flows["ifindex"] == interface.index
        return of_interface if narrowings is None else of_interface & narrowings(flows)

    return within


class _WithoutSession:
    """Leaves out the user's own SSH connection before a filter, if there is one, sees the others."""

    def __init__(self, session: OwnSession, match: FlowMatch | None) -> None:
        self._session = session
        self._match = match

    def __call__(self, table: FlowTable, within: Mask | None = None) -> Mask:
        others = ~self._session.rows(table.flows)
        if within is not None:
            others &= within
        return others if self._match is None else self._match(table, others)


def flow_match(state: DashboardState) -> FlowMatch | _WithoutSession | None:
    """What finds the flows that match and are not hidden."""
    chosen = _filter_of(state)
    match = None if chosen is None else FlowMatch(state, chosen)
    return match if state.hidden_session is None else _WithoutSession(state.hidden_session, match)


def session_rates(state: DashboardState) -> tuple[float, float]:
    """Bytes per second, received and sent, of the hidden SSH connection over 2 seconds."""
    if state.hidden_session is None or state.snapshot is None:
        return 0.0, 0.0
    table = state.histories.flows.table
    rx, tx = table.rates[0][:, state.hidden_session.rows(table.flows)].sum(axis=1).tolist()
    return rx, tx


class _Moving(Protocol):
    @property
    def process(self) -> Process | None: ...

    @property
    def moved(self) -> Moved: ...


class _OfInterface(Protocol):
    @property
    def interface(self) -> Interface: ...


MovingRow = TypeVar("MovingRow", bound=_Moving)
InterfaceRow = TypeVar("InterfaceRow", bound=_OfInterface)


def matching_processes(state: DashboardState, rows: list[MovingRow]) -> list[MovingRow]:
    """Rows whose process matches, also through its connections; `rate` is that of the last interval.

    Rows that are no process match nothing.
    """
    if state.hidden_session is not None and state.snapshot is not None:
        carriers = state.hidden_session.pids(state.snapshot.sockets) | state.hidden_session.pids(state.snapshot.flows)
        rows = [row for row in rows if row.process is None or row.process.pid not in carriers]
    chosen = _filter_of(state)
    if chosen is None:
        return rows
    owned = [(row, row.process) for row in rows if row.process is not None]
    figures = Figures(
        _sums([(row.moved.rx_rate, row.moved.tx_rate) for row, _ in owned]),
        _sums([(row.moved.rx_total, row.moved.tx_total) for row, _ in owned]),
    )
    context = _context(state, asks_names=chosen.wants_host_names)
    mask = chosen.processes(tuple(process for _, process in owned), context, figures)
    shown = [row for (row, _), matches in zip(owned, mask.tolist(), strict=True) if matches]
    state.hidden_rows = len(rows) - len(shown)
    return shown


def matching_sockets(state: DashboardState, sockets: NDArray[np.void], within: Mask) -> Mask:
    """Of the sockets `within` the scope those that match and are not hidden."""
    if state.hidden_session is not None:
        within = within & ~state.hidden_session.rows(sockets)
    for narrowing in state.scope.narrowings if state.snapshot is not None else ():
        within = within & parse_filter(narrowing.words).sockets(sockets, _context(state, asks_names=False))
    chosen = _filter_of(state)
    if chosen is None:
        return within
    return _told(state, chosen.sockets(sockets, _context(state, asks_names=chosen.wants_host_names)), within)


def matching_interfaces(state: DashboardState, rows: Sequence[InterfaceRow]) -> Sequence[InterfaceRow]:
    """The interfaces that match; all where the filter says nothing of interfaces."""
    chosen = _filter_of(state)
    if chosen is None or chosen.foreign_words("interfaces"):
        return rows
    context = _context(state, asks_names=chosen.wants_host_names)
    mask = chosen.interfaces(tuple(row.interface for row in rows), context)
    state.hidden_rows = int(len(mask) - mask.sum())
    return tuple(row for row, matches in zip(rows, mask.tolist(), strict=True) if matches)


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


def _filter_of(state: DashboardState) -> Filter | None:
    """None also before the first snapshot, when there is nothing to show."""
    return state.row_filter if state.snapshot is not None else None


def _context(state: DashboardState, *, asks_names: bool) -> FilterContext:
    """`asks_names`: whether a filter goes by host names."""
    snapshot, table = state.snapshot, state.histories.flows.table
    resolver = state.resolver
    if asks_names and resolver is not None:
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
    return state.resolver.known_names if isinstance(state.resolver, _Remembers) else no_host_names


def _sums(pairs: Sequence[tuple[float | None, float | None]]) -> NDArray[np.float64]:
    """Both directions together; NaN where neither is known."""
    return np.array([np.nan if a is None and b is None else (a or 0.0) + (b or 0.0) for a, b in pairs], np.float64)


def _told(state: DashboardState, matching: Mask, *within: Mask | None) -> Mask:
    """What matches of the rows within all the masks; how many of those are hidden is told to the header."""
    candidates = np.ones(len(matching), np.bool_)
    for mask in within:
        if mask is not None:
            candidates &= mask
    state.hidden_rows = int((candidates & ~matching).sum())
    scope = within[-1]
    return matching if scope is None else matching & scope


def _protocols(snapshot: Snapshot) -> set[str]:
    pairs = _distinct_pairs(snapshot.flows["protocol"], snapshot.flows["ethertype"])
    names = {protocol_name(protocol, ethertype) for protocol, ethertype in pairs}
    return names | {protocol_name(protocol) for protocol in np.unique(snapshot.sockets["protocol"]).tolist()}


def _states(snapshot: Snapshot) -> set[str]:
    pairs = _distinct_pairs(snapshot.sockets["protocol"], snapshot.sockets["state"])
    return {name for protocol, state in pairs if (name := state_name(protocol, state)) is not None}


def _distinct_pairs(first: NDArray[np.uint8], second: NDArray[np.unsignedinteger]) -> list[tuple[int, int]]:
    """As one number each: NumPy sorts rows of two columns a hundred times as slow."""
    numbers = np.unique(first.astype(np.uint32) << np.uint32(16) | second).tolist()
    return [(number >> 16, number & 0xFFFF) for number in numbers]
