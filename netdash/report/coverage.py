"""What of a span is recorded, where nothing is, and how it was counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from netdash.recording.query import TableQuery, Value, real, text, whole
from netdash.report.span import Period
from netdash.report.steps import Steps

MAX_GAPS: Final = 100
_LONG_INTERVAL_SECONDS: Final = 20.0
"""Longer ones may leave a minute in which none of them ends."""
_MAX_LAYERS: Final = 20
_LAYER_LIMIT: Final = 32
_HOST_LIMIT: Final = 64

_GAPS: Final = """
SELECT before, until, count(*) OVER () FROM (
    SELECT lag(hour) OVER (ORDER BY hour) + :step AS before, hour - max(0, CAST(seconds - :step AS INTEGER)) AS until,
        CASE WHEN seconds > :step * 1.02 THEN :step ELSE 0 END AS unsure
    FROM temp.step
) WHERE until - before > unsure + :slack ORDER BY until - before DESC, before LIMIT :most
"""

_LAYERS: Final = """
SELECT DISTINCT flows_layer, processes_layer FROM (
    SELECT started, lead(started) OVER (ORDER BY id) AS following, flows_layer, processes_layer FROM run
) WHERE started < :until AND (following IS NULL OR following > :begin) LIMIT :most
"""


@dataclass(frozen=True, slots=True)
class Layers:
    """How flows and processes were counted, as in table `run`."""

    flows: str
    processes: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of a span."""

    host: str
    recorded_seconds: float
    gaps: tuple[Period, ...]
    """The longest, in order of time; where no step has anything."""
    gap_count: int
    layers: tuple[Layers, ...]


def find_coverage(query: TableQuery, steps: Steps) -> Coverage:
    """What the recording knows of the span. Raises RecordingError."""
    span = steps.span.whole
    first, last, seconds = query.row("SELECT min(hour), max(hour), total(seconds) FROM temp.step")
    edges = [Period(span.begin, whole(first) or span.end)]
    if last is not None:
        edges.append(Period(min(span.end, (whole(last) or 0) + steps.span.step_seconds), span.end))
    gaps, count = _gaps_between(query, steps)
    at_edges = [edge for edge in edges if edge.end > edge.begin]
    limits: dict[str, Value] = {"begin": span.begin, "until": span.end, "most": _MAX_LAYERS}
    return Coverage(
        host=text(next(iter(query.row("SELECT host FROM run ORDER BY id DESC LIMIT 1")), ""), _HOST_LIMIT),
        recorded_seconds=real(seconds) or 0.0,
        gaps=tuple(sorted([*gaps, *at_edges], key=lambda gap: gap.begin)),
        gap_count=count + len(at_edges),
        layers=tuple(
            Layers(text(flows, _LAYER_LIMIT), text(processes, _LAYER_LIMIT))
            for flows, processes in query.rows(_LAYERS, limits)
        ),
    )


def _gaps_between(query: TableQuery, steps: Steps) -> tuple[list[Period], int]:
    longest = real(query.row("SELECT max(interval) FROM run")[0]) or 0.0
    parameters: dict[str, Value] = {
        "step": steps.span.step_seconds,
        "slack": longest if longest > _LONG_INTERVAL_SECONDS else 0.0,
        "most": MAX_GAPS,
    }
    rows = list(query.rows(_GAPS, parameters))
    gaps = [Period(whole(before) or 0, whole(until) or 0) for before, until, _ in rows]
    return gaps, whole(rows[0][2]) or 0 if rows else 0
