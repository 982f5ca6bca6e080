"""Moments as people write them: "14:00", "2026-11-22T14:00", "10m ago", "+5m"."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Final

from netdash.errors import UsageError
from netdash.model.sanitize import sanitize

FORMS: Final = "14:00, 2026-11-22T14:00, '10m ago', +5m, -5m, start or end"
"""What can be written, to be told to a user."""

_MAX_TEXT: Final = 64
_CLOCK: Final = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?", re.ASCII)
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}([t ].+)?", re.ASCII)
_STEP: Final = re.compile(r"(\d{1,9}(?:\.\d{1,6})?) ?(days?|hours?|minutes?|seconds?|min|d|h|m|s)", re.ASCII)
_UNITS: Final = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))
_SECONDS: Final = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0}

_LATEST: Final = 253_402_300_799.0
"""9999-12-31T23:59:59Z, the last second that ISO 8601 writes with four digits."""


class MomentError(UsageError):
    """The text names no moment; the message says what would."""


def parse_moment(text: str, *, shown: float, first: float, last: float) -> float:
    """Seconds since the epoch of the moment that `text` names.

    `first`, `last`: the span that can be looked at; "ago" counts back from `last`, which is now when it is live.
    `shown`: what is looked at now, from which "+5m" and "-5m" count. A time of day without a date is that of the day
    on which it lies within the span, and of several the one nearest to `shown`. Times are local unless they say
    otherwise ("2026-11-22T14:00Z", "2026-11-22T14:00+01:00"). The result may lie outside the span. Raises MomentError.
    """
    wanted = " ".join(text.split()).strip()
    try:
        moment = _parse(wanted.lower(), shown, first, last) if len(wanted) <= _MAX_TEXT else None
    except (ValueError, OverflowError, OSError):
        moment = None
    if moment is None:
        raise MomentError(f"'{sanitize(wanted, _MAX_TEXT)}' is no moment; write {FORMS}")
    return moment


def parse_limits(begin: str | None, end: str | None, *, first: float, last: float) -> tuple[float | None, float | None]:
    """The part of a file that `--from` and `--to` name, in seconds since the epoch; None = no limit.

    `first`, `last`: the span that the file holds. Of several days a time of day is that of the newest, and of the end
    the first one after the begin. "+5m" counts from the file's first moment, or from the begin; "-5m" from the last.
    Raises MomentError.
    """
    from_time = None if begin is None else _limit(begin, first, first, last)
    to_time = None if end is None else _limit(end, first if from_time is None else from_time, first, last)
    if end is not None and from_time is not None and (clock := _clock(end.strip())) is not None:
        to_time = _next_after(from_time, clock)
    return from_time, to_time


def _limit(text: str, base: float, first: float, last: float) -> float:
    """`base`: what "+5m" counts from."""
    shown = base if text.strip().startswith("+") else last
    return parse_moment(text, shown=shown, first=first, last=last)


def _parse(text: str, shown: float, first: float, last: float) -> float | None:
    if text in ("start", "first"):
        return first
    if text in ("end", "last", "now"):
        return last
    if text.endswith(" ago"):
        return last - parse_span(text.removesuffix(" ago"))
    if text[:1] in ("+", "-"):
        return shown + parse_span(text[1:]) * (1 if text[0] == "+" else -1)
    if (clock := _clock(text)) is not None:
        return _nearest_day(clock, shown, first, last)
    if _DATE.fullmatch(text):
        return datetime.fromisoformat(text.upper()).astimezone().timestamp()
    return None


def parse_span(text: str) -> float:
    """Seconds of "90s", "5 min", "1h30m", "2 days 3 hours". Raises ValueError."""
    seconds, position, text = 0.0, 0, text.strip().lower()
    while position < len(text):
        step = _STEP.match(text, position)
        if step is None:
            raise ValueError(f"no span of time: {text}")
        seconds += float(step[1]) * _SECONDS[step[2][0]]
        position = step.end() + text.startswith(" ", step.end())
    if not text:
        raise ValueError("no span of time")
    return seconds


def iso_time(seconds: float) -> str:
    """Seconds since the epoch as "2026-11-22T14:03:22.104Z"; what no calendar holds becomes its nearest end."""
    moment = datetime.fromtimestamp(min(max(0.0, seconds), _LATEST), UTC)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def moment_text(moment: float) -> str:
    """Local time as `parse_moment` reads it: "2026-11-22T14:03:22"."""
    return _local(moment).strftime("%Y-%m-%dT%H:%M:%S")


def span_text(seconds: float) -> str:
    """A span of time in its two largest units: "45 s", "2 min 10 s", "1 h 3 min", "2 d 4 h"."""
    whole = round(seconds)
    for (unit, length), (smaller, part) in pairwise(_UNITS):
        if whole >= length:
            rest = whole % length // part
            return f"{whole // length} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{whole} s"


def _clock(text: str) -> time | None:
    """A time of day; None where it is something else. Raises ValueError for one that no day has."""
    found = _CLOCK.fullmatch(text)
    if found is None:
        return None
    hour, minute, second = (int(part or 0) for part in found.groups())
    return time(hour, minute, second)


def _next_after(moment: float, clock: time) -> float:
    day = _local(moment).date()
    return next(at for at in (_at(day + timedelta(days=step), clock) for step in (0, 1, 2)) if at >= moment)


def _nearest_day(clock: time, shown: float, first: float, last: float) -> float:
    """The time of day nearest to `shown` within the span; nearest at all where the span has none."""
    days = [_local(shown).date(), _local(last).date(), _local(first).date()]
    around = {day + timedelta(days=step) for day in days for step in (-1, 0, 1)}
    moments = [_at(day, clock) for day in around]
    inside = [moment for moment in moments if first <= moment <= last]
    return min(inside or moments, key=lambda moment: abs(moment - shown))


def _local(moment: float) -> datetime:
    return datetime.fromtimestamp(moment, UTC).astimezone()


def _at(day: date, clock: time) -> float:
    return datetime.combine(day, clock).astimezone().timestamp()
