"""The flow history against a slow and obvious one."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from netdash.model.flow_history import FlowHistory
from netdash.model.snapshot import Interface, Layer, Mode, Snapshot
from netdash.model.tables import FLOW_ROW, UNKNOWN
from netdash.model.windows import SLOT_NS, WINDOW_NS

START_NS = 10**15

Moves = dict[int, tuple[int, int]]
"""Flow id -> bytes received and sent."""


def flows(moves: Moves, ifindex: int = 2) -> NDArray[np.void]:
    rows = np.zeros(len(moves), FLOW_ROW)
    for row, (flow_id, (rx, tx)) in zip(rows, moves.items(), strict=True):
        row["id"], row["ifindex"], row["rx_bytes"], row["tx_bytes"] = flow_id, ifindex, rx, tx
        row["pid"] = row["rx_payload"] = row["tx_payload"] = UNKNOWN
        row["local_port"] = flow_id & 0xFFFF
    return rows


def interface(index: int, kind: str = "physical") -> Interface:
    none = (None,) * 10
    return Interface(f"if{index}", index, kind, "up", None, 1500, None, (), None, *none)


def snapshot(
    end_ns: int,
    interval_ns: int,
    rows: NDArray[np.void],
    *,
    interfaces: tuple[Interface, ...] = (),
    sockets: bool = False,
) -> Snapshot:
    return Snapshot(
        time=end_ns / 1e9,
        monotonic_ns=end_ns,
        interval=interval_ns / 1e9,
        host="h",
        mode=Mode("sockets" if sockets else "ebpf", "none"),
        interfaces=interfaces,
        flows=rows,
    )


def figures(history: FlowHistory) -> dict[int, tuple[int, int, list[tuple[float, float]]]]:
    table = history.table
    return {
        int(table.flows["id"][i]): (
            int(table.totals[0, i]),
            int(table.totals[1, i]),
            [(float(rx), float(tx)) for rx, tx in table.rates[:, :, i]],
        )
        for i in range(len(table))
    }


@dataclass
class SlowHistory:
    """Keeps every interval for ever and adds them up anew each time."""

    slots: list[tuple[int, int, list[Moves]]] = field(default_factory=list)

    def add(self, end_ns: int, span_ns: int, moves: Moves) -> None:
        if self.slots and self.slots[-1][1] < SLOT_NS:
            _, old_span_ns, old = self.slots.pop()
            self.slots.append((end_ns, old_span_ns + span_ns, [*old, moves]))
        else:
            self.slots.append((end_ns, span_ns, [moves]))

    def total(self, flow_id: int, direction: int) -> int:
        return sum(moves[flow_id][direction] for _, _, parts in self.slots for moves in parts if flow_id in moves)

    def rate(self, flow_id: int, direction: int, window_ns: int) -> float:
        now = self.slots[-1][0]
        inside = [slot for slot in self.slots if now - (slot[0] - slot[1] / 2) < window_ns or slot is self.slots[-1]]
        moved = sum(moves[flow_id][direction] for _, _, parts in inside for moves in parts if flow_id in moves)
        return moved / (sum(span for _, span, _ in inside) / 1e9)


byte_counts = st.integers(0, 2**40)
move_tables = st.dictionaries(st.integers(1, 12), st.tuples(byte_counts, byte_counts), max_size=8)
intervals = st.lists(
    st.tuples(st.sampled_from([100, 300, 950, 1000, 1001, 2000, 7000, 60_000]), st.integers(0, 3000), move_tables),
    min_size=1,
    max_size=70,
)


@settings(max_examples=60, deadline=None)
@given(intervals)
def test_totals_and_windows_equal_those_of_a_slow_history(story: list[tuple[int, int, Moves]]) -> None:
    history, slow = FlowHistory(), SlowHistory()
    now = START_NS
    for span_ms, gap_ms, moves in story:
        now += (span_ms + gap_ms) * 1_000_000
        history.update(snapshot(now, span_ms * 1_000_000, flows(moves)))
        slow.add(now, span_ms * 1_000_000, moves)
    seen = figures(history)
    assert seen.keys() == {flow_id for _, _, moves in story for flow_id in moves}
    for flow_id, (rx, tx, rates) in seen.items():
        assert (rx, tx) == (slow.total(flow_id, 0), slow.total(flow_id, 1))
        for window_ns, pair in zip(WINDOW_NS, rates, strict=True):
            for direction in (0, 1):
                assert pair[direction] == pytest.approx(slow.rate(flow_id, direction, window_ns))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.dictionaries(st.integers(1, 60), st.tuples(byte_counts, byte_counts), max_size=30), max_size=30))
def test_a_full_table_stays_within_its_bound_and_says_true_things_of_who_stayed(story: list[Moves]) -> None:
    history, slow = FlowHistory(max_rows=16), SlowHistory()
    entered: dict[int, int] = {}
    for tick, moves in enumerate(story, 1):
        history.update(snapshot(START_NS + tick * 10**9, 10**9, flows(moves), interfaces=(interface(2),)))
        slow.add(START_NS + tick * 10**9, 10**9, moves)
        now_there = set(figures(history))
        assert len(now_there) <= 16
        assert len(now_there) == len(history.table)
        entered = {flow_id: entered.get(flow_id, tick - 1) for flow_id in now_there}
    for flow_id, (rx, tx, rates) in figures(history).items():
        since = SlowHistory(
            [(end, span, parts if i >= entered[flow_id] else []) for i, (end, span, parts) in enumerate(slow.slots)]
        )
        assert (rx, tx) == (since.total(flow_id, 0), since.total(flow_id, 1))
        assert rates[1] == pytest.approx([since.rate(flow_id, direction, WINDOW_NS[1]) for direction in (0, 1)])
    received, sent, both = history.totals()
    assert received.total_bytes == sum(rx for moves in story for rx, _ in moves.values())
    assert sent.total_bytes == sum(tx for moves in story for _, tx in moves.values())
    assert both.total_bytes == received.total_bytes + sent.total_bytes


def test_a_silent_flow_goes_to_zero_and_keeps_its_total() -> None:
    history = FlowHistory()
    history.update(snapshot(START_NS, 10**9, flows({1: (8000, 0)})))
    assert figures(history)[1] == (8000, 0, [(8000.0, 0.0)] * 3)
    for tick in range(1, 3):
        history.update(snapshot(START_NS + tick * 10**9, 10**9, flows({})))
    assert figures(history)[1] == (8000, 0, [(0.0, 0.0), (8000 / 3, 0.0), (8000 / 3, 0.0)])
    for tick in range(3, 40):
        history.update(snapshot(START_NS + tick * 10**9, 10**9, flows({})))
    assert figures(history)[1] == (8000, 0, [(0.0, 0.0), (0.0, 0.0), (200.0, 0.0)])
    history.update(snapshot(START_NS + 40 * 10**9, 10**9, flows({})))
    assert figures(history)[1] == (8000, 0, [(0.0, 0.0)] * 3)


def test_idle_flows_of_the_least_bytes_go_first() -> None:
    history = FlowHistory(max_rows=4)
    history.update(snapshot(START_NS, 10**9, flows({1: (10, 0), 2: (10_000, 0), 3: (20, 0), 4: (5000, 0)})))
    history.update(snapshot(START_NS + 10**9, 10**9, flows({3: (1, 0), 5: (1, 1)})))
    assert set(figures(history)) == {2, 3, 4, 5}
    assert history.evicted == 1


def test_the_largest_flows_stay_when_one_interval_alone_has_too_many() -> None:
    history = FlowHistory(max_rows=3)
    history.update(snapshot(START_NS, 10**9, flows({i: (i * 100, 0) for i in range(1, 11)})))
    assert set(figures(history)) == {8, 9, 10}
    assert history.evicted == 7


def test_rows_with_one_id_are_one_flow() -> None:
    history = FlowHistory()
    twice = np.concatenate([flows({7: (100, 1)}), flows({7: (20, 2)})])
    history.update(snapshot(START_NS, 10**9, twice))
    assert figures(history)[7][:2] == (120, 3)


def test_the_published_table_never_changes() -> None:
    history = FlowHistory()
    history.update(snapshot(START_NS, 10**9, flows({1: (100, 0)})))
    before = history.table
    rates, totals = before.rates.copy(), before.totals.copy()
    history.update(snapshot(START_NS + 10**9, 10**9, flows({1: (500, 0), 2: (1, 1)})))
    assert len(before) == 1
    assert (before.rates == rates).all()
    assert (before.totals == totals).all()


def test_a_baseline_has_no_figures() -> None:
    history = FlowHistory()
    history.update(snapshot(START_NS, 0, flows({1: (100, 0)})))
    assert len(history.table) == 0


def test_unknown_figures_are_not_counted_and_not_called_known() -> None:
    history = FlowHistory()
    history.update(snapshot(START_NS, 10**9, flows({1: (UNKNOWN, UNKNOWN), 2: (0, UNKNOWN)})))
    known = dict(zip(history.table.flows["id"].tolist(), history.table.known.tolist(), strict=True))
    assert known == {1: False, 2: True}
    assert figures(history)[1][:2] == (0, 0)


def test_another_layer_begins_a_new_history() -> None:
    history = FlowHistory()
    history.update(snapshot(START_NS, 10**9, flows({1: (100, 0)})))
    rows = flows({2: (UNKNOWN, UNKNOWN)})
    rows["rx_payload"], rows["tx_payload"] = 70, 7
    history.update(snapshot(START_NS + 10**9, 10**9, rows, sockets=True))
    assert history.layer == Layer.PAYLOAD
    assert {flow_id: each[:2] for flow_id, each in figures(history).items()} == {2: (70, 7)}


def test_a_clock_that_goes_back_begins_a_new_history() -> None:
    history = FlowHistory()
    history.update(snapshot(START_NS, 10**9, flows({1: (100, 0)})))
    history.update(snapshot(START_NS - 10**10, 10**9, flows({2: (5, 0)})))
    assert set(figures(history)) == {2}


def test_the_headline_counts_physical_interfaces_and_peaks_stay() -> None:
    history = FlowHistory()
    both = (interface(2), interface(5, "bridge"))
    for tick, rx in enumerate((1000, 4000, 0, 0, 0)):
        rows = np.concatenate([flows({1: (rx, 10)}, 2), flows({2: (rx, 10)}, 5)])
        history.update(snapshot(START_NS + tick * 10**9, 10**9, rows, interfaces=both))
    received, _, total = history.totals()
    assert received.total_bytes == 5000
    assert received.peak == 2500.0
    assert received.rates == (0.0, 1000.0, 1000.0)
    assert total.total_bytes == 5050
    assert history.totals(5)[0].total_bytes == 5000
    assert history.totals(99)[0].total_bytes == 0


def test_packets_are_added_up_beside_bytes() -> None:
    history = FlowHistory()
    first, second = flows({1: (1000, 0), 2: (5, 5)}), flows({2: (7, 7), 3: (1, 1)})
    first["rx_packets"], first["tx_packets"] = [3, 4], [0, UNKNOWN]
    second["rx_packets"], second["tx_packets"] = [40, 1], [50, 2]
    for number, rows in enumerate((first, second), 1):
        history.update(snapshot(START_NS + number * 10**9, 10**9, rows))
    table = history.table
    packets = dict(zip(table.flows["id"].tolist(), table.packets.T.tolist(), strict=True))
    assert packets == {1: [3, 0], 2: [44, 50], 3: [1, 2]}
    small = FlowHistory(max_rows=2)
    for number, rows in enumerate((first, second), 1):
        small.update(snapshot(START_NS + number * 10**9, 10**9, rows))
    assert len(small.table) == small.table.packets.shape[1] <= 2
