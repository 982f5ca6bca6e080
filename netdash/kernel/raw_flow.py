"""What a packet counter hands out: rows of counted packets, one per key, in the order of the wire.

Both packet counters (eBPF maps and the TPACKET ring) yield these arrays, so everything above them is the same.
The 48-byte layouts are those of `struct flow_key` and `struct flow_value` in `programs/flows.bpf.c`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from netdash.model.packets import WatchedPacket

if TYPE_CHECKING:
    from netdash.kernel.watch_filter import WatchFilter

PACKET_HOST, PACKET_BROADCAST, PACKET_MULTICAST, PACKET_OTHERHOST, PACKET_OUTGOING = range(5)
"""`pkt_type` of <linux/if_packet.h>: to this host, to all, to a group, to somebody else, from this host."""

VLAN_PRESENT = 0x1000
"""Set in `vlan` when the frame carried a tag; the low 12 bits are the (outer) VLAN id."""

FLAG_FRAGMENT = 0x0001
"""A fragment whose ports are not known: its first fragment was not seen before it."""

FLAG_OVERFLOW = 0x8000
"""The flow table was full: addresses and ports are zero, the counts belong to flows that are not listed."""

FLOW_KEY = np.dtype(
    [
        ("ifindex", "<u4"),
        ("packet_type", "u1"),
        ("protocol", "u1"),
        ("ethertype", "<u2"),
        ("vlan", "<u2"),
        ("flags", "<u2"),
        ("source_port", ">u2"),
        ("destination_port", ">u2"),
        ("source", "u1", 16),
        ("destination", "u1", 16),
    ]
)
"""48 bytes. Addresses: IPv6, or IPv4 as ::ffff:a.b.c.d; zero for non-IP. `protocol`: IP protocol after all
extension headers. ICMP: source_port = type << 8 | code, destination_port = echo identifier or 0."""

FLOW_VALUE = np.dtype(
    [
        ("wire_packets", "<u8"),
        ("wire_bytes", "<u8"),
        ("station", "<u8"),
        ("last_ns", "<u8"),
        ("skb_bytes", "<u8"),
        ("tcp_flags", "<u4"),
        ("skb_packets", "<u4"),
    ]
)
"""48 bytes. `wire_*`: link-layer frames with header and VLAN tag, a super-packet counted as the segments it
becomes; `skb_*`: as the kernel handed them over. `station`: the MAC address at the other end
of one of its packets, as the low 6 bytes in their order. `last_ns`: CLOCK_MONOTONIC.
`tcp_flags`: all flags seen, or-ed."""

SIZE_LIMITS = (*range(75, 1501, 75), 1518, 9018)
"""Upper bounds (inclusive, frame bytes) of the packet-size buckets: 20 of 75 bytes as iptraf-ng's on a 1500-byte MTU,
the full Ethernet frame with its header and tag, jumbo frames; one more bucket takes all above."""

SIZE_BUCKETS = len(SIZE_LIMITS) + 1

SIZE_COUNTS = np.dtype([("ifindex", "<u4"), ("outgoing", "u1"), ("packets", "<u8", SIZE_BUCKETS)])
"""Wire packets per size bucket of one interface and direction."""


STATION_COUNTS = np.dtype(
    [
        ("ifindex", "<u4"),
        ("outgoing", "<u4"),
        ("station", "<u8"),
        ("packets", "<u8"),
        ("ip_packets", "<u8"),
        ("bytes", "<u8"),
    ]
)
"""Wire packets and bytes from or to one MAC address (`station`, as in FLOW_VALUE) on one interface; `ip_packets`: of
these the IPv4 and IPv6 ones. Rows may repeat. Of interfaces without Ethernet headers the address means nothing.
`station` 0: not known, or there was no room; of those it is not known which are IP."""


@dataclass(frozen=True, slots=True)
class RawCounts:
    """Everything counted between two switches of a packet counter."""

    keys: NDArray[np.void]
    """FLOW_KEY rows; each key stands once, overflow rows included."""
    values: NDArray[np.void]
    """FLOW_VALUE rows beside `keys`."""
    sizes: NDArray[np.void]
    """SIZE_COUNTS rows of the interval, interfaces without packets left out."""
    lost_packets: int
    """Packets that the kernel could not hand to the counter (the ring was full)."""
    other_stations: NDArray[np.void] = field(default_factory=lambda: np.zeros(0, STATION_COUNTS))
    """STATION_COUNTS of packets that are not IP; those of IP follow from the flows (station_counts.stations_of_ip)."""


class PacketCounter(Protocol):
    """Counts every packet of one network namespace. Use: `switch`, read what must match, `drain`; then `close`."""

    layer: str
    """`ebpf` or `ring`."""

    def switch(self) -> int:
        """Ends the interval: later packets count for the next. Returns CLOCK_MONOTONIC nanoseconds of the switch."""

    async def drain(self) -> RawCounts:
        """What was counted in the interval that the last `switch` ended."""

    def watch(self, wanted: WatchFilter | None) -> None:
        """From now on the packets of this filter can be fetched, of no filter none."""

    def fetch_packets(self) -> tuple[list[WatchedPacket], int]:
        """Packets of the watch since the last call, within the limits of model.packets, and how many more there were.

        May take milliseconds and be called in any thread, but one at a time."""

    def close(self) -> None:
        """Frees sockets, maps and memory. Nothing stays in the kernel."""
