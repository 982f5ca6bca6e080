"""What can be exported: the plain tables of a recording (schema.sql, hours.sql), names instead of numbers in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from netdash.recording.dimensions import INTERFACE, INTERFACE_FIGURES, PORT, PROGRAM, REMOTE, USER, Dimension

Kind = Literal["text", "whole", "real", "truth", "time"]
"""Of a column's values; "time": seconds since the epoch in the recording."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    name: str
    kind: Kind
    sql: str


@dataclass(frozen=True, slots=True)
class ExportTable:
    """One table; rows in the order in which they are stored."""

    name: str
    about: str
    columns: tuple[Column, ...]
    source: str
    """What follows FROM."""
    within: str
    """SQL: whether a part of a row is from `:begin` to before `:end`."""

    def select(self, limited: bool) -> str:
        """All rows, or those within the limits."""
        columns = ", ".join(f"{column.sql} AS {column.name}" for column in self.columns)
        return f"SELECT {columns} FROM {self._from(limited)}"

    def count(self, limited: bool) -> str:
        """How many rows that gives."""
        return f"SELECT count(*) FROM {self._from(limited)}"

    def _from(self, limited: bool) -> str:
        return f"{self.source} WHERE {self.within}" if limited else self.source


def _columns(kind: Kind, names: Iterable[str], prefix: str = "") -> Iterator[Column]:
    for name in names:
        yield Column(name, kind, f"{prefix}{name}")


def _texts(names: Iterable[str], prefix: str = "") -> Iterator[Column]:
    """An empty text is one that is not there."""
    for name in names:
        yield Column(name, "text", f"nullif({prefix}{name}, '')")


_VOLUMES: Final = ("rx_bytes", "tx_bytes", "rx_payload", "tx_payload")
_TRAFFIC: Final = ("rx_bytes", "tx_bytes", "rx_packets", "tx_packets", "rx_payload", "tx_payload")
_PEAKS: Final = ("rx_peak", "tx_peak")

_OWNER: Final = (
    Column("pid", "whole", "p.pid"),
    Column("process", "text", "nullif(p.name, '')"),
    *_texts(("user", "unit", "container"), "p."),
)
_COMMAND: Final = Column("command", "text", "nullif(p.command, '')")
_WITHIN_MINUTES: Final = "minute > :begin - 60 AND minute < :end"

INTERFACES: Final = ExportTable(
    "interfaces",
    "each minute of each interface",
    (
        Column("time", "time", "minute"),
        *_columns("text", ("interface", "kind")),
        Column("headline", "truth", "headline"),
        Column("seconds", "real", "seconds"),
        *_columns("whole", (*INTERFACE_FIGURES, *_PEAKS, "speed_bps")),
    ),
    "interface_minute",
    _WITHIN_MINUTES,
)
PROCESSES: Final = ExportTable(
    "processes",
    "each minute of the busiest processes",
    (
        Column("time", "time", "minute"),
        *_OWNER,
        _COMMAND,
        Column("started", "time", "p.started"),
        *_columns("whole", (*_VOLUMES, *_PEAKS, "connections")),
    ),
    "process_minute m JOIN process p ON p.id = m.process",
    _WITHIN_MINUTES,
)
REMOTES: Final = ExportTable(
    "remotes",
    "who talked to whom in each minute, the busiest",
    (
        Column("time", "time", "minute"),
        *_texts(("interface", "protocol", "remote")),
        Column("port", "whole", "nullif(port, 0)"),
        *_texts(("direction",)),
        *_OWNER,
        *_columns("whole", (*_TRAFFIC, "flows")),
    ),
    "remote_minute m JOIN process p ON p.id = m.process",
    _WITHIN_MINUTES,
)
FLOWS: Final = ExportTable(
    "flows",
    "each connection on each interface, by hours",
    (
        *_columns("time", ("first", "last")),
        *_texts(("interface",)),
        Column("vlan", "whole", "vlan"),
        *_texts(("protocol", "local")),
        Column("local_port", "whole", "local_port"),
        *_texts(("remote",)),
        Column("remote_port", "whole", "remote_port"),
        *_OWNER,
        _COMMAND,
        *_columns("text", ("attribution",)),
        *_columns("whole", (*_TRAFFIC, "rtt_us", "retransmits", "merged")),
    ),
    "flow f JOIN process p ON p.id = f.process",
    "last > :begin AND first < :end",
)
INTERVALS: Final = ExportTable(
    "intervals",
    "the total of each interval, as far back as intervals are kept",
    (
        Column("time", "time", "time"),
        Column("interval", "real", "interval"),
        *_columns("whole", ("rx_bytes", "tx_bytes")),
    ),
    "(SELECT * FROM moment WHERE interval > 0)",
    "time > :begin AND time <= :end",
)
RUNS: Final = ExportTable(
    "runs",
    "when, where and how it was recorded",
    (
        *_columns("time", ("started", "ended")),
        *_texts(("host", "boot_id", "time_zone", "netdash")),
        Column("interval", "real", "interval"),
        *_texts(("interfaces", "flows_layer", "processes_layer", "closing")),
    ),
    "run",
    "started < :end AND (ended IS NULL OR ended > :begin)",
)


def _hours(dimension: Dimension) -> ExportTable:
    texts = [name for name in dimension.keys if name != "port"]
    return ExportTable(
        f"{dimension.name}-hours",
        f"each hour of each {dimension.name}",
        (
            Column("time", "time", "hour"),
            *_texts(texts),
            *([Column("port", "whole", "nullif(port, 0)")] if "port" in dimension.keys else []),
            *(_of_hour(name) for name in dimension.columns if name != "process"),
        ),
        dimension.table,
        "hour > :begin - 3600 AND hour < :end",
    )


def _of_hour(name: str) -> Column:
    kinds: dict[str, Kind] = {"kind": "text", "headline": "truth", "seconds": "real"}
    return Column(name, kinds.get(name, "whole"), name)


PORT_HOURS: Final = _hours(PORT)
_HOURS: Final = (*(_hours(each) for each in (INTERFACE, PROGRAM, USER, REMOTE)), PORT_HOURS)

TABLES: Final = {table.name: table for table in (INTERFACES, PROCESSES, REMOTES, FLOWS, INTERVALS, RUNS, *_HOURS)}
