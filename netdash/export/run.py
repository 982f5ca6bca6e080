"""A whole export."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import BinaryIO, Final, Literal

from netdash.export.formats import CsvWriter, JsonLinesWriter, Writer
from netdash.export.parquet import ParquetWriter
from netdash.export.rows import RowReader
from netdash.export.tables import Column, ExportTable
from netdash.export.target import export_target
from netdash.recording.query import TableQuery

Format = Literal["csv", "jsonl", "parquet"]

_WRITERS: Final[dict[Format, Callable[[BinaryIO, tuple[Column, ...]], Writer]]] = {
    "csv": CsvWriter,
    "jsonl": JsonLinesWriter,
    "parquet": ParquetWriter,
}


def export(
    query: TableQuery,
    table: ExportTable,
    limits: tuple[float | None, float | None],
    form: Format,
    path: str | None,
    progress: Callable[[float], None],
) -> int:
    """Writes a table to `path` (None: stdout); how many rows it has. `progress` may raise to give up.

    Raises NetdashError, and ReaderGoneError where nobody reads a stream any more.
    """
    rows, written = RowReader(query, table, *limits), 0
    total = max(1, rows.count())
    with export_target(path, query.path) as stream, ExitStack() as unfinished:
        writer = _WRITERS[form](stream, table.columns)
        unfinished.callback(writer.abandon)
        for batch in rows.batches():
            progress(written / total)
            writer.write(batch)
            written += len(batch[0])
        progress(1.0)
        writer.finish()
        unfinished.pop_all()
    return written
