"""A report as one JSON document, schema "netdash-report/1" (schema.json beside this file)."""

from __future__ import annotations

from typing import Final

import msgspec

from netdash import __version__
from netdash.model.moments import iso_time
from netdash.recording.database import shown
from netdash.recording.dimensions import INTERFACE, PORT, PROGRAM, REMOTE, USER
from netdash.recording.query import real, text, whole
from netdash.report.build import PeriodReport, Report, Section
from netdash.report.figures import Direction, Row
from netdash.report.span import MINUTE_SECONDS, Period

SCHEMA: Final = "netdash-report/1"

_SECTIONS: Final = {
    "interfaces": INTERFACE.name,
    "processes": PROGRAM.name,
    "users": USER.name,
    "remotes": REMOTE.name,
    "ports": PORT.name,
}
_SECONDS_DIGITS: Final = 3
_RATE_DIGITS: Final = 3

Object = dict[str, object]


def report_json(report: Report) -> bytes:
    """One line."""
    span, coverage = report.span, report.coverage
    document: Object = {
        "type": "report",
        "schema": SCHEMA,
        "version": __version__,
        "file": shown(report.path),
        "host": coverage.host or None,
        **_limits(span.whole),
        "step": "minute" if span.step_seconds == MINUTE_SECONDS else "hour",
        "recorded_seconds": round(coverage.recorded_seconds, _SECONDS_DIGITS),
        "gaps": [_limits(gap) for gap in coverage.gaps],
        "gap_count": coverage.gap_count,
        "layers": [{"flows": each.flows, "processes": each.processes} for each in coverage.layers],
        "traffic_interfaces": list(report.headline),
        "periods": [_period(report, period) for period in report.periods],
    }
    return msgspec.json.encode(document) + b"\n"


def _period(report: Report, period: PeriodReport) -> Object:
    return {
        **_limits(period.period),
        "recorded_seconds": round(period.recorded_seconds, _SECONDS_DIGITS),
        **{name: _section(report, section, period.sections[section]) for name, section in _SECTIONS.items()},
    }


def _section(report: Report, name: str, section: Section) -> Object:
    return {
        "rows": [{**_names(report, name, row), **_figures(name, row)} for row in section.rows],
        "others": None if section.others is None else {"count": section.others.count, **_figures(name, section.others)},
        "less_busy": None if section.unnamed is None else _figures(name, section.unnamed),
    }


def _names(report: Report, section: str, row: Row) -> Object:
    keys = [text(key) for key in row.keys]
    match section:
        case INTERFACE.name:
            return {
                "interface": keys[0],
                "kind": text(row.sums["kind"]),
                "headline": bool(whole(row.sums["headline"])),
                "recorded_seconds": round(real(row.sums["seconds"]) or 0.0, _SECONDS_DIGITS),
            }
        case PROGRAM.name:
            process = report.processes.get(whole(row.sums["process"]) or 0)
            return {
                "name": keys[0],
                "user": keys[1],
                "unit": keys[2] or None,
                "container": keys[3] or None,
                "pid": None if process is None else process.pid,
                "command": None if process is None else process.command,
            }
        case PORT.name:
            return {"protocol": keys[0], "port": whole(row.keys[1]) or None, "direction": keys[2] or None}
        case _:
            return {section: keys[0]}


def _figures(section: str, row: Row) -> Object:
    busiest = row.busiest
    return {
        "bytes": row.layer,
        "rx": _direction(section, row, row.rx, "rx"),
        "tx": _direction(section, row, row.tx, "tx"),
        "busiest": None
        if busiest is None
        else {
            "from": iso_time(busiest.begin),
            "rx_bytes_per_second": round(busiest.rx, _RATE_DIGITS),
            "tx_bytes_per_second": round(busiest.tx, _RATE_DIGITS),
        },
    }


def _direction(section: str, row: Row, direction: Direction, way: str) -> Object:
    figures: Object = {"bytes": direction.bytes}
    if section == INTERFACE.name:
        figures |= {name: whole(row.sums[f"{way}_{name}"]) for name in ("packets", "errors", "dropped")}
    else:
        figures["payload"] = direction.payload
    if row.layer == "part":
        figures["at_least"] = direction.total
    return {
        **figures,
        "mean_bytes_per_second": _rate(direction.mean),
        "p95_bytes_per_second": _rate(direction.percentile),
        "peak_bytes_per_second": direction.peak,
    }


def _rate(value: float | None) -> float | None:
    return None if value is None else round(value, _RATE_DIGITS)


def _limits(period: Period) -> Object:
    return {"from": iso_time(period.begin), "to": iso_time(period.end)}
