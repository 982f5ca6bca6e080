"""Which flows are shown, in which order, one by one or joined by their hosts. Pure NumPy on whole columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from netdash.model.flow_history import FlowTable
from netdash.model.hashing import address_words, hash_columns
from netdash.model.tables import FLOW_OVERFLOW, FLOW_ROW
from netdash.model.windows import WINDOW_NS

Sort = Literal["rate", "total", "local", "remote", "port"]

SHOWN_FOR_NS: Final = WINDOW_NS[-1]
"""A flow that was silent for so long is shown only in the order by totals."""

MIXED: Final = -2
"""Stands for a pid where joined flows have different ones."""


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
    ports: bool = True
    """False: flows between two hosts with one protocol are one row."""


@dataclass(frozen=True, slots=True)
class FlowLimits:
    """The scope: None = no limit."""

    ifindex: int | None = None
    pid: int | None = None
    matching: Callable[[FlowTable, NDArray[np.bool_] | None], NDArray[np.bool_]] | None = None
    """Gives, of the flows within the other limits, those that match the filter."""


@dataclass(frozen=True, slots=True, eq=False)
class Arrangement:
    """Rows in the order of the screen."""

    table: FlowTable
    order: NDArray[np.intp]
    """Positions in `table`."""
    ids: NDArray[np.uint64]
    """Row identities, in the order of the screen."""
    members: NDArray[np.int64] | None = None
    """By position: how many flows are joined in the row; None: one."""
    new: int = 0
    """Rows at the end that came after the order was frozen."""
    hidden: int = 0
    """Flows that are not shown because they were silent for long."""
    sums: NDArray[np.float64] = field(default_factory=lambda: np.zeros((4, 2)))
    """Of all rows, shown or not: total bytes, then the rate of each window; received and sent."""
    peaks: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
    """The highest rate of a line in each window."""


def arrange(
    table: FlowTable,
    now_ns: int,
    wanted: FlowOrder,
    limits: FlowLimits,
    frozen: NDArray[np.uint64] | None = None,
) -> Arrangement:
    """The rows to show. `frozen`: identities of an order to keep; rows that are not in it go to its end.

    Takes some tens of milliseconds for 100,000 flows.
    """
    chosen = np.ones(len(table), np.bool_)
    if limits.ifindex is not None:
        chosen &= table.flows["ifindex"] == limits.ifindex
    if limits.pid is not None:
        chosen &= table.flows["pid"] == limits.pid
    if limits.matching is not None:
        chosen = limits.matching(table, chosen)
    sums = np.concatenate([table.totals[None, :, chosen].sum(axis=2), table.rates[:, :, chosen].sum(axis=2)])
    recent = chosen & (table.last_seen_ns > now_ns - SHOWN_FOR_NS)
    visible = chosen if wanted.sort == "total" else recent
    if frozen is not None:
        visible = recent | (chosen & np.isin(table.flows["id"], frozen))
    positions = np.flatnonzero(visible)
    hidden = int(chosen.sum()) - len(positions)
    row_ids, members = table.flows["id"], None
    if not wanted.ports:
        table, row_ids, members = _joined(table, positions)
        positions = np.arange(len(table))
    order = _sorted(table, positions, wanted)
    ids = row_ids[order]
    new = 0
    if frozen is not None:
        kept = _in_frozen_order(ids, frozen)
        new = len(ids) - int(np.isin(ids, frozen).sum())
        order, ids = order[kept], ids[kept]
    return Arrangement(table, order, ids, members, new, hidden, sums, _peaks(table, order, wanted.lines))


def line_rates(rates: NDArray[np.float64], lines: LineMode) -> NDArray[np.float64]:
    """What a row is measured by: shape (…, 2, n) to (…, n)."""
    if lines == LineMode.SENT:
        return np.asarray(rates[..., 1, :])
    if lines == LineMode.RECEIVED:
        return np.asarray(rates[..., 0, :])
    return np.asarray(rates.sum(axis=-2))


def _peaks(table: FlowTable, order: NDArray[np.intp], lines: LineMode) -> NDArray[np.float64]:
    if not len(order):
        return np.zeros(3)
    shown = table.rates[:, :, order]
    if lines == LineMode.TWO:
        return np.asarray(shown.max(axis=(1, 2)))
    return np.asarray(line_rates(shown, lines).max(axis=1))


def _sorted(table: FlowTable, positions: NDArray[np.intp], wanted: FlowOrder) -> NDArray[np.intp]:
    """`positions` in the wanted order; what is equal stays in the order in which it came up."""
    if wanted.sort in ("rate", "total"):
        columns = table.rates[wanted.window] if wanted.sort == "rate" else table.totals.astype(np.float64)
        key = line_rates(columns, wanted.lines)[positions]
        key[~table.known[positions]] = -1.0
        order = np.argsort(-key if wanted.descending else key, kind="stable")
    else:
        order = np.lexsort(_text_keys(table.flows, positions, wanted.sort))
        if wanted.descending:
            order = order[::-1]
    return positions[order]


def _text_keys(flows: NDArray[np.void], positions: NDArray[np.intp], sort: Sort) -> list[NDArray[np.unsignedinteger]]:
    """Columns for np.lexsort, the most important last: the address as a number, then its port; or the port of the
    service, which mostly is the lower one."""
    local_port, remote_port = flows["local_port"][positions], flows["remote_port"][positions]
    if sort == "port":
        lower = np.where(
            (local_port == 0) | (remote_port == 0),
            np.maximum(local_port, remote_port),
            np.minimum(local_port, remote_port),
        )
        return [np.maximum(local_port, remote_port), lower]
    port = local_port if sort == "local" else remote_port
    high, low = (np.ascontiguousarray(word).byteswap() for word in address_words(flows[sort][positions]))
    # IPv4 alone, which is most common, has nothing in the upper half.
    return [port, low, high] if high.any() else [port, low]


def _in_frozen_order(ids: NDArray[np.uint64], frozen: NDArray[np.uint64]) -> NDArray[np.intp]:
    """Indices into `ids`: those in `frozen` first, in its order."""
    by_id = np.argsort(frozen, kind="stable")
    if not len(frozen):
        return np.arange(len(ids))
    place = np.minimum(np.searchsorted(frozen, ids, sorter=by_id), len(frozen) - 1)
    rank = np.where(frozen[by_id[place]] == ids, by_id[place], len(frozen))
    return np.argsort(rank, kind="stable")


def _joined(table: FlowTable, positions: NDArray[np.intp]) -> tuple[FlowTable, NDArray[np.uint64], NDArray[np.int64]]:
    """A table of one row for each interface, protocol and pair of hosts among `positions`; their ids and counts."""
    raw = np.ascontiguousarray(table.flows).view(np.dtype((np.void, FLOW_ROW.itemsize)))
    flows = raw[positions].view(FLOW_ROW)
    place = (
        flows["ifindex"].astype(np.uint64)
        | flows["ethertype"].astype(np.uint64) << np.uint64(32)
        | flows["protocol"].astype(np.uint64) << np.uint64(48)
        | (flows["flags"] & FLOW_OVERFLOW).astype(np.uint64) << np.uint64(56)
    )
    vlan = flows["vlan"].astype(np.uint64)
    ids = hash_columns(place, vlan, *address_words(flows["local"]), *address_words(flows["remote"]))
    by_id = np.argsort(ids)
    starts = np.flatnonzero(np.concatenate([[True], ids[by_id][1:] != ids[by_id][:-1]])) if len(ids) else by_id
    first = by_id[starts]
    rows = flows.view(raw.dtype)[first].view(FLOW_ROW)
    if not len(ids):
        return _selected(table, positions, rows), ids, np.zeros(0, np.int64)
    pids = flows["pid"][by_id]
    lowest, highest = np.minimum.reduceat(pids, starts), np.maximum.reduceat(pids, starts)
    rows["pid"] = np.where(lowest == highest, lowest, MIXED)
    chosen = positions[by_id]
    joined = FlowTable(
        rows,
        np.logical_or.reduceat(table.known[chosen], starts),
        np.maximum.reduceat(table.last_seen_ns[chosen], starts),
        np.add.reduceat(table.totals[:, chosen], starts, axis=1),
        np.add.reduceat(table.rates[:, :, chosen], starts, axis=2),
    )
    return joined, ids[first], np.diff(np.append(starts, len(ids)))


def _selected(table: FlowTable, positions: NDArray[np.intp], rows: NDArray[np.void]) -> FlowTable:
    return FlowTable(
        rows,
        table.known[positions],
        table.last_seen_ns[positions],
        table.totals[:, positions],
        table.rates[:, :, positions],
    )
