"""The tables of the Protocols view: protocols, packet sizes, kernel counters."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final

from netdash.model.protocol_history import InterfaceProtocolFigures, ProtocolFigures
from netdash.model.snapshot import InterfaceProtocols, SizeBucket, Traffic
from netdash.model.units import NOT_KNOWN, Units, count
from netdash.ui.theme import Tone
from netdash.ui.views.counter_rules import findings
from netdash.ui.views.counter_texts import is_trouble, meaning
from netdash.ui.widgets.columns import Column
from netdash.ui.widgets.line_table import Cell
from netdash.ui.widgets.text_line import Part

_CLASSES: Final = (
    ("IPv4", "ipv4"),
    ("IPv6", "ipv6"),
    ("TCP", "tcp"),
    ("UDP", "udp"),
    ("ICMP", "icmp"),
    ("other IP", "other_ip"),
    ("non-IP", "non_ip"),
    ("broadcast", "broadcast"),
    ("multicast", "multicast"),
)


class TextTable:
    """TableModel of rows that are made at once: these tables are short."""

    def __init__(self, columns: Sequence[Column], rows: Sequence[Sequence[Cell]], keys: Sequence[str] = ()) -> None:
        self.columns = tuple(columns)
        self._rows = rows
        self._keys = keys

    def __len__(self) -> int:
        return len(self._rows)

    def cells(self, index: int) -> Sequence[Cell]:
        """One row of text."""
        return self._rows[index]

    def key(self, index: int) -> Hashable:
        """The row's key, else the text of its first cell."""
        if self._keys:
            return self._keys[index]
        first = self._rows[index][0]
        return first if isinstance(first, str) else first[0]

    def find(self, key: Hashable) -> int | None:
        """Row of a key."""
        return next((i for i in range(len(self._rows)) if self.key(i) == key), None)

    def bar(self, index: int) -> float | None:
        """No bars behind the rows."""
        return None


def protocol_table(figures: InterfaceProtocolFigures | None, interval: float, units: Units) -> TextTable:
    """Packets and bytes since the start, and the rates of the last interval; None: packets are not counted."""
    cells = 7 if units.iec else 6
    columns = [
        Column("class", "protocol", 9),
        Column("packets", "packets", 7, "right"),
        Column("bytes", "bytes", cells + 1, "right"),
        Column("rx_packets", "▼ pkts", 7, "right"),
        Column("rx_bytes", "▼ bytes", cells + 1, "right"),
        Column("tx_packets", "▲ pkts", 7, "right"),
        Column("tx_bytes", "▲ bytes", cells + 1, "right"),
        Column("rx_rate", "▼ rate", cells + 1, "right"),
        Column("tx_rate", "▲ rate", cells + 1, "right"),
        Column("rx_pps", "▼ pk/s", 7, "right", priority=1),
        Column("tx_pps", "▲ pk/s", 7, "right", priority=1),
    ]
    rows = []
    for title, total, last in _classes(figures):
        rows.append(_protocol_row(title, total, last, interval, units))
    return TextTable(columns, rows)


def _classes(figures: InterfaceProtocolFigures | None) -> list[tuple[str, Traffic | None, Traffic | None]]:
    if figures is None:
        return [("Total", None, None), *((title, None, None) for title, _ in _CLASSES)]
    every = [("Total", whole_traffic(figures.total), whole_traffic(figures.last))]
    every += [(title, getattr(figures.total, name), getattr(figures.last, name)) for title, name in _CLASSES]
    return [*every]


def whole_traffic(protocols: InterfaceProtocols) -> Traffic:
    """All packets: those that are IP, and those that are not."""
    return protocols.ipv4 + protocols.ipv6 + protocols.non_ip


def _protocol_row(
    title: str, total: Traffic | None, last: Traffic | None, interval: float, units: Units
) -> Sequence[Cell]:
    if total is None or last is None:
        return [title, *[(NOT_KNOWN, Tone.DIM)] * 10]
    seconds = interval or 1.0
    rx_tone = Tone.RX if total.rx_packets else Tone.DIM
    tx_tone = Tone.TX if total.tx_packets else Tone.DIM
    any_tone = Tone.NORMAL if total.rx_packets or total.tx_packets else Tone.DIM
    return [
        (title, any_tone),
        (count(total.rx_packets + total.tx_packets), any_tone),
        (units.volume(total.rx_bytes + total.tx_bytes), any_tone),
        (count(total.rx_packets), rx_tone),
        (units.volume(total.rx_bytes), rx_tone),
        (count(total.tx_packets), tx_tone),
        (units.volume(total.tx_bytes), tx_tone),
        (units.rate(last.rx_bytes / seconds), Tone.RX if last.rx_bytes else Tone.DIM),
        (units.rate(last.tx_bytes / seconds), Tone.TX if last.tx_bytes else Tone.DIM),
        (count(round(last.rx_packets / seconds)), Tone.RX if last.rx_packets else Tone.DIM),
        (count(round(last.tx_packets / seconds)), Tone.TX if last.tx_packets else Tone.DIM),
    ]


def total_rates(figures: InterfaceProtocolFigures, interval: float, units: Units) -> list[Part]:
    """The rates of all packets together, and of broadcasts where there are some."""
    last, seconds = whole_traffic(figures.last), interval or 1.0
    cast = figures.last.broadcast
    parts: list[Part] = []
    if cast.rx_packets or cast.tx_packets:
        parts.append((f"broadcast {_events((cast.rx_packets + cast.tx_packets) / seconds)}/s ", Tone.DIM))
    for mark, count_bytes, packets, tone in (
        ("▼", last.rx_bytes, last.rx_packets, Tone.RX),
        ("▲", last.tx_bytes, last.tx_packets, Tone.TX),
    ):
        parts.append((f" {mark} {units.rate(count_bytes / seconds)} {count(round(packets / seconds))}pk/s", tone))
    return parts


_HEADER_BYTES: Final = 18
"""A link-layer header and a VLAN tag, which the MTU does not count."""


def size_table(sizes: Sequence[SizeBucket], width: int, *, mtu: int, ascii_only: bool) -> TextTable:
    """Wire packets by size since the start; a bar's full length is the fullest class of both directions.

    Classes that lie above `mtu` (0 = not known) say so.
    """
    fixed = 14 + 7 + 6 + 7 + 6 + 6
    cells = max(4, (width - fixed) // 2)
    columns = [
        Column("size", "bytes", 14, "right"),
        Column("rx", "▼ pkts", 7, "right"),
        Column("rx_share", "▼ %", 6, "right"),
        Column("rx_bar", "", cells),
        Column("tx", "▲ pkts", 7, "right"),
        Column("tx_share", "▲ %", 6, "right"),
        Column("tx_bar", "", cells),
    ]
    most = max((max(b.rx_packets, b.tx_packets) for b in sizes), default=0)
    rx_all, tx_all = sum(b.rx_packets for b in sizes), sum(b.tx_packets for b in sizes)
    block = "#" if ascii_only else "█"
    rows: list[Sequence[Cell]] = []
    for bucket in sizes:
        above = bool(mtu) and bucket.first > mtu + _HEADER_BYTES
        bounds = f"{bucket.first}-{bucket.last}" if bucket.last is not None else f"{bucket.first} up"
        tone = Tone.WARN if above and (bucket.rx_packets or bucket.tx_packets) else Tone.NORMAL
        row: list[Cell] = [(f">MTU {bounds}" if above else bounds, tone)]
        for number, whole, tone in ((bucket.rx_packets, rx_all, Tone.RX), (bucket.tx_packets, tx_all, Tone.TX)):
            # The smallest number still has a bar of one cell, so that it is not taken for none.
            length = max(1, round(cells * number / most)) if number else 0
            row += [
                (count(number), tone if number else Tone.DIM),
                (_percent(number, whole), Tone.DIM),
                (block * length, tone),
            ]
        rows.append(row)
    return TextTable(columns, rows)


def _percent(number: int, whole: int) -> str:
    if not number:
        return ""
    share = number / whole
    return f"{share:.0%}" if share >= 0.01 else "<1%"


_SETTINGS: Final = frozenset(
    ("Ip.Forwarding", "Ip.DefaultTTL", "Tcp.RtoAlgorithm", "Tcp.RtoMin", "Tcp.RtoMax", "Tcp.MaxConn")
)
"""Stand among the counters in /proc/net/snmp and count nothing."""


def counter_table(figures: ProtocolFigures) -> TextTable:
    """Kernel counters that moved since the start: what is abnormal now, then signs of trouble, then the others; below
    them the kernel's figures that go up and down, as they are now."""
    columns = [
        Column("name", "kernel counter", 26),
        Column("rate", "per s", 6, "right"),
        Column("total", "total", 6, "right"),
        Column("meaning", "meaning", 20, flexible=True, widest=44),
        Column("look", "what is abnormal, and what to look at next", 60, flexible=True, priority=1),
    ]
    found = {each.name: each for each in findings(figures)}
    moved = [name for name, total in figures.counter_totals.items() if total]
    moved.sort(key=lambda name: (name not in found, not is_trouble(name), not figures.counters.get(name), name))
    rows: list[Sequence[Cell]] = []
    for name in moved:
        last = figures.counters.get(name, 0)
        abnormal = found.get(name)
        tone = Tone.BAD if abnormal else Tone.WARN if is_trouble(name) else Tone.NORMAL
        rate = last / figures.interval if figures.interval else 0.0
        more = f"{abnormal.how_much}  look: {abnormal.look}" if abnormal else ""
        rows.append(
            [
                (f"{'! ' if abnormal else '  '}{name}", tone),
                (_events(rate), tone if last else Tone.DIM),
                (count(figures.counter_totals[name]), Tone.NORMAL),
                (meaning(name), tone if is_trouble(name) else Tone.DIM),
                (more, Tone.NORMAL),
            ]
        )
    gauges = sorted(name for name, value in figures.gauges.items() if value and name not in _SETTINGS)
    rows += [
        [f"  {name}", ("now", Tone.DIM), count(figures.gauges[name]), (meaning(name), Tone.DIM), ""] for name in gauges
    ]
    return TextTable(columns, rows, [*moved, *gauges])


def _events(rate: float) -> str:
    """Events per second; less than one keeps its decimals."""
    return f"{rate:.2f}" if 0 < rate < 1 else count(round(rate, 1) if rate < 10 else round(rate))
