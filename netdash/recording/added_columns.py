"""Columns that tables have got since the first recordings: added when such a file is continued, and not known
when it is read as it is."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from typing import Final

_ADDED: Final = {
    "moment": ("last_flow",),
    "interface_minute": ("rx_multicast", "speed_bps"),
    "interface_hour": ("rx_multicast", "speed_bps"),
}
"""By table, in order; whole numbers."""


def add_missing(connection: sqlite3.Connection) -> None:
    """Adds them to the tables of the file. Raises sqlite3.Error."""

    def columns(table: str) -> list[str]:
        return [str(row[1]) for row in connection.execute(f"PRAGMA table_info({table})")]

    for table, names in _missing(columns):
        for name in names:
            connection.execute(f"ALTER TABLE {table} ADD COLUMN {name} INTEGER")


def stand_ins(columns: Callable[[str], list[str]]) -> Iterator[str]:
    """Statements that make temporary views in place of tables without them. `columns`: of a table, none if it is not
    there."""
    for table, names in _missing(columns):
        unknown = ", ".join(f"NULL AS {name}" for name in names)
        yield f"CREATE TEMP VIEW {table} AS SELECT *, {unknown} FROM main.{table}"


def _missing(columns: Callable[[str], list[str]]) -> Iterator[tuple[str, list[str]]]:
    for table, added in _ADDED.items():
        present = columns(table)
        missing = [name for name in added if name not in present]
        if present and missing:
            yield table, missing
