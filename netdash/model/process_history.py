"""Every process since the start: totals and rates, and what no process moved, so that the sum is complete."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.model.hashing import address_words, connection_ids, hash_columns
from netdash.model.snapshot import Layer, Process, Snapshot
from netdash.model.tables import Attribution, take
from netdash.model.windows import SlotCounter, Timeline

KEPT_NS: Final = 60_000_000_000
"""How long a process keeps its row after it ended or lost its last socket."""

MAX_GONE: Final = 16_384
"""Rows of processes that are gone; beyond that those gone longest are summed up at once."""

MAX_NAMES: Final = 65_536
"""Processes whose name is remembered after their row is gone: a flow's row lives longer than its process's."""

RECENT_INTERVALS: Final = 32
"""Intervals whose rates a row remembers."""

_WINDOW: Final = 1
"""Of the averaging windows the one of 10 seconds."""

ProcessKey = tuple[int, int]
"""Pid and start ticks: they name a process for good."""


class OtherKind(StrEnum):
    """What is not one process's."""

    FORWARDED = "forwarded"
    KERNEL = "kernel"
    UNATTRIBUTED = "unattributed"
    GONE = "gone"
    """Processes that have no row any more."""


@dataclass(frozen=True, slots=True)
class Moved:
    """Bytes since the start, and bytes per second in the last interval and over 10 seconds. None = not known."""

    rx_total: int | None = 0
    tx_total: int | None = 0
    rx_rate: float | None = 0.0
    tx_rate: float | None = 0.0
    rx_rate10: float | None = 0.0
    tx_rate10: float | None = 0.0
    recent: tuple[float, ...] = ()
    """Bytes per second, both directions together, of the last intervals, the newest last; NaN where not known."""


UNKNOWN_MOVED: Final = Moved(None, None, None, None, None, None)
"""Nothing is known."""


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """One process and what it moved since the start."""

    process: Process
    """Its facts as they were last seen."""
    moved: Moved
    """In the layer of the history."""
    payload: Moved
    """What it moved itself, without headers."""
    exited_ns: int | None
    """Monotonic clock; None = it was not seen to end."""
    present: bool
    """Whether the newest snapshot has it; False: it ended or holds no socket."""

    @property
    def key(self) -> ProcessKey:
        """Names the process for good."""
        return self.process.pid, self.process.start_ticks


@dataclass(frozen=True, slots=True)
class OtherTraffic:
    """What all flows of one kind moved; a connection seen on several interfaces counts once."""

    kind: OtherKind
    moved: Moved = Moved()
    connections: int = 0
    payload: Moved = UNKNOWN_MOVED
    """Connections with traffic in the last interval; of GONE: processes."""


@dataclass(slots=True)
class _Account:
    """Bytes of one row."""

    counter: SlotCounter = field(default_factory=SlotCounter)
    total: list[int] = field(default_factory=lambda: [0, 0])
    known: list[bool] = field(default_factory=lambda: [False, False])
    rates: tuple[float | None, float | None] = (None, None)
    """Bytes per second of the last interval."""
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT_INTERVALS))

    def add(self, timeline: Timeline, seconds: float, rx_bytes: int | None, tx_bytes: int | None) -> None:
        rate = 0.0
        if rx_bytes is not None:
            self.known[0] = True
            self.total[0] += rx_bytes
            rate += rx_bytes / seconds
        if tx_bytes is not None:
            self.known[1] = True
            self.total[1] += tx_bytes
            rate += tx_bytes / seconds
        self.counter.add(timeline, rx_bytes or 0, tx_bytes or 0)
        self.rates = (
            None if rx_bytes is None else rx_bytes / seconds,
            None if tx_bytes is None else tx_bytes / seconds,
        )
        self.recent.append(math.nan if rx_bytes is None and tx_bytes is None else rate)

    def rest(self, timeline: Timeline, seconds: float) -> None:
        """An interval in which nothing was moved; what was never known stays so."""
        rx, tx = (0 if known else None for known in self.known)
        self.add(timeline, seconds, rx, tx)

    def moved(self, timeline: Timeline) -> Moved:
        """As it is after the timeline's last interval."""
        rx_rate10, tx_rate10 = self.counter.rates(timeline, _WINDOW)
        rx_known, tx_known = self.known
        return Moved(
            self.total[0] if rx_known else None,
            self.total[1] if tx_known else None,
            *self.rates,
            rx_rate10 if rx_known else None,
            tx_rate10 if tx_known else None,
            tuple(self.recent),
        )

    def copy(self) -> _Account:
        return _Account(self.counter.copy(), self.total.copy(), self.known.copy(), self.rates, self.recent.copy())


@dataclass(slots=True)
class _Record:
    """One process."""

    process: Process
    wire: _Account = field(default_factory=_Account)
    payload: _Account = field(default_factory=_Account)
    last_seen_ns: int = 0
    exited_ns: int | None = None

    @property
    def silent(self) -> bool:
        """Whether it moved nothing."""
        return not any(self.wire.total) and not any(self.payload.total)

    def copy(self) -> _Record:
        return _Record(self.process, self.wire.copy(), self.payload.copy(), self.last_seen_ns, self.exited_ns)


class ProcessHistory:
    """Processes by pid and start time. Another layer of bytes, or a clock that goes back, begins a new history."""

    def __init__(self) -> None:
        self.layer = Layer.WIRE
        self._reset()

    def _reset(self) -> None:
        self._timeline = Timeline()
        self._records: dict[ProcessKey, _Record] = {}
        self._others = {kind: _Account() for kind in _FLOW_KINDS}
        self._gone_processes = 0
        self._gone = dict.fromkeys(Layer, (0, 0))
        self._rows: tuple[ProcessRow, ...] | None = ()
        """None: of the records, when somebody asks for them. Mostly nobody does between two updates."""
        self.others: Mapping[OtherKind, OtherTraffic] = {kind: OtherTraffic(kind) for kind in OtherKind}
        """What is not one process's; replaced by every update."""
        self.known: Mapping[int, Process] = {}
        """By pid the last process that had it, those without a row included; replaced by every update."""

    def update(self, snapshot: Snapshot) -> None:
        """Takes one interval; of a baseline only who is there."""
        if snapshot.mode.layer != self.layer or snapshot.monotonic_ns < self._timeline.now_ns:
            self.layer = snapshot.mode.layer
            self._reset()
        self._know(snapshot)
        if snapshot.interval <= 0.0:
            # What a baseline says of bytes is nothing, so its rows show nothing.
            self._rows = tuple(
                ProcessRow(process, UNKNOWN_MOVED, UNKNOWN_MOVED, None, True) for process in snapshot.processes
            )
            return
        self._timeline.advance(snapshot.monotonic_ns, round(snapshot.interval * 1e9))
        present = {(p.pid, p.start_ticks): p for p in snapshot.processes}
        self._forget(present)
        for key, process in present.items():
            self._take(key, process, snapshot.interval)
        for key, record in self._records.items():
            if key not in present:
                record.payload.rest(self._timeline, snapshot.interval)
                if self.layer is Layer.WIRE:
                    record.wire.rest(self._timeline, snapshot.interval)
        self._rows = None
        self._sum_others(snapshot)

    @property
    def rows(self) -> tuple[ProcessRow, ...]:
        """Every process that has a socket or traffic, or had until KEPT_NS ago; replaced by every update."""
        if self._rows is None:
            # Those that are present were put back last, in the snapshot's order.
            rows = [self._row(record) for record in self._records.values()]
            self._rows = tuple(sorted(rows, key=lambda row: not row.present))
        return self._rows

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self._records) if self._rows is None else len(self._rows)

    def copy(self) -> ProcessHistory:
        """One that goes on from here by itself."""
        twin = ProcessHistory()
        twin.layer, twin._timeline = self.layer, self._timeline.copy()
        twin._records = {key: record.copy() for key, record in self._records.items()}
        twin._others = {kind: account.copy() for kind, account in self._others.items()}
        twin._gone_processes, twin._gone = self._gone_processes, self._gone.copy()
        twin._rows, twin.others, twin.known = self._rows, self.others, self.known
        return twin

    def _know(self, snapshot: Snapshot) -> None:
        known = dict(self.known)
        for process in snapshot.processes:
            known.pop(process.pid, None)
            known[process.pid] = process
        for pid in list(known)[: max(0, len(known) - MAX_NAMES)]:
            del known[pid]
        self.known = known

    def _take(self, key: ProcessKey, process: Process, seconds: float) -> None:
        record = self._records.pop(key, None) or _Record(process)
        # Popped and put back, the dict stays in the order of last sight.
        self._records[key] = record
        record.process, record.last_seen_ns = process, self._timeline.now_ns
        record.exited_ns = self._timeline.now_ns if process.exited else None
        record.payload.add(self._timeline, seconds, process.rx_payload, process.tx_payload)
        if self.layer is Layer.WIRE:
            record.wire.add(self._timeline, seconds, process.rx_bytes, process.tx_bytes)

    def _row(self, record: _Record) -> ProcessRow:
        payload = record.payload.moved(self._timeline)
        moved = record.wire.moved(self._timeline) if self.layer is Layer.WIRE else payload
        present = record.last_seen_ns == self._timeline.now_ns
        return ProcessRow(record.process, moved, payload, record.exited_ns, present)

    def _forget(self, present: Mapping[ProcessKey, Process]) -> None:
        """Drops records that are gone for long, or have moved nothing; what they had moved is kept as one sum."""
        gone = [(key, record) for key, record in self._records.items() if key not in present]
        oldest_ns = self._timeline.now_ns - KEPT_NS
        for index, (key, record) in enumerate(gone):
            useless = record.silent and record.exited_ns is None
            if useless or record.last_seen_ns <= oldest_ns or index < len(gone) - MAX_GONE:
                for layer, account in ((Layer.WIRE, record.wire), (Layer.PAYLOAD, record.payload)):
                    rx_bytes, tx_bytes = self._gone[layer]
                    self._gone[layer] = (rx_bytes + account.total[0], tx_bytes + account.total[1])
                self._gone_processes += not record.silent
                del self._records[key]

    def _sum_others(self, snapshot: Snapshot) -> None:
        kinds, figures = _transfers(snapshot)
        others = {}
        for number, kind in enumerate(_FLOW_KINDS):
            chosen = figures[:, kinds == number]
            rx, tx = (int(n) for n in chosen.sum(axis=1))
            self._others[kind].add(self._timeline, snapshot.interval, rx, tx)
            moved = self._others[kind].moved(self._timeline)
            payload = moved if self.layer is Layer.PAYLOAD else UNKNOWN_MOVED
            others[kind] = OtherTraffic(kind, moved, int((chosen > 0).any(axis=0).sum()), payload)
        moved, payload = Moved(*self._gone[self.layer]), Moved(*self._gone[Layer.PAYLOAD])
        others[OtherKind.GONE] = OtherTraffic(OtherKind.GONE, moved, self._gone_processes, payload)
        self.others = others


_FLOW_KINDS: Final = (OtherKind.UNATTRIBUTED, OtherKind.FORWARDED, OtherKind.KERNEL)


def _kinds(snapshot: Snapshot) -> NDArray[np.int8]:
    """For each flow its index in _FLOW_KINDS, -1 for a flow of a process in the table.

    A process that ended before it could be read has a pid and no row.
    """
    flows = snapshot.flows
    attribution = flows["attribution"]
    with_row = np.isin(flows["pid"], [process.pid for process in snapshot.processes])
    kinds = np.where(with_row, np.int8(-1), np.int8(0))
    kinds[attribution == Attribution.FORWARDED] = 1
    kinds[attribution == Attribution.KERNEL] = 2
    return kinds


def _transfers(snapshot: Snapshot) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """What is not one process's, by connection: kinds (n) and bytes (2, n), the largest figures of its interfaces."""
    kinds = _kinds(snapshot)
    chosen = np.flatnonzero(kinds >= 0)
    flows = snapshot.flows
    layer = "payload" if snapshot.mode.layer == Layer.PAYLOAD else "bytes"
    figures = np.stack([flows[f"rx_{layer}"][chosen], flows[f"tx_{layer}"][chosen]])
    np.maximum(figures, 0, out=figures)
    kinds = kinds[chosen]
    if not len(chosen) or (flows["ifindex"][chosen] == flows["ifindex"][chosen[0]]).all():
        return kinds, figures
    ids = _connection_ids(flows, chosen, kinds)
    order = np.argsort(ids)
    ids = ids[order]
    starts = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]]))
    return kinds[order[starts]], np.maximum.reduceat(figures[:, order], starts, axis=1)


def _connection_ids(flows: NDArray[np.void], chosen: NDArray[np.intp], kinds: NDArray[np.int8]) -> NDArray[np.uint64]:
    """Equal wherever the same connection is seen. Frames without addresses, and the rows of flows without a row of
    their own, have nothing that tells them to be the same: those keep their id."""
    rows = take(flows, chosen)
    words = (*address_words(rows["local"]), *address_words(rows["remote"]))
    nameless = (words[0] | words[1] | words[2] | words[3]) == 0
    named = hash_columns(connection_ids(rows), kinds.astype(np.uint64))
    return np.where(nameless, rows["id"], named)
