from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from netdash.collector.traffic import MOVED_ROW, TrafficTable, payload_by_process, sockets_of
from netdash.kernel.socket_traffic import TRAFFIC_ROW

HERE, THERE = 4026531840, 4026532000


def cumulative(*rows: Mapping[str, int | bytes]) -> NDArray[np.void]:
    table = np.zeros(len(rows), TRAFFIC_ROW)
    table["family"], table["protocol"], table["net_namespace"] = 4, 6, HERE
    for index, row in enumerate(rows):
        for name, value in row.items():
            table[name][index] = value
    return table


def moved_rows(*rows: Mapping[str, int | bytes]) -> NDArray[np.void]:
    table = np.zeros(len(rows), MOVED_ROW)
    table["family"], table["protocol"], table["net_namespace"], table["type"] = 4, 6, HERE, 1
    for index, row in enumerate(rows):
        for name, value in row.items():
            table[name][index] = value
    return table


def figures(moved: NDArray[np.void]) -> dict[tuple[int, int], tuple[int, int]]:
    return {(int(r["cookie"]), int(r["pid"])): (int(r["rx_payload"]), int(r["tx_payload"])) for r in moved}


def test_differences_by_socket_and_process() -> None:
    table = TrafficTable()
    old = {"cookie": 1, "pid": 7, "rx_payload_bytes": 100, "tx_payload_bytes": 5}
    assert len(table.update(cumulative(old))) == 0
    moved = table.update(
        cumulative(
            {**old, "rx_payload_bytes": 150},
            {"cookie": 1, "pid": 8, "tx_payload_bytes": 9},
            {"cookie": 2, "pid": 7, "rx_payload_bytes": 0},
        )
    )
    assert figures(moved) == {(1, 7): (50, 0), (1, 8): (0, 9)}
    assert len(table.update(cumulative({**old, "rx_payload_bytes": 150}))) == 0


def test_a_reused_pid_is_another_process() -> None:
    table = TrafficTable()
    table.update(cumulative({"cookie": 1, "pid": 7, "process_start_ns": 10, "rx_payload_bytes": 100}))
    moved = table.update(
        cumulative(
            {"cookie": 1, "pid": 7, "process_start_ns": 10, "rx_payload_bytes": 100},
            {"cookie": 1, "pid": 7, "process_start_ns": 20, "rx_payload_bytes": 30},
        )
    )
    assert figures(moved) == {(1, 7): (30, 0)}


def test_a_deleted_counter_begins_anew() -> None:
    table = TrafficTable()
    table.update(cumulative({"cookie": 1, "pid": 7, "rx_payload_bytes": 100}))
    assert figures(table.update(cumulative({"cookie": 1, "pid": 7, "rx_payload_bytes": 40}))) == {(1, 7): (40, 0)}


def test_only_what_rests_and_has_no_socket_is_forgotten() -> None:
    table = TrafficTable()
    rows = cumulative({"cookie": 1, "pid": 7}, {"cookie": 2, "pid": 7})
    for looks in range(5):
        table.update(rows)
        gone = table.to_forget(np.array([2], np.uint64))["cookie"].tolist()
        assert gone == ([1] if looks >= 2 else [])


def test_sockets_that_no_listing_showed() -> None:
    moved = moved_rows(
        {"cookie": 1, "pid": 7, "local_port": 80},
        {"cookie": 2, "pid": 8},
        {"cookie": 3, "pid": 9, "net_namespace": THERE},
        {"cookie": 4, "pid": 9, "family": 17},
    )
    rows = sockets_of(moved, np.array([2], np.uint64), HERE)
    assert [(int(r["cookie"]), int(r["pid"]), int(r["local_port"])) for r in rows] == [(1, 7, 80)]


def test_sums_over_all_sockets_of_a_process() -> None:
    moved = moved_rows(
        {"cookie": 1, "pid": 7, "start_ticks": 1, "rx_payload": 5, "process_name": b"curl"},
        {"cookie": 2, "pid": 7, "start_ticks": 1, "rx_payload": 6, "tx_payload": 1, "process_name": b"curl"},
        {"cookie": 2, "pid": 7, "start_ticks": 2, "tx_payload": 9, "process_name": b"wget"},
    )
    found = payload_by_process(moved)
    assert {key: (m.rx_payload, m.tx_payload, m.process_name) for key, m in found.items()} == {
        (7, 1): (11, 1, "curl"),
        (7, 2): (0, 9, "wget"),
    }
    assert payload_by_process(moved_rows()) == {}
