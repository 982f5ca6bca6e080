"""Who speaks on each Ethernet: traffic by MAC address, as rows of a snapshot."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from netdash.kernel.raw_flow import RawCounts
from netdash.kernel.station_counts import group_stations, stations_of_ip
from netdash.model.snapshot import Interface
from netdash.model.stations import merge_stations
from netdash.model.tables import STATION_ROW, UNKNOWN

_MAC_CHARACTERS = len("00:00:00:00:00:00")


def ethernet_indices(interfaces: Iterable[Interface]) -> list[int]:
    """Those with Ethernet headers; loopback, tunnels and the like have no stations."""
    return [i.index for i in interfaces if i.kind != "loopback" and len(i.mac or "") == _MAC_CHARACTERS]


def station_rows(raw: RawCounts, indices: Iterable[int]) -> NDArray[np.void]:
    """STATION_ROW of the interfaces of these indices, all of which have Ethernet headers."""
    # Of interface 0 are those that found no room in the kernel's table.
    ethernet = np.array([0, *indices], np.uint32)
    counts = np.concatenate([raw.other_stations, stations_of_ip(raw.keys, raw.values)])
    counts = group_stations(counts[np.isin(counts["ifindex"], ethernet)])
    return merge_stations(_rows(counts[counts["outgoing"] == 0], "rx"), _rows(counts[counts["outgoing"] != 0], "tx"))


def _rows(counts: NDArray[np.void], direction: str) -> NDArray[np.void]:
    rows = np.zeros(len(counts), STATION_ROW)
    rows["ifindex"] = counts["ifindex"]
    rows["mac"] = np.ascontiguousarray(counts["station"]).view(np.uint8).reshape(-1, 8)[:, :6]
    rows[f"{direction}_packets"], rows[f"{direction}_bytes"] = counts["packets"], counts["bytes"]
    rows[f"{direction}_ip_packets"] = counts["ip_packets"]
    for name in ("rx_ip_packets", "tx_ip_packets"):
        rows[name][counts["station"] == 0] = UNKNOWN
    return rows
