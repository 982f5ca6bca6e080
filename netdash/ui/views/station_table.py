"""The table of stations of the Protocols view: who speaks on an Ethernet, by MAC address."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.model.stations import NO_STATION, mac_text, station_name
from netdash.model.tables import UNKNOWN
from netdash.model.units import NOT_KNOWN, Units, count
from netdash.ui.theme import Tone
from netdash.ui.widgets.columns import Column
from netdash.ui.widgets.line_table import Cell
from netdash.ui.widgets.text_line import Part

STATION_SORTS: Final[dict[str, Callable[[NDArray[np.void]], NDArray[np.generic]]]] = {
    "mac": lambda rows: (rows["mac"].astype(np.uint64) << np.arange(40, -8, -8, dtype=np.uint64)).sum(axis=1),
    "interface": lambda rows: rows["ifindex"],
    "rx_packets": lambda rows: rows["rx_packets"],
    "rx_ip": lambda rows: rows["rx_ip_packets"],
    "rx_bytes": lambda rows: rows["rx_bytes"],
    "rx_rate": lambda rows: rows["rx_bytes_now"],
    "tx_packets": lambda rows: rows["tx_packets"],
    "tx_ip": lambda rows: rows["tx_ip_packets"],
    "tx_bytes": lambda rows: rows["tx_bytes"],
    "tx_rate": lambda rows: rows["tx_bytes_now"],
    "rate": lambda rows: rows["rx_bytes_now"] + rows["tx_bytes_now"],
    "bytes": lambda rows: rows["rx_bytes"] + rows["tx_bytes"],
}
"""Orders by key: those of columns, and both directions together."""
STATION_FROM_SMALLEST: Final = frozenset({"mac", "interface"})


class StationTable:
    """TableModel of STATION_FIGURES."""

    def __init__(
        self,
        rows: NDArray[np.void],
        interval: float,
        units: Units,
        interfaces: Mapping[int, str],
        own: Mapping[bytes, str],
        *,
        sort: str,
        descending: bool,
    ) -> None:
        """`interfaces`: names by index; `own`: names of this host's interfaces by MAC address."""
        key = STATION_SORTS[sort](rows).astype(np.int64)
        # The rows come by interface and address: where the key is the same, that is their order.
        self._rows = rows[np.argsort(-key if descending else key, kind="stable")]
        self._interval = interval
        self._units = units
        self._interfaces = interfaces
        self._own = own
        self.columns = _columns(units)

    def __len__(self) -> int:
        return len(self._rows)

    def key(self, index: int) -> Hashable:
        """Interface and address."""
        return int(self._rows["ifindex"][index]), self._mac(index)

    def find(self, key: Hashable) -> int | None:
        """Row of a key."""
        match key:
            case (int(ifindex), bytes(mac)) if len(mac) == len(NO_STATION):
                same = (self._rows["mac"] == np.frombuffer(mac, np.uint8)).all(axis=1)
                found = np.flatnonzero(same & (self._rows["ifindex"] == ifindex))
                return int(found[0]) if len(found) else None
        return None

    def bar(self, index: int) -> float | None:
        """No bars."""
        return None

    def _mac(self, index: int) -> bytes:
        return bytes(self._rows["mac"][index].tobytes())

    def cells(self, index: int) -> Sequence[Cell]:
        """One row of text."""
        row, mac = self._rows[index], self._mac(index)
        tone = Tone.ACCENT if row["rx_bytes_now"] or row["tx_bytes_now"] else Tone.NORMAL
        return (
            ("others" if mac == NO_STATION else mac_text(mac), tone),
            (self._interfaces.get(int(row["ifindex"]), NOT_KNOWN), Tone.DIM),
            (station_name(mac, self._own), Tone.NORMAL),
            *self._figures(row, "rx", Tone.RX),
            *self._figures(row, "tx", Tone.TX),
        )

    def _figures(self, row: np.void, way: str, tone: Tone) -> Sequence[Cell]:
        packets, ip_packets = int(row[f"{way}_packets"]), int(row[f"{way}_ip_packets"])
        size, now = int(row[f"{way}_bytes"]), int(row[f"{way}_bytes_now"])
        rate = None if self._interval <= 0.0 else now / self._interval
        return (
            (count(packets), tone if packets else Tone.DIM),
            (NOT_KNOWN if ip_packets == UNKNOWN else count(ip_packets), Tone.NORMAL if ip_packets > 0 else Tone.DIM),
            (self._units.volume(size), tone if size else Tone.DIM),
            (self._units.rate(rate), tone if now else Tone.DIM),
        )

    def detail(self, index: int) -> list[Part]:
        """The row in words: what a narrow table has no room for."""
        row, mac = self._rows[index], self._mac(index)
        name = station_name(mac, self._own)
        where = self._interfaces.get(int(row["ifindex"]), "")
        what = "others: not known, or without room" if mac == NO_STATION else mac_text(mac)
        parts: list[Part] = [(f" {what}", Tone.ACCENT)]
        if name and mac != NO_STATION:
            parts.append(f" {name}")
        parts.append((f" on {where}" if where else "", Tone.DIM))
        if int(row["rx_ip_packets"]) != UNKNOWN:
            other = [int(row[f"{way}_packets"]) - int(row[f"{way}_ip_packets"]) for way in ("rx", "tx")]
            parts.append((f"  not IP: ▼ {count(other[0])} ▲ {count(other[1])} packets", Tone.NORMAL))
        return [*parts, ("  ▼ from, ▲ to it", Tone.DIM)]


def _columns(units: Units) -> tuple[Column, ...]:
    """79 cells without the names and the packets that are IP."""
    cells = 8 if units.iec else 7
    figures = []
    for way, mark in (("rx", "▼"), ("tx", "▲")):
        figures += [
            Column(f"{way}_packets", f"{mark} pkts", 7, "right"),
            Column(f"{way}_ip", f"{mark} IP", 6, "right", priority=3),
            Column(f"{way}_bytes", f"{mark} bytes", cells, "right"),
            Column(f"{way}_rate", f"{mark} rate", cells, "right"),
        ]
    return (
        Column("mac", "station", 17),
        Column("interface", "on", 8, flexible=True, widest=15, priority=1),
        Column("name", "who", 9, flexible=True, widest=24, priority=2),
        *figures,
    )
