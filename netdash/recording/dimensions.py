"""By what traffic is summed: interface, program, user, remote host, port; and how minutes become longer steps, in SQL.

Every level (a minute, an hour, a whole report) has the same columns and is made from the one below by the same
aggregates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

INTERFACE_FIGURES: Final = (
    "rx_bytes", "tx_bytes", "rx_packets", "tx_packets", "rx_errors", "tx_errors", "rx_dropped", "tx_dropped",
    "rx_multicast",
)  # fmt: skip
"""Counters of an interface, by their names in `Interface` and in the tables."""
MAX_PROCESSES: Final = 100
MAX_CONVERSATIONS: Final = 200
"""Rows of one minute in the plain tables; the less busy are summed in one."""

_VOLUMES: Final = ("rx_bytes", "tx_bytes", "rx_payload", "tx_payload")

SECONDS_BY_MINUTE: Final = (
    "SELECT minute, max(seconds) AS seconds FROM interface_minute "
    "WHERE minute >= :begin AND minute < :end GROUP BY minute"
)
"""How long each minute was recorded."""


def _added(column: str) -> str:
    """A sum of what is known. total() has no overflow that could end a recording."""
    return f"CASE WHEN count({column}) > 0 THEN CAST(total({column}) AS INTEGER) END"


def _whole(column: str) -> str:
    """A sum, not known where a part is not."""
    return f"CASE WHEN count({column}) = count(*) THEN CAST(total({column}) AS INTEGER) END"


def _same(column: str) -> str:
    """A value that all have, NULL where they differ or one is NULL."""
    return f"CASE WHEN count({column}) = count(*) AND min({column}) = max({column}) THEN min({column}) END"


@dataclass(frozen=True, slots=True)
class Dimension:
    """One way of summing."""

    name: str
    """Of its table of hours: `name`_hour."""
    keys: tuple[str, ...]
    columns: Mapping[str, str]
    """Name and the aggregate that makes it, in order."""
    minutes: str
    """SELECT of keys and columns by `minute`, from `:begin` to before `:end` (seconds since the epoch)."""
    limit: int | None
    """Rows of an hour; the less busy are in one without a name."""
    minute_limit: int | None = None
    """As MAX_PROCESSES and MAX_CONVERSATIONS."""

    @property
    def table(self) -> str:
        """Of hours."""
        return f"{self.name}_hour"

    @property
    def unnamed(self) -> str:
        """SQL: whether a row is that of the less busy."""
        return f"{self.keys[0]} = ''"

    def aggregates(self) -> str:
        """What a SELECT … GROUP BY takes."""
        return ", ".join(f"{sql} AS {name}" for name, sql in self.columns.items())

    def names(self) -> str:
        """Keys and columns."""
        return ", ".join((*self.keys, *self.columns))

    def step(self) -> str:
        """SELECT of keys and columns for all of `:begin` to before `:end` together."""
        keys = ", ".join(self.keys)
        return f"SELECT {keys}, {self.aggregates()} FROM ({self.minutes}) GROUP BY {keys}"


def volume(columns: Mapping[str, str]) -> str:
    """SQL: what rows are ranked by: bytes of both directions, payload where wire bytes are not known or fewer."""
    if "rx_payload" not in columns:
        return "ifnull(rx_bytes, 0) + ifnull(tx_bytes, 0)"
    return " + ".join(f"max(ifnull({way}_bytes, 0), ifnull({way}_payload, 0))" for way in ("rx", "tx"))


_INTERFACE_COLUMNS: Final = {
    "kind": "max(kind)",
    "headline": "max(headline)",
    "seconds": "total(seconds)",
    **{name: _added(name) for name in INTERFACE_FIGURES},
    "rx_peak": "max(rx_peak)",
    "tx_peak": "max(tx_peak)",
    "speed_bps": _same("speed_bps"),
}
_PEAKS: Final = {"rx_peak": "max(rx_peak)", "tx_peak": "max(tx_peak)"}
_NO_PEAKS: Final = {"rx_peak": "NULL", "tx_peak": "NULL"}
_COLUMNS: Final = {**{name: _whole(name) for name in _VOLUMES}, **_PEAKS}


def _by_minute(source: str, keys: tuple[str, ...], columns: Mapping[str, str], peaks: Mapping[str, str]) -> str:
    """Rows of `source` by minute and `keys`, with peaks that are no lower than the mean of the minute."""
    names = ", ".join(keys)
    aggregates = ", ".join(f"{sql} AS {name}" for name, sql in {**columns, **peaks}.items())
    plain = ", ".join((*keys, *(name for name in columns if name not in peaks)))
    mean = "ifnull(CAST(round(coalesce({way}_bytes, {way}_payload) / seconds) AS INTEGER), 0)"
    highest = ", ".join(f"max(ifnull({way}_peak, 0), {mean.format(way=way)}) AS {way}_peak" for way in ("rx", "tx"))
    return (
        f"SELECT minute, {plain}, {highest} FROM (SELECT minute, {names}, {aggregates} FROM {source} "
        f"WHERE minute >= :begin AND minute < :end GROUP BY minute, {names}) JOIN ({SECONDS_BY_MINUTE}) USING (minute)"
    )


_PROCESSES: Final = (
    "(SELECT m.*, name, user, ifnull(unit, '') AS unit, ifnull(container, '') AS container "
    "FROM process_minute m JOIN process p ON p.id = m.process)"
)
_CONVERSATIONS: Final = (
    "(SELECT r.* FROM remote_minute r JOIN interface_minute i USING (minute, interface) WHERE i.headline)"
)


def _owned(name: str, keys: tuple[str, ...], columns: Mapping[str, str], peaks: Mapping[str, str]) -> Dimension:
    return Dimension(name, keys, columns, _by_minute(_PROCESSES, keys, columns, peaks), 100, MAX_PROCESSES)


def _carried(name: str, keys: tuple[str, ...], limit: int) -> Dimension:
    return Dimension(
        name, keys, _COLUMNS, _by_minute(_CONVERSATIONS, keys, _COLUMNS, _NO_PEAKS), limit, MAX_CONVERSATIONS
    )


INTERFACE: Final = Dimension(
    "interface",
    ("interface",),
    _INTERFACE_COLUMNS,
    f"SELECT minute, interface, {', '.join(_INTERFACE_COLUMNS)} FROM interface_minute "
    "WHERE minute >= :begin AND minute < :end",
    None,
)
PROGRAM: Final = _owned(
    "program", ("name", "user", "unit", "container"), {"process": _same("process"), **_COLUMNS}, _PEAKS
)
USER: Final = _owned("user", ("user",), _COLUMNS, _NO_PEAKS)
REMOTE: Final = _carried("remote", ("remote",), 100)
PORT: Final = _carried("port", ("protocol", "port", "direction"), 50)

DIMENSIONS: Final = (INTERFACE, PROGRAM, USER, REMOTE, PORT)
