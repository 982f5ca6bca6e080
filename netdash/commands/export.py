"""`netdash export`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from netdash.commands.arguments import recording_parser
from netdash.commands.standard_streams import write_output
from netdash.errors import UsageError
from netdash.export.tables import FLOWS, TABLES

if TYPE_CHECKING:
    from netdash.export.run import Format
    from netdash.sinks.work import Work

_SUFFIXES: Final[dict[str, Format]] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
_TO_STDOUT: Final = (None, "-")

_EPILOG: Final = f"""\
tables:
{chr(10).join(f"  {table.name:16}{table.about}" for table in TABLES.values())}

Columns are named as in the recording's own tables (netdash/recording/schema.sql): *_bytes and *_packets are wire bytes
and packets, *_payload what the applications moved, rx received, tx sent. What is not known is empty or null. A file is
written whole or not at all, readable by its owner alone.

  netdash export web.netdash --table flows -o flows.csv
  netdash export web.netdash --table processes --format jsonl --from 02:00 --to 03:00 | jq .
  netdash export web.netdash --table remotes -o remotes.parquet
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = recording_parser("export", "Writes a table of a recording for other programs.", _EPILOG)
    add = made.add_argument
    add("--format", choices=("csv", "jsonl", "parquet"), help="default: as the name of --output says, else csv")
    add("-o", "--output", metavar="OUT", help="file to write; without one, csv and jsonl go to stdout")
    add("--table", choices=tuple(TABLES), default=FLOWS.name, help=f"default {FLOWS.name}", metavar="TABLE")
    return made


def run(arguments: Sequence[str]) -> int:
    """Writes the file; returns the exit code. Raises NetdashError."""
    given = parser().parse_args(arguments)
    form = _format(given.format, given.output)
    from netdash.export.parquet import check_parquet
    from netdash.sinks.output import ReaderGoneError, discard
    from netdash.sinks.work import Work

    if form == "parquet":
        check_parquet()
    try:
        with Work() as work:
            _export(given, form, work)
    except ReaderGoneError:
        discard(sys.stdout)
    return 0


def _export(given: argparse.Namespace, form: Format, work: Work) -> None:
    from netdash.commands.recording_file import open_recording
    from netdash.export.run import export
    from netdash.model.moments import parse_limits
    from netdash.model.sanitize import sanitize
    from netdash.report.span import recorded_period
    from netdash.sinks.progress import progress_line

    to_stdout = given.output in _TO_STDOUT
    with (
        open_recording(given.file, work) as query,
        progress_line(lambda: work.done, output=sys.stdout if to_stdout else None),
    ):
        limits: tuple[float | None, float | None] = (None, None)
        if given.from_moment is not None or given.to_moment is not None:
            recorded = recorded_period(query)
            limits = parse_limits(given.from_moment, given.to_moment, first=recorded.begin, last=recorded.end)
        rows = export(query, TABLES[given.table], limits, form, given.output, work.advance)
    if not to_stdout:
        write_output([f"netdash: wrote {rows} rows of {given.table} to {sanitize(given.output, 200)}\n"])


def _format(given: Format | None, output: str | None) -> Format:
    named = _SUFFIXES.get(os.path.splitext(output or "")[1].lower())
    form = given or named or "csv"
    if form == "parquet" and output in _TO_STDOUT:
        raise UsageError("--format parquet needs a file: add -o OUT.parquet")
    return form
