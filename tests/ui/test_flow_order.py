"""Which flows are shown and in which order, against plain Python."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from netdash.model.flow_history import FlowTable
from netdash.model.tables import pack_address
from netdash.ui.views.flow_order import (
    MIXED,
    SHOWN_FOR_NS,
    FlowLimits,
    FlowOrder,
    LineMode,
    Sort,
    arrange,
)
from tests.ui.fixtures import flow, table

NOW = 10**15
HOSTS = ["10.0.0.9", "10.0.0.10", "9.255.0.1", "2001:db8::2", "2001:db8::10", "fe80::1"]

Row = tuple[str, int, str, int, int, int, int, int, bool]
"""Local and remote host and port, interface, pid, bytes per second received and sent, silent."""

rows = st.lists(
    st.tuples(
        st.sampled_from(HOSTS),
        st.integers(0, 5),
        st.sampled_from(HOSTS),
        st.integers(0, 5),
        st.integers(1, 2),
        st.integers(1, 3),
        st.integers(0, 50),
        st.integers(0, 50),
        st.booleans(),
    ),
    max_size=25,
)


def flow_table(story: list[Row]) -> FlowTable:
    flows = table(flow(a, p, b, q, ifindex=i, pid=pid) for a, p, b, q, i, pid, *_ in story)
    flows["id"] = np.arange(len(story)) + 1
    moved = np.array([[rx, tx] for *_, rx, tx, _ in story], np.int64).reshape(-1, 2).T
    seen = np.array([NOW - SHOWN_FOR_NS - 1 if silent else NOW for *_, silent in story], np.int64)
    rates = np.stack([moved, moved * 2, moved * 4]).astype(np.float64)
    return FlowTable(flows, np.ones(len(story), np.bool_), seen, moved * 3, rates)


def measure(row: Row, mode: LineMode) -> int:
    rx, tx = row[6], row[7]
    return {LineMode.SENT: tx, LineMode.RECEIVED: rx}.get(mode, rx + tx)


def key_of(row: Row, sort: Sort, mode: LineMode) -> tuple[object, ...]:
    a, p, b, q = row[:4]
    if sort == "local":
        return pack_address(a), p
    if sort == "remote":
        return pack_address(b), q
    if sort == "port":
        return (min(p, q) if p and q else max(p, q)), max(p, q)
    return (measure(row, mode),)


@settings(max_examples=150, deadline=None)
@given(
    rows,
    st.sampled_from(["rate", "total", "local", "remote", "port"]),
    st.booleans(),
    st.sampled_from(list(LineMode)),
    st.sampled_from([None, 1, 2]),
    st.sampled_from([None, 1, 3]),
)
def test_order_and_scope(
    story: list[Row], sort: Sort, descending: bool, mode: LineMode, ifindex: int | None, pid: int | None
) -> None:
    wanted = FlowOrder(sort=sort, descending=descending, lines=mode)
    seen = arrange(flow_table(story), NOW, wanted, FlowLimits(ifindex, pid))
    in_scope = [row for row in story if ifindex in (None, row[4]) and pid in (None, row[5])]
    shown = [story[int(number) - 1] for number in seen.ids]
    expected = [row for row in in_scope if sort == "total" or not row[8]]
    assert sorted(shown) == sorted(expected)
    keys = [key_of(row, sort, mode) for row in shown]
    assert keys == sorted(keys, reverse=descending)
    assert seen.hidden == len(in_scope) - len(shown)
    assert seen.sums[1].tolist() == [sum(row[6] for row in in_scope), sum(row[7] for row in in_scope)]


@settings(max_examples=100, deadline=None)
@given(rows)
def test_joined_rows_are_the_sums_of_their_flows(story: list[Row]) -> None:
    seen = arrange(flow_table(story), NOW, FlowOrder(ports=False, sort="total"), FlowLimits())
    groups: dict[tuple[str, str, int], list[Row]] = defaultdict(list)
    for row in story:
        groups[row[0], row[2], row[4]].append(row)
    assert seen.members is not None
    got = sorted(
        (int(seen.members[i]), int(seen.table.flows["pid"][i]), *seen.table.totals[:, i].tolist()) for i in seen.order
    )
    expected = sorted(
        (
            len(group),
            group[0][5] if len({row[5] for row in group}) == 1 else MIXED,
            3 * sum(row[6] for row in group),
            3 * sum(row[7] for row in group),
        )
        for group in groups.values()
    )
    assert got == expected
    assert len(set(seen.ids.tolist())) == len(groups)


def ids(*numbers: int) -> NDArray[np.uint64]:
    return np.array(numbers, np.uint64)


@settings(max_examples=100, deadline=None)
@given(rows, st.permutations(range(1, 30)), st.integers(0, 29))
def test_a_frozen_order_stays(story: list[Row], order: list[int], length: int) -> None:
    frozen = order[:length]
    seen = arrange(flow_table(story), NOW, FlowOrder(), FlowLimits(), ids(*frozen)).ids.tolist()
    kept = [number for number in frozen if number <= len(story)]
    assert seen[: len(kept)] == kept
    new = seen[len(kept) :]
    assert sorted(new) == [i + 1 for i, row in enumerate(story) if not row[8] and i + 1 not in frozen]
    rates = [story[number - 1][6] + story[number - 1][7] for number in new]
    assert rates == sorted(rates, reverse=True)
