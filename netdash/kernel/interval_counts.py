"""Everything that is counted of the packets of one interval: flows, packet sizes and stations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from netdash.kernel.flow_table import FlowTable
from netdash.kernel.packet_batch import ParsedPackets
from netdash.kernel.raw_flow import PACKET_OUTGOING, SIZE_BUCKETS, SIZE_COUNTS, SIZE_LIMITS, STATION_COUNTS, RawCounts
from netdash.kernel.station_counts import group_stations, is_ip, stations_of

_BUCKET_OF_SIZE = np.searchsorted(np.array(SIZE_LIMITS), np.arange(SIZE_LIMITS[-1] + 2)).astype(np.int64)
"""Bucket of every frame size up to the first that is above all limits."""


class SizeTable:
    """Wire packets per size bucket of each (interface, direction)."""

    def __init__(self) -> None:
        self._directions = np.zeros(0, np.uint64)
        self._packets = np.zeros((0, SIZE_BUCKETS), np.uint64)

    def add(self, packets: ParsedPackets) -> None:
        """Counts each packet, a super-packet as its full segments and the last one."""
        outgoing = packets.keys["packet_type"] == PACKET_OUTGOING
        rows = self._rows_of(packets.keys["ifindex"] * np.uint64(2) + outgoing)
        full_segments = packets.values["wire_packets"] - np.uint64(1)
        last_bytes = packets.values["wire_bytes"].astype(np.int64)
        split = np.flatnonzero(full_segments)
        if len(split):
            segment_bytes = packets.segment_bytes[split]
            last_bytes[split] -= full_segments[split].astype(np.int64) * segment_bytes
            np.add.at(self._packets, (rows[split], _buckets(segment_bytes)), full_segments[split])
        cells = rows * SIZE_BUCKETS + _buckets(last_bytes)
        counted = np.bincount(cells, minlength=self._packets.size).astype(np.uint64)
        self._packets += counted.reshape(self._packets.shape)

    def merge(self, sizes: NDArray[np.void]) -> None:
        """Adds SIZE_COUNTS rows of another table; no (interface, direction) may stand twice in them."""
        rows = self._rows_of(sizes["ifindex"] * np.uint64(2) + sizes["outgoing"])
        self._packets[rows] += sizes["packets"]

    def take(self) -> NDArray[np.void]:
        """All rows as SIZE_COUNTS; the table is empty afterwards."""
        sizes = np.zeros(len(self._directions), SIZE_COUNTS)
        sizes["ifindex"] = self._directions >> np.uint64(1)
        sizes["outgoing"] = self._directions & np.uint64(1)
        sizes["packets"] = self._packets
        self._directions = np.zeros(0, np.uint64)
        self._packets = np.zeros((0, SIZE_BUCKETS), np.uint64)
        return sizes

    def _rows_of(self, directions: NDArray[np.uint64]) -> NDArray[np.int64]:
        rows = self._search(directions)
        known = self._directions[rows] == directions if len(self._directions) else np.zeros(len(rows), np.bool_)
        if known.all():
            return rows
        merged = np.union1d(self._directions, directions[~known])
        packets = np.zeros((len(merged), SIZE_BUCKETS), np.uint64)
        packets[np.searchsorted(merged, self._directions)] = self._packets
        self._directions, self._packets = merged, packets
        return self._search(directions)

    def _search(self, directions: NDArray[np.uint64]) -> NDArray[np.int64]:
        rows: NDArray[np.int64] = np.searchsorted(self._directions[:-1], directions)
        return rows


def _buckets(frame_bytes: NDArray[np.int64]) -> NDArray[np.int64]:
    return _BUCKET_OF_SIZE.take(np.minimum(frame_bytes, len(_BUCKET_OF_SIZE) - 1))


class IntervalCounts:
    """The counts of one interval, filled batch by batch, taken as one RawCounts."""

    def __init__(self, max_flows: int) -> None:
        self._flows = FlowTable(max_flows)
        self._sizes = SizeTable()
        self._stations = np.zeros(0, STATION_COUNTS)
        """Of packets that are not IP, and of intervals that were merged into this one."""
        self.lost_packets = 0

    def add(self, packets: ParsedPackets) -> None:
        """Counts a batch."""
        self._flows.add(packets.keys, packets.values)
        self._sizes.add(packets)
        other = np.flatnonzero(~is_ip(packets.keys))
        if len(other):
            self._stations = group_stations(self._stations, stations_of(packets.keys[other], packets.values[other]))

    def merge(self, counts: RawCounts) -> None:
        """Adds what another interval had counted."""
        self._flows.add(counts.keys, counts.values)
        self._sizes.merge(counts.sizes)
        # The flows of that interval come again with this one's: only what is not IP is added here.
        self._stations = group_stations(self._stations, counts.other_stations)
        self.lost_packets += counts.lost_packets

    def take(self) -> RawCounts:
        """The counts so far; starts again from zero."""
        keys, values = self._flows.take()
        lost_packets, self.lost_packets = self.lost_packets, 0
        other, self._stations = self._stations, np.zeros(0, STATION_COUNTS)
        return RawCounts(keys, values, self._sizes.take(), lost_packets, other)
