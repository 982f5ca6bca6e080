"""The table of interfaces: its columns and cells."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final

from netdash.model.units import NOT_KNOWN, Units, count
from netdash.ui.theme import Tone
from netdash.ui.views.interface_rows import InterfaceRow, RowKey, TreeRow
from netdash.ui.widgets.columns import Column
from netdash.ui.widgets.line_table import Cell
from netdash.ui.widgets.sparkline import sparkline

_SPARKLINE_CELLS: Final = 20
_ROOMY_CELLS: Final = 150
"""From this width on the sparkline grows."""
_LONGEST_SPARKLINE: Final = 60

_LONGEST_NAME: Final = 19
"""A name of 15 characters (IFNAMSIZ) one step down the tree."""

HIGH_USE: Final = 0.8
"""Of the nominal speed: queues begin to build up."""
FULL_USE: Final = 0.95

_WORKING: Final = ("up", "unknown")
"""Loopback and tunnels never tell their state (RFC 2863 section 3.1.14: "unknown")."""
_SHORT_STATES: Final = {
    "unknown": "unkn",
    "lowerlayerdown": "lowr",
    "dormant": "dorm",
    "notpresent": "gone",
    "testing": "test",
}


class InterfaceTable:
    """TableModel of interfaces."""

    def __init__(self, rows: Sequence[TreeRow], units: Units, *, width: int, ascii_only: bool) -> None:
        """`width`: cells of the table, of which the sparkline takes what the others leave."""
        self._rows = rows
        self._units = units
        self._ascii_only = ascii_only
        self._is_tree = any(row.foldable for row in rows)
        self._spark_cells = min(_LONGEST_SPARKLINE, _SPARKLINE_CELLS + max(0, width - _ROOMY_CELLS))
        longest = max((len(self._name(row)) for row in rows), default=0)
        self.columns = _columns(units, min(_LONGEST_NAME, longest), self._spark_cells)

    def __len__(self) -> int:
        return len(self._rows)

    def key(self, index: int) -> RowKey:
        """Index and name of the interface."""
        return self._rows[index].key

    def find(self, key: Hashable) -> int | None:
        """Row of an interface."""
        return next((i for i, row in enumerate(self._rows) if row.key == key), None)

    def bar(self, index: int) -> float | None:
        """No bars: most interfaces have no speed to compare with."""
        return None

    def cells(self, index: int) -> Sequence[Cell]:
        """One row of text."""
        row = self._rows[index].row
        interface = row.interface
        up = interface.state in _WORKING
        quiet = Tone.NORMAL if up else Tone.DIM
        return (
            (self._name(self._rows[index]), Tone.NORMAL if up else Tone.DIM),
            (_SHORT_STATES.get(interface.state, interface.state), Tone.GOOD if interface.state == "up" else Tone.DIM),
            (interface.kind, Tone.DIM),
            (self._units.speed(interface.speed_bps), quiet),
            (self._units.rate(row.rx), Tone.RX if row.rx else Tone.DIM),
            (self._units.rate(row.tx), Tone.TX if row.tx else Tone.DIM),
            use_cell(row.use(row.rx)),
            use_cell(row.use(row.tx)),
            _packets(row.rate(interface.rx_packets)),
            _packets(row.rate(interface.tx_packets)),
            _faults(row.faults.errors, row.errors_now),
            _faults(row.faults.dropped, row.dropped_now),
            self._units.volume(row.rx_total),
            self._units.volume(row.tx_total),
            _packets(row.rate(interface.rx_multicast)),
            (interface.master or interface.parent or "", Tone.DIM),
            (interface.addresses[0] if interface.addresses else "", quiet),
            (self._spark(row), Tone.RX),
        )

    def _name(self, placed: TreeRow) -> str:
        """The name where it stands in the tree; of a folded one with how many it hides."""
        name = placed.row.interface.name
        if not self._is_tree:
            return name
        mark = ("▸ " if placed.folded else "▾ ") if placed.foldable else "  "
        hidden = f" +{placed.foldable}" if placed.folded else ""
        return f"{'  ' * placed.depth}{mark}{name}{hidden}"

    def _spark(self, row: InterfaceRow) -> str:
        if row.series is None:
            return ""
        cells = self._spark_cells
        rx = row.series.rx_rates[-cells:].tolist()
        tx = row.series.tx_rates[-cells:].tolist()
        return sparkline([a + b for a, b in zip(rx, tx, strict=True)], cells, ascii_only=self._ascii_only)


def _columns(units: Units, name_cells: int, spark_cells: int) -> tuple[Column, ...]:
    """69 cells and eleven gaps without what only wide screens have."""
    return (
        Column("name", "Interface", max(10, name_cells), flexible=True, widest=20),
        Column("state", "state", 5),
        Column("kind", "kind", 8, priority=4),
        Column("speed", "speed", 5, "right", priority=3),
        Column("rx", f"▼ {units.rate_unit}", 7, "right"),
        Column("tx", f"▲ {units.rate_unit}", 7, "right"),
        Column("rx_use", "▼%", 4, "right", priority=1),
        Column("tx_use", "▲%", 4, "right", priority=1),
        Column("rx_packets", "▼pk/s", 5, "right", priority=2),
        Column("tx_packets", "▲pk/s", 5, "right", priority=2),
        Column("errors", "err", 4, "right", priority=1),
        Column("dropped", "drop", 4, "right", priority=1),
        Column("rx_total", "▼ total", 7, "right", priority=6),
        Column("tx_total", "▲ total", 7, "right", priority=6),
        Column("multicast", "mcast/s", 7, "right", priority=9),
        Column("master", "on", 8, priority=8),
        Column("address", "address", 18, priority=7, flexible=True, widest=43),
        Column("spark", f"▼+▲ last {spark_cells}", spark_cells, "right", priority=5),
    )


def use_cell(share: float | None) -> Cell:
    """A share of the nominal speed; "!" where it is high."""
    if share is None:
        return NOT_KNOWN, Tone.DIM
    if share >= HIGH_USE:
        return f"{min(999, round(share * 100))}!", Tone.BAD if share >= FULL_USE else Tone.WARN
    text = "<1%" if 0 < share < 0.01 else f"{share:.0%}"
    return text, Tone.NORMAL if share else Tone.DIM


def _packets(rate: float | None) -> Cell:
    return count(rate if rate is None else round(rate)), Tone.NORMAL if rate else Tone.DIM


def _faults(total: int, now: int) -> Cell:
    """Faults since the start; "!" where there were some in the interval."""
    if now:
        return f"{count(total)}!", Tone.BAD
    return count(total), Tone.WARN if total else Tone.DIM
