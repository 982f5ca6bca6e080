"""A report as text for people: aligned, as wide as the terminal, and clear about what its figures count."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from netdash.model.moments import span_text
from netdash.model.units import NOT_KNOWN, Units
from netdash.recording.database import shown
from netdash.recording.dimensions import DIMENSIONS, INTERFACE, PORT, PROGRAM, REMOTE, Dimension
from netdash.report.build import PeriodReport, Report, Section
from netdash.report.figures import PERCENT, Direction, Row, RowLayer
from netdash.report.fitting import Column, fitted
from netdash.report.labels import HEADERS, TITLES, names
from netdash.report.span import MINUTE_SECONDS, Period

_SHOWN_GAPS: Final = 5
_SHOWN_HEADLINE: Final = 4
_LAYER_ORDER: Final[tuple[RowLayer, ...]] = ("wire", "payload", "part")
_LAYER_MEANINGS: Final[dict[RowLayer, str]] = {
    "wire": "wire: with link-layer headers",
    "payload": "payload: what the applications moved",
    "part": "part: known at times alone, so that it was at least so much (≥)",
}
_BY_PACKETS: Final = (REMOTE.name, PORT.name)
_PEAK, _PERCENTILE, _MEAN, _DETAIL, _BUSIEST = range(1, 6)
"""Which columns go first where the terminal is too narrow: the last ones."""


def report_text(report: Report, units: Units, width: int | None) -> Iterator[str]:
    """Lines; `width` of the terminal, None = no limit."""
    for line in _head(report, units):
        yield from _wrapped(line, width)
    for period in report.periods:
        if report.span.every is not None:
            yield from ("", _period_line(period))
        for dimension in DIMENSIONS:
            section = period.sections[dimension.name]
            if section.rows or section.unnamed is not None:
                yield from ("", *_section(report, dimension, section, units, width))


def _head(report: Report, units: Units) -> Iterator[str]:
    span, coverage = report.span, report.coverage
    length = span.whole.end - span.whole.begin
    recorded = min(coverage.recorded_seconds, length)
    yield f"netdash report of {shown(report.path)}, host {coverage.host or NOT_KNOWN}"
    yield (
        f"{_local(span.whole.begin)} to {_local(span.whole.end)} (local time, {_zone(span.whole.begin)}): "
        f"{span_text(length)}, recorded: {span_text(recorded)} ({recorded * 100 / length:.1f} %)"
    )
    if coverage.gaps:
        gaps = sorted(coverage.gaps, key=lambda gap: gap.begin - gap.end)[:_SHOWN_GAPS]
        more = coverage.gap_count - len(gaps)
        texts = [_period_text(gap) for gap in sorted(gaps, key=lambda gap: gap.begin)]
        yield f"nothing recorded: {', '.join(texts)}" + (f", and {more} shorter gaps" if more > 0 else "")
    for layers in coverage.layers:
        yield f"counted by: {layers.flows} (flows), {layers.processes} (processes)"
    yield f"rx: received, tx: sent; rates in {units.rate_words}; means are of the recorded time"
    if span.has_percentiles:
        step = _step(report)
        yield f"{PERCENT} %: of 100 recorded {step}s, those without traffic too, {PERCENT} had a mean of at most this"
    used = {row.layer for period in report.periods for section in period.sections.values() for row in _every(section)}
    yield f"bytes are {'; '.join(_LAYER_MEANINGS[layer] for layer in _LAYER_ORDER if layer in used)}"


def _section(report: Report, dimension: Dimension, section: Section, units: Units, width: int | None) -> Iterator[str]:
    every = _every(section)
    layers = {row.layer for row in every}
    yield from _wrapped(f"{TITLES[dimension.name]}  ({'; '.join(_about(report, dimension, layers))})", width)
    labels = [names(dimension.name, row) for row in section.rows]
    headers = HEADERS[dimension.name]
    blank = ("",) * (len(headers) - 1)
    if section.others is not None:
        labels.append((f"{section.others.count} other{'s' * (section.others.count > 1)}", *blank))
    if section.unnamed is not None:
        labels.append(("less busy", *blank))
    columns = [
        Column(title, [label[number] for label in labels], left=True, goes=_DETAIL if number > 1 else 0)
        for number, title in enumerate(headers)
        if any(label[number] for label in labels)
    ]
    if len(layers) > 1:
        columns.append(Column("bytes", [row.layer for row in every], left=True))
    yield from fitted([*columns, *_figures(report, every, units)], width)
    if section.unnamed is not None:
        yield from _wrapped(f"less busy: {_less_busy(report, dimension)}", width)


def _every(section: Section) -> list[Row]:
    return [*section.rows, *filter(None, (section.others, section.unnamed))]


def _about(report: Report, dimension: Dimension, layers: set[RowLayer]) -> Iterator[str]:
    """What the figures count, in a few words."""
    if dimension is INTERFACE:
        yield "wire bytes by the kernel's counters"
        yield "peak: of an interval"
        return
    if dimension.name in _BY_PACKETS:
        more = len(report.headline) - _SHOWN_HEADLINE
        listed = ", ".join(report.headline[:_SHOWN_HEADLINE]) + (f" and {more} more" if more > 0 else "")
        yield f"on {listed or NOT_KNOWN}"
    if len(layers) == 1:
        yield f"{next(iter(layers))} bytes"
    yield "peak: of a process in an interval, or of all in a minute" if dimension is PROGRAM else "peak: of a minute"


def _less_busy(report: Report, dimension: Dimension) -> str:
    what = "conversations" if dimension.name in _BY_PACKETS else "processes"
    limits = f"busiest {dimension.minute_limit} {what} of its minute"
    if report.span.step_seconds != MINUTE_SECONDS:
        limits += f" or busiest {dimension.limit} of its hour"
    return f"what was not among the {limits} is not kept by name; each row above may be more by its part of this"


def _figures(report: Report, rows: Sequence[Row], units: Units) -> Iterator[Column]:
    ways = [("rx", [row.rx for row in rows]), ("tx", [row.tx for row in rows])]
    for way, each in ways:
        yield Column(way, [_at_least(row, d) + units.volume(d.total) for row, d in zip(rows, each, strict=True)])
    for way, each in ways:
        means = [_at_least(row, d) + units.rate(d.mean) for row, d in zip(rows, each, strict=True)]
        yield Column(f"{way} mean", means, goes=_MEAN)
    if report.span.has_percentiles:
        for way, each in ways:
            yield Column(f"{way} {PERCENT} %", [units.rate(d.percentile) for d in each], goes=_PERCENTILE)
    for way, each in ways:
        yield Column(f"{way} peak", [units.rate(d.peak) for d in each], goes=_PEAK)
    if report.span.has_percentiles:
        busiest = [NOT_KNOWN if row.busiest is None else _local(row.busiest.begin) for row in rows]
        yield Column(f"busiest {_step(report)}", busiest, goes=_BUSIEST)


def _at_least(row: Row, direction: Direction) -> str:
    return "≥" if row.layer == "part" and direction.total is not None else ""


def _step(report: Report) -> str:
    return "minute" if report.span.step_seconds == MINUTE_SECONDS else "hour"


def _wrapped(line: str, width: int | None) -> list[str]:
    """The line, or several where it is longer than `width`."""
    return [line] if width is None else textwrap.wrap(line, width, subsequent_indent="  ")


def _period_line(period: PeriodReport) -> str:
    recorded = span_text(period.recorded_seconds) if period.recorded_seconds else "nothing"
    return f"{_period_text(period.period)}  recorded: {recorded}"


def _period_text(period: Period) -> str:
    begin, end = _local(period.begin), _local(period.end)
    return f"{begin} to {end[11:] if begin[:10] == end[:10] else end}"


def _local(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).astimezone().strftime("%Y-%m-%d %H:%M")


def _zone(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).astimezone().strftime("%z")
