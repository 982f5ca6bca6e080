"""Sums of a row to what is told: totals, means, 95th percentiles, peaks and the busiest time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from netdash.recording.dimensions import INTERFACE, Dimension
from netdash.recording.query import TableQuery, Value, real, whole
from netdash.report.ranking import OTHERS, Ranked, known_bytes
from netdash.report.steps import Steps

PERCENT: Final = 95

RowLayer = Literal["wire", "payload", "part"]
"""Which bytes a row's figures count; "part": neither is known all the time, so that they are the least that it was."""


@dataclass(frozen=True, slots=True)
class Direction:
    """Received or sent. Rates in bytes per second; None = not known."""

    bytes: int | None
    """Wire."""
    payload: int | None
    total: int | None
    """Of the row's layer."""
    mean: float | None
    percentile: float | None
    """The least rate that PERCENT of 100 steps do not exceed; steps without any of it count as 0."""
    peak: int | None


@dataclass(frozen=True, slots=True)
class Busiest:
    """The step with the most bytes of both directions; rates in bytes per second."""

    begin: int
    rx: float
    tx: float


@dataclass(frozen=True, slots=True)
class Row:
    """One name of one period, or the others together."""

    keys: tuple[Value, ...]
    count: int
    """How many names are in it."""
    layer: RowLayer
    rx: Direction
    tx: Direction
    seconds: float
    """Recorded: of the period, of an interface its own."""
    busiest: Busiest | None
    sums: dict[str, Value]


class Figures:
    """Rows of one dimension."""

    def __init__(self, query: TableQuery, steps: Steps, dimension: Dimension) -> None:
        self._query = query
        self._steps = steps
        self._dimension = dimension
        self._counts: dict[int, tuple[int, float]] = {}
        """Steps and recorded seconds of each period."""
        for period, count, seconds in query.rows(
            "SELECT period, count(*), total(seconds) FROM temp.step GROUP BY period"
        ):
            self._counts[whole(period) or 0] = (whole(count) or 0, real(seconds) or 0.0)

    def recorded(self, period: int) -> float:
        """Seconds."""
        return self._counts.get(period, (0, 0.0))[1]

    def row(self, ranked: Ranked) -> Row:
        """All that is told of it. Raises RecordingError."""
        seconds = self.recorded(ranked.period)
        if self._dimension is INTERFACE:
            seconds = real(ranked.sums.get("seconds")) or 0.0
        layer = _layer(ranked.sums)
        busiest: Busiest | None = None
        percentiles: tuple[float | None, float | None] = (None, None)
        if ranked.place > OTHERS:
            series, values = self._series(ranked, layer)
            busiest = self._busiest(series, values)
            if layer != "part" and self._steps.span.has_percentiles:
                percentiles = self._percentiles(series, values, ranked.period)
        return Row(
            keys=ranked.keys,
            count=ranked.count,
            layer=layer,
            rx=_direction("rx", ranked, layer, seconds, percentiles[0]),
            tx=_direction("tx", ranked, layer, seconds, percentiles[1]),
            seconds=seconds,
            busiest=busiest,
            sums=ranked.sums,
        )

    def _series(self, ranked: Ranked, layer: RowLayer) -> tuple[str, dict[str, Value]]:
        """SELECT of `hour` (begin of a step), and of `rx` and `tx`, bytes per second, of the steps that have any."""
        period = self._steps.span.periods[ranked.period]
        values: dict[str, Value] = {"begin": period.begin, "until": period.end}
        values |= {f"key{number}": key for number, key in enumerate(ranked.keys)}
        same = " AND ".join(f"{key} = :key{number}" for number, key in enumerate(self._dimension.keys))
        length = "seconds" if self._dimension is INTERFACE else "step_seconds"
        rates = ", ".join(f"ifnull({self._bytes(way, layer)}, 0) * 1.0 / {length} AS {way}" for way in ("rx", "tx"))
        parts = [
            f"SELECT hour, {rates} FROM {table} CROSS JOIN "
            f"(SELECT hour, seconds AS step_seconds FROM temp.step WHERE kept = {kept}) USING (hour) "
            f"WHERE {same} AND hour >= :begin AND hour < :until AND {length} > 0"
            for table, kept in self._steps.sources(self._dimension)
        ]
        return " UNION ALL ".join(parts), values

    def _bytes(self, way: str, layer: RowLayer) -> str:
        """SQL: the bytes of a step."""
        match layer:
            case "wire":
                return f"{way}_bytes"
            case "payload":
                return f"{way}_payload"
            case "part":
                return known_bytes(self._dimension, way)

    def _busiest(self, series: str, values: dict[str, Value]) -> Busiest | None:
        found = self._query.row(f"SELECT hour, rx, tx FROM ({series}) ORDER BY rx + tx DESC, hour LIMIT 1", values)
        if not found:
            return None
        begin, received, sent = found
        return Busiest(whole(begin) or 0, real(received) or 0.0, real(sent) or 0.0)

    def _percentiles(self, series: str, values: dict[str, Value], period: int) -> tuple[float, float]:
        if self._dimension is INTERFACE:
            count = whole(self._query.row(f"SELECT count(*) FROM ({series})", values)[0]) or 0
        else:
            count = self._counts.get(period, (0, 0.0))[0]
        # Nearest rank, counted from the top.
        above = count - -(-PERCENT * count // 100)
        return self._from_top(series, values, "rx", above), self._from_top(series, values, "tx", above)

    def _from_top(self, series: str, values: dict[str, Value], way: str, above: int) -> float:
        """The rate that `above` steps exceed; 0 where no more have any."""
        found = self._query.row(
            f"SELECT {way} FROM ({series}) ORDER BY {way} DESC LIMIT 1 OFFSET :above", {**values, "above": above}
        )
        return real(found[0]) or 0.0 if found else 0.0


def _layer(sums: dict[str, Value]) -> RowLayer:
    """Wire bytes where they are known all the time, in both directions alike."""
    if sums["rx_bytes"] is not None and sums["tx_bytes"] is not None:
        return "wire"
    if sums.get("rx_payload") is not None and sums.get("tx_payload") is not None:
        return "payload"
    return "part"


def _direction(way: str, ranked: Ranked, layer: RowLayer, seconds: float, percentile: float | None) -> Direction:
    sums = ranked.sums
    wire, payload = whole(sums[f"{way}_bytes"]), whole(sums.get(f"{way}_payload"))
    # Of what is known in part, a 0 says nothing.
    total = {"wire": wire, "payload": payload, "part": whole(sums[f"{way}_known"]) or None}[layer]
    return Direction(
        bytes=wire,
        payload=payload,
        total=total,
        mean=None if total is None or seconds <= 0 else total / seconds,
        percentile=percentile,
        # Peaks of several together are not known: theirs need not coincide.
        peak=whole(sums[f"{way}_peak"]) if total is not None and ranked.place > OTHERS else None,
    )
