"""What is counted stands back while a key is obeyed, but not for ever."""

from __future__ import annotations

import pytest

from netdash.ui.histories import Histories
from netdash.ui.keys_first import KeysFirst
from tests.ui.fixtures import flow, interface, snapshot


class Clock:
    """Time that passes by sleeping only."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds
        self.slept += seconds


def test_without_a_key_nothing_waits() -> None:
    clock = Clock()
    keys = KeysFirst(clock, clock.sleep)
    between = keys.steps(1.0)
    between()
    assert clock.slept == 0.0
    keys.key_came()
    clock.now += 0.1  # it was obeyed long ago
    between()
    assert clock.slept == 0.0


def test_a_key_has_its_time() -> None:
    clock = Clock()
    keys = KeysFirst(clock, clock.sleep)
    between = keys.steps(1.0)
    keys.key_came()
    clock.now += 0.02
    between()
    assert clock.slept == pytest.approx(0.04)
    between()
    assert clock.slept == pytest.approx(0.04)


@pytest.mark.parametrize("interval_seconds", [0.1, 1.0])
def test_however_many_keys_come_the_counting_goes_on(interval_seconds: float) -> None:
    clock = Clock()
    keys = KeysFirst(clock, clock.sleep)
    between = keys.steps(interval_seconds)
    for _ in range(100):
        keys.key_came()
        between()
    assert clock.slept == pytest.approx(0.3 * interval_seconds)


def test_others_have_their_turn_between_all_steps() -> None:
    turns: list[int] = []
    histories = Histories(1024)
    for tick in range(2):
        taken = snapshot(tick, interfaces=[interface("eth0", 2)], flows=[flow(rx_bytes=1000 * tick)])
        histories.update(taken, lambda: turns.append(len(histories.flows.table)))
    assert 0 in turns, "before the flows of the first interval are in the table"
    assert turns[-1] == 1
    assert len(turns) > 10
