"""`netdash report`."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from netdash.commands.arguments import add_units, recording_parser
from netdash.commands.standard_streams import write_output
from netdash.commands.value_types import whole_number

if TYPE_CHECKING:
    from netdash.recording.query import TableQuery
    from netdash.sinks.work import Work

_DEFAULT_TOP: Final = 10
_MAX_TOP: Final = 1000

_EPILOG: Final = """\
Interfaces, processes, users, remote hosts and ports by what they moved: totals, means of the recorded time, the 95th
percentile and peaks. Percentiles are of the means of minutes up to three days, of hours beyond. Remote hosts and ports
are of the interfaces that count each transfer once (the physical ones).

  netdash report web.netdash                            all of it
  netdash report web.netdash --from 02:00 --to 03:00    an hour
  netdash report web.netdash --by day --top 3           each day by itself
  netdash report web.netdash --like sar --by hour       as sar -n DEV
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = recording_parser("report", "Tells who moved how much, from the sums in a recording.", _EPILOG)
    add = made.add_argument
    add("--by", choices=("hour", "day"), help="each hour or day (of local time) by itself")
    add("--step", choices=("minute", "hour"), help="what percentiles and the busiest time are of")
    add("--top", type=_top, default=_DEFAULT_TOP, metavar="N", help=f"rows of each table (default {_DEFAULT_TOP})")
    add_units(made)
    forms = made.add_mutually_exclusive_group()
    forms.add_argument("--json", action="store_true", help="one JSON document")
    forms.add_argument("--like", choices=("sar",), help="lines as of sar -n DEV: each minute (beyond three days: hour)")
    return made


def run(arguments: Sequence[str]) -> int:
    """Prints the report; returns the exit code. Raises NetdashError."""
    given = parser().parse_args(arguments)
    from netdash.commands.recording_file import open_recording
    from netdash.sinks.work import Work

    with Work() as work, open_recording(given.file, work) as query:
        _report(given, query, work)
    return 0


def _report(given: argparse.Namespace, query: TableQuery, work: Work) -> None:
    from netdash.model.units import Units
    from netdash.report.span import Wanted, find_span

    span = find_span(query, Wanted(given.from_moment, given.to_moment, given.by, given.step))
    if given.like == "sar":
        from netdash.report.sar import sar_lines

        write_output(f"{line}\n" for line in sar_lines(query, span))
        return
    from netdash.report.build import build
    from netdash.sinks.progress import progress_line

    with progress_line(lambda: work.done):
        report = build(query, span, given.top, work.advance)
    if given.json:
        from netdash.report.json_document import report_json

        write_output([report_json(report)])
        return
    from netdash.report.text import report_text

    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    lines = report_text(report, Units(bits=given.units != "bytes", iec=given.iec), width)
    write_output(f"{line}\n" for line in lines)


def _top(text: str) -> int:
    return whole_number(text, 1, _MAX_TOP)
