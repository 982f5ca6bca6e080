"""Packets looked at one by one: what a watch asks for and delivers. Without NumPy: the first paint has none."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from netdash.model.protocols import ICMP, ICMPV6

if TYPE_CHECKING:
    import numpy as np

MAX_WATCHED_FLOWS: Final = 1024
"""Flows and ports that one watch may name; a watch that asks for more is refused."""

DEFAULT_SNAP_BYTES: Final = 1600
"""Bytes kept of each packet: a whole Ethernet frame. Offloaded super-packets are longer and are cut."""

MAX_SNAP_BYTES: Final = 65535

MAX_PACKETS_A_SECOND: Final = 2000
MAX_BYTES_A_SECOND: Final = 1 << 20
"""What a watch delivers at most, in kept bytes; the rest is counted as skipped."""

LINK_ETHERNET: Final = 1
LINK_RAW_IP: Final = 101
"""LINKTYPE_ETHERNET and LINKTYPE_RAW of the pcap format (https://www.tcpdump.org/linktypes.html)."""

_FLOW_ECHO: Final = 4
_FLOW_OVERFLOW: Final = 2
"""As in netdash.model.tables, which needs NumPy."""
_ECHO_KINDS: Final = {ICMP: (8, 0), ICMPV6: (128, 129)}
"""Types of request and reply."""


@dataclass(frozen=True, slots=True)
class WatchedFlow:
    """Two ends, as they stand in the packets of both directions. See `watched_flow`."""

    ethertype: int
    protocol: int
    local: bytes
    """16 bytes; IPv4 as ::ffff:a.b.c.d; zero where the frame is not IP."""
    local_port: int
    remote: bytes
    remote_port: int
    echo: bool = False
    """ICMP echo: the identifier stands as the port of the side that asks."""

    def header_ports(self) -> tuple[tuple[bool, int, int], ...]:
        """(from the local end, source port, destination port) of every kind of packet that belongs to the flow.

        Of ICMP as in FLOW_KEY of netdash.kernel.raw_flow: type and code, then the identifier.
        """
        if self.echo and self.protocol in _ECHO_KINDS:
            request, reply = (kind << 8 for kind in _ECHO_KINDS[self.protocol])
            asked_here, identifier = bool(self.local_port), self.local_port or self.remote_port
            if not identifier:
                return tuple((end, kind, 0) for end in (True, False) for kind in (request, reply))
            return (asked_here, request, identifier), (not asked_here, reply, identifier)
        if self.protocol in _ECHO_KINDS:
            return (True, self.remote_port, 0), (False, self.remote_port, 0)
        return (True, self.local_port, self.remote_port), (False, self.remote_port, self.local_port)


@dataclass(frozen=True, slots=True)
class WatchedPort:
    """A port of this host, with whomever it speaks: a UDP socket, a listener."""

    protocol: int
    port: int


@dataclass(frozen=True, slots=True)
class PacketWatch:
    """Which packets are wanted: of any of the flows, the ports or the process named, or `everything`."""

    flows: tuple[WatchedFlow, ...] = ()
    ports: tuple[WatchedPort, ...] = ()
    pid: int | None = None
    """All flows and ports of this process, followed while they come and go: a new connection of its own from the next
    interval on, one to a port it listens on from its first packet."""
    everything: bool = False
    ifindex: int = 0
    """Only packets on this interface; 0 = on any."""
    snap_bytes: int = DEFAULT_SNAP_BYTES


@dataclass(frozen=True, slots=True)
class WatchedPacket:
    """One packet as the kernel saw it: an offloaded super-packet is one packet, longer than the interface's MTU."""

    time_ns: int
    """Wall clock, nanoseconds since the epoch."""
    ifindex: int
    packet_type: int
    """0 to this host, 1 broadcast, 2 multicast, 3 to another host, 4 sent by this host (<linux/if_packet.h>)."""
    length: int
    """Bytes of the whole packet, without a tag that stands in `vlan`."""
    data: bytes
    """Its first bytes."""
    vlan: int = 0
    """Outer VLAN tag that is not in `data`: 0, or 0x1000 | id."""
    link: int = LINK_ETHERNET
    """What `data` begins with: LINK_ETHERNET or LINK_RAW_IP."""

    @property
    def outgoing(self) -> bool:
        """Sent by this host."""
        return self.packet_type == 4


@dataclass(frozen=True, slots=True)
class PacketDelivery:
    """What a watch saw since the delivery before."""

    number: int
    """Of the watch, as it was given when the watch was asked for."""
    packets: tuple[WatchedPacket, ...] = ()
    """In the order in which they passed."""
    skipped: int = 0
    """Packets of the watch that were seen but not kept: too many, or nobody fetched them in time."""
    note: str = ""
    """What is less than was asked for."""
    refused: str | None = None
    """Why there are no packets, with the remedy; nothing follows."""


@dataclass(frozen=True, slots=True)
class StoredPackets:
    """Packets of a watch that a file holds."""

    packets: tuple[WatchedPacket, ...]
    """In the order of the file, at most as many as were asked for."""
    more: bool
    """Whether the file has further ones behind them."""


def watch_refusal(watch: PacketWatch) -> str | None:
    """Why nobody can watch that; None if it is possible."""
    wanted = len(watch.flows) + len(watch.ports)
    if wanted > MAX_WATCHED_FLOWS:
        return f"a packet watch takes {MAX_WATCHED_FLOWS} connections, not {wanted}: narrow the filter"
    ports = [port for flow in watch.flows for port in (flow.local_port, flow.remote_port)]
    ports += [port.port for port in watch.ports]
    protocols = [item.protocol for items in (watch.flows, watch.ports) for item in items]
    sound = (
        all(0 <= port <= 0xFFFF for port in ports)
        and all(0 <= protocol <= 0xFF for protocol in protocols)
        and all(0 <= f.ethertype <= 0xFFFF and len(f.local) == len(f.remote) == 16 for f in watch.flows)
        and 0 <= watch.ifindex <= 0xFFFF_FFFF
        and 0 < watch.snap_bytes <= MAX_SNAP_BYTES
    )
    return None if sound else "a packet watch with impossible addresses, ports or lengths"


def watched_flow(row: np.void) -> WatchedFlow | None:
    """The watch of a FLOW_ROW; None for a row that collects many flows."""
    if int(row["flags"]) & _FLOW_OVERFLOW:
        return None
    return WatchedFlow(
        int(row["ethertype"]) or (0x0800 if row["local"].tobytes()[10:12] == b"\xff\xff" else 0x86DD),
        int(row["protocol"]),
        row["local"].tobytes(),
        int(row["local_port"]),
        row["remote"].tobytes(),
        int(row["remote_port"]),
        bool(int(row["flags"]) & _FLOW_ECHO),
    )


def join_deliveries(earlier: PacketDelivery, later: PacketDelivery) -> PacketDelivery:
    """Both as one, of at most a second's packets; the oldest beyond that are skipped. Of another watch: `later`."""
    if earlier.number != later.number:
        return later
    packets = earlier.packets + later.packets
    kept, kept_bytes = 0, 0
    for packet in reversed(packets):
        kept_bytes += len(packet.data)
        if kept == MAX_PACKETS_A_SECOND or kept_bytes > MAX_BYTES_A_SECOND:
            break
        kept += 1
    skipped = earlier.skipped + later.skipped + len(packets) - kept
    return replace(later, packets=packets[len(packets) - kept :], skipped=skipped)


class PacketBudget:
    """A bucket of packets and of bytes that fills up with time; holds a quarter of a second's."""

    _SECONDS: Final = 0.25

    def __init__(self, now: float) -> None:
        """`now`: monotonic seconds."""
        self._packets = MAX_PACKETS_A_SECOND * self._SECONDS
        self._bytes = MAX_BYTES_A_SECOND * self._SECONDS
        self._time = now

    def fill(self, now: float) -> None:
        """What came since the last call."""
        passed = max(0.0, now - self._time)
        self._time = now
        self._packets = min(self._packets + passed * MAX_PACKETS_A_SECOND, MAX_PACKETS_A_SECOND * self._SECONDS)
        self._bytes = min(self._bytes + passed * MAX_BYTES_A_SECOND, MAX_BYTES_A_SECOND * self._SECONDS)

    @property
    def left(self) -> bool:
        """Whether another packet may be taken."""
        return self._packets >= 1 and self._bytes > 0

    def spend(self, kept_bytes: int) -> None:
        """A packet was taken."""
        self._packets -= 1
        self._bytes -= kept_bytes


_ETHERNET_DEVICES: Final = frozenset({1, 772})
"""ARPHRD_ETHER, ARPHRD_LOOPBACK, <linux/if_arp.h>."""


def link_of_device(hardware_type: int) -> int:
    """What packets of a device of this `sll_hatype` begin with."""
    return LINK_ETHERNET if hardware_type in _ETHERNET_DEVICES else LINK_RAW_IP


def frame_with_tag(packet: WatchedPacket) -> bytes:
    """`data` with the VLAN tag that the kernel took out put back, as it was on the wire (IEEE 802.1Q)."""
    if not packet.vlan or packet.link != LINK_ETHERNET or len(packet.data) < 12:
        return packet.data
    return packet.data[:12] + struct.pack("!HH", 0x8100, packet.vlan & 0xFFF) + packet.data[12:]
