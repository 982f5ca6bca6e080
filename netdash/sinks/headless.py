"""Headless output from the options: which sink, names or numbers, and the source closed at the end."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import nullcontext
from typing import Literal

from netdash.options import Options
from netdash.sinks.progress import progress_line
from netdash.sinks.row_filter import RowFilter
from netdash.sinks.run import run_headless
from netdash.sinks.sink import Sink
from netdash.sources.resolver import Resolver
from netdash.sources.source import SnapshotSource


def run_output(
    source: SnapshotSource,
    options: Options,
    output: Literal["text", "json", "csv", "none"],
    progress: Callable[[], float] | None = None,
    is_over: Callable[[], bool] = lambda: False,
) -> int:
    """Writes to stdout until `options.count`, a signal or the reader's end. Returns the exit code.

    `progress`: share of a file that was read, shown while that takes long; `is_over`: asked after each snapshot.

    Raises NetdashError when the source or the stream fails.
    """
    return asyncio.run(_run(source, options, output, progress, is_over))


async def _run(
    source: SnapshotSource,
    options: Options,
    output: Literal["text", "json", "csv", "none"],
    progress: Callable[[], float] | None,
    is_over: Callable[[], bool],
) -> int:
    chosen = options.row_filter
    wanted = output == "text" or (chosen is not None and chosen.wants_host_names)
    resolver = Resolver(enabled=not options.numeric and wanted)
    try:
        with progress_line(progress, output=sys.stdout) if progress is not None else nullcontext():
            return await run_headless(source, _sink(options, output, resolver), options.count, is_over)
    finally:
        resolver.close()
        await source.close()


def _sink(options: Options, output: Literal["text", "json", "csv", "none"], resolver: Resolver) -> Sink:
    chosen = options.row_filter
    rows = None if chosen is None else RowFilter(chosen, options.units.bits, resolver)
    if output == "json":
        from netdash.sinks.json_lines import JsonLinesSink

        return JsonLinesSink(sys.stdout, options.delay_seconds, options.view, rows)
    if output == "csv":
        from netdash.sinks.csv_table import CsvSink

        assert options.view is not None
        return CsvSink(sys.stdout, options.view, rows)
    if output == "none":
        from netdash.sinks.silent import SilentSink

        return SilentSink(sys.stdout)
    from netdash.sinks.text import TextSink

    return TextSink(sys.stdout, options, resolver, rows)
