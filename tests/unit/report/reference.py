"""What a report has to say, worked out from the sums of minutes without SQL."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from netdash.report.build import PeriodReport
from netdash.report.figures import Busiest, Direction, Row
from tests.unit.recording.traffic import WAYS, Minutes

Key = tuple[object, ...]
Figures = dict[str, int | None]

_TOLERANCE = 1e-9


@dataclass
class Step:
    """A minute or an hour."""

    begin: int
    seconds: float = 0.0
    interface_seconds: dict[str, float] = field(default_factory=dict)
    cells: dict[str, dict[Key, Figures]] = field(default_factory=dict)


def steps(minutes: Minutes, begin: int, end: int, length: int) -> list[Step]:
    """The recorded steps from `begin` to before `end`; the first and the last may be pieces of one."""
    found: dict[int, Step] = {}
    for minute, seconds in sorted(minutes.seconds.items()):
        if begin <= minute < end:
            step = found.setdefault(minute // length, Step(max(begin, minute // length * length)))
            step.seconds += seconds
    for (minute, name), seconds in minutes.interface_seconds.items():
        if begin <= minute < end:
            own = found[minute // length].interface_seconds
            own[name] = own.get(name, 0.0) + seconds
    for dimension, cells in minutes.cells.items():
        for (at, *key), figures in cells.items():
            assert isinstance(at, int)
            if begin <= at < end:
                sums = found[at // length].cells.setdefault(dimension, {})
                sums[tuple(key)] = _added(sums.get(tuple(key)), figures)
    return [found[number] for number in sorted(found)]


def check(report: PeriodReport, expected: Iterable[Step], top: int, minutes: Minutes) -> None:
    """Every figure of every row. Raises AssertionError."""
    every = list(expected)
    assert math.isclose(report.recorded_seconds, sum(step.seconds for step in every))
    for dimension in minutes.cells:
        section = report.sections[dimension]
        totals: dict[Key, Figures] = {}
        for step in every:
            for key, figures in step.cells.get(dimension, {}).items():
                totals[key] = _added(totals.get(key), figures)
        known = {key: _known(every, dimension, key) for key in totals}
        ranking = sorted(totals, key=lambda key: (-sum(known[key]), key))
        assert [row.keys for row in section.rows] == ranking[:top]
        for row in section.rows:
            _check_row(row, dimension, every, totals[row.keys], known[row.keys])
        rest = ranking[top:]
        assert (section.others is not None) == bool(rest)
        if section.others is not None:
            assert section.others.count == len(rest)
            together: Figures | None = None
            for key in rest:
                together = _added(together, totals[key])
            assert together is not None
            for way, direction in zip(WAYS, (section.others.rx, section.others.tx), strict=True):
                assert direction.bytes == together[f"{way}_bytes"]
                assert (direction.percentile, direction.peak) == (None, None)
        assert section.unnamed is None


def _check_row(row: Row, dimension: str, every: list[Step], totals: Figures, known: tuple[int, int]) -> None:
    layer = (
        "wire"
        if None not in (totals["rx_bytes"], totals["tx_bytes"])
        else "payload"
        if None not in (totals.get("rx_payload"), totals.get("tx_payload"))
        else "part"
    )
    assert row.layer == layer
    lengths = {step.begin: _seconds(step, dimension, row.keys) for step in every}
    series = {
        way: {
            step.begin: _moved(step, dimension, row.keys, way, layer) / lengths[step.begin]
            for step in every
            if lengths[step.begin]
        }
        for way in WAYS
    }
    for number, (way, direction) in enumerate(zip(WAYS, (row.rx, row.tx), strict=True)):
        total = {"wire": totals[f"{way}_bytes"], "payload": totals.get(f"{way}_payload"), "part": known[number] or None}
        _check_direction(direction, totals, way, total[layer], sum(lengths.values()))
        rates = sorted(series[way].values())
        rank = math.ceil(95 * len(rates) / 100)
        assert direction.percentile == (None if layer == "part" else _close(rates[rank - 1]))
    most = max(series["rx"], key=lambda begin: (series["rx"][begin] + series["tx"][begin], -begin))
    assert row.busiest is not None
    assert row.busiest == Busiest(most, _close(series["rx"][most]), _close(series["tx"][most]))


def _check_direction(direction: Direction, totals: Figures, way: str, total: int | None, seconds: float) -> None:
    assert direction.bytes == totals[f"{way}_bytes"]
    assert direction.payload == totals.get(f"{way}_payload")
    assert direction.total == total
    assert direction.mean == (None if total is None else _close(total / seconds))


class _Near(float):
    def __eq__(self, other: object) -> bool:
        return isinstance(other, float) and math.isclose(self, other, rel_tol=_TOLERANCE)

    __hash__ = float.__hash__


def _close(value: float) -> float:
    return _Near(value)


def _seconds(step: Step, dimension: str, key: Key) -> float:
    return step.interface_seconds.get(str(key[0]), 0.0) if dimension == "interface" else step.seconds


def _moved(step: Step, dimension: str, key: Key, way: str, layer: str) -> int:
    figures = step.cells.get(dimension, {}).get(key, {})
    if layer == "part":
        return _best(figures, way)
    return figures.get(f"{way}_{'bytes' if layer == 'wire' else 'payload'}") or 0


def _best(figures: Figures, way: str) -> int:
    wire = figures.get(f"{way}_bytes")
    return wire if wire is not None else figures.get(f"{way}_payload") or 0


def _known(every: list[Step], dimension: str, key: Key) -> tuple[int, int]:
    rows = [step.cells.get(dimension, {}).get(key, {}) for step in every]
    return sum(_best(row, "rx") for row in rows), sum(_best(row, "tx") for row in rows)


def _added(before: Figures | None, figures: Figures) -> Figures:
    if before is None:
        return dict(figures)
    return {
        name: None if value is None or before[name] is None else value + (before[name] or 0)
        for name, value in figures.items()
    }
