"""The table of processes: its columns and cells."""

from __future__ import annotations

import time
from collections.abc import Hashable, Sequence
from typing import Final

import numpy as np

from netdash.model.process_history import RECENT_INTERVALS, Moved, OtherKind
from netdash.model.units import Units, count
from netdash.ui.theme import Tone
from netdash.ui.views.process_rows import TrafficRow, unit_of
from netdash.ui.widgets.columns import Column
from netdash.ui.widgets.line_table import Cell
from netdash.ui.widgets.sparkline import sparkline

_SPARKLINE_FROM_CELLS: Final = 140
"""From this width on there is room for a sparkline."""
_LEAST_SPARKLINE: Final = 16


class ProcessTable:
    """TableModel of processes."""

    def __init__(
        self, rows: Sequence[TrafficRow], units: Units, *, commands: bool, width: int, ascii_only: bool = False
    ) -> None:
        """`commands`: whole command lines instead of names; `width`: cells of the table."""
        self._rows = rows
        self._units = units
        self._commands = commands
        self._ascii_only = ascii_only
        self._spark_cells = _spark_cells(width) if any(row.moved.recent or row.members for row in rows) else 0
        self.columns = _columns(units, commands=commands, width=width, spark_cells=self._spark_cells)

    def __len__(self) -> int:
        return len(self._rows)

    def key(self, index: int) -> Hashable:
        """Pid and start, or the kind of what no process moved."""
        return self._rows[index].key

    def find(self, key: Hashable) -> int | None:
        """Row of a key."""
        return next((i for i, row in enumerate(self._rows) if row.key == key), None)

    def bar(self, index: int) -> float | None:
        """No bars."""
        return None

    def cells(self, index: int) -> Sequence[Cell]:
        """One row of text."""
        row = self._rows[index]
        process = row.process
        quiet = Tone.NORMAL if row.present and not row.exited else Tone.EXITED
        return (
            (_pid_text(row), quiet),
            (process.user if process else row.protocol, quiet if quiet is Tone.EXITED else Tone.DIM),
            self._name(row, quiet),
            (
                row.connection.interface if row.connection else unit_of(process),
                Tone.EXITED if quiet is Tone.EXITED else Tone.DIM,
            ),
            (count(row.connections) if row.connection is None else "", Tone.NORMAL if row.connections else Tone.DIM),
            *_figures(row.moved, self._units, quiet).values(),
            *([(self._spark(row), Tone.RX)] if self._spark_cells else []),
        )

    def _spark(self, row: TrafficRow) -> str:
        """The rates of the last intervals, of a group those of its members together."""
        recent: Sequence[float] = row.moved.recent
        if row.members:
            longest = max(len(member.moved.recent) for member in row.members)
            sums = np.zeros(longest)
            for member in row.members:
                rates = np.array(member.moved.recent[-longest:])
                sums[longest - len(rates) :] += np.nan_to_num(rates)
            recent = sums.tolist()
        return sparkline(recent, self._spark_cells, ascii_only=self._ascii_only)

    def _name(self, row: TrafficRow, quiet: Tone) -> Cell:
        indent = "  " * row.depth
        if row.connection is not None:
            return f"{indent}→ {row.name}", Tone.NORMAL
        if row.group is not None:
            return row.group, Tone.ACCENT if quiet is Tone.NORMAL else quiet
        if row.process is None:
            return f"* {row.name}", Tone.WARN if row.other is OtherKind.UNATTRIBUTED else Tone.DIM
        name = (row.process.command or row.process.name) if self._commands else row.process.name
        mark = _exit_mark(row) if row.exited else "no socket: " if not row.present else ""
        return indent + mark + name, Tone.ACCENT if quiet is Tone.NORMAL else quiet


def _pid_text(row: TrafficRow) -> str:
    """The pid; of a group the number of its processes."""
    if row.group is not None:
        return f"{count(len(row.members))} proc"
    return str(row.process.pid) if row.process else ""


def _exit_mark(row: TrafficRow) -> str:
    if row.exited_at is None:
        return "exited: "
    return f"exited {time.strftime('%H:%M:%S', time.localtime(row.exited_at))}: "


def _figures(moved: Moved, units: Units, tone: Tone) -> dict[str, tuple[str, Tone]]:
    """The cells of figures by the keys of their columns, in their order; `tone`: of totals."""
    return {
        "rx": _figure(units.rate(moved.rx_rate), moved.rx_rate, Tone.RX),
        "tx": _figure(units.rate(moved.tx_rate), moved.tx_rate, Tone.TX),
        "rx10": _figure(units.rate(moved.rx_rate10), moved.rx_rate10, Tone.RX),
        "tx10": _figure(units.rate(moved.tx_rate10), moved.tx_rate10, Tone.TX),
        "rx_total": _figure(units.volume(moved.rx_total), moved.rx_total, tone),
        "tx_total": _figure(units.volume(moved.tx_total), moved.tx_total, tone),
    }


def _figure(text: str, value: float | None, tone: Tone) -> tuple[str, Tone]:
    return text, tone if value else Tone.DIM


def total_row(total: Moved, units: Units) -> dict[str, tuple[str, Tone]]:
    """The figures of a sum by the keys of their columns."""
    return _figures(total, units, Tone.NORMAL)


def _spark_cells(width: int) -> int:
    """Cells of the sparkline; a narrow table has none."""
    spare = width - _SPARKLINE_FROM_CELLS
    return 0 if spare < 0 else min(RECENT_INTERVALS, _LEAST_SPARKLINE + spare // 2)


def _columns(units: Units, *, commands: bool, width: int, spark_cells: int) -> tuple[Column, ...]:
    cells = 7 if units.iec else 6
    spark = [Column("spark", f"▼+▲ last {spark_cells}", spark_cells, "right")] if spark_cells else []
    return (
        Column("pid", "pid", 7, "right"),
        Column("user", "user", 8 if width < 100 else 12, priority=1),
        Column("name", "command" if commands else "process", 14, flexible=True),
        Column("unit", "unit/container", 14, priority=2, flexible=width >= 120, widest=20 if width < 160 else 40),
        Column("connections", "conn", 5, "right"),
        Column("rx", "▼ rate", cells + 1, "right"),
        Column("tx", "▲ rate", cells + 1, "right"),
        Column("rx10", "▼ 10 s", cells + 1, "right", priority=3),
        Column("tx10", "▲ 10 s", cells + 1, "right", priority=3),
        Column("rx_total", "▼ total", cells + 2, "right"),
        Column("tx_total", "▲ total", cells + 2, "right"),
        *spark,
    )
