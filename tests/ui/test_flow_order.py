"""Which flows are shown and in which order, against plain Python."""

from __future__ import annotations

import random
from collections import defaultdict

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from netdash.model.filter.context import FilterContext
from netdash.model.flow_history import FlowTable
from netdash.model.tables import pack_address
from netdash.ui.filtering import Narrowed
from netdash.ui.scope import Narrowing
from netdash.ui.views.flow_groups import Group, Joining, row_ids
from netdash.ui.views.flow_joins import MIXED
from netdash.ui.views.flow_order import (
    SHOWN_FOR_NS,
    FlowLimits,
    FlowOrder,
    LineMode,
    Sort,
    arrange,
    keep_places,
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
    return FlowTable(
        flows, np.ones(len(story), np.bool_), seen, seen, np.zeros(len(story), np.uint8), moved * 3, moved, rates
    )


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


def once(story: list[Row]) -> list[int]:
    """What connections moved: where they are seen on several interfaces, the most."""
    if len({row[4] for row in story}) <= 1:
        return [row[6] + row[7] for row in story]
    most: dict[tuple[str, int, str, int], int] = {}
    for row in story:
        most[row[:4]] = max(most.get(row[:4], 0), row[6] + row[7])
    return list(most.values())


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
    if pid is None:
        assert seen.sums is None
    elif in_scope:
        assert seen.sums is not None
        assert seen.sums[1].sum() == sum(once(in_scope))


@settings(max_examples=100, deadline=None)
@given(rows)
def test_joined_rows_are_the_sums_of_their_flows(story: list[Row]) -> None:
    seen = arrange(flow_table(story), NOW, FlowOrder(by=Joining(ports=False), sort="total"), FlowLimits())
    groups: dict[tuple[str, str, int], list[Row]] = defaultdict(list)
    for row in story:
        groups[row[0], row[2], row[4]].append(row)
    got = sorted((row.members, int(row.flow["pid"]), *row.totals) for row in map(seen.row, range(len(seen))))
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


def network(host: str) -> bytes:
    packed = pack_address(host)
    return packed[:15] if packed[:10] == bytes(10) else packed[:8]


def group_name(row: Row, group: Group) -> object:
    if group is Group.HOSTS:
        return row[2]
    return network(row[2]) if group is Group.NETWORKS else min(row[1], row[3]) or max(row[1], row[3])


@settings(max_examples=100, deadline=None)
@given(rows, st.sampled_from(list(Group)[1:]))
def test_groups_count_each_connection_once(story: list[Row], group: Group) -> None:
    lively = [row for row in story if not row[8]]
    if len({row[4] for row in lively}) > 1:
        best = {row[:4]: row for row in sorted(lively, key=lambda row: row[6] + row[7])}
        lively = list(best.values())
    expected: dict[object, list[int]] = defaultdict(lambda: [0, 0])
    for row in lively:
        entry = expected[group_name(row, group)]
        entry[0] += 1
        entry[1] += row[6] + row[7]
    seen = arrange(flow_table(story), NOW, FlowOrder(by=Joining(group)), FlowLimits())
    rows = map(seen.row, range(len(seen)))
    assert sorted([row.members, int(sum(row.rates[0]))] for row in rows) == sorted(expected.values())


@settings(max_examples=50, deadline=None)
@given(rows, st.sampled_from([Joining(ports=False), Joining(local=False), Joining(remote=False), Joining(Group.PORTS)]))
def test_an_opened_row_has_its_flows(story: list[Row], by: Joining) -> None:
    whole = flow_table(story)
    ids = row_ids(whole.flows, by)
    for row_id in set(ids.tolist()):
        narrowed = Narrowed([Narrowing("not used", (by, row_id))], FilterContext())
        seen = arrange(whole, NOW, FlowOrder(sort="total"), FlowLimits(narrowed=narrowed))
        assert sorted(seen.order.tolist()) == np.flatnonzero(ids == np.uint64(row_id)).tolist()


values = st.lists(st.one_of(st.just(0), st.integers(90, 115), st.integers(1, 10**6)), min_size=1, max_size=30)


@settings(max_examples=200, deadline=None)
@given(values, st.randoms(use_true_random=False), st.integers(0, 35))
def test_rows_keep_their_places_but_never_below_much_less(
    amounts: list[int], chance: random.Random, count: int
) -> None:
    measure = np.array(amounts, np.float64)
    before = list(range(len(amounts)))
    chance.shuffle(before)
    exact = np.argsort(-measure, kind="stable")
    order = keep_places(exact, measure, np.array(before[: max(1, count)], np.intp), count, 0.1)
    assert sorted(order.tolist()) == list(range(len(amounts)))
    shown = measure[order[:count]]
    for rank, value in enumerate(shown):
        assert (shown[:rank] * 1.1 >= value * (1 - 1e-9)).all()
    # Nothing that has to be seen is out of sight.
    if 0 < count < len(amounts):
        assert shown.min() * 1.1 >= measure[order[count:]].max() * (1 - 1e-9)


def test_equals_stay_where_they_are() -> None:
    measure = np.array([100.0, 104.0, 96.0, 300.0, 0.0])
    before = np.array([2, 0, 1, 4], np.intp)
    exact = np.argsort(-measure, kind="stable")
    assert keep_places(exact, measure, before, 5, 0.1).tolist() == [3, 2, 0, 1, 4]
