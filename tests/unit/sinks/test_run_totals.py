"""The sum of a run is the sum of its snapshots, however it is put together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from netdash.model.merge import merge
from netdash.model.snapshot import Snapshot
from netdash.sinks import run_totals
from netdash.sinks.run_totals import RunTotals
from tests.unit.sinks import builders
from tests.unit.sinks.builders import baseline, example, flow


def snapshots() -> list[Snapshot]:
    """Twenty intervals with three flows each, one of them the same in all."""
    return [
        example(
            time=builders.TIME + number,
            flows=np.concatenate([flow(id=1), flow(id=100 + number), flow(id=200 + number // 3)]),
            processes=(builders.IPERF, replace(builders.IPERF, pid=1000 + number)),
        )
        for number in range(20)
    ]


@pytest.mark.parametrize("kept_rows", [1, 7, 4096])
def test_the_sum_does_not_depend_on_when_it_is_folded(monkeypatch: pytest.MonkeyPatch, kept_rows: int) -> None:
    monkeypatch.setattr(run_totals, "_KEPT_ROWS", kept_rows)
    totals = RunTotals()
    expected = baseline()
    totals.add(expected)
    for snapshot in snapshots():
        totals.add(snapshot)
        expected = merge(expected, snapshot)
    total = totals.total()
    assert total is not None
    assert totals.count == 20
    assert total.interval == expected.interval == 20.0
    assert np.array_equal(np.sort(total.flows, order="id"), np.sort(expected.flows, order="id"))
    assert sorted(total.processes, key=lambda p: p.pid) == sorted(expected.processes, key=lambda p: p.pid)
    assert (total.interfaces, total.counters, total.health) == (
        expected.interfaces,
        expected.counters,
        expected.health,
    )


def test_tables_that_the_view_does_not_show_are_not_kept() -> None:
    totals = RunTotals("interfaces")
    for snapshot in snapshots():
        totals.add(snapshot)
    total = totals.total()
    assert total is not None
    assert (len(total.flows), total.processes) == (0, ())
    assert total.interfaces[0].tx_bytes == 20 * 7_510_000


def test_without_a_snapshot_there_is_no_sum() -> None:
    assert RunTotals().total() is None
