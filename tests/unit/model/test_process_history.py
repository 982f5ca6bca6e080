"""The process history: totals, rates, who is gone, and what no process moved."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netdash.model.history import OtherKind, ProcessHistory, ProcessRow
from netdash.model.process_history import KEPT_NS, RECENT_INTERVALS
from netdash.model.snapshot import Process, Snapshot
from netdash.model.tables import FLOW_OVERFLOW, Attribution
from tests.ui.fixtures import flow, process, snapshot


def rows_of(history: ProcessHistory) -> dict[int, ProcessRow]:
    return {row.process.pid: row for row in history.rows}


byte_counts = st.one_of(st.none(), st.integers(0, 2**40))
tables = st.dictionaries(st.integers(1, 6), st.tuples(byte_counts, byte_counts), max_size=6)


@settings(max_examples=60, deadline=None)
@given(st.lists(tables, min_size=1, max_size=40))
def test_totals_and_rates_equal_the_plain_sums(story: list[dict[int, tuple[int | None, int | None]]]) -> None:
    history = ProcessHistory()
    for tick, table in enumerate(story, 1):
        processes = [process(pid, rx_bytes=rx, tx_bytes=tx) for pid, (rx, tx) in table.items()]
        history.update(snapshot(tick, processes=processes))
    for pid, (rx, tx) in story[-1].items():
        moved = rows_of(history)[pid].moved
        assert (moved.rx_rate, moved.tx_rate) == (rx, tx)
    total = sum((row.moved.rx_total or 0) for row in history.rows)
    total += history.others[OtherKind.GONE].moved.rx_total or 0
    assert total == sum(rx or 0 for table in story for rx, _ in table.values())
    for pid, row in rows_of(history).items():
        last_ten = [table[pid][0] for table in story[-10:] if pid in table]
        if row.moved.rx_rate10 is not None:
            assert row.moved.rx_rate10 == pytest.approx(sum(rx or 0 for rx in last_ten) / min(10, len(story)))


def test_what_was_never_known_is_not_a_zero() -> None:
    history = ProcessHistory()
    history.update(snapshot(1, processes=[process(7, rx_bytes=None, tx_bytes=5)]))
    moved = rows_of(history)[7].moved
    assert (moved.rx_total, moved.rx_rate, moved.rx_rate10) == (None, None, None)
    assert (moved.tx_total, moved.tx_rate, moved.tx_rate10) == (5, 5.0, 5.0)


def test_a_baseline_tells_who_is_there_and_no_figures() -> None:
    history = ProcessHistory()
    history.update(snapshot(0, processes=[process(7)]))
    assert rows_of(history)[7].moved.rx_total is None


def at(seconds: float, base: Snapshot) -> Snapshot:
    return replace(base, monotonic_ns=snapshot(0).monotonic_ns + int(seconds * 1e9))


def test_an_ended_process_keeps_its_row_for_a_minute_and_its_bytes_for_good() -> None:
    history = ProcessHistory()
    history.update(snapshot(1, processes=[process(7, rx_bytes=100, tx_bytes=1)]))
    history.update(snapshot(2, processes=[process(7, rx_bytes=10, tx_bytes=1, exited=True)]))
    row = rows_of(history)[7]
    assert row.exited_ns == snapshot(2).monotonic_ns
    assert row.moved.rx_rate == 10.0
    history.update(at(2 + KEPT_NS / 1e9 - 0.5, snapshot(3)))
    row = rows_of(history)[7]
    assert (row.present, row.exited_ns, row.moved.rx_total, row.moved.rx_rate) == (
        False,
        snapshot(2).monotonic_ns,
        110,
        0.0,
    )
    history.update(at(2 + KEPT_NS / 1e9 + 0.5, snapshot(3)))
    assert not history.rows
    gone = history.others[OtherKind.GONE]
    assert (gone.moved.rx_total, gone.moved.tx_total, gone.connections) == (110, 2, 1)


def test_a_process_without_sockets_is_not_called_exited() -> None:
    history = ProcessHistory()
    history.update(snapshot(1, processes=[process(7)]))
    history.update(snapshot(2))
    row = rows_of(history)[7]
    assert not row.present
    assert row.exited_ns is None


def test_a_pid_used_again_is_another_process() -> None:
    history = ProcessHistory()
    history.update(snapshot(1, processes=[process(7, "old", start_ticks=1, rx_bytes=100, exited=True)]))
    history.update(snapshot(2, processes=[process(7, "new", start_ticks=2, rx_bytes=3)]))
    by_name = {row.process.name: row.moved.rx_total for row in history.rows}
    assert by_name == {"old": 100, "new": 3}


def test_what_no_process_moved_has_names() -> None:
    history = ProcessHistory()
    flows = [
        flow(local_port=1, attribution=Attribution.FORWARDED, rx_bytes=100, tx_bytes=0),
        flow(local_port=2, attribution=Attribution.KERNEL, rx_bytes=10, tx_bytes=20),
        flow(local_port=3, attribution=Attribution.NONE, rx_bytes=1, tx_bytes=2),
        flow(local_port=4, attribution=Attribution.SOCKET, pid=99, rx_bytes=4, tx_bytes=4),
        flow(local_port=5, attribution=Attribution.SOCKET, pid=7, rx_bytes=1000, tx_bytes=1000),
    ]
    history.update(snapshot(1, processes=[process(7)], flows=flows))
    moved = {kind: (o.moved.rx_total, o.moved.tx_total, o.connections) for kind, o in history.others.items()}
    assert moved == {
        OtherKind.FORWARDED: (100, 0, 1),
        OtherKind.KERNEL: (10, 20, 1),
        OtherKind.UNATTRIBUTED: (5, 6, 2),
        OtherKind.GONE: (0, 0, 0),
    }


def test_a_connection_on_several_interfaces_is_one_transfer() -> None:
    history = ProcessHistory()
    flows = [flow(ifindex=2, rx_bytes=100), flow(ifindex=3, rx_bytes=90), flow(ifindex=3, local_port=9, rx_bytes=5)]
    overflow = [flow("0.0.0.0", 0, "0.0.0.0", 0, ifindex=i, flags=FLOW_OVERFLOW, rx_bytes=7) for i in (2, 3)]
    for row in overflow:
        row["local"] = row["remote"] = 0
    history.update(snapshot(1, flows=flows + overflow))
    other = history.others[OtherKind.UNATTRIBUTED]
    assert (other.moved.rx_total, other.connections) == (100 + 5 + 7 + 7, 4)


def test_payload_is_counted_where_only_sockets_are_read() -> None:
    history = ProcessHistory()
    one: Process = process(7, rx_bytes=None, tx_bytes=None, rx_payload=50, tx_payload=5)
    history.update(snapshot(1, flow_layer="sockets", processes=[one]))
    assert rows_of(history)[7].moved.rx_total == 50


def test_many_gone_processes_are_summed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netdash.model.process_history.MAX_GONE", 3)
    history = ProcessHistory()
    history.update(snapshot(1, processes=[process(pid, rx_bytes=10, exited=True) for pid in range(1, 11)]))
    history.update(snapshot(2))
    assert sorted(rows_of(history)) == [8, 9, 10]
    assert history.others[OtherKind.GONE].moved.rx_total == 70


def test_a_process_is_known_by_its_pid_after_its_row_is_gone() -> None:
    history = ProcessHistory()
    history.update(snapshot(1, processes=[process(7, "curl", rx_bytes=1, exited=True)]))
    history.update(at(300, snapshot(2)))
    assert not history.rows
    assert history.known[7].name == "curl"
    history.update(at(301, snapshot(3, processes=[process(7, "wget", start_ticks=9)])))
    assert history.known[7].name == "wget"


def test_payload_is_counted_beside_wire_bytes() -> None:
    history = ProcessHistory()
    for tick in (1, 2):
        history.update(
            snapshot(tick, processes=[process(7, rx_bytes=100, tx_bytes=10, rx_payload=80, tx_payload=None)])
        )
    row = rows_of(history)[7]
    assert (row.moved.rx_total, row.payload.rx_total, row.payload.rx_rate) == (200, 160, 80.0)
    assert (row.moved.tx_total, row.payload.tx_total, row.payload.tx_rate10) == (20, None, None)
    history.update(snapshot(3))
    gone = rows_of(history)[7]
    assert (gone.payload.rx_total, gone.payload.rx_rate) == (160, 0.0)
    assert (gone.payload.tx_total, gone.payload.tx_rate) == (None, None), "what was never known is not a 0 later"
    history.update(at(3 + KEPT_NS / 1e9, snapshot(4)))
    assert not history.rows
    other = history.others[OtherKind.GONE]
    assert (other.moved.rx_total, other.payload.rx_total, other.payload.tx_total) == (200, 160, 0)


def test_where_packets_are_not_counted_payload_is_all_there_is() -> None:
    history = ProcessHistory()
    moved = process(7, rx_bytes=None, tx_bytes=None, rx_payload=80, tx_payload=9)
    history.update(snapshot(1, flow_layer="sockets", processes=[moved]))
    row = rows_of(history)[7]
    assert row.moved == row.payload
    assert (row.moved.rx_total, row.moved.tx_total) == (80, 9)


def test_rates_of_the_last_intervals() -> None:
    history = ProcessHistory()
    for tick in range(1, RECENT_INTERVALS + 4):
        known = None if tick == 10 else tick
        history.update(snapshot(tick, processes=[process(7, rx_bytes=known, tx_bytes=known)]))
    recent = rows_of(history)[7].moved.recent
    assert len(recent) == RECENT_INTERVALS
    assert [rate for rate in recent if rate == rate] == [
        2.0 * tick for tick in range(4, RECENT_INTERVALS + 4) if tick != 10
    ]
    twin = history.copy()
    history.update(snapshot(RECENT_INTERVALS + 4))
    assert rows_of(history)[7].moved.recent[-1] == 0.0
    assert rows_of(twin)[7].moved.recent[-1] == 2.0 * (RECENT_INTERVALS + 3)
