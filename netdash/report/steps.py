"""The steps of a span, how long each was recorded, and their sums: of hours where the file has them, else made here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from netdash.recording.dimensions import SECONDS_BY_MINUTE, Dimension
from netdash.recording.hour_sums import HOUR_SECONDS
from netdash.recording.query import TableQuery, whole
from netdash.report.span import MINUTE_SECONDS, Period, Span

_TABLES: Final = (
    "CREATE TEMP TABLE period (number INTEGER PRIMARY KEY, begin INTEGER NOT NULL, until INTEGER NOT NULL)",
    "CREATE TEMP TABLE step (hour INTEGER PRIMARY KEY, period INTEGER NOT NULL, seconds REAL NOT NULL, "
    "kept INTEGER NOT NULL)",
)
"""`hour`: when a step begins, named as in the tables of hours; `kept`: whether its sums are in those."""


class Steps:
    """Two sources of the same columns for each dimension; together they are the span, no minute twice."""

    def __init__(self, query: TableQuery, span: Span) -> None:
        """Finds the steps. Raises RecordingError."""
        self._query = query
        self.span = span
        self._pieces: list[Period] = []
        """What is summed here: pieces of hours, or all of the span in minutes."""
        self._any_kept = False
        for table in _TABLES:
            query.execute(table)
        query.execute_many(
            "INSERT INTO temp.period VALUES (?, ?, ?)",
            [(number, period.begin, period.end) for number, period in enumerate(span.periods)],
        )
        if span.step_seconds == MINUTE_SECONDS:
            self._pieces = [span.whole]
            query.execute(
                "INSERT INTO temp.step SELECT minute, (SELECT number FROM temp.period WHERE begin <= minute "
                f"ORDER BY begin DESC LIMIT 1), seconds, 0 FROM ({SECONDS_BY_MINUTE}) WHERE seconds > 0",
                {"begin": span.whole.begin, "end": span.whole.end},
            )
        else:
            self._take_hours()
        self.count = whole(query.row("SELECT count(*) FROM temp.step")[0]) or 0

    def fill(self, dimension: Dimension) -> None:
        """Sums what the tables of hours do not have. Raises RecordingError."""
        names, table = dimension.names(), made(dimension)
        keys = ", ".join(dimension.keys)
        self._query.execute(f"CREATE TEMP TABLE {table} (hour, {names}, PRIMARY KEY ({keys}, hour)) WITHOUT ROWID")
        for piece in self._pieces:
            limits = {"begin": piece.begin, "end": piece.end}
            if self.span.step_seconds == MINUTE_SECONDS:
                select = f"SELECT minute, {names} FROM ({dimension.minutes}) ORDER BY {keys}, minute"
            else:
                select = f"SELECT :begin, {names} FROM ({dimension.step()})"
            self._query.execute(f"INSERT INTO temp.{table} (hour, {names}) {select}", limits)

    @property
    def whole_hours(self) -> Period:
        """The part of the span in which the tables of hours have all that they have of it."""
        begin, end = self.span.whole.begin, self.span.whole.end
        return Period(-(-begin // HOUR_SECONDS) * HOUR_SECONDS, end - end % HOUR_SECONDS)

    def sources(self, dimension: Dimension) -> Iterator[tuple[str, int]]:
        """Table and `kept` of each source."""
        if self._any_kept:
            yield dimension.table, 1
        if self._pieces:
            yield f"temp.{made(dimension)}", 0

    def together(self, dimension: Dimension) -> str:
        """SELECT of `hour` (begin of a step), its `period`, and the keys and columns of each step. After `fill`."""
        limits = f"hour >= {self.span.whole.begin} AND hour < {self.span.whole.end}"
        return " UNION ALL ".join(
            f"SELECT hour, period, {dimension.names()} FROM {table} CROSS JOIN "
            f"(SELECT hour, period FROM temp.step WHERE kept = {kept}) USING (hour) WHERE {limits}"
            for table, kept in self.sources(dimension)
        )

    def _take_hours(self) -> None:
        kept = dict[int, float | None]()
        if self._query.columns("hour"):
            limits = (self.span.whole.begin, self.span.whole.end)
            for hour, seconds in self._query.rows(
                "SELECT hour, seconds FROM hour WHERE hour >= ? AND hour < ?", limits
            ):
                kept[whole(hour) or 0] = seconds if isinstance(seconds, float) else None
        for number, period in enumerate(self.span.periods):
            rows = []
            for piece in _hours(period):
                seconds = kept.get(piece.begin) if piece.end - piece.begin == HOUR_SECONDS else None
                if seconds is not None:
                    self._any_kept = True
                    rows.append((piece.begin, number, seconds, 1))
                else:
                    seconds = self._recorded_seconds(piece)
                    if seconds > 0:
                        self._pieces.append(piece)
                        rows.append((piece.begin, number, seconds, 0))
            self._query.execute_many("INSERT INTO temp.step VALUES (?, ?, ?, ?)", rows)

    def _recorded_seconds(self, piece: Period) -> float:
        limits = {"begin": piece.begin, "end": piece.end}
        seconds = self._query.row(f"SELECT total(seconds) FROM ({SECONDS_BY_MINUTE})", limits)[0]
        return seconds if isinstance(seconds, float) else 0.0


def made(dimension: Dimension) -> str:
    """Name of the temporary table."""
    return f"{dimension.name}_step"


def _hours(period: Period) -> Iterator[Period]:
    """Its hours of UTC; at both ends there may be a piece of one."""
    begin = period.begin
    while begin < period.end:
        end = min(period.end, begin - begin % HOUR_SECONDS + HOUR_SECONDS)
        yield Period(begin, end)
        begin = end
