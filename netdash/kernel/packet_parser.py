"""From raw packets to flow keys: headers of thousands of packets at once, without a loop over packets.

The rules are those of the eBPF flow counter, so that a packet gives the same row whichever of the two counts it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netdash.kernel.byte_windows import load_headers
from netdash.kernel.fragment_ports import DATAGRAM_KEY, FragmentPorts
from netdash.kernel.header_layouts import (
    AUTHENTICATION_HEADER,
    ETHERNET_HEADER,
    EXTENSION_HEADER,
    FRAGMENT_HEADER,
    HAS_PORTS,
    HOP_BY_HOP,
    IPV4_HEADER,
    IPV6_HEADER,
    IS_EXTENSION_HEADER,
    IS_ICMP,
    JUMBO_OPTION_BYTES,
    KEY_WORDS,
    TRANSPORT_BYTES,
    TRANSPORT_HEADER,
    VLAN_TAG,
    VLAN_TAG_BYTES,
)
from netdash.kernel.packet_batch import PacketBatch, ParsedPackets, Rows
from netdash.kernel.raw_flow import FLAG_FRAGMENT, FLOW_KEY, FLOW_VALUE, PACKET_OUTGOING, VLAN_PRESENT
from netdash.model.protocols import ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_QINQ, ETHERTYPE_VLAN, ICMP, TCP

MAX_EXTENSION_HEADERS = 6
MAX_VLAN_TAGS = 2
UNKNOWN = -1
_MAPPED_MARK = 0xFFFF0000


class PacketParser:
    """Parses batches that follow each other; keeps only the memory of first fragments between them."""

    def __init__(self) -> None:
        self._fragments = FragmentPorts()

    def parse(self, batch: PacketBatch) -> ParsedPackets:
        """Never raises for any content of `batch.buffer`; out-of-range offsets and lengths count as not captured."""
        headers = _Headers(batch)
        headers.skip_vlan_tags()
        headers.read_ipv4()
        headers.read_ipv6()
        headers.read_transport()
        headers.resolve_fragments(self._fragments)
        return headers.count()


@dataclass(frozen=True, slots=True)
class _Fragments:
    """Fragments (not whole datagrams) found in one pass; `protocol` as all fragments of the datagram show it."""

    rows: Rows
    identification: NDArray[np.uint32]
    protocol: NDArray[np.uint8]
    is_first: NDArray[np.bool_]


class _Headers:
    """The state of one batch while its headers are read from outside to inside."""

    def __init__(self, batch: PacketBatch) -> None:
        count = len(batch.network_offset)
        start = np.clip(batch.network_offset, 0, len(batch.buffer))
        captured = np.where(start == batch.network_offset, batch.captured_bytes, 0)
        self.batch = batch
        self.offset = start
        self.end = start + np.clip(captured, 0, len(batch.buffer) - start)
        self.ethertype = batch.ethertype
        self.keys = np.zeros(count, FLOW_KEY)
        self.words = self.keys.view(KEY_WORDS)
        self.keys["ifindex"] = batch.ifindex
        self.keys["packet_type"] = batch.packet_type
        self.keys["vlan"] = batch.vlan
        self.protocol = np.zeros(count, np.uint8)
        self.transport = np.full(count, UNKNOWN, np.int64)
        """Offset of the transport header; UNKNOWN where there is none or it cannot be found."""
        self.transport_bytes = np.zeros(count, np.uint8)
        """Length of the transport header; 0 for protocols whose headers are not read."""
        self.jumbo_rows: Rows = np.empty(0, np.int64)
        """IPv6 packets with a jumbo payload option (RFC 2675)."""
        self.tcp_flags = np.zeros(count, np.uint8)
        self.fragments: list[_Fragments] = []

    def load(self, rows: Rows, offsets: NDArray[np.int64], layout: np.dtype[np.void]) -> NDArray[np.void]:
        return load_headers(self.batch.buffer, offsets, self.end[rows] - offsets, layout)

    def load_complete(self, rows: Rows, layout: np.dtype[np.void]) -> tuple[Rows, NDArray[np.void]]:
        """The rows whose network header is captured in full, and these headers."""
        offsets = self.offset[rows]
        complete = self.end[rows] - offsets >= layout.itemsize
        if not complete.all():
            rows, offsets = rows[complete], offsets[complete]
        return rows, self.load(rows, offsets, layout)

    def skip_vlan_tags(self) -> None:
        rows = np.flatnonzero((self.ethertype == ETHERTYPE_VLAN) | (self.ethertype == ETHERTYPE_QINQ))
        if len(rows) == 0:
            return
        self.ethertype = self.ethertype.copy()
        for _ in range(MAX_VLAN_TAGS):
            rows, tags = self.load_complete(rows, VLAN_TAG)
            untagged = self.keys["vlan"][rows] == 0
            self.keys["vlan"][rows[untagged]] = VLAN_PRESENT | (tags["control"][untagged] & 0xFFF)
            self.ethertype[rows] = tags["ethertype"]
            self.offset[rows] += VLAN_TAG_BYTES
            rows = rows[(tags["ethertype"] == ETHERTYPE_VLAN) | (tags["ethertype"] == ETHERTYPE_QINQ)]

    def read_ipv4(self) -> None:
        rows, header = self.load_complete(np.flatnonzero(self.ethertype == ETHERTYPE_IPV4), IPV4_HEADER)
        first_byte = header["version_length"]
        sound = (first_byte >= 0x45) & (first_byte <= 0x4F)
        if not sound.all():
            rows, header = rows[sound], header[sound]
        if len(rows) == 0:
            return
        self.words["mark_source"][rows] = _MAPPED_MARK
        self.words["mark_destination"][rows] = _MAPPED_MARK
        self.words["source_ipv4"][rows] = header["source"]
        self.words["destination_ipv4"][rows] = header["destination"]
        self.protocol[rows] = header["protocol"]
        header_bytes = (header["version_length"] & 0x0F).astype(np.int64) * 4
        fragment = header["fragment"] & 0x3FFF
        later = (fragment & 0x1FFF) != 0
        self.transport[rows] = np.where(later, UNKNOWN, self.offset[rows] + header_bytes)
        pieces = np.flatnonzero(fragment)
        if len(pieces):
            self.fragments.append(
                _Fragments(
                    rows[pieces],
                    header["identification"][pieces].astype(np.uint32),
                    header["protocol"][pieces],
                    ~later[pieces],
                )
            )

    def read_ipv6(self) -> None:
        rows, header = self.load_complete(np.flatnonzero(self.ethertype == ETHERTYPE_IPV6), IPV6_HEADER)
        sound = header["version"] >> 4 == 6
        if not sound.all():
            rows, header = rows[sound], header[sound]
        if len(rows) == 0:
            return
        self.words["source"][rows] = header["source"]
        self.words["destination"][rows] = header["destination"]
        self.protocol[rows] = header["next_header"]
        self.transport[rows] = self.offset[rows] + IPV6_HEADER.itemsize
        self.jumbo_rows = rows[(header["payload_bytes"] == 0) & (header["next_header"] == HOP_BY_HOP)]
        for _ in range(MAX_EXTENSION_HEADERS):
            rows = rows[IS_EXTENSION_HEADER[self.protocol[rows]]]
            if len(rows) == 0:
                return
            rows = self._skip_extension_header(rows)
        self.transport[rows[IS_EXTENSION_HEADER[self.protocol[rows]]]] = UNKNOWN

    def _skip_extension_header(self, rows: Rows) -> Rows:
        """Steps over one extension header of each row; returns the rows whose next header begins at a known place."""
        offsets = self.transport[rows]
        header = self.load(rows, offsets, EXTENSION_HEADER)
        protocol = self.protocol[rows]
        is_fragment = protocol == FRAGMENT_HEADER
        cut = self.end[rows] - offsets < EXTENSION_HEADER.itemsize
        length = header["length"].astype(np.int64)
        size = np.where(protocol == AUTHENTICATION_HEADER, (length + 2) * 4, (length + 1) * 8)
        size[is_fragment] = EXTENSION_HEADER.itemsize
        later = is_fragment & ((header["fragment"] & 0xFFF8) != 0)
        self.transport[rows] = np.where(cut | later, UNKNOWN, offsets + size)
        self.protocol[rows] = np.where(cut, protocol, header["next_header"])
        pieces = np.flatnonzero(is_fragment & ~cut & ((header["fragment"] & 0xFFF9) != 0))
        if len(pieces):
            self.fragments.append(
                _Fragments(
                    rows[pieces],
                    header["identification"][pieces].astype(np.uint32),
                    header["next_header"][pieces],
                    ~later[pieces],
                )
            )
        going_on: Rows = rows[~(cut | later)]
        return going_on

    def read_transport(self) -> None:
        rows = np.flatnonzero(self.transport >= 0)
        offsets = self.transport[rows]
        protocol = self.protocol[rows]
        header = self.load(rows, offsets, TRANSPORT_HEADER)
        captured = self.end[rows] - offsets
        ports = np.where(HAS_PORTS[protocol] & (captured >= 4), header["ports"], np.uint32(0))
        icmp = np.flatnonzero(IS_ICMP[protocol] & (captured >= 2))
        if len(icmp):
            ports[icmp] = _icmp_ports(header[icmp], protocol[icmp], captured[icmp] >= 8)
        self.words["ports"][rows] = ports
        self.transport_bytes[rows] = TRANSPORT_BYTES[protocol]
        tcp = np.flatnonzero((protocol == TCP) & (captured >= TRANSPORT_HEADER.itemsize))
        self.tcp_flags[rows[tcp]] = header["tcp_flags"][tcp]
        self.transport_bytes[rows[tcp]] = (header["data_offset"][tcp] >> 4) * 4

    def resolve_fragments(self, memory: FragmentPorts) -> None:
        """Gives later fragments the ports of the first one; in the order of the packets."""
        if not self.fragments:
            return
        rows = np.concatenate([each.rows for each in self.fragments])
        order = np.argsort(rows, kind="stable")
        # A forged packet may hold several fragment headers: the innermost one counts, which was appended last.
        order = order[np.append(np.diff(rows[order]) != 0, True)]
        rows = rows[order]
        keys = np.zeros(len(rows), DATAGRAM_KEY)
        keys["source"] = self.words["source"][rows]
        keys["destination"] = self.words["destination"][rows]
        keys["identification"] = np.concatenate([each.identification for each in self.fragments])[order]
        keys["protocol"] = np.concatenate([each.protocol for each in self.fragments])[order]
        is_first = np.concatenate([each.is_first for each in self.fragments])[order]
        protocol, ports, known = memory.resolve(
            keys, is_first, self.protocol[rows], self.words["ports"][rows], self.batch.time_ns[rows]
        )
        self.protocol[rows] = protocol
        self.words["ports"][rows] = ports
        self.keys["flags"][rows[~known]] = FLAG_FRAGMENT

    def count(self) -> ParsedPackets:
        batch = self.batch
        self.keys["ethertype"] = self.ethertype
        self.keys["protocol"] = self.protocol
        tag_bytes = np.where(batch.vlan != 0, VLAN_TAG_BYTES, 0)
        values = np.zeros(len(self.keys), FLOW_VALUE)
        values["skb_packets"] = 1
        values["skb_bytes"] = batch.skb_bytes
        values["wire_packets"] = 1
        values["wire_bytes"] = batch.skb_bytes + tag_bytes
        values["tcp_flags"] = self.tcp_flags
        values["station"] = read_stations(batch, batch.packet_type)
        values["last_ns"] = batch.time_ns
        segment_bytes = np.zeros(len(self.keys), np.int64)
        rows = np.flatnonzero((batch.gso_size != 0) & (self.transport >= 0))
        if len(rows):
            # The kernel removes the jumbo option of a super-packet above 64 KiB before the wire (BIG TCP).
            phantom_bytes = np.where(np.isin(rows, self.jumbo_rows), JUMBO_OPTION_BYTES, 0)
            frame_bytes = batch.skb_bytes[rows] + tag_bytes[rows] - phantom_bytes
            # What every segment repeats: the link-layer header, all tags, the IP headers and the transport header.
            inner_bytes = self.transport[rows] - batch.network_offset[rows] + self.transport_bytes[rows]
            header_bytes = batch.link_header_bytes[rows] + tag_bytes[rows] + inner_bytes - phantom_bytes
            gso_size = batch.gso_size[rows].astype(np.int64)
            segments = -(-(frame_bytes - header_bytes) // gso_size)
            split = np.flatnonzero(segments > 1)
            rows, segments, header_bytes = rows[split], segments[split], header_bytes[split]
            values["wire_packets"][rows] = segments
            values["wire_bytes"][rows] = frame_bytes[split] + (segments - 1) * header_bytes
            segment_bytes[rows] = gso_size[split] + header_bytes
        return ParsedPackets(self.keys, values, segment_bytes)


def read_stations(batch: PacketBatch, packet_type: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The other end's MAC address of each packet: where a received one comes from, where a sent one goes.

    0 where there is no Ethernet header before the network layer.
    """
    start = batch.network_offset - batch.link_header_bytes
    there = (batch.link_header_bytes >= ETHERNET_HEADER.itemsize) & (start >= 0)
    room = np.where(there & (batch.network_offset <= len(batch.buffer)), ETHERNET_HEADER.itemsize, 0)
    header = load_headers(batch.buffer, np.where(room > 0, start, 0), room, ETHERNET_HEADER)
    # 8 bytes from the source address on would reach behind a header of 14 bytes.
    source = header["source_low"].astype(np.uint64) | header["source_high"].astype(np.uint64) << np.uint64(32)
    destination = header["destination"] & np.uint64(0xFFFF_FFFF_FFFF)
    stations: NDArray[np.uint64] = np.where(packet_type == PACKET_OUTGOING, destination, source)
    return stations


def _icmp_ports(
    header: NDArray[np.void], protocol: NDArray[np.uint8], complete: NDArray[np.bool_]
) -> NDArray[np.uint32]:
    """Type and code as source port, the echo identifier as destination port; raw words as in KEY_WORDS."""
    kind = header["icmp_type"]
    echo = np.where(protocol == ICMP, (kind == 0) | (kind == 8), (kind == 128) | (kind == 129))
    identifier = np.where(echo & complete, header["echo_identifier"], 0).astype(np.uint32)
    ports: NDArray[np.uint32] = header["icmp_type_code"].astype(np.uint32) | (identifier << np.uint32(16))
    return ports
