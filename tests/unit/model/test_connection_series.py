"""A connection's past is read from stored snapshots, each once, the newest first."""

from __future__ import annotations

import math

from netdash.model.connection_series import CHUNK_SNAPSHOTS, ConnectionSeries
from netdash.model.snapshot import Snapshot
from tests.ui.fixtures import START_TIME, flow, snapshot

_ROW = flow(rx_bytes=3000, tx_bytes=600)
_ID = int(_ROW["id"][0])


def _stored(number: int) -> Snapshot:
    return snapshot(number, interval=2.0, flows=[] if number % 2 else [_ROW])


def test_rates_gaps_and_silence() -> None:
    series = ConnectionSeries(_ID)
    series.read(range(4), _stored)
    times, rx, tx = series.samples(0, 9)
    assert times == [START_TIME + number for number in range(4)]
    assert math.isnan(rx[0])
    assert (rx[1:], tx[1:]) == ([0.0, 1500.0, 0.0], [0.0, 300.0, 0.0])


def test_an_unknown_figure_is_a_gap() -> None:
    series = ConnectionSeries(_ID)
    series.take(1, snapshot(1, flow_layer="sockets", flows=[_ROW]))
    assert math.isnan(series.samples(1, 1)[1][0])


def test_the_newest_are_read_first_and_none_twice() -> None:
    series = ConnectionSeries(_ID)
    seen: list[int] = []

    def read(number: int) -> Snapshot:
        seen.append(number)
        return _stored(number)

    while numbers := series.missing(5, 99):
        assert len(numbers) <= CHUNK_SNAPSHOTS
        series.read(numbers, read)
        if len(seen) == len(numbers):
            assert numbers[-1] == 99
    assert sorted(seen) == list(range(5, 100))
    series.take(100, _stored(100))
    assert list(series.missing(50, 102)) == [101, 102]
    series.forget_before(90)
    assert len(series.samples(0, 200)[0]) == 11
