"""The busiest of each period with their sums, and the others together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from netdash.recording.dimensions import Dimension
from netdash.recording.query import TableQuery, Value, whole
from netdash.report.steps import Steps

OTHERS: Final = 0
"""Place of the sum of those that come after the last one told."""
UNNAMED: Final = -1
"""Place of the sum of what the recording keeps no names of: the less busy of each minute or hour."""

_KNOWN: Final = ("rx_known", "tx_known")


@dataclass(frozen=True, slots=True)
class Ranked:
    """One row of one period."""

    period: int
    place: int
    """From 1 on, or OTHERS or UNNAMED."""
    count: int
    """How many names are in it."""
    keys: tuple[Value, ...]
    sums: dict[str, Value]
    """The dimension's columns; and `rx_known`, `tx_known`: of each step the wire bytes, or else the payload, or else
    nothing."""


def ranked(query: TableQuery, steps: Steps, dimension: Dimension, top: int) -> Iterator[Ranked]:
    """In order of period and place, what has no names first, then the others. Raises RecordingError."""
    _sum_sources(query, steps, dimension)
    keys, names = ", ".join(dimension.keys), (*dimension.columns, *_KNOWN)
    together = f"{dimension.aggregates()}, {', '.join(f'total({name}) AS {name}' for name in _KNOWN)}"
    order = f"{dimension.unnamed}, rx_known + tx_known DESC, {keys}"
    by_name = f"SELECT period, {keys}, {together} FROM temp.{_sums(dimension)} GROUP BY period, {keys}"
    places = f"SELECT *, row_number() OVER (PARTITION BY period ORDER BY {order}) AS number FROM ({by_name})"
    place = f"CASE WHEN {dimension.unnamed} THEN {UNNAMED} WHEN number > :top THEN {OTHERS} ELSE number END"
    rows = query.rows(
        f"SELECT period, {place} AS place, count(*), {keys}, {together} FROM ({places}) "
        "GROUP BY period, place ORDER BY period, place",
        {"top": top},
    )
    count = len(dimension.keys)
    for period, number, members, *rest in rows:
        yield Ranked(
            whole(period) or 0,
            whole(number) or 0,
            whole(members) or 0,
            tuple(rest[:count]),
            dict(zip(names, rest[count:], strict=True)),
        )


def known_bytes(dimension: Dimension, way: str) -> str:
    """SQL: wire bytes of a step, or where they are not known its payload."""
    return f"coalesce({way}_bytes, {way}_payload)" if f"{way}_payload" in dimension.columns else f"{way}_bytes"


def _sums(dimension: Dimension) -> str:
    return f"{dimension.name}_sum"


def _sum_sources(query: TableQuery, steps: Steps, dimension: Dimension) -> None:
    """Sums of each period and name, by source."""
    keys, names = ", ".join(dimension.keys), ", ".join((*dimension.columns, *_KNOWN))
    query.execute(
        f"CREATE TEMP TABLE {_sums(dimension)} (kept, period, {keys}, {names}, PRIMARY KEY (period, {keys}, kept)) "
        "WITHOUT ROWID"
    )
    known = ", ".join(f"total({known_bytes(dimension, way)})" for way in ("rx", "tx"))
    single = len(steps.span.periods) == 1
    for table, kept in steps.sources(dimension):
        # Of one period all rows are of it, and stand in the order in which they are grouped: nothing has to be sorted.
        period, groups = ("0", keys) if single else ("period", f"period, {keys}")
        place = f"(SELECT hour, period FROM temp.step WHERE kept = {kept})"
        within = steps.whole_hours if kept else steps.span.whole
        query.execute(
            f"INSERT INTO temp.{_sums(dimension)} SELECT {kept}, {period}, {keys}, {dimension.aggregates()}, {known} "
            f"FROM {table} {'' if single else f'CROSS JOIN {place} USING (hour)'} "
            f"WHERE hour >= :begin AND hour < :end GROUP BY {groups}",
            {"begin": within.begin, "end": within.end},
        )
