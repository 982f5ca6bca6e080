"""Asks the plain tables of a recording: one state of the file from the first question to the last."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Final, Self

from netdash.model.sanitize import sanitize
from netdash.recording.added_columns import stand_ins
from netdash.recording.database import RecordingError, open_for_reading, reason, shown

_TICK_STEPS: Final = 20_000
"""Virtual machine instructions of SQLite between two ticks: about a millisecond."""
_CACHE_KIBIBYTES: Final = 65_536
_BATCH: Final = 1000

_WHOLE_LIMIT: Final = 2.0**63

Value = int | float | str | bytes | None
Parameters = Sequence[Value] | Mapping[str, Value]


class StoppedError(RecordingError):
    """`tick` asked for the end."""


class TableQuery:
    """A connection in one read transaction. Temporary tables can be made beside the file, in memory."""

    def __init__(self, path: str, tick: Callable[[], bool] = lambda: False) -> None:
        """`tick` is called again and again while SQLite works; True stops it. Raises RecordingError."""
        self.path = path
        self._tick = tick
        self._stopped = False
        self._connection = open_for_reading(path)
        with ExitStack() as unready:
            unready.callback(self._connection.close)
            if self._connection.damage is not None:
                raise RecordingError(
                    f"{shown(path)}: {self._connection.damage}, so its sums cannot be relied on; "
                    f"netdash -r --json reads the intervals that are left"
                )
            # The file is open for reading alone; only this would forbid temporary tables too.
            for pragma in ("query_only = OFF", "temp_store = MEMORY", f"cache_size = -{_CACHE_KIBIBYTES}"):
                self.execute(f"PRAGMA {pragma}")
            for view in list(stand_ins(self.columns)):
                self.execute(view)
            self._connection.set_progress_handler(self._ticked, _TICK_STEPS)
            self.execute("BEGIN")
            unready.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._connection.close()

    def execute(self, sql: str, parameters: Parameters = ()) -> None:
        """A statement without rows. Raises RecordingError."""
        for _ in self.rows(sql, parameters):
            pass

    def execute_many(self, sql: str, parameters: Sequence[Parameters]) -> None:
        """The statement once for each. Raises RecordingError."""
        try:
            self._connection.executemany(sql, parameters)
        except (sqlite3.Error, OverflowError) as error:
            raise self._told(error) from error

    def rows(self, sql: str, parameters: Parameters = ()) -> Iterator[tuple[Value, ...]]:
        """What a SELECT finds. Raises RecordingError."""
        try:
            cursor = self._connection.execute(sql, parameters)
            while rows := cursor.fetchmany(_BATCH):
                yield from rows
        except (sqlite3.Error, UnicodeError, OverflowError) as error:
            raise self._told(error) from error

    def row(self, sql: str, parameters: Parameters = ()) -> tuple[Value, ...]:
        """The first row, () where there is none. Raises RecordingError."""
        return next(self.rows(sql, parameters), ())

    def columns(self, table: str) -> list[str]:
        """Names of the columns of a table or view, none where it is not there. Raises RecordingError."""
        return [text(row[0]) for row in self.rows("SELECT name FROM pragma_table_info(?)", (table,))]

    def _ticked(self) -> bool:
        self._stopped = self._stopped or self._tick()
        return self._stopped

    def _told(self, error: Exception) -> RecordingError:
        if self._stopped:
            return StoppedError("interrupted")
        return RecordingError(f"cannot read {shown(self.path)}: {reason(error)}")


def text(value: Value, limit: int = 4096) -> str:
    """A name from a recording, fit for the screen; what is no text is shown as it is."""
    return sanitize("" if value is None else value if isinstance(value, str) else str(value)[:limit], limit)


def whole(value: Value) -> int | None:
    """A number from a recording that should be whole; what is none is not known."""
    if isinstance(value, float):
        return round(value) if abs(value) < _WHOLE_LIMIT else None
    return value if isinstance(value, int) else None


def real(value: Value) -> float | None:
    """A number from a recording; what is none is not known."""
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None
