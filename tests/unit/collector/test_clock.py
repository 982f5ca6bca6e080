"""The collector's clock: which tick is waited for, and for how long."""

from __future__ import annotations

import asyncio

import pytest

from netdash.collector.clock import IntervalClock


def test_ticks_lie_on_the_grid_of_the_start() -> None:
    clock = IntervalClock(1.0, 100.0)
    assert clock.wait_seconds(100.4) == pytest.approx(0.6)
    # Late by a tenth, the next one is in time again.
    assert clock.wait_seconds(101.1) == pytest.approx(0.9)
    # What was missed is not made up for.
    assert clock.wait_seconds(105.3) == pytest.approx(0.7)


def test_a_tick_that_is_too_near_is_late_and_not_left_out() -> None:
    clock = IntervalClock(1.0, 100.0)
    assert clock.wait_seconds(100.9) == pytest.approx(0.25)
    assert clock.wait_seconds(101.15) == pytest.approx(0.85)


def test_no_tick_twice() -> None:
    clock = IntervalClock(1.0, 100.0)
    assert clock.wait_seconds(100.2) == pytest.approx(0.8)
    # Woken a little early.
    assert clock.wait_seconds(100.999) == pytest.approx(1.001)


async def test_another_interval_and_a_wake_end_the_wait() -> None:
    clock = IntervalClock(3600.0)
    waiting = asyncio.create_task(clock.tick())
    await asyncio.sleep(0)
    clock.set_interval(0.01)
    assert await waiting is False
    assert await clock.tick() is True
    clock.set_interval(3600.0)
    assert await clock.tick() is False
    clock.wake()
    assert await clock.tick() is False
