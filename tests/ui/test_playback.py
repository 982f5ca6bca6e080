"""Where in time the dashboard is, with a clock of the test's own."""

from __future__ import annotations

import numpy as np

from netdash.model.snapshot_store import Timetable
from netdash.ui.playback import Player
from netdash.ui.time_text import gap_text, place_texts


def table(*times: float, first: int = 0, interval: float = 1.0) -> Timetable:
    """Snapshots at these times; the first a baseline."""
    intervals = np.full(len(times), interval)
    intervals[:1] = 0.0
    return Timetable(first, np.array(times), np.zeros(len(times), np.int64), intervals, np.zeros(len(times)))


class Clock:
    """Stands until it is set."""

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def player(*, live: bool, count: int = 100) -> tuple[Player, Clock]:
    """With a snapshot a second."""
    clock = Clock()
    made = Player(live=live, clock=clock)
    made.grow(table(*(1000.0 + number for number in range(count))))
    return made, clock


def test_live_follows_what_comes() -> None:
    """Until it is paused; then it stays, and what is behind it grows."""
    live, _ = player(live=True)
    assert (live.number, live.following, place_texts(live)) == (99, True, ())
    live.grow(table(*(1000.0 + number for number in range(102))))
    assert live.number == 101
    live.toggle()
    live.grow(table(*(1000.0 + number for number in range(110))))
    assert (live.number, live.following, live.behind_seconds) == (101, False, 8.0)
    live.toggle()
    assert (live.number, live.following) == (109, True)


def test_steps_stay_within_the_store() -> None:
    """By snapshots and by seconds; back from the oldest leads nowhere."""
    live, _ = player(live=True)
    live.step(-1)
    assert (live.number, live.playing) == (98, False)
    live.step_seconds(-10)
    assert live.number == 88
    live.step_seconds(60)
    assert (live.number, live.playing, live.at_last) == (99, False, True)
    live.step_seconds(-1000)
    assert (live.number, live.at_first) == (0, True)
    live.step(-1)
    assert live.number == 0
    live.to_last()
    assert live.following


def test_step_by_seconds_moves_at_least_one() -> None:
    """Where intervals are longer than the step."""
    one = Player(live=False, clock=Clock())
    one.grow(table(0.0, 60.0, 120.0, interval=60.0))
    one.step_seconds(10)
    assert one.number == 1
    one.step_seconds(-10)
    assert one.number == 0


def test_pause_outlasts_what_it_shows() -> None:
    """The store dropped it: it stays on the screen, further back is nothing, on is the oldest."""
    live, _ = player(live=True)
    live.step(-90)
    live.grow(table(*(1000.0 + number for number in range(50, 150)), first=50))
    assert (live.number, live.moment, live.at_first, live.behind_seconds) == (9, 1009.0, True, 140.0)
    assert place_texts(live)[0].endswith("−2 min 20 s, oldest")
    assert gap_text(live) == ""
    live.step(-1)
    assert live.number == 9
    live.step(1)
    assert live.number == 50


def test_plays_a_recording_by_the_clock() -> None:
    """Each snapshot for its interval, divided by the speed."""
    one, clock = player(live=False)
    assert (one.number, one.playing) == (0, True)
    assert not one.tick()
    clock.now += 0.9
    assert not one.tick()
    clock.now += 0.2
    assert (one.tick(), one.number) == (True, 1)
    one.faster()
    one.faster()
    assert one.speed == 5
    for _ in range(10):
        clock.now += 0.1
        one.tick()
    assert one.number == 6
    one.slower()
    assert one.speed == 2
    one.toggle()
    clock.now += 10.0
    assert (one.tick(), one.number) == (False, 6)


def test_looking_at_the_store_does_not_hold_up_the_playing() -> None:
    """It is looked at as often as a snapshot is due."""
    one, clock = player(live=False)
    for second in range(1, 6):
        clock.now += 1.01
        one.grow(one.table)
        assert (one.tick(), one.number) == (True, second)


def test_slow_showing_makes_playing_slow() -> None:
    """At 600 times a second is 600 snapshots: a quarter of a second is made up, no more."""
    one, clock = player(live=False, count=5000)
    for _ in range(5):
        one.faster()
    assert one.speed == 600
    clock.now += 3.0
    one.tick()
    assert 149 <= one.number <= 152


def test_gap_is_not_waited_for_and_is_told() -> None:
    """Two hours without figures pass at once."""
    clock = Clock()
    one = Player(live=False, clock=clock)
    one.grow(table(1000.0, 1001.0, 8202.0, 8203.0))
    one.toggle()
    one.step(1)
    assert gap_text(one) == ""
    one.toggle()
    clock.now += 1.0
    assert (one.tick(), one.number, gap_text(one)) == (True, 2, "gap 2 h")
    one.step(1)
    assert gap_text(one) == ""


def test_steps_of_the_clock_lead_nowhere_far() -> None:
    """Set back by two hours: ten seconds back or on are never hours, every moment is reached, times of day too."""
    one = Player(live=False, clock=Clock())
    before, after = 8200.0 + np.arange(30), 1000.0 + np.arange(30)
    one.grow(table(*before, *after))
    one.step(28)
    seen = []
    for _ in range(4):
        one.step_seconds(10)
        seen.append(one.number)
    assert seen == [29, 30, 40, 50]
    assert (one.go_to(8205.5), one.number) == (True, 5)
    assert (one.go_to(1005.0), one.number) == (True, 35)
    for _ in range(2):
        one.step_seconds(-10)
    assert (one.number, one.moment) == (29, 8229.0)
    one.step(1)
    assert gap_text(one) == "clock set back 2 h"
    assert not one.go_to(900.0)
    assert not one.go_to(9000.0)


def test_follows_a_recording_that_is_still_written() -> None:
    """At its end and playing; not while paused."""
    one, _ = player(live=False, count=10)
    one.to_last()
    assert one.following
    assert "► follows" in place_texts(one)[0]
    one.grow(table(*(1000.0 + number for number in range(12))))
    assert one.number == 11
    one.step(-1)
    one.grow(table(*(1000.0 + number for number in range(20))))
    assert one.number == 10


def test_a_file_that_is_still_being_read_plays_from_its_start() -> None:
    """However fast it comes; what has not come yet is waited for."""
    clock = Clock()
    one = Player(live=False, clock=clock)
    one.grow(table(1000.0), filling=True)
    assert (one.following, one.tick()) == (False, False)
    one.grow(table(*(1000.0 + number for number in range(50))), filling=True)
    assert one.number == 0
    for _ in range(22):
        clock.now += 0.1
        one.tick()
    assert (one.number, place_texts(one)[-1].startswith("► ×1 ")) == (3, True)
    one.to_last()
    assert not one.following
    one.grow(table(*(1000.0 + number for number in range(60))), filling=True)
    assert one.number == 49
    one.to_last()
    one.grow(table(*(1000.0 + number for number in range(60))))
    assert one.following


def test_live_playing_catches_up() -> None:
    """Faster than now for a while, then it is live again at normal speed."""
    live, clock = player(live=True)
    live.step(-4)
    live.faster()
    live.faster()
    assert (live.playing, live.following, live.speed) == (True, False, 2)
    assert place_texts(live)[0].startswith("► ×2 ")
    for _ in range(30):
        clock.now += 0.1
        live.tick()
    assert (live.following, live.speed) == (True, 1)


def test_goes_to_a_time() -> None:
    """Live it pauses there; outside of the store it says so."""
    live, _ = player(live=True)
    assert live.go_to(1010.5)
    assert (live.number, live.playing) == (10, False)
    assert not live.go_to(0.0)
    assert live.number == 0
    one, _ = player(live=False)
    assert one.go_to(1050.0)
    assert (one.number, one.playing) == (50, True)


def test_before_anything_is_stored_keys_do_nothing() -> None:
    """They may be pressed before the first snapshot."""
    live = Player(live=True)
    live.grow(Timetable.empty())
    live.step(-1)
    live.step_seconds(-10)
    live.to_first()
    live.to_last()
    assert not live.go_to(5.0)
    assert (live.ready, live.number, live.following) == (False, -1, True)
    live.toggle()
    assert not live.tick()
    live.grow(table(1000.0))
    assert live.number == 0
