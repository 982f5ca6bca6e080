"""Two consecutive snapshots as one: a slow reader loses nothing, and a run's totals are its merged snapshots."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from netdash.model.snapshot import Accounting, Health, Interface, InterfaceProtocols, Process, SizeBucket, Snapshot
from netdash.model.stations import merge_stations
from netdash.model.tables import FLOW_OVERFLOW, UNKNOWN, Attribution, join, take

V = TypeVar("V")

MAX_FLOWS: Final = 262_144
"""Flows of a merged snapshot; the smallest beyond are folded into one row an interface."""

MAX_PROCESSES: Final = 65_536

PROTOCOL_CLASSES: Final = tuple(f.name for f in fields(InterfaceProtocols) if f.name != "sizes")
"""Names of the traffic classes of `InterfaceProtocols`."""

_FLOW_SUMS: Final = ("rx_bytes", "tx_bytes", "rx_packets", "tx_packets", "rx_payload", "tx_payload")


def merge(earlier: Snapshot, later: Snapshot) -> Snapshot:
    """One snapshot of both intervals: figures added, states and names those of `later`.

    What is unknown in one part is unknown in the sum. Rows that only `earlier` has stay, so that totals are complete.
    A baseline adds nothing.
    """
    if earlier.interval == 0.0:
        return later
    flows, evicted = merge_flows(earlier.flows, later.flows)
    processes, left_out = _merge_processes(earlier.processes, later.processes)
    notes = dict.fromkeys((*earlier.health.notes, *later.health.notes))
    if left_out:
        notes[f"processes beyond {MAX_PROCESSES} are left out of the table"] = None
    return replace(
        later,
        interval=earlier.interval + later.interval,
        health=Health(
            earlier.health.lost_packets + later.health.lost_packets,
            earlier.health.evicted_flows + later.health.evicted_flows + evicted,
            tuple(notes),
        ),
        accounting=_merge_dicts(earlier.accounting, later.accounting, add_accounting),
        interfaces=_merge_interfaces(earlier.interfaces, later.interfaces),
        processes=processes,
        flows=flows,
        sockets=_merge_sockets(earlier.sockets, later.sockets),
        protocols=_merge_dicts(earlier.protocols, later.protocols, add_protocols),
        stations=merge_stations(earlier.stations, later.stations),
        counters=_merge_dicts(earlier.counters, later.counters, lambda a, b: a + b),
    )


def merge_flows(
    earlier: NDArray[np.void], later: NDArray[np.void], limit: int = MAX_FLOWS
) -> tuple[NDArray[np.void], int]:
    """FLOW_ROW tables added by flow id, at most `limit` rows beside the overflow rows, and how many were folded."""
    if not len(earlier):
        return fold_flows(later, limit)
    if not len(later):
        return fold_flows(earlier, limit)
    # Later rows stand first, so that np.unique's first occurrence is the newest state.
    both = join(later, earlier)
    _, first, inverse = np.unique(both["id"], return_index=True, return_inverse=True)
    rows = take(both, first)
    for name in _FLOW_SUMS:
        rows[name] = _add_known(both[name], inverse, len(rows))
    np.bitwise_or.at(rows["tcp_flags"], inverse, both["tcp_flags"])
    _keep_earlier_owner(rows, both, inverse)
    return fold_flows(rows, limit)


def _add_known(values: NDArray[np.int64], groups: NDArray[np.intp], size: int) -> NDArray[np.int64]:
    sums = np.zeros(size, np.int64)
    np.add.at(sums, groups, values)
    sums[groups[values == UNKNOWN]] = UNKNOWN
    return sums


def _keep_earlier_owner(rows: NDArray[np.void], both: NDArray[np.void], inverse: NDArray[np.intp]) -> None:
    """A flow whose socket is gone by now keeps the owner that was known before."""
    owned = np.flatnonzero(both["attribution"] != Attribution.NONE)
    lost = owned[rows["attribution"][inverse[owned]] == Attribution.NONE]
    target = inverse[lost]
    rows["pid"][target] = both["pid"][lost]
    rows["attribution"][target] = both["attribution"][lost]


def fold_flows(rows: NDArray[np.void], limit: int = MAX_FLOWS) -> tuple[NDArray[np.void], int]:
    """`rows` if there are at most `limit`; else the largest, the rest summed in an overflow row an interface."""
    if len(rows) <= limit:
        return rows, 0
    volume = rows["rx_bytes"] + rows["tx_bytes"] + rows["rx_payload"] + rows["tx_payload"]
    volume[(rows["flags"] & FLOW_OVERFLOW) != 0] = np.iinfo(np.int64).max
    order = np.argpartition(volume, len(rows) - limit)
    kept, rest = take(rows, order[len(rows) - limit :]), take(rows, order[: len(rows) - limit])
    folded = []
    for ifindex in np.unique(rest["ifindex"]):
        members = rest[rest["ifindex"] == ifindex]
        row = np.zeros(1, rows.dtype)
        row["id"], row["ifindex"], row["pid"], row["flags"] = overflow_id(int(ifindex)), ifindex, UNKNOWN, FLOW_OVERFLOW
        for name in _FLOW_SUMS:
            row[name] = UNKNOWN if (members[name] == UNKNOWN).any() else members[name].sum()
        folded.append(row)
    merged, _ = merge_flows(kept, join(*folded), limit + len(folded))
    return merged, len(rest)


def overflow_id(ifindex: int) -> int:
    """The id of the row that collects an interface's flows without a row of their own."""
    return (0xFFFF_FFFF << 32) | ifindex


def _merge_sockets(earlier: NDArray[np.void], later: NDArray[np.void]) -> NDArray[np.void]:
    if not len(earlier) or not len(later):
        return later
    rows = later.copy()
    order = np.argsort(earlier["cookie"])
    position = np.searchsorted(earlier["cookie"], rows["cookie"], sorter=order).clip(0, len(order) - 1)
    source = take(earlier, order[position])
    same = source["cookie"] == rows["cookie"]
    for name in ("rx_payload", "tx_payload"):
        known = same & (rows[name] != UNKNOWN) & (source[name] != UNKNOWN)
        rows[name][known] += source[name][known]
    return rows


def _merge_processes(earlier: tuple[Process, ...], later: tuple[Process, ...]) -> tuple[tuple[Process, ...], int]:
    merged = {(p.pid, p.start_ticks): p for p in later}
    for old in earlier:
        new = merged.get((old.pid, old.start_ticks))
        merged[old.pid, old.start_ticks] = old if new is None else _add_process(old, new)
    rows = list(merged.values())
    if len(rows) > MAX_PROCESSES:
        rows.sort(key=lambda p: (p.rx_bytes or 0) + (p.tx_bytes or 0), reverse=True)
    return tuple(rows[:MAX_PROCESSES]), max(0, len(rows) - MAX_PROCESSES)


def _add_process(old: Process, new: Process) -> Process:
    return replace(
        new,
        rx_bytes=_add(old.rx_bytes, new.rx_bytes),
        tx_bytes=_add(old.tx_bytes, new.tx_bytes),
        rx_packets=_add(old.rx_packets, new.rx_packets),
        tx_packets=_add(old.tx_packets, new.tx_packets),
        rx_payload=_add(old.rx_payload, new.rx_payload),
        tx_payload=_add(old.tx_payload, new.tx_payload),
    )


def _merge_interfaces(earlier: tuple[Interface, ...], later: tuple[Interface, ...]) -> tuple[Interface, ...]:
    old = {(i.index, i.name): i for i in earlier}
    rows = []
    for new in later:
        before = old.pop((new.index, new.name), None)
        rows.append(new if before is None else _add_interface(before, new))
    return (*rows, *old.values())


def _add_interface(old: Interface, new: Interface) -> Interface:
    return replace(
        new,
        rx_bytes=_add(old.rx_bytes, new.rx_bytes),
        tx_bytes=_add(old.tx_bytes, new.tx_bytes),
        rx_packets=_add(old.rx_packets, new.rx_packets),
        tx_packets=_add(old.tx_packets, new.tx_packets),
        rx_errors=_add(old.rx_errors, new.rx_errors),
        tx_errors=_add(old.tx_errors, new.tx_errors),
        rx_dropped=_add(old.rx_dropped, new.rx_dropped),
        tx_dropped=_add(old.tx_dropped, new.tx_dropped),
        rx_multicast=_add(old.rx_multicast, new.rx_multicast),
        collisions=_add(old.collisions, new.collisions),
    )


def _add(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else a + b


def _merge_dicts(earlier: dict[str, V], later: dict[str, V], add: Callable[[V, V], V]) -> dict[str, V]:
    merged = dict(later)
    for key, value in earlier.items():
        merged[key] = add(value, merged[key]) if key in merged else value
    return merged


def add_accounting(old: Accounting, new: Accounting) -> Accounting:
    """The sum; what is not known of one is not known of both."""
    return Accounting(
        counts=new.counts,
        kernel_bytes=_add(old.kernel_bytes, new.kernel_bytes),
        counted_bytes=_add(old.counted_bytes, new.counted_bytes),
        attributed_bytes=old.attributed_bytes + new.attributed_bytes,
        forwarded_bytes=old.forwarded_bytes + new.forwarded_bytes,
        kernel_socket_bytes=old.kernel_socket_bytes + new.kernel_socket_bytes,
        unattributed_bytes=old.unattributed_bytes + new.unattributed_bytes,
    )


def add_protocols(old: InterfaceProtocols, new: InterfaceProtocols) -> InterfaceProtocols:
    """The sum of two tables; sizes are added where their bounds are the same, else those of `new` stand."""
    traffic = {name: getattr(old, name) + getattr(new, name) for name in PROTOCOL_CLASSES}
    return InterfaceProtocols(**traffic, sizes=_add_sizes(old.sizes, new.sizes))


def _add_sizes(old: tuple[SizeBucket, ...], new: tuple[SizeBucket, ...]) -> tuple[SizeBucket, ...]:
    if [(b.first, b.last) for b in old] != [(b.first, b.last) for b in new]:
        return new or old
    return tuple(
        SizeBucket(a.first, a.last, a.rx_packets + b.rx_packets, a.tx_packets + b.tx_packets)
        for a, b in zip(old, new, strict=True)
    )
