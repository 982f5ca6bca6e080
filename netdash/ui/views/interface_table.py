"""The table of interfaces: its rows, their order, and their cells."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from netdash.model.units import NOT_KNOWN, Units, count
from netdash.ui.theme import Tone
from netdash.ui.widgets.columns import Column
from netdash.ui.widgets.line_table import Cell
from netdash.ui.widgets.sparkline import sparkline

if TYPE_CHECKING:
    from netdash.model.interface_history import InterfaceSeries
    from netdash.model.snapshot import Interface
    from netdash.ui.state import InterfaceFaults

_SPARKLINE_CELLS: Final = 20
_ROOMY_CELLS: Final = 130
"""From this width on the sparkline grows."""
_LONGEST_SPARKLINE: Final = 60
DEFAULT_ORDER: Final = "order"

_WORKING: Final = ("up", "unknown")
"""Loopback and tunnels never tell their state (RFC 2863 section 3.1.14: "unknown")."""
_SHORT_STATES: Final = {
    "unknown": "unkn",
    "lowerlayerdown": "lower",
    "dormant": "dorm",
    "notpresent": "gone",
    "testing": "test",
}


@dataclass(frozen=True, slots=True)
class InterfaceRow:
    """One interface at one moment. Rates per second; None = not known."""

    interface: Interface
    interval: float
    faults: InterfaceFaults
    series: InterfaceSeries | None

    @property
    def key(self) -> tuple[int, str]:
        """An interface that is made anew under its old name is another one."""
        return self.interface.index, self.interface.name

    def rate(self, amount: int | None) -> float | None:
        """An amount of the interval per second."""
        return None if amount is None or self.interval <= 0 else amount / self.interval

    @property
    def rx(self) -> float | None:
        """Bytes per second that came in."""
        return self.rate(self.interface.rx_bytes)

    @property
    def tx(self) -> float | None:
        """Bytes per second that went out."""
        return self.rate(self.interface.tx_bytes)

    @property
    def use(self) -> float | None:
        """Share of the nominal speed that the busier direction takes, 1 = all."""
        speed = self.interface.speed_bps
        rates = [rate for rate in (self.rx, self.tx) if rate is not None]
        return max(rates) * 8 / speed if speed and rates else None

    @property
    def total_bytes(self) -> int:
        """Bytes of both directions since the start."""
        return self.series.rx.total_bytes + self.series.tx.total_bytes if self.series else 0


def _order(row: InterfaceRow) -> tuple[int, int]:
    """Physical interfaces first, loopback last, else as the kernel numbers them."""
    kind = row.interface.kind
    return (0 if kind == "physical" else 2 if kind == "loopback" else 1), row.interface.index


_SORTS: Final[dict[str, Callable[[InterfaceRow], tuple[float | int | str, ...]]]] = {
    "name": lambda row: (row.interface.name,),
    "state": lambda row: (row.interface.state,),
    "kind": lambda row: (row.interface.kind,),
    "speed": lambda row: (row.interface.speed_bps or 0,),
    "rate": lambda row: ((row.rx or 0.0) + (row.tx or 0.0),),
    "rx": lambda row: (row.rx or 0.0,),
    "tx": lambda row: (row.tx or 0.0,),
    "use": lambda row: (row.use or 0.0,),
    "rx_packets": lambda row: (row.interface.rx_packets or 0,),
    "tx_packets": lambda row: (row.interface.tx_packets or 0,),
    "errors": lambda row: (row.faults.errors,),
    "dropped": lambda row: (row.faults.dropped,),
    "total": lambda row: (row.total_bytes,),
}
TEXT_SORTS: Final = frozenset({"name", "state", "kind"})
"""Columns that are read from A to Z; figures are read from the largest."""


def order_rows(rows: Sequence[InterfaceRow], sort: str, descending: bool) -> list[InterfaceRow]:
    """The rows by a column; equal ones, and all by DEFAULT_ORDER, in the order of `_order`."""
    ordered = sorted(rows, key=_order)
    if sort in _SORTS:
        ordered.sort(key=_SORTS[sort], reverse=descending)
    elif descending:
        ordered.reverse()
    return ordered


class InterfaceTable:
    """TableModel of interfaces."""

    def __init__(self, rows: Sequence[InterfaceRow], units: Units, *, width: int, ascii_only: bool) -> None:
        """`width`: cells of the table, of which the sparkline takes what the others leave."""
        self._rows = rows
        self._units = units
        self._ascii_only = ascii_only
        self._spark_cells = min(_LONGEST_SPARKLINE, _SPARKLINE_CELLS + max(0, width - _ROOMY_CELLS))
        self.columns = _columns(units.rate_unit, self._spark_cells)

    def __len__(self) -> int:
        return len(self._rows)

    def key(self, index: int) -> tuple[int, str]:
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
        row = self._rows[index]
        interface = row.interface
        up = interface.state in _WORKING
        quiet = Tone.NORMAL if up else Tone.DIM
        return (
            (interface.name, Tone.NORMAL if up else Tone.DIM),
            (_SHORT_STATES.get(interface.state, interface.state), Tone.GOOD if interface.state == "up" else Tone.DIM),
            (interface.kind, Tone.DIM),
            (self._units.speed(interface.speed_bps), quiet),
            (self._units.rate(row.rx), Tone.RX if row.rx else Tone.DIM),
            (self._units.rate(row.tx), Tone.TX if row.tx else Tone.DIM),
            _use(row.use),
            _packets(row.rate(interface.rx_packets)),
            _packets(row.rate(interface.tx_packets)),
            _faults(row.faults.errors),
            _faults(row.faults.dropped),
            (interface.master or "", Tone.DIM),
            (interface.addresses[0] if interface.addresses else "", quiet),
            (self._spark(row), Tone.RX),
        )

    def _spark(self, row: InterfaceRow) -> str:
        if row.series is None:
            return ""
        cells = self._spark_cells
        rx = row.series.rx_rates[-cells:].tolist()
        tx = row.series.tx_rates[-cells:].tolist()
        return sparkline([a + b for a, b in zip(rx, tx, strict=True)], cells, ascii_only=self._ascii_only)


def _columns(rate_unit: str, spark_cells: int) -> tuple[Column, ...]:
    """69 cells and ten gaps without what only wide screens have."""
    return (
        Column("name", "Interface", 10, flexible=True, widest=15),
        Column("state", "state", 5),
        Column("kind", "kind", 9, priority=3),
        Column("speed", "speed", 5, "right", priority=2),
        Column("rx", f"▼ {rate_unit}", 8, "right"),
        Column("tx", f"▲ {rate_unit}", 8, "right"),
        Column("use", "use", 4, "right", priority=1),
        Column("rx_packets", "▼ pk/s", 6, "right", priority=4),
        Column("tx_packets", "▲ pk/s", 6, "right", priority=4),
        Column("errors", "err", 4, "right", priority=1),
        Column("dropped", "drop", 4, "right", priority=1),
        Column("master", "in", 8, priority=7),
        Column("address", "address", 18, priority=6, flexible=True, widest=43),
        Column("spark", f"▼+▲ last {spark_cells}", spark_cells, "right", priority=5),
    )


def _use(share: float | None) -> Cell:
    if share is None:
        return NOT_KNOWN, Tone.DIM
    text = "<1%" if 0 < share < 0.01 else f"{share:.0%}"
    return text, Tone.WARN if share >= 0.8 else Tone.NORMAL if share else Tone.DIM


def _packets(rate: float | None) -> Cell:
    return count(rate if rate is None else round(rate)), Tone.NORMAL if rate else Tone.DIM


def _faults(number: int) -> Cell:
    return count(number), Tone.BAD if number else Tone.DIM
