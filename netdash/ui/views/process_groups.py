"""Rows of processes joined by user, unit or container, and what can be opened below a row."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.model.ordering import stable_order
from netdash.model.process_history import UNKNOWN_MOVED, Moved
from netdash.model.protocols import TCP
from netdash.model.snapshot import Layer, Process, Snapshot
from netdash.model.tables import UNKNOWN, take
from netdash.ui.views.flow_groups import one_per_connection
from netdash.ui.views.flow_order import SHOWN_FOR_NS
from netdash.ui.views.flow_text import Labels, connection_scope, protocol_text
from netdash.ui.views.process_rows import TakenProcesses, TrafficRow, total_of

MAX_CONNECTIONS: Final = 50
"""Connections that are listed below a process, those of the highest rates; the Flows view has all."""


class ProcessGroup(StrEnum):
    """What a row stands for."""

    PROCESSES = "processes"
    USERS = "users"
    UNITS = "units"
    CONTAINERS = "containers"


_NAMES: Final[dict[ProcessGroup, Callable[[Process], str]]] = {
    ProcessGroup.USERS: lambda process: process.user,
    ProcessGroup.UNITS: lambda process: process.unit or "(no unit)",
    ProcessGroup.CONTAINERS: lambda process: process.container or "(no container)",
}


def group_rows(rows: Sequence[TrafficRow], group: ProcessGroup) -> list[TrafficRow]:
    """One row for the processes of one user, unit or container; what is no process's stays as it is."""
    if group is ProcessGroup.PROCESSES:
        return list(rows)
    name_of = _NAMES[group]
    joined: dict[str, list[TrafficRow]] = {}
    for row in rows:
        if row.process is not None:
            joined.setdefault(name_of(row.process), []).append(row)
    groups = [
        TrafficRow(
            total_of(members),
            sum(member.connections for member in members),
            group=name,
            members=tuple(members),
            exited=all(member.exited for member in members),
            present=any(member.present for member in members),
        )
        for name, members in joined.items()
    ]
    return groups + [row for row in rows if row.process is None]


def with_opened(
    rows: Sequence[TrafficRow],
    opened: Collection[Hashable],
    order: Callable[[Sequence[TrafficRow]], list[TrafficRow]],
    connections: Callable[[Process], list[TrafficRow]],
) -> list[TrafficRow]:
    """`rows` with the processes of opened groups and the connections of opened processes below them."""
    shown: list[TrafficRow] = []
    for row in rows:
        shown.append(row)
        if row.key not in opened:
            continue
        below = order(row.members) if row.group is not None else connections(row.process) if row.process else []
        inner = [replace(each, depth=row.depth + 1) for each in below]
        shown += with_opened(inner, opened, order, connections)
    return shown


def connection_rows(
    taken: TakenProcesses,
    labels: Labels,
    process: Process,
    within: Callable[[NDArray[np.void]], NDArray[np.bool_]] | None,
    *,
    payload: bool,
) -> list[TrafficRow]:
    """The process's connections of the last 40 s, each once, those of the highest rates first.

    `within`: FLOW_ROW to a mask, None: all. `payload`: without headers, of the last interval alone where packets are
    counted.
    """
    table, snapshot = taken.table, taken.snapshot
    chosen = (table.flows["pid"] == process.pid) & (table.last_seen_ns > snapshot.monotonic_ns - SHOWN_FOR_NS)
    if within is not None:
        chosen &= within(table.flows)
    positions = one_per_connection(table, np.flatnonzero(chosen))
    rates = table.rates[1][:, positions].sum(axis=0)
    positions = positions[stable_order(-rates)[:MAX_CONNECTIONS]]
    kind = "payload" if payload or snapshot.mode.layer == Layer.PAYLOAD else "bytes"
    last = _last_rates(snapshot, process.pid, table.flows["id"][positions], kind)
    rows = []
    for position in positions:
        flow = table.flows[position]
        # What is not in the snapshot moved nothing; only of TCP that says something of payload.
        silent = 0.0 if kind == "bytes" or int(flow["protocol"]) == TCP else None
        rx, tx = last.get(int(flow["id"]), (silent, silent))
        rx_total, tx_total = table.totals[:, position].tolist()
        rx10, tx10 = table.rates[1][:, position].tolist()
        moved = Moved(rx_total, tx_total, rx, tx, rx10, tx10) if table.known[position] else UNKNOWN_MOVED
        if payload and snapshot.mode.layer == Layer.WIRE:
            moved = replace(UNKNOWN_MOVED, rx_rate=rx, tx_rate=tx)
        rows.append(
            TrafficRow(moved, 0, connection=connection_scope(flow, labels), protocol=protocol_text(flow)),
        )
    return rows


def _last_rates(
    snapshot: Snapshot, pid: int, flow_ids: NDArray[np.uint64], kind: str
) -> dict[int, tuple[float | None, float | None]]:
    """Bytes per second, received and sent, of some flows of a process in the last interval; None where not known."""
    seconds = snapshot.interval or 1.0

    def rate(count_bytes: int) -> float | None:
        return None if count_bytes == UNKNOWN else count_bytes / seconds

    flows = snapshot.flows
    wanted = take(flows, (flows["pid"] == pid) & np.isin(flows["id"], flow_ids))
    return {int(row["id"]): (rate(int(row[f"rx_{kind}"])), rate(int(row[f"tx_{kind}"]))) for row in wanted}
