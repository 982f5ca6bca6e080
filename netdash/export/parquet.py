"""Apache Parquet, by pyarrow: the only module that knows it (the extra `parquet`)."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from types import ModuleType
from typing import BinaryIO, Final

from netdash.errors import NetdashError
from netdash.export.rows import Cell
from netdash.export.tables import Column, Kind

_MISSING: Final = "--format parquet needs pyarrow, which is not installed: pip install 'netdash[parquet]'"
_LATEST: Final = 253_402_300_799.0
"""9999-12-31T23:59:59Z, the last time that all readers know."""
_GROUP_ROWS: Final = 100_000
"""Of a row group: readers skip or read each as a whole."""


class ParquetWriter:
    """Typed columns, compressed by Zstandard; times are timestamps in UTC with milliseconds."""

    def __init__(self, stream: BinaryIO, columns: Sequence[Column]) -> None:
        """Raises NetdashError where pyarrow is missing."""
        self._arrow = _load("pyarrow")
        self._columns = columns
        self._schema = self._arrow.schema([(column.name, self._type(column.kind)) for column in columns])
        self._writer = _load("pyarrow.parquet").ParquetWriter(stream, self._schema, compression="zstd")
        self._waiting: list[list[Cell]] = [[] for _ in columns]

    def write(self, batch: Sequence[Sequence[Cell]]) -> None:
        for waiting, cells in zip(self._waiting, batch, strict=True):
            waiting.extend(cells)
        if len(self._waiting[0]) >= _GROUP_ROWS:
            self._write_group()

    def finish(self) -> None:
        self._write_group()
        self._writer.close()

    def abandon(self) -> None:
        """Else pyarrow would write the file's end when the object goes, to a stream that is closed by then."""
        with suppress(Exception):
            self._writer.close()
        self._writer.is_open = False

    def _write_group(self) -> None:
        if self._waiting[0]:
            arrays = [
                self._arrow.array(_milliseconds(cells) if column.kind == "time" else cells, self._type(column.kind))
                for column, cells in zip(self._columns, self._waiting, strict=True)
            ]
            self._writer.write_table(self._arrow.table(arrays, schema=self._schema))
        self._waiting = [[] for _ in self._columns]

    def _type(self, kind: Kind) -> object:
        arrow = self._arrow
        types = {
            "text": arrow.string(),
            "whole": arrow.int64(),
            "real": arrow.float64(),
            "truth": arrow.bool_(),
            "time": arrow.timestamp("ms", tz="UTC"),
        }
        return types[kind]


def check_parquet() -> None:
    """Raises NetdashError where pyarrow is missing. Loads nothing: its threads come after privilege is given up."""
    if find_spec("pyarrow") is None:
        raise NetdashError(_MISSING)


def _milliseconds(cells: Sequence[Cell]) -> list[int | None]:
    return [round(min(max(0.0, cell), _LATEST) * 1000) if isinstance(cell, (int, float)) else None for cell in cells]


def _load(name: str) -> ModuleType:
    """pyarrow has no types; what is taken from it stays in this module."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise NetdashError(_MISSING) from error
