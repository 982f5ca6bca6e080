"""Every interface with what it carried by protocol, one row each, as iptraf-ng's general interface statistics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from netdash.model.protocol_history import InterfaceProtocolFigures, ProtocolFigures
from netdash.model.snapshot import Interface, Traffic
from netdash.model.units import NOT_KNOWN, Units, count
from netdash.ui.theme import Tone
from netdash.ui.views.protocol_rows import TextTable, whole_traffic
from netdash.ui.widgets.columns import Column
from netdash.ui.widgets.line_table import Cell

_CLASSES: Final = (
    ("IPv4", "ipv4", 0),
    ("IPv6", "ipv6", 0),
    ("TCP", "tcp", 2),
    ("UDP", "udp", 2),
    ("ICMP", "icmp", 3),
    ("other IP", "other_ip", 4),
    ("non-IP", "non_ip", 0),
    ("bcast", "broadcast", 1),
    ("mcast", "multicast", 4),
)
"""Title, name and the priority of the column."""


def general_table(figures: ProtocolFigures, interfaces: Sequence[Interface], units: Units) -> TextTable:
    """Packets since the start, both directions, and the rates of the last interval."""
    cells = 7 if units.iec else 6
    columns = [
        Column("interface", "interface", 15, flexible=True, widest=19),
        Column("total", "packets", 8, "right"),
        *(Column(name, title, 8, "right", priority=priority) for title, name, priority in _CLASSES),
        Column("rx_rate", "▼ rate", cells + 1, "right"),
        Column("tx_rate", "▲ rate", cells + 1, "right"),
        Column("pps", "pk/s", 6, "right", priority=3),
    ]
    names = [interface.name for interface in interfaces]
    rows = [_row(name, figures.interfaces.get(name), figures.interval, units) for name in names]
    return TextTable(columns, rows, names)


def _row(name: str, figures: InterfaceProtocolFigures | None, interval: float, units: Units) -> Sequence[Cell]:
    if figures is None:
        return [name, *[(NOT_KNOWN, Tone.DIM)] * (len(_CLASSES) + 4)]
    total, last, seconds = whole_traffic(figures.total), whole_traffic(figures.last), interval or 1.0
    moving = bool(last.rx_packets or last.tx_packets)
    return [
        (name, Tone.ACCENT if moving else Tone.NORMAL),
        _packets(total),
        *(_packets(getattr(figures.total, each)) for _, each, _ in _CLASSES),
        (units.rate(last.rx_bytes / seconds), Tone.RX if last.rx_bytes else Tone.DIM),
        (units.rate(last.tx_bytes / seconds), Tone.TX if last.tx_bytes else Tone.DIM),
        (count(round((last.rx_packets + last.tx_packets) / seconds)), Tone.NORMAL if moving else Tone.DIM),
    ]


def _packets(traffic: Traffic) -> Cell:
    packets = traffic.rx_packets + traffic.tx_packets
    return count(packets), Tone.NORMAL if packets else Tone.DIM
