"""Processes as rows: what each moved, what no process moved among them, and their order."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.model.flow_history import FlowHistory, FlowTable
from netdash.model.process_history import Moved, OtherKind, OtherTraffic, ProcessHistory, ProcessRow
from netdash.model.snapshot import Layer, Process, Snapshot
from netdash.model.tables import Attribution
from netdash.ui.scope import ConnectionScope
from netdash.ui.views.flow_groups import one_per_connection

OTHER_NAMES: Final = {
    OtherKind.FORWARDED: "forwarded traffic",
    OtherKind.KERNEL: "kernel's own",
    OtherKind.UNATTRIBUTED: "no process known",
    OtherKind.GONE: "gone processes",
}


@dataclass(frozen=True, slots=True)
class TrafficRow:
    """One row: a process, several with something in common, one connection, or what no process moved."""

    moved: Moved
    connections: int
    process: Process | None = None
    other: OtherKind | None = None
    exited: bool = False
    present: bool = True
    exited_at: float | None = None
    """Seconds since the epoch; None = it was not seen to end."""
    group: str | None = None
    """Name of what the processes `members` have in common."""
    members: tuple[TrafficRow, ...] = ()
    connection: ConnectionScope | None = None
    protocol: str = ""
    """Of the connection."""
    depth: int = 0
    """How many rows it stands below."""

    @property
    def key(self) -> Hashable:
        """Names the row for good."""
        if self.connection is not None:
            return "flow", self.connection.flow_id
        if self.group is not None:
            return "group", self.group
        return (self.process.pid, self.process.start_ticks) if self.process else self.other

    @property
    def name(self) -> str:
        """What the row is called."""
        if self.connection is not None:
            return self.connection.name
        if self.group is not None:
            return self.group
        return self.process.name if self.process else OTHER_NAMES[self.other] if self.other else ""


@dataclass(frozen=True, slots=True, eq=False)
class TakenProcesses:
    """What rows are made of, as it was at one moment."""

    rows: tuple[ProcessRow, ...]
    others: Mapping[OtherKind, OtherTraffic]
    known: Mapping[int, Process]
    table: FlowTable
    snapshot: Snapshot

    @property
    def wall_minus_monotonic(self) -> float:
        """Seconds to add to the monotonic clock for the time of day."""
        return self.snapshot.time - self.snapshot.monotonic_ns / 1e9

    @classmethod
    def of(cls, processes: ProcessHistory, flows: FlowHistory, snapshot: Snapshot) -> TakenProcesses:
        """What the histories hold now."""
        return cls(processes.rows, processes.others, processes.known, flows.table, snapshot)


def all_rows(taken: TakenProcesses, *, payload: bool = False) -> list[TrafficRow]:
    """Every process, and what is no process's where there was any; `payload`: without headers, as it was moved."""
    rows = [_process_row(row, row.payload if payload else row.moved, taken.wall_minus_monotonic) for row in taken.rows]
    return rows + [
        _other_row(other, other.payload if payload else other.moved)
        for other in taken.others.values()
        if _matters(other.moved)
    ]


def flow_rows(taken: TakenProcesses, within: Callable[[NDArray[np.void]], NDArray[np.bool_]]) -> list[TrafficRow]:
    """The same of some flows alone: rates of the last interval, totals since the start. `within`: FLOW_ROW to a mask.

    A connection that is seen on several interfaces counts once.
    """
    snapshot, table = taken.snapshot, taken.table
    past = one_per_connection(table, np.flatnonzero(within(table.flows)))
    figures = [table.totals[:, past].astype(np.float64), table.rates[1][:, past]]
    owners = _sums_by_owner(taken, table.flows, past, np.concatenate(figures))
    now = np.flatnonzero(np.isin(snapshot.flows["id"], table.flows["id"][past]))
    kind = "payload" if snapshot.mode.layer == Layer.PAYLOAD else "bytes"
    moved = np.maximum(np.stack([snapshot.flows[f"{direction}_{kind}"][now] for direction in ("rx", "tx")]), 0)
    active = (moved > 0).any(axis=0, keepdims=True)
    last = _sums_by_owner(taken, snapshot.flows, now, np.concatenate([moved, active]).astype(np.float64))
    by_pid = {row.process.pid: row for row in taken.rows}
    interval = snapshot.interval or 1.0
    rows = []
    for owner, (rx_total, tx_total, rx10, tx10) in owners.items():
        rx, tx, connections = last.get(owner, (0.0, 0.0, 0.0))
        each = Moved(int(rx_total), int(tx_total), rx / interval, tx / interval, rx10, tx10)
        if isinstance(owner, OtherKind):
            rows.append(_other_row(OtherTraffic(owner, each, int(connections)), each))
        else:
            rows.append(_process_row(by_pid[owner], each, taken.wall_minus_monotonic, int(connections)))
    return rows


def _process_row(
    row: ProcessRow, moved: Moved, wall_minus_monotonic: float, connections: int | None = None
) -> TrafficRow:
    if connections is None:
        connections = row.process.connections if row.present else 0
    exited_at = None if row.exited_ns is None else row.exited_ns / 1e9 + wall_minus_monotonic
    return TrafficRow(
        moved,
        connections,
        process=row.process,
        exited=row.exited_ns is not None,
        present=row.present,
        exited_at=exited_at,
    )


def _other_row(other: OtherTraffic, moved: Moved) -> TrafficRow:
    return TrafficRow(moved, other.connections, other=other.kind)


def _matters(moved: Moved) -> bool:
    return bool(moved.rx_total or moved.tx_total)


_KIND_CODES: Final = {-1: OtherKind.UNATTRIBUTED, -2: OtherKind.FORWARDED, -3: OtherKind.KERNEL, -4: OtherKind.GONE}


def _sums_by_owner(
    taken: TakenProcesses, flows: NDArray[np.void], chosen: NDArray[np.intp], figures: NDArray[np.float64]
) -> dict[int | OtherKind, list[float]]:
    """Sums of `figures`, shape (k, len(chosen)), by pid, or by kind where no process with a row owns the flow."""
    pids, attribution = flows["pid"][chosen].astype(np.int64), flows["attribution"][chosen]
    with_row = np.isin(pids, [row.process.pid for row in taken.rows])
    # A process that was known and has no row any more is gone; one that never had a row is not known.
    owner = np.where(with_row, pids, np.where(np.isin(pids, list(taken.known)), -4, -1))
    owner[attribution == Attribution.FORWARDED] = -2
    owner[attribution == Attribution.KERNEL] = -3
    owners, group = np.unique(owner, return_inverse=True)
    sums = np.zeros((len(figures), len(owners)))
    for row, figure in zip(sums, figures, strict=True):
        np.add.at(row, group, figure)
    return {_KIND_CODES.get(code, code): column for code, column in zip(owners.tolist(), sums.T.tolist(), strict=True)}


def total_of(rows: Iterable[TrafficRow]) -> Moved:
    """The sum of all rows; what is not known adds nothing, and where nothing is known the sum is not known."""

    def add(values: Iterable[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return sum(known) if known else None

    moved = [row.moved for row in rows]
    rx_total, tx_total = add(m.rx_total for m in moved), add(m.tx_total for m in moved)
    return Moved(
        None if rx_total is None else int(rx_total),
        None if tx_total is None else int(tx_total),
        add(m.rx_rate for m in moved),
        add(m.tx_rate for m in moved),
        add(m.rx_rate10 for m in moved),
        add(m.tx_rate10 for m in moved),
    )


def _sum(first: float | None, second: float | None) -> float:
    return (first or 0.0) + (second or 0.0)


_SORTS: Final[dict[str, Callable[[TrafficRow], tuple[float | int | str, ...]]]] = {
    "rx": lambda row: (row.moved.rx_rate or 0.0, row.moved.rx_rate10 or 0.0, row.moved.rx_total or 0),
    "tx": lambda row: (row.moved.tx_rate or 0.0, row.moved.tx_rate10 or 0.0, row.moved.tx_total or 0),
    "rx10": lambda row: (row.moved.rx_rate10 or 0.0,),
    "tx10": lambda row: (row.moved.tx_rate10 or 0.0,),
    "rx_total": lambda row: (row.moved.rx_total or 0,),
    "tx_total": lambda row: (row.moved.tx_total or 0,),
    "rate": lambda row: (
        _sum(row.moved.rx_rate, row.moved.tx_rate),
        _sum(row.moved.rx_rate10, row.moved.tx_rate10),
        _sum(row.moved.rx_total, row.moved.tx_total),
    ),
    "total": lambda row: (_sum(row.moved.rx_total, row.moved.tx_total),),
    "connections": lambda row: (row.connections,),
    "name": lambda row: (row.name.casefold(), row.process.pid if row.process else 0),
    "user": lambda row: (row.process.user if row.process else "",),
    "pid": lambda row: (row.process.pid if row.process else -1,),
    "unit": lambda row: (unit_of(row.process),),
}
SORTABLE: Final = frozenset(_SORTS)
FROM_A_TO_Z: Final = frozenset({"name", "user", "pid", "unit"})
"""Columns that are read from the smallest; figures are read from the largest."""


def order_rows(rows: Iterable[TrafficRow], sort: str, descending: bool) -> list[TrafficRow]:
    """The rows by a column; equal ones by pid."""
    by_pid = sorted(rows, key=lambda row: row.process.pid if row.process else 1 << 32)
    return sorted(by_pid, key=_SORTS[sort], reverse=descending)


def unit_of(process: Process | None) -> str:
    """Its container, else its systemd unit; empty where it has neither."""
    return "" if process is None else process.container or process.unit or ""
