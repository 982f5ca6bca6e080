"""A whole report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from netdash.recording.dimensions import DIMENSIONS, INTERFACE, PROGRAM, Dimension
from netdash.recording.query import TableQuery, Value, text, whole
from netdash.report.coverage import Coverage, find_coverage
from netdash.report.figures import Figures, Row
from netdash.report.ranking import OTHERS, UNNAMED, ranked
from netdash.report.span import Period, Span
from netdash.report.steps import Steps

_MAX_HEADLINE: Final = 100


@dataclass(frozen=True, slots=True)
class Process:
    """The only process of a program."""

    pid: int
    command: str


@dataclass(slots=True)
class Section:
    """One dimension of one period: the busiest, and the sums of the others if there are any."""

    rows: list[Row] = field(default_factory=list)
    others: Row | None = None
    """Those that come after the last row."""
    unnamed: Row | None = None
    """What the recording keeps no names of."""


@dataclass(slots=True)
class PeriodReport:
    """One period."""

    period: Period
    recorded_seconds: float
    sections: dict[str, Section] = field(default_factory=dict)
    """By dimension."""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that the text and the JSON tell."""

    path: str
    span: Span
    coverage: Coverage
    headline: tuple[str, ...]
    """The interfaces of which remote hosts and ports are told."""
    periods: tuple[PeriodReport, ...]
    processes: dict[int, Process]
    """By `process` of a row's sums."""


def build(query: TableQuery, span: Span, top: int, progress: Callable[[float], None] = lambda fraction: None) -> Report:
    """Asks for all of it. Raises RecordingError."""
    steps = Steps(query, span)
    periods = tuple(PeriodReport(period, 0.0) for period in span.periods)
    for number, dimension in enumerate(DIMENSIONS):
        progress(number / len(DIMENSIONS))
        steps.fill(dimension)
        _take(query, steps, dimension, top, periods)
    headline = query.rows(
        f"SELECT DISTINCT interface FROM temp.{INTERFACE.name}_sum WHERE headline LIMIT ?", (_MAX_HEADLINE,)
    )
    return Report(
        path=query.path,
        span=span,
        coverage=find_coverage(query, steps),
        headline=tuple(text(name) for (name,) in headline),
        periods=periods,
        processes=_processes(query, periods),
    )


def _take(query: TableQuery, steps: Steps, dimension: Dimension, top: int, periods: tuple[PeriodReport, ...]) -> None:
    figures = Figures(query, steps, dimension)
    for number, period in enumerate(periods):
        period.recorded_seconds = figures.recorded(number)
        period.sections[dimension.name] = Section()
    for each in list(ranked(query, steps, dimension, top)):
        section = periods[each.period].sections[dimension.name]
        row = figures.row(each)
        if each.place == UNNAMED:
            section.unnamed = row
        elif each.place == OTHERS:
            section.others = row
        else:
            section.rows.append(row)


def _processes(query: TableQuery, periods: tuple[PeriodReport, ...]) -> dict[int, Process]:
    rows = [row for period in periods for row in period.sections[PROGRAM.name].rows]
    found = {}
    for number in {number for row in rows if (number := _process(row.sums)) is not None}:
        for pid, command in query.rows("SELECT pid, command FROM process WHERE id = ?", (number,)):
            if (known := whole(pid)) is not None:
                found[number] = Process(known, text(command))
    return found


def _process(sums: dict[str, Value]) -> int | None:
    return whole(sums["process"])
