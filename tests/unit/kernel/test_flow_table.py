"""The vectorised tables against dictionaries."""

from __future__ import annotations

import secrets
from bisect import bisect_left
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from netdash.kernel.flow_table import FlowTable
from netdash.kernel.interval_counts import IntervalCounts
from netdash.kernel.packet_batch import ParsedPackets
from netdash.kernel.raw_flow import FLAG_OVERFLOW, FLOW_KEY, FLOW_VALUE, SIZE_BUCKETS, SIZE_LIMITS

SUMS = ("wire_packets", "wire_bytes", "skb_bytes", "skb_packets")


def random_packets(count: int, flows: int, seed: int, interfaces: int = 3) -> tuple[NDArray[np.void], NDArray[np.void]]:
    """Rows of `count` packets of at most `flows` flows; keys differ in any of their bytes."""
    random = np.random.default_rng(seed)
    distinct = random.integers(0, 256, (flows, FLOW_KEY.itemsize), np.uint8).view(FLOW_KEY).reshape(-1)
    distinct["ifindex"] = random.integers(1, interfaces + 1, flows)
    distinct["packet_type"] = random.integers(0, 5, flows)
    distinct["flags"] &= 1
    keys = distinct[random.integers(0, flows, count)]
    values = np.zeros(count, FLOW_VALUE)
    for name in SUMS:
        values[name] = random.integers(1, 2000, count)
    values["last_ns"] = random.integers(1, 2**60, count)
    values["tcp_flags"] = random.integers(0, 256, count)
    return keys, values


def summed(keys: NDArray[np.void], values: NDArray[np.void]) -> dict[bytes, list[int]]:
    """Sums, last time and or-ed flags of each key."""
    flows: dict[bytes, list[int]] = {}
    for key, value in zip(keys, values, strict=True):
        flow = flows.setdefault(key.tobytes(), [0, 0, 0, 0, 0, 0])
        for column, name in enumerate(SUMS):
            flow[column] += int(value[name])
        flow[4] = max(flow[4], int(value["last_ns"]))
        flow[5] |= int(value["tcp_flags"])
    return flows


def totals(values: NDArray[np.void]) -> list[int]:
    return [int(values[name].sum()) for name in SUMS]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 300), st.integers(1, 400), st.integers(1, 4))
def test_sums_of_each_flow(seed: int, flows: int, count: int, batches: int) -> None:
    keys, values = random_packets(count * batches, flows, seed)
    table = FlowTable(300)
    for start in range(0, len(keys), count):
        table.add(keys[start : start + count], values[start : start + count])
    got_keys, got_values = table.take()
    assert len(np.unique(got_keys)) == len(got_keys)
    assert summed(got_keys, got_values) == summed(keys, values)


def test_colliding_flows_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "randbits", lambda bits: 0)  # every key gets the same hash
    keys, values = random_packets(2000, 150, seed=1)
    table = FlowTable(150)
    table.add(keys, values)
    assert summed(*table.take()) == summed(keys, values)


def test_taking_empties_the_table() -> None:
    keys, values = random_packets(100, 10, seed=2)
    table = FlowTable(10)
    table.add(keys, values)
    table.take()
    assert [len(rows) for rows in table.take()] == [0, 0]
    table.add(keys, values)
    assert summed(*table.take()) == summed(keys, values)


@pytest.mark.parametrize("batch", [1, 7, 5000])
def test_flows_above_the_limit_go_into_overflow_rows(batch: int) -> None:
    keys, values = random_packets(500 if batch == 1 else 5000, 400, seed=3)
    keys["protocol"] = 6
    keys["ethertype"] = 0x0800
    keys["vlan"] = 0
    table = FlowTable(50)
    for start in range(0, len(keys), batch):
        table.add(keys[start : start + batch], values[start : start + batch])
    got_keys, got_values = table.take()

    overflow = got_keys["flags"] == FLAG_OVERFLOW
    assert (~overflow).sum() == 50
    assert totals(got_values) == totals(values)
    expected = summed(keys, values)
    for key, flow in summed(got_keys[~overflow], got_values[~overflow]).items():
        assert expected[key] == flow  # a flow in the table is never counted in part elsewhere
    rest = got_keys[overflow]
    assert set(rest["protocol"]) == {6}
    assert not rest["source"].any()
    assert not rest["destination"].any()
    assert not rest["source_port"].any()
    for direction in np.unique(keys[["ifindex", "packet_type"]]):
        inside, outside = (rows[["ifindex", "packet_type"]] == direction for rows in (keys, got_keys))
        assert totals(got_values[outside]) == totals(values[inside])


def test_overflow_rows_are_bounded_too() -> None:
    table = FlowTable(5)
    expected = np.zeros(0, FLOW_VALUE)
    for seed in range(4):
        keys, values = random_packets(8000, 8000, seed, interfaces=100_000)
        table.add(keys, values)
        expected = np.concatenate([expected, values])
    got_keys, got_values = table.take()
    assert totals(got_values) == totals(expected)
    assert len(got_keys) == 5 + 2048 + 2048 + 1
    assert len(np.unique(got_keys)) == len(got_keys)


def test_the_limit_must_be_positive() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        FlowTable(0)


def _frames(sizes: list[tuple[int, int, int, int, int]]) -> ParsedPackets:
    """Packets of (ifindex, packet_type, full segments, bytes of a full segment, bytes of the last frame)."""
    keys, values = np.zeros(len(sizes), FLOW_KEY), np.zeros(len(sizes), FLOW_VALUE)
    facts = np.array(sizes, np.int64)
    keys["ifindex"], keys["packet_type"] = facts[:, 0], facts[:, 1]
    values["wire_packets"] = facts[:, 2] + 1
    values["wire_bytes"] = facts[:, 2] * facts[:, 3] + facts[:, 4]
    return ParsedPackets(keys, values, np.where(facts[:, 2] > 0, facts[:, 3], 0))


_frame_bytes = st.sampled_from([0, 1, 75, 76, 1500, 1501, 1518, 1519, 9018, 9019, 70_000])
_sizes = st.lists(
    st.tuples(st.sampled_from([1, 2, 2**32 - 1]), st.integers(0, 4), st.integers(0, 45), _frame_bytes, _frame_bytes),
    min_size=1,
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(_sizes, min_size=1, max_size=3), st.booleans())
def test_sizes_of_all_frames(batches: list[list[tuple[int, int, int, int, int]]], merge: bool) -> None:
    expected: Counter[tuple[int, int, int]] = Counter()
    counts = IntervalCounts(1000)
    for batch in batches:
        if merge:
            other = IntervalCounts(1000)
            other.add(_frames(batch))
            counts.merge(other.take())
        else:
            counts.add(_frames(batch))
        for ifindex, packet_type, segments, segment_bytes, last_bytes in batch:
            outgoing = int(packet_type == 4)
            expected[ifindex, outgoing, bisect_left(SIZE_LIMITS, segment_bytes)] += segments
            expected[ifindex, outgoing, bisect_left(SIZE_LIMITS, last_bytes)] += 1
    sizes = counts.take().sizes
    got = {
        (int(row["ifindex"]), int(row["outgoing"]), bucket): int(row["packets"][bucket])
        for row in sizes
        for bucket in range(SIZE_BUCKETS)
        if row["packets"][bucket]
    }
    assert got == {cell: packets for cell, packets in expected.items() if packets}
    assert sizes["packets"].any(axis=1).all()
    assert len(counts.take().sizes) == 0


def test_merged_intervals_add_up() -> None:
    keys, values = random_packets(1000, 100, seed=5)
    first, second = IntervalCounts(100), IntervalCounts(100)
    first.add(ParsedPackets(keys[:600], values[:600], np.zeros(600, np.int64)))
    second.add(ParsedPackets(keys[600:], values[600:], np.zeros(400, np.int64)))
    first.lost_packets, second.lost_packets = 3, 4
    first.merge(second.take())
    counts = first.take()
    assert summed(counts.keys, counts.values) == summed(keys, values)
    assert counts.lost_packets == 7
    assert first.take().lost_packets == 0
