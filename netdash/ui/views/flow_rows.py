"""The table of flows: its columns by the width of the screen, and the cells of the rows in sight."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from netdash.model.protocols import TCP, state_name, tcp_flag_letters
from netdash.model.tables import FLOW_OVERFLOW
from netdash.model.units import NOT_KNOWN, Units, count
from netdash.model.windows import WINDOW_SECONDS
from netdash.ui.theme import Tone
from netdash.ui.views.flow_groups import Group
from netdash.ui.views.flow_order import Arrangement, LineMode, ShownRow
from netdash.ui.views.flow_text import (
    Labels,
    flow_end,
    group_text,
    how_text,
    message_text,
    process_cell,
    protocol_text,
    vlan_text,
)
from netdash.ui.widgets.columns import Column
from netdash.ui.widgets.line_table import Cell

_WIDE_CELLS: Final = 100
_ROOMY_CELLS: Final = 150
_LONGEST_END: Final = 47
"""An IPv6 address in full, in brackets, with its port."""
_EXTRA_CELLS: Final = 6 + 1 + 7 + 1
"""Flags and packets: for these both ends need not be cut."""
_GROUP_TITLES: Final = {
    Group.HOSTS: ("remote host", "flows"),
    Group.NETWORKS: ("remote network", "flows"),
    Group.PORTS: ("port", "flows"),
}
_CLOSED_ARROW: Final = "×"
_ARROWS: Final = {LineMode.TWO: "→", LineMode.SUM: "↔", LineMode.SENT: "→", LineMode.RECEIVED: "←"}
_ASCII_ARROWS: Final = {LineMode.TWO: "=>", LineMode.SUM: "<=>", LineMode.SENT: "=>", LineMode.RECEIVED: "<="}


def rate_cells(units: Units) -> int:
    """Cells of a rate or a volume in the table and the footer."""
    return 7 if units.iec else 6


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars behind the rows: which rates they show, and the rate of a full row."""

    window: int = 0
    top: float = 1.0
    log: bool = False

    def share(self, rate: float) -> float:
        """Length of a rate's bar, 0..1."""
        if rate <= 0.0 or self.top <= 0.0:
            return 0.0
        if not self.log:
            return min(1.0, rate / self.top)
        return float(max(0.0, min(1.0, 1.0 + np.log10(rate / self.top) / LOG_DECADES)))


LOG_DECADES: Final = 5
"""A logarithmic bar has a fifth of the row for each power of ten."""


class FlowTableModel:
    """TableModel of an arrangement of flows."""

    def __init__(
        self,
        arrangement: Arrangement,
        lines: LineMode,
        labels: Labels,
        units: Units,
        *,
        width: int,
        bars: Bars | None,
        ascii_only: bool = False,
    ) -> None:
        """`width`: cells of the table; `bars`: None = no bars."""
        self._arrangement = arrangement
        self._lines = lines
        self._labels = labels
        self._units = units
        self._bars = bars
        self._arrows = _ASCII_ARROWS if ascii_only else _ARROWS
        self._per_flow = 2 if lines == LineMode.TWO else 1
        self.columns = _columns(width, lines, units, labels.by.group)
        self._end_cells = next(column.width for column in self.columns if column.key == "local")
        self._keys = tuple(column.key for column in self.columns)
        self._joins = labels.by.joins
        self._grouped = labels.by.group is not Group.FLOWS

    def __len__(self) -> int:
        return len(self._arrangement) * self._per_flow

    def key(self, index: int) -> Hashable:
        """The row's id."""
        return int(self._arrangement.rows.ids[self._arrangement.order[index // self._per_flow]])

    def find(self, key: Hashable) -> int | None:
        """First line of a flow."""
        if not isinstance(key, int):
            return None
        found = self._arrangement.find(key)
        return None if found is None else found * self._per_flow

    def _rate(self, index: int, window: int) -> float:
        """What line `index` shows of a window."""
        rx, tx = self._arrangement.row(index // self._per_flow).rates[window]
        return self._measured(index, rx, tx)

    def _measured(self, index: int, rx: float, tx: float) -> float:
        if self._lines == LineMode.TWO:
            return rx if index % 2 else tx
        return rx + tx if self._lines == LineMode.SUM else tx if self._lines == LineMode.SENT else rx

    def bar(self, index: int) -> float | None:
        """The bar behind the line."""
        return None if self._bars is None else self._bars.share(self._rate(index, self._bars.window))

    def cells(self, index: int) -> Sequence[Cell]:
        """One line of text."""
        row = self._arrangement.row(index // self._per_flow)
        second = self._lines == LineMode.TWO and index % 2 == 1
        texts = self._second_line(row) if second else self._first_line(row)
        texts |= self._figures(index, row)
        cells = [texts.get(key, "") for key in self._keys]
        if row.closed:
            return [(cell[0] if isinstance(cell, tuple) else cell, Tone.EXITED) for cell in cells]
        return cells

    def _first_line(self, row: ShownRow) -> dict[str, Cell]:
        arrow = _CLOSED_ARROW if row.closed else self._arrows[self._lines]
        cells: dict[str, Cell]
        if self._grouped:
            cells = {
                "local": group_text(row.flow, self._labels, self._end_cells),
                "arrow": (self._arrows[self._lines], Tone.DIM),
                "remote": (self._members(row), Tone.DIM),
            }
        else:
            cells = {
                "local": flow_end(row.flow, "local", self._labels, self._end_cells),
                "arrow": (arrow, Tone.DIM),
                "remote": flow_end(row.flow, "remote", self._labels, self._end_cells),
            }
        if "process" in self._keys:
            cells["process"] = self._process(row)
        if "protocol" in self._keys:
            one_line = self._per_flow == 1
            cells["protocol"] = (self._protocol(row, message=one_line), Tone.DIM)
            cells["interface"] = (self._interface(row.flow, vlan=one_line), Tone.DIM)
        if "state" in self._keys:
            cells["state"] = (self._state(row), Tone.DIM)
            cells["how"] = (how_text(row.flow), Tone.DIM)
        if "flags" in self._keys:
            cells["flags"] = (self._flags(row), Tone.DIM)
        if "rtt" in self._keys:
            cells["rtt"], cells["retransmits"] = self._health(row)
        return cells

    def _members(self, row: ShownRow) -> str:
        return f"{count(row.members)} flow{'s' * (row.members != 1)}"

    def _second_line(self, row: ShownRow) -> dict[str, Cell]:
        arrow: Cell = (self._arrows[LineMode.RECEIVED], Tone.DIM)
        if "process" in self._keys:
            return {
                "arrow": arrow,
                "process": (how_text(row.flow), Tone.DIM),
                "protocol": (message_text(row.flow) or self._state(row), Tone.DIM),
                "interface": (vlan_text(row.flow), Tone.DIM),
            }
        state = self._state(row).replace("ESTABLISHED", "ESTAB")
        words = [self._protocol(row, message=True), state, self._interface(row.flow, vlan=True)]
        text, tone = self._process(row)
        return {"local": (f" {text}", tone), "arrow": arrow, "remote": (" ".join(filter(None, words)), Tone.DIM)}

    def _process(self, row: ShownRow) -> tuple[str, Tone]:
        if int(row.flow["flags"]) & FLOW_OVERFLOW:
            return "", Tone.DIM
        cell = process_cell(row.flow, row.last_seen_ns, self._labels)
        return cell if isinstance(cell, tuple) else (cell, Tone.NORMAL)

    def _protocol(self, row: ShownRow, *, message: bool) -> str:
        if self._grouped:
            # Protocols of a host are many, and that of a port stands with it.
            return ""
        protocol = protocol_text(row.flow)
        if self._joins:
            return f"{protocol}, {self._members(row)}"
        return f"{protocol} {message_text(row.flow)}".rstrip() if message else protocol

    def _interface(self, flow: np.void, *, vlan: bool) -> str:
        name = self._labels.interface(int(flow["ifindex"]))
        return f"{name} {vlan_text(flow).replace('vlan ', 'v')}".rstrip() if vlan else name

    def _state(self, row: ShownRow) -> str:
        if row.closed:
            return "closed"
        return state_name(int(row.flow["protocol"]), int(row.flow["state"])) or ""

    def _flags(self, row: ShownRow) -> str:
        """The TCP flags seen since the last SYN."""
        if int(row.flow["protocol"]) != TCP or row.members > 1:
            return ""
        return tcp_flag_letters(row.tcp_flags)

    def _health(self, row: ShownRow) -> tuple[Cell, Cell]:
        """Round trip and retransmitted segments of a TCP flow; nothing where no socket tells them."""
        if int(row.flow["protocol"]) != TCP or row.members > 1:
            return "", ""
        rtt_us, retransmits = int(row.flow["rtt_us"]), int(row.flow["retransmits"])
        if not rtt_us and not int(row.flow["state"]):
            return (NOT_KNOWN, Tone.DIM), (NOT_KNOWN, Tone.DIM)
        rtt = milliseconds(rtt_us) if rtt_us else NOT_KNOWN
        return (rtt, Tone.NORMAL), (count(retransmits), Tone.WARN if retransmits else Tone.DIM)

    def _figures(self, index: int, row: ShownRow) -> dict[str, Cell]:
        if not row.known:
            figures = ("total", "packets", *(f"rate{seconds}" for seconds in WINDOW_SECONDS))
            return dict.fromkeys(figures, (NOT_KNOWN, Tone.DIM))
        rx, tx = row.totals
        lively = _tone(self._lines, second=bool(index % 2))
        cells: dict[str, Cell] = {"total": (self._units.volume(int(self._measured(index, rx, tx))), Tone.NORMAL)}
        if "packets" in self._keys:
            packets = int(self._measured(index, *row.packets))
            # Bytes without a packet: packets are not counted.
            known = any(row.packets) or not (rx or tx)
            cells["packets"] = (count(packets) if known else NOT_KNOWN, Tone.NORMAL if packets else Tone.DIM)
        for window, seconds in enumerate(WINDOW_SECONDS):
            rate = self._rate(index, window)
            cells[f"rate{seconds}"] = (self._units.rate(rate), lively if rate else Tone.DIM)
        return cells


def _tone(lines: LineMode, *, second: bool) -> Tone:
    if lines == LineMode.SUM:
        return Tone.NORMAL
    return Tone.RX if lines == LineMode.RECEIVED or (lines == LineMode.TWO and second) else Tone.TX


def milliseconds(microseconds: int) -> str:
    """A time of some milliseconds in at most 7 cells: "0.04ms", "12.3ms", "1520ms"."""
    value = microseconds / 1000
    return f"{value:.2f}ms" if value < 10 else f"{value:.1f}ms" if value < 100 else f"{value:.0f}ms"


def _columns(width: int, lines: LineMode, units: Units, group: Group) -> tuple[Column, ...]:
    """Both ends get an equal share of what the others leave, up to what an address can need."""
    cells = rate_cells(units)
    figures = [
        Column("total", "total", cells, "right"),
        *(Column(f"rate{s}", f"{s} s", cells, "right") for s in WINDOW_SECONDS),
    ]
    middle: list[Column] = []
    if width >= _WIDE_CELLS:
        middle = [
            Column("process", "process (pid)", 18, flexible=True),
            Column("protocol", "protocol", 24 if width >= _ROOMY_CELLS else 17),
            Column("interface", "interface", 15 if width >= _ROOMY_CELLS else 9),
        ]
    elif lines != LineMode.TWO:
        middle = [Column("process", "process (pid)", 14)]
    if width >= _ROOMY_CELLS:
        if lines != LineMode.TWO:
            middle += [Column("state", "state", 11), Column("how", "attribution", 15)]
        middle += [Column("rtt", "rtt", 7, "right"), Column("retransmits", "retr", 5, "right")]
    arrow = Column("arrow", "", 3 if lines == LineMode.SUM else 2)
    others = [*middle, *figures, arrow]
    spare = width - sum(column.width for column in others) - len(others) - 1
    if spare >= 2 * _LONGEST_END + _EXTRA_CELLS:
        middle.append(Column("flags", "flags", 6))
        figures.insert(0, Column("packets", "packets", 7, "right"))
        spare -= _EXTRA_CELLS
    ends = max(12, min(_LONGEST_END, spare // 2))
    titles = _GROUP_TITLES.get(group, ("local", "remote"))
    local, remote = (
        Column(key, title, ends, flexible=not middle) for key, title in zip(("local", "remote"), titles, strict=True)
    )
    return (local, arrow, remote, *middle, *figures)
