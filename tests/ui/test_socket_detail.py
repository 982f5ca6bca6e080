"""What is told of a connection's clock, and of what holds it back."""

from __future__ import annotations

import numpy as np
import pytest

from netdash.model.tables import NO_SSTHRESH
from netdash.model.units import Units
from netdash.ui.views.socket_detail import held_back_pairs, timer_text, timing_pairs
from tests.ui.fixtures import socket


def told(**figures: int) -> np.void:
    row = socket()
    for name, figure in figures.items():
        row[name] = figure
    only: np.void = row[0]
    return only


@pytest.mark.parametrize(
    ("timer", "milliseconds", "text"),
    [
        (0, 5, "none"),
        (1, 180, "on in 0.2 s"),
        (2, 7_100_000, "keepalive in 7100 s"),
        (3, 59_900, "timewait in 60 s"),
        (4, 1500, "persist in 1.5 s"),
        (200, 0, "kind 200 in 0.0 s"),
    ],
)
def test_timers_in_the_words_of_ss(timer: int, milliseconds: int, text: str) -> None:
    assert timer_text(told(timer=timer, timer_ms=milliseconds)) == text


def test_what_is_not_known_or_not_there_is_not_a_figure() -> None:
    assert timing_pairs(told(ssthresh=NO_SSTHRESH), Units()) == [("rto", "–"), ("path MTU", "–"), ("timer", "none")]
    assert timing_pairs(told(rto_us=204_000, ssthresh=7, pmtu=1500, pacing_rate_bytes=125_000), Units()) == [
        ("rto", "204ms"),
        ("ssthresh", "7"),
        ("path MTU", "1500"),
        ("pacing", "1.00 Mb/s"),
        ("timer", "none"),
    ]


def test_who_holds_a_sender_back() -> None:
    assert held_back_pairs(told()) == []
    assert held_back_pairs(told(busy_us=88_000)) == [("busy", "88 ms"), ("held back by buffers", "0%")]
    assert held_back_pairs(told(busy_us=20_000_000, rwnd_limited_us=15_000_000, sndbuf_limited_us=300_000)) == [
        ("busy", "20 s"),
        ("by the receiver's window", "75%"),
        ("by the send buffer", "2%"),
    ]
