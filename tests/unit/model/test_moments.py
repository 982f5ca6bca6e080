"""Moments as people write them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netdash.model.moments import MomentError, parse_limits, parse_moment, parse_span


@pytest.fixture(autouse=True)
def _zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A zone that changes its clock within the year."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def at(text: str) -> float:
    """Seconds since the epoch of a local time."""
    return datetime.fromisoformat(text).astimezone().timestamp()


FIRST, SHOWN, LAST = "2026-11-20T22:00", "2026-11-22T13:00", "2026-11-22T14:30"


def parse(text: str) -> float:
    """In a span of a day and a half."""
    return parse_moment(text, shown=at(SHOWN), first=at(FIRST), last=at(LAST))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("14:00", "2026-11-22T14:00"),
        ("9:05:07", "2026-11-22T09:05:07"),
        ("23:00", "2026-11-21T23:00"),
        ("14:45", "2026-11-21T14:45"),
        ("2026-11-21T14:00", "2026-11-21T14:00"),
        ("2026-11-21 14:00:30", "2026-11-21T14:00:30"),
        ("2026-11-21", "2026-11-21T00:00"),
        ("2026-11-21T14:00Z", "2026-11-21T15:00"),
        ("2026-11-21T14:00+05:00", "2026-11-21T10:00"),
        ("10m ago", "2026-11-22T14:20"),
        (" 1h30m  ago ", "2026-11-22T13:00"),
        ("2 days 3 hours ago", "2026-11-20T11:30"),
        ("+5m", "2026-11-22T13:05"),
        ("-90s", "2026-11-22T12:58:30"),
        ("start", FIRST),
        ("END", LAST),
        ("now", LAST),
        ("2025-07-01T12:00", "2025-07-01T12:00"),
    ],
)
def test_forms(text: str, moment: str) -> None:
    """Every form that the help names, and days that are found by the span."""
    assert parse(text) == at(moment)


def test_time_of_day_outside_the_span_is_the_nearest() -> None:
    """Nothing is guessed away: the caller says that it lies outside."""
    moment = parse_moment("18:00", shown=at("2026-11-22T13:00"), first=at("2026-11-22T12:00"), last=at(LAST))
    assert moment == at("2026-11-22T18:00")


@pytest.mark.parametrize(
    "text",
    ["", "ago", " ago", "+", "-", "25:00", "14:60", "2026-13-01", "yesterday", "10 ago", "5x ago", "1" * 70, "++5m",
     "9999999999d ago", "\x1b[31m", "999999999d ago 5m"],
)  # fmt: skip
def test_refused_in_one_line(text: str) -> None:
    """What is no moment is told with the forms that are."""
    with pytest.raises(MomentError, match="is no moment; write 14:00") as caught:
        parse(text)
    assert str(caught.value).isprintable()


@given(st.text(max_size=80))
def test_any_text(text: str) -> None:
    """A moment or MomentError, whatever is typed."""
    with contextlib.suppress(MomentError):
        assert isinstance(parse(text), float)


@given(st.floats(0, 4e9), st.floats(0, 4e9), st.floats(0, 4e9))
def test_any_span(shown: float, first: float, last: float) -> None:
    """Spans of any kind do not matter."""
    assert isinstance(parse_moment("14:00", shown=shown, first=first, last=last), float)


@pytest.mark.parametrize(
    ("begin", "end", "from_time", "to_time"),
    [
        (None, None, None, None),
        ("14:00", None, "2026-11-22T14:00", None),
        (None, "14:00", None, "2026-11-22T14:00"),
        ("02:13", "02:14", "2026-11-22T02:13", "2026-11-22T02:14"),
        ("22:30", "00:10", "2026-11-21T22:30", "2026-11-22T00:10"),
        ("14:25", "14:35", "2026-11-22T14:25", "2026-11-22T14:35"),
        ("14:45", "15:00", "2026-11-21T14:45", "2026-11-21T15:00"),
        ("2026-11-20T23:30", "00:30", "2026-11-20T23:30", "2026-11-21T00:30"),
        ("02:10", "+10m", "2026-11-22T02:10", "2026-11-22T02:20"),
        ("+1h", "+1h", "2026-11-20T23:00", "2026-11-21T00:00"),
        ("-10m", "-5m", "2026-11-22T14:20", "2026-11-22T14:25"),
        ("1h ago", "30m ago", "2026-11-22T13:30", "2026-11-22T14:00"),
        ("start", "end", FIRST, LAST),
    ],
)
def test_parts_of_a_file(begin: str | None, end: str | None, from_time: str | None, to_time: str | None) -> None:
    """Of several nights the last one is meant, and the end follows the begin."""
    limits = parse_limits(begin, end, first=at(FIRST), last=at(LAST))
    assert limits == tuple(None if text is None else at(text) for text in (from_time, to_time))


@pytest.mark.parametrize(("begin", "end"), [("noon", None), (None, "25:00"), ("14:00", "25:00"), ("1d", "1h")])
def test_what_is_no_part_of_a_file(begin: str | None, end: str | None) -> None:
    with pytest.raises(MomentError, match="is no moment"):
        parse_limits(begin, end, first=at(FIRST), last=at(LAST))


def test_span() -> None:
    """Units and their sums."""
    assert parse_span("1h 30min 5s") == 5405.0
    assert parse_span("1.5h") == 5400.0
