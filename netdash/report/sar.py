"""A report in the lines of `sar -n DEV` (sar(1), sysstat 12.6): for eyes and scripts that are used to it.

rxcmp/s and txcmp/s, of packets that SLIP and PPP had compressed, are "–": netdash does not look at them. So is %ifutil
where the link's speed is not known, or was not the same all the time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Final

from netdash import __version__
from netdash.model.units import NOT_KNOWN, link_share
from netdash.recording.dimensions import INTERFACE
from netdash.recording.query import TableQuery, Value, real, text, whole
from netdash.report.coverage import find_coverage
from netdash.report.span import Period, Span
from netdash.report.steps import Steps
from netdash.sinks.text_table import table

_HEADER: Final = ("IFACE", "rxpck/s", "txpck/s", "rxkB/s", "txkB/s", "rxcmp/s", "txcmp/s", "rxmcst/s", "%ifutil")
_LABEL_WIDTH: Final = 11
_WIDTH: Final = 9
_KILOBYTE: Final = 1024
_NAME_LIMIT: Final = 64
_CLOCK: Final = "%H:%M:%S"
_DATE: Final = "%Y-%m-%d"

_SUMS: Final = f"interface, {INTERFACE.aggregates()}"


@dataclass(frozen=True, slots=True)
class _Interface:
    name: str
    sums: dict[str, Value]


def sar_lines(query: TableQuery, span: Span) -> Iterator[str]:
    """A block each step, or each hour or day where that is asked for; then the averages. Raises RecordingError.

    As sar has it, a block's first line is labelled with its begin, the others with its end; days with their date.
    """
    days = span.every == "day"
    steps = Steps(query, span)
    steps.fill(INTERFACE)
    title = f"netdash {__version__} ({find_coverage(query, steps).host or NOT_KNOWN}) \t"
    together, day = steps.together(INTERFACE), ""
    for period, interfaces in _blocks(query, steps, together):
        date = _local(period.begin, _DATE)
        if date != day and not days:
            yield from ([""] if day else []) + [title + date]
        elif not day:
            yield title + date
        day = date
        yield ""
        yield from _block(date if days else _local(period.begin), date if days else _local(period.end), interfaces)
    yield ""
    averages = query.rows(f"SELECT {_SUMS} FROM ({together}) GROUP BY interface ORDER BY interface")
    yield from _block("Average:", "Average:", [_interface(row) for row in averages])


def _blocks(query: TableQuery, steps: Steps, together: str) -> Iterator[tuple[Period, list[_Interface]]]:
    span = steps.span
    by = "hour" if span.every is None else "period"
    rows = query.rows(f"SELECT {by}, {_SUMS} FROM ({together}) GROUP BY {by}, interface ORDER BY {by}, interface")
    for value, interfaces in groupby(rows, key=lambda row: row[0]):
        number = whole(value) or 0
        if by == "period":
            period = span.periods[number]
        else:
            period = Period(number, min(span.whole.end, number - number % span.step_seconds + span.step_seconds))
        yield period, [_interface(row[1:]) for row in interfaces]


def _interface(row: Sequence[Value]) -> _Interface:
    return _Interface(text(row[0], _NAME_LIMIT), dict(zip(INTERFACE.columns, row[1:], strict=True)))


def _block(begin: str, end: str, interfaces: Sequence[_Interface]) -> Iterator[str]:
    rows = [_fields(interface) for interface in interfaces]
    header, *lines = table(_HEADER, rows, (), [_WIDTH] * len(_HEADER))
    yield f"{begin:<{_LABEL_WIDTH}} {header}"
    for line in lines:
        yield f"{end:<{_LABEL_WIDTH}} {line}"


def _fields(interface: _Interface) -> list[str]:
    rates = [_rate(interface.sums, name, 1) for name in ("rx_packets", "tx_packets")]
    rates += [_rate(interface.sums, name, _KILOBYTE) for name in ("rx_bytes", "tx_bytes")]
    rates += [NOT_KNOWN, NOT_KNOWN, _rate(interface.sums, "rx_multicast", 1)]
    return [interface.name, *rates, _utilisation(interface.sums)]


def _utilisation(sums: dict[str, Value]) -> str:
    share = link_share(
        whole(sums["rx_bytes"]), whole(sums["tx_bytes"]), real(sums["seconds"]) or 0.0, whole(sums["speed_bps"])
    )
    return NOT_KNOWN if share is None else f"{share:.2f}"


def _rate(sums: dict[str, Value], name: str, unit: int) -> str:
    value, seconds = real(sums[name]), real(sums["seconds"])
    return NOT_KNOWN if value is None or not seconds else f"{value / seconds / unit:.2f}"


def _local(moment: int, form: str = _CLOCK) -> str:
    return datetime.fromtimestamp(moment, UTC).astimezone().strftime(form)
