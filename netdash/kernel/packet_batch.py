"""Many packets at once: as they come from a ring or a file, and as the parser gives them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PacketBatch:
    """Packets in one byte buffer and what is known about each of the n packets from outside of its bytes."""

    buffer: NDArray[np.uint8]
    """The bytes that all packets lie in; not changed, not kept."""
    network_offset: NDArray[np.int64]
    """Where the header behind the link layer's begins; an in-band VLAN tag belongs to what follows."""
    captured_bytes: NDArray[np.int64]
    """Bytes of the packet that are in the buffer from `network_offset` on."""
    skb_bytes: NDArray[np.int64]
    """Length of the whole packet with its link-layer header, as the kernel handed it over (or as on the wire)."""
    link_header_bytes: NDArray[np.int64]
    """Length of the link-layer header before `network_offset`: 14 for Ethernet, 0 for a tunnel."""
    ethertype: NDArray[np.uint16]
    """Protocol of the bytes at `network_offset`."""
    packet_type: NDArray[np.uint8]
    """PACKET_HOST and so on."""
    ifindex: NDArray[np.uint32]
    vlan: NDArray[np.uint16]
    """Tag that is not in the bytes (VLAN_PRESENT | id), else 0."""
    gso_size: NDArray[np.uint16]
    """Payload bytes of each segment that a super-packet becomes; 0 for an ordinary packet."""
    time_ns: NDArray[np.uint64]
    """CLOCK_MONOTONIC."""


@dataclass(frozen=True, slots=True)
class ParsedPackets:
    """One row per packet of a batch, in its order."""

    keys: NDArray[np.void]
    """FLOW_KEY rows."""
    values: NDArray[np.void]
    """FLOW_VALUE rows with the counts of this one packet."""
    segment_bytes: NDArray[np.int64]
    """Frame bytes of a full segment where `wire_packets` > 1 (all segments but the last are full), else 0."""

    def select(self, rows: Rows) -> ParsedPackets:
        """The packets at these row numbers."""
        return ParsedPackets(self.keys[rows], self.values[rows], self.segment_bytes[rows])
