"""Stations: who speaks on an Ethernet, by MAC address. Their sums and their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.model.snapshot import Interface
from netdash.model.tables import UNKNOWN, join, take

MAX_STATIONS: Final = 16_384

NO_STATION: Final = bytes(6)
"""The address of what no station is known of."""

_KEY: Final = frozenset({"ifindex", "mac", "padding"})
_IP: Final = ("rx_ip_packets", "tx_ip_packets")

_GROUPS: Final[Mapping[bytes, str]] = {
    bytes.fromhex("ffffffffffff"): "broadcast",
    bytes.fromhex("0180c2000000"): "spanning tree",
    bytes.fromhex("0180c2000001"): "pause frames",
    bytes.fromhex("0180c2000002"): "LACP",
    bytes.fromhex("0180c2000003"): "802.1X",
    bytes.fromhex("0180c200000e"): "LLDP",
    bytes.fromhex("01000ccccccc"): "CDP",
}
"""IEEE 802.1Q table 8-1 to 8-3 and 802.1D; the last is Cisco's."""
_PREFIXES: Final[Mapping[bytes, str]] = {
    bytes.fromhex("01005e"): "IPv4 multicast",  # RFC 1112 section 6.4
    bytes.fromhex("3333"): "IPv6 multicast",  # RFC 2464 section 7
}


def mac_text(packed: bytes) -> str:
    """Six bytes as "02:00:00:00:00:01"."""
    return packed.hex(":")


def own_macs(interfaces: Iterable[Interface]) -> dict[bytes, str]:
    """Names of this host's interfaces by their addresses; of several with one address the one of the lowest index."""
    own: dict[bytes, str] = {}
    for interface in sorted(interfaces, key=lambda each: each.index, reverse=True):
        try:
            packed = bytes.fromhex((interface.mac or "").replace(":", ""))
        except ValueError:
            continue
        if len(packed) == len(NO_STATION) and any(packed):
            own[packed] = interface.name
    return own


def station_name(packed: bytes, own: Mapping[bytes, str]) -> str:
    """Whose address it is, as far as the address itself or this host's interfaces tell; else ""."""
    if packed == NO_STATION:
        return "not known"
    if packed in own:
        return f"own {own[packed]}"
    named = _GROUPS.get(packed) or next((name for prefix, name in _PREFIXES.items() if packed.startswith(prefix)), "")
    return named or ("group" if packed[0] & 1 else "")


def merge_stations(earlier: NDArray[np.void], later: NDArray[np.void], limit: int = MAX_STATIONS) -> NDArray[np.void]:
    """STATION_ROW tables, or wider ones, added by (interface, address) and in that order; the smallest beyond `limit`
    in rows of address zero."""
    rows = _add_stations(join(earlier, later))
    if len(rows) > limit:
        order = np.argpartition(rows["rx_bytes"] + rows["tx_bytes"], len(rows) - limit)[: len(rows) - limit]
        rows["mac"][order] = 0
        for name in _IP:
            rows[name][order] = UNKNOWN
        rows = _add_stations(rows)
    return rows


def _add_stations(rows: NDArray[np.void]) -> NDArray[np.void]:
    mac = rows["mac"].astype(np.uint64) << np.arange(0, 48, 8, dtype=np.uint64)
    order = np.lexsort((mac.sum(axis=1), rows["ifindex"]))
    added, mac = take(rows, order), mac[order]
    starts = np.ones(len(rows), np.bool_)
    starts[1:] = (added["ifindex"][1:] != added["ifindex"][:-1]) | (mac[1:] != mac[:-1]).any(axis=1)
    first = np.flatnonzero(starts)
    if len(first) == len(rows):
        return added
    columns = {name: added[name] for name in rows.dtype.names or () if name not in _KEY}
    sums = {name: np.add.reduceat(column, first) for name, column in columns.items()}
    for name in _IP:
        sums[name][np.minimum.reduceat(columns[name], first) == UNKNOWN] = UNKNOWN
    added = take(added, first)
    for name, column in sums.items():
        added[name] = column
    return added
