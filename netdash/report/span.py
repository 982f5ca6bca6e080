"""From when to when, in which steps, and in which periods of its own each hour or day is told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final, Literal

from netdash.errors import NetdashError, UsageError
from netdash.model.moments import moment_text, parse_limits
from netdash.recording.database import shown
from netdash.recording.hour_sums import HOUR_SECONDS
from netdash.recording.query import TableQuery, whole

MINUTE_SECONDS: Final = 60
FINE_SECONDS: Final = 3 * 86_400
"""Up to so long a time is summed from its minutes, a longer one from its hours."""

MAX_PERIODS: Final = 10_000
_LATEST: Final = 253_402_300_740
"""9999-12-31T23:59Z."""

Every = Literal["hour", "day"]
Step = Literal["minute", "hour"]


@dataclass(frozen=True, slots=True)
class Period:
    """Seconds since the epoch, whole minutes; `end` is not in it."""

    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Span:
    """What a report is about."""

    whole: Period
    step_seconds: int
    """What percentiles and the busiest times are of: 60 or 3600."""
    periods: tuple[Period, ...]
    """One, or one for each hour or day."""
    every: Every | None = None
    """What each period is; None = there is one."""

    @property
    def has_percentiles(self) -> bool:
        """False where a period is a single step."""
        return not (self.every == "hour" and self.step_seconds == HOUR_SECONDS)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for."""

    begin: str | None = None
    end: str | None = None
    every: Every | None = None
    step: Step | None = None


def find_span(query: TableQuery, wanted: Wanted) -> Span:
    """The span of the recording that is asked for. Raises NetdashError where it holds nothing then."""
    recorded = recorded_period(query)
    begin, end = parse_limits(wanted.begin, wanted.end, first=recorded.begin, last=recorded.end)
    chosen = Period(
        recorded.begin if begin is None else max(recorded.begin, int(begin // MINUTE_SECONDS) * MINUTE_SECONDS),
        recorded.end if end is None else min(recorded.end, -int(-end // MINUTE_SECONDS) * MINUTE_SECONDS),
    )
    if chosen.begin >= chosen.end:
        raise NetdashError(
            f"nothing was recorded then; {shown(query.path)} holds "
            f"{moment_text(recorded.begin)} to {moment_text(recorded.end)}"
        )
    step_seconds = _step_seconds(query, chosen, wanted.step)
    periods = (chosen,) if wanted.every is None else split(chosen, wanted.every)
    return Span(chosen, step_seconds, periods, wanted.every)


def split(period: Period, every: Every) -> tuple[Period, ...]:
    """Its local hours or days; the first and the last may be shorter. Raises UsageError for too many."""
    periods, begin = list[Period](), period.begin
    while begin < period.end:
        end = min(period.end, _next_hour(begin) if every == "hour" else _next_day(begin))
        periods.append(Period(begin, end))
        begin = end
        if len(periods) > MAX_PERIODS:
            raise UsageError(f"that is more than {MAX_PERIODS} {every}s: add --from and --to")
    return tuple(periods)


def recorded_period(query: TableQuery) -> Period:
    """First and last of what is summed. Raises NetdashError where that is nothing."""
    first, last = _ends(query, "minute", "interface_minute")
    ends = [] if last is None else [last + MINUTE_SECONDS]
    begins = [] if first is None else [first]
    if query.columns("hour"):
        hour, last_hour = _ends(query, "hour", "hour")
        # An hour whose minutes are there begins and ends with them.
        if hour is not None and (first is None or hour + HOUR_SECONDS <= first):
            begins.append(hour)
        if last_hour is not None and (last is None or last_hour > last):
            ends.append(last_hour + HOUR_SECONDS)
    if not begins or not ends:
        raise NetdashError(
            f"{shown(query.path)} holds no sum of a minute yet: wait for the first; netdash -r shows its intervals"
        )
    if not 0 <= min(begins) < max(ends) <= _LATEST:
        raise NetdashError(f"cannot read {shown(query.path)}: the file is damaged (its times are none)")
    return Period(min(begins), max(ends))


def _ends(query: TableQuery, column: str, table: str) -> tuple[int | None, int | None]:
    """The least and the greatest; one at a time each is one look into the index."""
    first, last = (whole(query.row(f"SELECT {each}({column}) FROM {table}")[0]) for each in ("min", "max"))
    return first, last


def _step_seconds(query: TableQuery, period: Period, step: Step | None) -> int:
    minutes = _minutes_are_kept(query, period)
    if step == "minute" and not minutes:
        raise NetdashError(
            f"the minutes of then are not in {shown(query.path)} any more, only the hours: leave out --step"
        )
    fine = minutes and period.end - period.begin <= FINE_SECONDS
    return MINUTE_SECONDS if step == "minute" or (step is None and fine) else HOUR_SECONDS


def _minutes_are_kept(query: TableQuery, period: Period) -> bool:
    """False where some hour of it has sums, but its minutes had to go to keep the file small."""
    if not query.columns("hour"):
        return True
    first = whole(query.row("SELECT min(minute) FROM interface_minute")[0])
    gone = "SELECT 1 FROM hour WHERE hour + 3600 > ? AND hour < ? AND (? IS NULL OR hour + 3600 <= ?) LIMIT 1"
    return not query.row(gone, (period.begin, period.end, first, first))


def _next_hour(moment: int) -> int:
    """The next full hour of the local clock, which some time zones have at half past."""
    offset = _local(moment).utcoffset() or timedelta()
    shift = round(offset.total_seconds()) % HOUR_SECONDS
    return moment + HOUR_SECONDS - (moment + shift) % HOUR_SECONDS


def _next_day(moment: int) -> int:
    """The next local midnight, on a whole minute."""
    tomorrow = _local(moment).date() + timedelta(days=1)
    midnight = round(datetime.combine(tomorrow, time()).astimezone().timestamp())
    return max(moment + MINUTE_SECONDS, midnight // MINUTE_SECONDS * MINUTE_SECONDS)


def _local(moment: int) -> datetime:
    return datetime.fromtimestamp(moment, UTC).astimezone()
