"""Whose packets are wanted: of the connection or the process in scope, of what the filter shows, else all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from netdash.model.connection import row_of_flow
from netdash.model.packets import MAX_WATCHED_FLOWS, PacketWatch, WatchedFlow, watched_flow
from netdash.model.protocols import ETHERTYPE_IPV4, ETHERTYPE_IPV6, protocol_name
from netdash.model.tables import IPV4_PREFIX, UNKNOWN, address_text
from netdash.model.windows import WINDOW_NS
from netdash.ui.filtering import flow_match, flows_in_scope
from netdash.ui.views.flow_text import end_text
from netdash.ui.views.packet_owners import note_of

if TYPE_CHECKING:
    from netdash.model.packet_comment import ProcessNote
    from netdash.ui.scope import ConnectionScope, Scope
    from netdash.ui.state import DashboardState

_END_CELLS = 60


@dataclass(frozen=True, slots=True)
class PacketChoice:
    """What the page shows packets of."""

    watch: PacketWatch | None
    """None: there is nothing to watch."""
    words: str
    """"of curl (4321) on eth0"."""
    reason: str = ""
    """Why there is nothing to watch."""
    note: str = ""
    """What is less than was asked for."""
    one_connection: bool = False
    """Whether all packets have the same two ends."""
    owner: ProcessNote | None = None
    """Whose they all are, where that is known."""
    hidden_flows: int | None = None
    """How many flows the filter leaves out; None where it does not apply."""


def packet_choice(state: DashboardState) -> PacketChoice:
    """By the scope and the filter as they are now."""
    scope = state.scope
    if scope.connection is not None:
        return _of_connection(state, scope.connection)
    ifindex = scope.interface.index if scope.interface else 0
    if state.row_filter is not None or scope.narrowings:
        return _of_flows(state, ifindex, _words_of_matches(state))
    where = _where(scope)
    if scope.process is not None:
        process = scope.process
        owner = note_of(process.pid, state.histories.processes.known)
        words = f"of {process.name} ({process.pid}){where}"
        if not state.packet_feed.live:
            # A file knows addresses only.
            return replace(_of_flows(state, ifindex, words), owner=owner)
        return PacketChoice(PacketWatch(pid=process.pid, ifindex=ifindex), words, owner=owner)
    return PacketChoice(PacketWatch(everything=True, ifindex=ifindex), f"all{where or ' on all interfaces'}")


def _where(scope: Scope) -> str:
    return f" on {scope.interface.name}" if scope.interface else ""


def _of_connection(state: DashboardState, connection: ConnectionScope) -> PacketChoice:
    flows = state.histories.flows.table.flows
    row = row_of_flow(flows, connection.flow_id)
    flow = watched_flow(flows[row]) if row is not None else _flow_of_scope(connection)
    words = f"of {_connection_words(connection)} on {connection.interface}"
    if flow is None:
        return PacketChoice(None, words, "this row stands for many flows that have none of their own")
    ifindex, pid = (int(flows[row]["ifindex"]), int(flows[row]["pid"])) if row is not None else (0, UNKNOWN)
    owner = note_of(pid, state.histories.processes.known) if pid > UNKNOWN else None
    return PacketChoice(PacketWatch(flows=(flow,), ifindex=ifindex), words, one_connection=True, owner=owner)


def _flow_of_scope(connection: ConnectionScope) -> WatchedFlow:
    """Of a flow that is not in the table any more."""
    ethertype = ETHERTYPE_IPV4 if connection.local[:12] == IPV4_PREFIX else ETHERTYPE_IPV6
    ends = connection.local, connection.local_port, connection.remote, connection.remote_port
    return WatchedFlow(ethertype, connection.protocol, *ends)


def _connection_words(connection: ConnectionScope) -> str:
    port = f":{connection.local_port}" if connection.local_port else ""
    local = end_text(address_text(connection.local), port, _END_CELLS)
    return f"{protocol_name(connection.protocol)} {local} ↔ {connection.name}"


def _words_of_matches(state: DashboardState) -> str:
    scope = state.scope
    texts = [narrowing.words for narrowing in scope.narrowings]
    text = " ".join([*texts, state.row_filter.text] if state.row_filter else texts)
    of = f" of {scope.process.name} ({scope.process.pid})" if scope.process else ""
    return f"of flows that match {text}{of}{_where(scope)}"


def _of_flows(state: DashboardState, ifindex: int, words: str) -> PacketChoice:
    """Of the flows of the scope that match the filter, the largest of the last 40 s first. With many flows, for a
    thread."""
    table, scope, match = state.histories.flows.table, state.scope, flow_match(state)
    within = np.ones(len(table), np.bool_)
    in_scope = flows_in_scope(state)
    if in_scope is not None:
        within &= in_scope(table.flows)
    if scope.process is not None:
        within &= table.flows["pid"] == scope.process.pid
    rows = np.flatnonzero(within if match is None else match(table, within))
    hidden = None if state.row_filter is None else state.hidden_rows
    silent = table.last_seen_ns[rows] < state.histories.flows.now_ns - WINDOW_NS[-1]
    order = rows[np.lexsort((-table.totals[:, rows].sum(axis=0), silent))]
    found = dict.fromkeys(flow for row in order.tolist() if (flow := watched_flow(table.flows[row])) is not None)
    flows = tuple(sorted(tuple(found)[:MAX_WATCHED_FLOWS], key=_flow_key))
    if not flows:
        return PacketChoice(None, words, "there is no such flow at this moment", hidden_flows=hidden)
    more = len(found) - len(flows)
    note = f"{len(found)} flows: of the {len(flows)} largest" if more else ""
    return PacketChoice(PacketWatch(flows=flows, ifindex=ifindex), words, note=note, hidden_flows=hidden)


def _flow_key(flow: WatchedFlow) -> tuple[int, bytes, int, bytes, int]:
    """An order that stays while the same flows match: another watch would interrupt the packets."""
    return flow.protocol, flow.local, flow.local_port, flow.remote, flow.remote_port
