"""Traffic by MAC address, from what both packet counters keep: IP by its flows, the rest packet by packet."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from netdash.kernel.raw_flow import FLAG_OVERFLOW, PACKET_OUTGOING, STATION_COUNTS
from netdash.model.protocols import ETHERTYPE_IPV4, ETHERTYPE_IPV6

MAX_STATIONS = 4096
"""Rows of one interval; the smallest beyond count in rows of station 0."""


def is_ip(keys: NDArray[np.void]) -> NDArray[np.bool_]:
    """Mask of FLOW_KEY rows whose flow has one station; all others of an interface share a flow."""
    ip: NDArray[np.bool_] = (keys["ethertype"] == ETHERTYPE_IPV4) | (keys["ethertype"] == ETHERTYPE_IPV6)
    return ip


def stations_of_ip(keys: NDArray[np.void], values: NDArray[np.void]) -> NDArray[np.void]:
    """STATION_COUNTS of the IP rows of (FLOW_KEY, FLOW_VALUE); rows may repeat."""
    rows = np.flatnonzero(is_ip(keys) | ((keys["flags"] & FLAG_OVERFLOW) != 0) & (keys["ethertype"] == 0))
    return stations_of(keys[rows], values[rows])


def stations_of(keys: NDArray[np.void], values: NDArray[np.void]) -> NDArray[np.void]:
    """STATION_COUNTS beside (FLOW_KEY, FLOW_VALUE); overflow rows are of no station."""
    counts = np.zeros(len(keys), STATION_COUNTS)
    counts["ifindex"] = keys["ifindex"]
    counts["outgoing"] = keys["packet_type"] == PACKET_OUTGOING
    counts["station"] = np.where(keys["flags"] & FLAG_OVERFLOW, 0, values["station"])
    counts["packets"], counts["bytes"] = values["wire_packets"], values["wire_bytes"]
    counts["ip_packets"] = np.where(is_ip(keys), values["wire_packets"], 0)
    return counts


def group_stations(*tables: NDArray[np.void]) -> NDArray[np.void]:
    """Each (interface, direction, station) once, at most MAX_STATIONS and those of station 0."""
    rows = np.concatenate(tables)
    grouped = _group(rows)
    if len(grouped) > MAX_STATIONS:
        order = np.argpartition(grouped["bytes"], len(grouped) - MAX_STATIONS)
        grouped["station"][order[: len(grouped) - MAX_STATIONS]] = 0
        grouped = _group(grouped)
    return grouped


def _group(rows: NDArray[np.void]) -> NDArray[np.void]:
    order = np.lexsort((rows["station"], rows["outgoing"], rows["ifindex"]))
    ordered = rows[order]
    if not len(ordered):
        return ordered
    starts = np.zeros(len(ordered), np.bool_)
    starts[0] = True
    for name in ("ifindex", "outgoing", "station"):
        starts[1:] |= ordered[name][1:] != ordered[name][:-1]
    first = np.flatnonzero(starts)
    grouped = ordered[first]
    for name in ("packets", "ip_packets", "bytes"):
        grouped[name] = np.add.reduceat(ordered[name], first)
    return grouped
