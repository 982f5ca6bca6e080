"""Every flow since the start: totals and the averages over 2, 10 and 40 seconds, as iftop shows them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from netdash.model.flow_sums import HEADLINE, FlowSums, FlowTotals
from netdash.model.snapshot import Layer, Snapshot
from netdash.model.steps import Between, go_on
from netdash.model.tables import FLOW_ROW, UNKNOWN, empty
from netdash.model.windows import WINDOW_SECONDS, Timeline

Element = TypeVar("Element", bound=np.generic)

_SYN: Final = 0x02
"""TCP flag, RFC 9293 §3.1."""

_SPARE_SHARE: Final = 8
"""A full table gives up one row in so many beyond what it must, so that not every update has to make room."""


@dataclass(frozen=True, slots=True, eq=False)
class FlowTable:
    """n flows in no particular order; columns of one length, never changed. All bytes are of the history's layer."""

    flows: NDArray[np.void]
    """FLOW_ROW: the flow as it was in the last interval in which it was reported."""
    known: NDArray[np.bool_]
    """Whether the flow's bytes ever had a counter; else its figures say nothing."""
    first_seen_ns: NDArray[np.int64]
    """Monotonic clock at the begin of the interval in which it was first reported, or in which its last SYN was."""
    last_seen_ns: NDArray[np.int64]
    """Monotonic clock."""
    tcp_flags: NDArray[np.uint8]
    """All TCP flags that were seen since the last SYN."""
    totals: NDArray[np.int64]
    """Shape (2, n): bytes received and sent since the start."""
    packets: NDArray[np.int64]
    """Shape (2, n): the same in packets; of the layer of payload nothing is known of them."""
    rates: NDArray[np.float64]
    """Shape (windows, 2, n): bytes per second received and sent, over each of WINDOW_SECONDS."""

    @classmethod
    def empty(cls) -> FlowTable:
        """No flows."""
        return cls(
            empty(FLOW_ROW),
            np.zeros(0, np.bool_),
            np.zeros(0, np.int64),
            np.zeros(0, np.int64),
            np.zeros(0, np.uint8),
            np.zeros((2, 0), np.int64),
            np.zeros((2, 0), np.int64),
            np.zeros((len(WINDOW_SECONDS), 2, 0)),
        )

    def __len__(self) -> int:
        return len(self.flows)


@dataclass(slots=True)
class _Slot:
    """What moved in one slot of the timeline: positions in the table, each once, and bytes, shape (2, n)."""

    number: int
    positions: NDArray[np.intp]
    moved: NDArray[np.int64]

    def join(self, positions: NDArray[np.intp], moved: NDArray[np.int64], rows: int) -> None:
        """Adds another interval to the slot; `rows`: length of the table."""
        seen = np.zeros(rows, np.bool_)
        seen[self.positions] = seen[positions] = True
        sums = np.zeros((2, rows), np.int64)
        for direction in (0, 1):
            sums[direction][self.positions] = self.moved[direction]
            sums[direction][positions] += moved[direction]
        self.positions = np.flatnonzero(seen)
        self.moved = sums[:, self.positions]

    def copy(self) -> _Slot:
        return _Slot(self.number, self.positions, self.moved)


class _Reported(NamedTuple):
    """Flows of a snapshot in the order of their ids, each id once."""

    flows: NDArray[np.void]
    ids: NDArray[np.uint64]
    moved: NDArray[np.int64]
    """Shape (2, n)."""
    packets: NDArray[np.int64]
    """Shape (2, n)."""
    known: NDArray[np.bool_]

    def subset(self, kept: NDArray[np.bool_]) -> _Reported:
        return _Reported(
            _raw(self.flows)[kept].view(FLOW_ROW),
            self.ids[kept],
            self.moved[:, kept],
            self.packets[:, kept],
            self.known[kept],
        )


class FlowHistory:
    """Flows by their id, at most `max_rows`: then those that are idle and moved least go first.

    Sums are exact integers. Rates are those of `Timeline`, so a flow that falls silent goes to 0. Another layer of
    bytes, or a clock that goes back, begins a new history.
    """

    def __init__(self, max_rows: int = 131_072) -> None:
        self.max_rows = max_rows
        self.layer = Layer.WIRE
        self.evicted = 0
        """Flows that lost their row, or never got one, for want of room; the totals have their bytes."""
        self._reset()

    def _reset(self) -> None:
        self.table = FlowTable.empty()
        """Replaced by every update, never changed."""
        self._timeline = Timeline()
        self._ids = np.zeros(0, np.uint64)
        self._positions = np.zeros(0, np.intp)
        self._windows: NDArray[np.int64] = np.zeros((len(WINDOW_SECONDS), 2, 0), np.int64)
        self._slots: deque[_Slot] = deque()
        self._removed = [0] * len(WINDOW_SECONDS)
        self._sums = FlowSums()

    def copy(self) -> FlowHistory:
        """One that goes on from here by itself. The arrays are the same: none is ever changed once it is published."""
        twin = FlowHistory(self.max_rows)
        twin.layer, twin.evicted, twin.table = self.layer, self.evicted, self.table
        twin._timeline = self._timeline.copy()
        twin._ids, twin._positions, twin._windows = self._ids, self._positions, self._windows
        twin._slots = deque(slot.copy() for slot in self._slots)
        twin._removed = self._removed.copy()
        twin._sums = self._sums.copy()
        return twin

    def arrays(self) -> Iterator[NDArray[np.generic]]:
        """All that it holds of length, for those who must know how much memory a copy takes."""
        table = self.table
        yield from (table.flows, table.known, table.last_seen_ns, table.totals, table.packets, table.rates)
        yield from (self._ids, self._positions, self._windows)
        for slot in self._slots:
            yield from (slot.positions, slot.moved)

    @property
    def covered_seconds(self) -> tuple[float, ...]:
        """Time that each window's rates are averages of: less than its length just after the start."""
        return self._timeline.covered_seconds

    @property
    def now_ns(self) -> int:
        """Monotonic clock of the newest interval's end."""
        return self._timeline.now_ns

    def totals(self, ifindex: int = HEADLINE) -> tuple[FlowTotals, FlowTotals, FlowTotals]:
        """Received, sent and both, of an interface or of the headline's interfaces together."""
        return self._sums.totals(ifindex)

    def update(self, snapshot: Snapshot, between: Between = go_on) -> None:
        """Takes one interval. A baseline has no figures and changes nothing. `between` is called after each step that
        takes milliseconds with 100,000 flows."""
        if snapshot.interval <= 0.0:
            return
        if snapshot.mode.layer != self.layer or snapshot.monotonic_ns <= self._timeline.now_ns:
            self.layer = snapshot.mode.layer
            self._reset()
        number = self._timeline.advance(snapshot.monotonic_ns, round(snapshot.interval * 1e9))
        reported = _report(snapshot)
        between()
        self._sums.update(self._timeline, snapshot.interfaces, reported.flows["ifindex"], reported.moved)
        between()
        positions = self._place(reported)
        between()
        if (positions < 0).any():
            reported, positions = reported.subset(positions >= 0), positions[positions >= 0]
        self._remember(number, positions, reported.moved)
        between()
        self.table = self._next_table(positions, reported, round(snapshot.interval * 1e9), between)

    def _place(self, reported: _Reported) -> NDArray[np.intp]:
        """The position of each flow in the table, beyond its end for new flows; -1 where there is no room."""
        found = self._find(reported.ids)
        new = np.flatnonzero(found < 0)
        excess = len(self.table) + len(new) - self.max_rows
        if excess > 0:
            idle = np.ones(len(self.table), np.bool_)
            idle[found[found >= 0]] = False
            self._evict(np.flatnonzero(idle), excess + self.max_rows // _SPARE_SHARE)
            found = self._find(reported.ids)
            room = self.max_rows - len(self.table)
            if len(new) > room:
                self.evicted += len(new) - room
                volume = reported.moved[:, new].sum(axis=0)
                new = new[np.argpartition(-volume, room)[:room]] if room > 0 else new[:0]
        if len(new):
            found[new] = np.arange(len(self.table), len(self.table) + len(new))
            ids = np.concatenate([self._ids, reported.ids[new]])
            order = np.argsort(ids)
            self._ids, self._positions = ids[order], np.concatenate([self._positions, found[new]])[order]
        return found

    def _find(self, ids: NDArray[np.uint64]) -> NDArray[np.intp]:
        """`ids`: ascending, which makes the search several times as quick."""
        if not len(self._ids):
            return np.full(len(ids), -1, np.intp)
        place = np.minimum(np.searchsorted(self._ids, ids), len(self._ids) - 1)
        return np.where(self._ids[place] == ids, self._positions[place], -1)

    def _evict(self, idle: NDArray[np.intp], count: int) -> None:
        """Drops `count` of the rows `idle`, or all if they are fewer: those of the least bytes since the start."""
        if not len(idle):
            return
        if count < len(idle):
            idle = idle[np.argpartition(self.table.totals.sum(axis=0)[idle], count)[:count]]
        kept = np.ones(len(self.table), np.bool_)
        kept[idle] = False
        self.evicted += len(idle)
        old = self.table
        self.table = FlowTable(
            _raw(old.flows)[kept].view(FLOW_ROW),
            old.known[kept],
            old.first_seen_ns[kept],
            old.last_seen_ns[kept],
            old.tcp_flags[kept],
            old.totals[:, kept],
            old.packets[:, kept],
            old.rates[:, :, kept],
        )
        self._windows = self._windows[:, :, kept]
        place = np.cumsum(kept) - 1
        stays = kept[self._positions]
        self._ids, self._positions = self._ids[stays], place[self._positions[stays]]
        for slot in self._slots:
            stays = kept[slot.positions]
            slot.positions, slot.moved = place[slot.positions[stays]], slot.moved[:, stays]

    def _remember(self, number: int, positions: NDArray[np.intp], moved: NDArray[np.int64]) -> None:
        """Adds an interval to the windows and takes out of them what has grown too old."""
        rows = len(self._ids)
        self._windows = _longer(self._windows, rows)
        if self._slots and self._slots[-1].number == number:
            self._slots[-1].join(positions, moved, rows)
        else:
            self._slots.append(_Slot(number, positions, moved))
        for window, sums in enumerate(self._windows):
            first = self._timeline.first_slots[window]
            old = [slot for slot in self._slots if self._removed[window] <= slot.number < first]
            for direction in (0, 1):
                sums[direction][positions] += moved[direction]
                for slot in old:
                    sums[direction][slot.positions] -= slot.moved[direction]
            self._removed[window] = first
        while self._slots[0].number < self._removed[-1]:
            self._slots.popleft()

    def _next_table(
        self, positions: NDArray[np.intp], reported: _Reported, interval_ns: int, between: Between
    ) -> FlowTable:
        """The table after an interval; the one before stays as it is."""
        old, rows = self.table, len(self._ids)
        raw = _longer(_raw(old.flows), rows)
        raw[positions] = _raw(reported.flows)
        between()
        known = _longer(old.known, rows)
        known[positions] |= reported.known
        last_seen_ns = _longer(old.last_seen_ns, rows)
        last_seen_ns[positions] = self._timeline.now_ns
        flags = reported.flows["tcp_flags"]
        first_seen_ns = _longer(old.first_seen_ns, rows)
        begins = (positions >= len(old)) | ((flags & _SYN) != 0)
        first_seen_ns[positions[begins]] = self._timeline.now_ns - interval_ns
        tcp_flags = _longer(old.tcp_flags, rows)
        tcp_flags[positions] = np.where(flags & _SYN, flags, tcp_flags[positions] | flags)
        between()
        totals, packets = _longer(old.totals, rows), _longer(old.packets, rows)
        for direction in (0, 1):
            totals[direction][positions] += reported.moved[direction]
            packets[direction][positions] += reported.packets[direction]
        between()
        rates = self._windows / np.array(self._timeline.covered_seconds)[:, None, None]
        return FlowTable(raw.view(FLOW_ROW), known, first_seen_ns, last_seen_ns, tcp_flags, totals, packets, rates)


def _raw(rows: NDArray[np.void]) -> NDArray[np.void]:
    """Rows as opaque bytes: NumPy copies and gathers a structured array field by field, ten times as slow."""
    return np.ascontiguousarray(rows).view(np.dtype((np.void, rows.dtype.itemsize)))


def _longer(column: NDArray[Element], rows: int) -> NDArray[Element]:
    """A copy with zeros added to the last axis up to `rows`."""
    longer: NDArray[Element] = np.zeros((*column.shape[:-1], rows), column.dtype)
    longer[..., : column.shape[-1]] = column
    return longer


def _report(snapshot: Snapshot) -> _Reported:
    """The snapshot's flows with what they moved in its layer, unknown as 0."""
    kind = "payload" if snapshot.mode.layer == Layer.PAYLOAD else "bytes"
    all_ids: NDArray[np.uint64] = snapshot.flows["id"]
    order = np.argsort(all_ids)
    flows, ids = _raw(snapshot.flows)[order].view(FLOW_ROW), all_ids[order]
    moved = np.stack([flows[f"rx_{kind}"], flows[f"tx_{kind}"]])
    known = (moved[0] != UNKNOWN) | (moved[1] != UNKNOWN)
    packets = np.stack([flows["rx_packets"], flows["tx_packets"]])
    for figures in (moved, packets):
        np.maximum(figures, 0, out=figures)
    starts = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]])) if len(ids) else np.zeros(0, np.intp)
    if len(starts) == len(ids):
        return _Reported(flows, ids, moved, packets, known)
    return _Reported(
        _raw(flows)[starts].view(FLOW_ROW),
        ids[starts],
        np.add.reduceat(moved, starts, axis=1),
        np.add.reduceat(packets, starts, axis=1),
        np.logical_or.reduceat(known, starts),
    )
