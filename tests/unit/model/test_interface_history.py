"""The interface history: rings, gaps and nload's five figures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netdash.model.history import DirectionFigures, InterfaceHistory
from netdash.model.interface_history import MAX_INTERFACES, RING_SAMPLES, RING_SECONDS
from tests.ui.fixtures import interface, snapshot

counts = st.one_of(st.none(), st.integers(0, 2**50))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0.1, 300.0), counts, counts), min_size=1, max_size=120))
def test_figures_and_samples_equal_the_plain_sums(story: list[tuple[float, int | None, int | None]]) -> None:
    history = InterfaceHistory()
    now = 1e6
    times = []
    for seconds, rx, tx in story:
        now += seconds
        times.append(now)
        one = snapshot(1, interval=seconds, interfaces=[interface(rx_bytes=rx, tx_bytes=tx)])
        history.update(replace(one, monotonic_ns=round(now * 1e9)))
    series = history.series(2, "eth0")
    assert series is not None
    known = [(rx, seconds) for seconds, rx, _ in story if rx is not None]
    assert series.rx.total_bytes == sum(rx for rx, _ in known)
    if known:
        rates = [rx / seconds for rx, seconds in known]
        assert series.rx.average == pytest.approx(sum(rx for rx, _ in known) / sum(s for _, s in known))
        assert (series.rx.minimum, series.rx.maximum) == (min(rates), max(rates))
    kept = [story[i] for i, time in enumerate(times) if round(time * 1e9) / 1e9 > round(now * 1e9) / 1e9 - RING_SECONDS]
    expected = np.array([np.nan if tx is None else tx / seconds for seconds, _, tx in kept], np.float32)
    np.testing.assert_allclose(series.tx_rates, expected, rtol=1e-6)


def test_nothing_is_known_before_the_first_interval() -> None:
    history = InterfaceHistory()
    history.update(snapshot(0, interfaces=[interface()]))
    assert history.series(2, "eth0") is None
    history.update(snapshot(1, interfaces=[interface(rx_bytes=None)]))
    series = history.series(2, "eth0")
    assert series is not None
    assert series.rx == DirectionFigures()
    assert np.isnan(series.rx_rates).all()


def test_the_ring_is_bounded_and_what_was_given_out_never_changes() -> None:
    history = InterfaceHistory()
    for tick in range(1, 5):
        history.update(snapshot(tick, interfaces=[interface(rx_bytes=tick)]))
    early = history.series(2, "eth0")
    assert early is not None
    for tick in range(5, 2 * RING_SAMPLES):
        one = snapshot(1, interval=0.1, interfaces=[interface(rx_bytes=tick)])
        history.update(replace(one, monotonic_ns=snapshot(5).monotonic_ns + tick * 100_000_000))
    late = history.series(2, "eth0")
    assert late is not None
    assert len(late.samples) == RING_SAMPLES
    assert late.rx_rates[-1] == pytest.approx((2 * RING_SAMPLES - 1) / 0.1)
    assert early.rx_rates.tolist() == [1.0, 2.0, 3.0, 4.0]


def test_an_interface_made_anew_has_a_history_of_its_own() -> None:
    history = InterfaceHistory()
    history.update(snapshot(1, interfaces=[interface(index=2, rx_bytes=100)]))
    history.update(snapshot(2, interfaces=[interface(index=9, rx_bytes=5)]))
    new, old = history.series(9, "eth0"), history.series(2, "eth0")
    assert new is not None
    assert old is not None
    assert (new.rx.total_bytes, old.rx.total_bytes) == (5, 100)
    history.update(snapshot(2 + int(RING_SECONDS), interfaces=[interface(index=9)]))
    assert history.series(2, "eth0") is None


def test_interfaces_beyond_the_bound_go_oldest_first() -> None:
    history = InterfaceHistory()
    history.update(snapshot(1, interfaces=[interface("old", 1)]))
    history.update(snapshot(2, interfaces=[interface(f"v{i}", i + 10) for i in range(MAX_INTERFACES)]))
    assert history.series(1, "old") is None
    assert history.series(10, "v0") is not None


def test_a_host_full_of_containers_does_not_push_out_its_own_interface() -> None:
    history = InterfaceHistory()
    for tick in (1, 2):
        veths = [interface(f"v{i}", i + 10, kind="veth") for i in range(2 * MAX_INTERFACES)]
        history.update(snapshot(tick, interfaces=[interface(), *veths]))
    for index, name in ((2, "eth0"), (10, "v0")):
        series = history.series(index, name)
        assert series is not None
        assert len(series.samples) == 2
    assert history.series(veths[-1].index, veths[-1].name) is None


def test_a_clock_that_goes_back_begins_a_new_history() -> None:
    history = InterfaceHistory()
    history.update(snapshot(9, interfaces=[interface(rx_bytes=100)]))
    history.update(snapshot(3, interfaces=[interface(rx_bytes=7)]))
    series = history.series(2, "eth0")
    assert series is not None
    assert series.rx.total_bytes == 7
    assert len(series.samples) == 1
