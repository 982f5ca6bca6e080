from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from netdash.model.merge import fold_flows, merge, merge_flows
from netdash.model.snapshot import Accounting, Health, InterfaceProtocols, SizeBucket, Traffic
from netdash.model.tables import FLOW_OVERFLOW, FLOW_ROW, UNKNOWN, Attribution
from tests.unit.model.builders import flow_rows, interface, process, snapshot, socket_rows

counts = st.dictionaries(st.integers(1, 30), st.integers(0, 10**12), max_size=20)


def table(volumes: dict[int, int]) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    rows = flow_rows(*({"id": i, "rx_bytes": n, "rx_packets": 1} for i, n in volumes.items()))
    return rows.reshape(-1)


@given(counts, counts)
def test_flows_are_added_by_id(earlier: dict[int, int], later: dict[int, int]) -> None:
    merged, folded = merge_flows(table(earlier), table(later))
    expected = {i: earlier.get(i, 0) + later.get(i, 0) for i in earlier.keys() | later.keys()}
    assert {int(r["id"]): int(r["rx_bytes"]) for r in merged} == expected
    assert folded == 0


def test_unknown_payload_makes_the_sum_unknown() -> None:
    merged, _ = merge_flows(flow_rows({"id": 1, "rx_payload": 5}), flow_rows({"id": 1, "rx_payload": UNKNOWN}))
    assert merged["rx_payload"].tolist() == [UNKNOWN]


def test_state_is_the_later_one_and_a_lost_owner_is_kept() -> None:
    owned = flow_rows({"id": 1, "pid": 7, "attribution": Attribution.SOCKET, "state": 1, "tcp_flags": 2})
    orphan = flow_rows({"id": 1, "attribution": Attribution.NONE, "state": 6, "tcp_flags": 1})
    merged, _ = merge_flows(owned, orphan)
    assert (merged["pid"][0], merged["attribution"][0], merged["state"][0], merged["tcp_flags"][0]) == (7, 2, 6, 3)


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=60), st.integers(1, 20))
def test_folding_keeps_every_byte_and_the_largest(volumes: list[int], limit: int) -> None:
    rows = flow_rows(*({"id": i + 1, "ifindex": 1 + i % 2, "rx_bytes": n} for i, n in enumerate(volumes)))
    folded, count = fold_flows(rows, limit)
    assert int(folded["rx_bytes"].sum()) == sum(volumes)
    kept = folded[(folded["flags"] & FLOW_OVERFLOW) == 0]
    assert len(kept) == min(limit, len(volumes))
    assert count == len(volumes) - len(kept)
    assert sorted(kept["rx_bytes"].tolist(), reverse=True) == sorted(volumes, reverse=True)[: len(kept)]


def test_folding_twice_collects_in_the_same_row() -> None:
    rows = flow_rows(*({"id": i + 1, "ifindex": 3, "rx_bytes": 10 + i} for i in range(10)))
    once, _ = fold_flows(rows, 4)
    twice, _ = merge_flows(once, once, 4)
    assert int(twice["rx_bytes"].sum()) == 2 * int(rows["rx_bytes"].sum())
    assert ((twice["flags"] & FLOW_OVERFLOW) != 0).sum() == 1


def test_processes_are_told_apart_by_start_time() -> None:
    merged = merge(
        snapshot(processes=(process(5, 1, rx_bytes=10), process(6, 1, rx_bytes=None))),
        snapshot(processes=(process(5, 2, rx_bytes=3), process(6, 1, rx_bytes=4))),
    )
    figures = {(p.pid, p.start_ticks): p.rx_bytes for p in merged.processes}
    assert figures == {(5, 1): 10, (5, 2): 3, (6, 1): None}


def test_interfaces_that_vanished_stay_in_the_sum() -> None:
    merged = merge(
        snapshot(interfaces=(interface("eth0", 2, rx_bytes=5), interface("tun0", 9, rx_bytes=7))),
        snapshot(interfaces=(interface("eth0", 2, rx_bytes=6),)),
    )
    assert {i.name: i.rx_bytes for i in merged.interfaces} == {"eth0": 11, "tun0": 7}


def test_the_rest_is_added_too() -> None:
    part = InterfaceProtocols(tcp=Traffic(1, 2, 3, 4), sizes=(SizeBucket(1, 75, 1, 0), SizeBucket(76, None, 0, 2)))
    one = snapshot(
        interval=1.5,
        health=Health(1, 2, ("a",)),
        accounting={"eth0": Accounting("segments", 10, 10, 5, 1, 1, 3)},
        protocols={"eth0": part},
        counters={"Tcp.RetransSegs": 4},
        gauges={"Tcp.CurrEstab": 3},
    )
    merged = merge(one, one)
    assert merged.interval == 3.0
    assert merged.health == Health(2, 4, ("a",))
    assert merged.accounting["eth0"] == Accounting("segments", 20, 20, 10, 2, 2, 6)
    assert merged.protocols["eth0"].tcp == Traffic(2, 4, 6, 8)
    assert merged.protocols["eth0"].sizes[1] == SizeBucket(76, None, 0, 4)
    assert merged.counters == {"Tcp.RetransSegs": 8}
    assert merged.gauges == {"Tcp.CurrEstab": 3}


def test_socket_payload_is_added_by_cookie() -> None:
    merged = merge(
        snapshot(sockets=socket_rows({"cookie": 1, "rx_payload": 5}, {"cookie": 2, "rx_payload": 9})),
        snapshot(sockets=socket_rows({"cookie": 1, "rx_payload": 6}, {"cookie": 3, "rx_payload": 1})),
    )
    assert {int(r["cookie"]): int(r["rx_payload"]) for r in merged.sockets} == {1: 11, 3: 1}


def test_a_baseline_adds_nothing() -> None:
    later = snapshot(interfaces=(interface(rx_bytes=6),))
    assert merge(snapshot(interval=0.0, interfaces=(interface(rx_bytes=None),)), later) is later


def test_row_layout_is_packed() -> None:
    assert FLOW_ROW.itemsize == 120
