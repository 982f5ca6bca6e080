"""The rules of the packet parser said one packet at a time, and packets to try them on."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from hypothesis import strategies as st

from netdash.kernel.packet_batch import PacketBatch, ParsedPackets
from netdash.kernel.packet_parser import PacketParser
from netdash.kernel.raw_flow import FLAG_FRAGMENT, VLAN_PRESENT

EXTENSION_HEADERS = (0, 43, 44, 51, 60, 135)
TRANSPORT_BYTES = {6: 20, 17: 8, 33: 8, 132: 12, 136: 8}


@dataclass(frozen=True)
class Packet:
    """One packet for a batch; `data` begins at the network header, of which `captured` bytes are given."""

    data: bytes
    ethertype: int = 0x0800
    captured: int | None = None
    vlan: int = 0
    gso_size: int = 0
    packet_type: int = 0
    ifindex: int = 3
    time_ns: int = 1
    link_bytes: int = 14
    skb_bytes: int | None = None

    @property
    def visible(self) -> bytes:
        return self.data if self.captured is None else self.data[: self.captured]

    @property
    def length(self) -> int:
        return len(self.data) + self.link_bytes if self.skb_bytes is None else self.skb_bytes


@dataclass(frozen=True)
class Row:
    """What is expected of one packet."""

    ethertype: int
    vlan: int = 0
    flags: int = 0
    protocol: int = 0
    source: bytes = bytes(16)
    destination: bytes = bytes(16)
    source_port: int = 0
    destination_port: int = 0
    tcp_flags: int = 0
    wire_packets: int = 1
    wire_bytes: int = 0
    skb_bytes: int = 0
    segment_bytes: int = 0


def make_batch(packets: Sequence[Packet], poison: int = 0xEE) -> PacketBatch:
    """Packets one after the other; what was not captured of each is `poison`."""
    buffer = bytearray()
    offsets = []
    for number, packet in enumerate(packets):
        buffer += bytes([poison]) * (number % 3 + 14)
        offsets.append(len(buffer))
        buffer += packet.visible
        if number < len(packets) - 1:
            buffer += bytes([poison]) * min(len(packet.data) - len(packet.visible), 200)
    return PacketBatch(
        buffer=np.frombuffer(bytes(buffer), np.uint8),
        network_offset=np.array(offsets, np.int64),
        captured_bytes=np.array([len(packet.visible) for packet in packets], np.int64),
        skb_bytes=np.array([packet.length for packet in packets], np.int64),
        link_header_bytes=np.array([packet.link_bytes for packet in packets], np.int64),
        ethertype=np.array([packet.ethertype for packet in packets], np.uint16),
        packet_type=np.array([packet.packet_type for packet in packets], np.uint8),
        ifindex=np.array([packet.ifindex for packet in packets], np.uint32),
        vlan=np.array([packet.vlan for packet in packets], np.uint16),
        gso_size=np.array([packet.gso_size for packet in packets], np.uint16),
        time_ns=np.array([packet.time_ns for packet in packets], np.uint64),
    )


def rows_of(parsed: ParsedPackets) -> list[Row]:
    rows = []
    for key, value, segment_bytes in zip(parsed.keys, parsed.values, parsed.segment_bytes.tolist(), strict=True):
        rows.append(
            Row(
                ethertype=int(key["ethertype"]),
                vlan=int(key["vlan"]),
                flags=int(key["flags"]),
                protocol=int(key["protocol"]),
                source=key["source"].tobytes(),
                destination=key["destination"].tobytes(),
                source_port=int(key["source_port"]),
                destination_port=int(key["destination_port"]),
                tcp_flags=int(value["tcp_flags"]),
                wire_packets=int(value["wire_packets"]),
                wire_bytes=int(value["wire_bytes"]),
                skb_bytes=int(value["skb_bytes"]),
                segment_bytes=segment_bytes,
            )
        )
    return rows


def parse(packets: Sequence[Packet]) -> list[Row]:
    return rows_of(PacketParser().parse(make_batch(packets)))


def parse_one(packet: Packet) -> Row:
    (row,) = parse([packet])
    return row


@dataclass
class SlowParser:
    """The same rules, one packet at a time and as plainly as they can be said."""

    first_fragments: dict[tuple[bytes, bytes, int, int], tuple[int, int, int]] = field(default_factory=dict)

    def parse(self, packet: Packet) -> Row:
        data, ethertype, vlan = packet.visible, packet.ethertype, packet.vlan
        tag_bytes = 4 if vlan else 0
        offset = 0
        for _ in range(2):
            if ethertype in (0x8100, 0x88A8) and len(data) >= offset + 4:
                control, ethertype = struct.unpack_from(">HH", data, offset)
                vlan = vlan or VLAN_PRESENT | control & 0xFFF
                offset += 4
        row = Row(ethertype, vlan, skb_bytes=packet.length, wire_bytes=packet.length + tag_bytes)
        if ethertype == 0x0800:
            return self._ipv4(packet, row, offset)
        if ethertype == 0x86DD:
            return self._ipv6(packet, row, offset)
        return row

    def _ipv4(self, packet: Packet, row: Row, offset: int) -> Row:
        header = packet.visible[offset : offset + 20]
        if len(header) < 20 or header[0] >> 4 != 4 or header[0] & 15 < 5:
            return row
        row = replace(
            row,
            protocol=header[9],
            source=bytes(10) + b"\xff\xff" + header[12:16],
            destination=bytes(10) + b"\xff\xff" + header[16:20],
        )
        identification, fragment = struct.unpack_from(">HH", header, 4)
        transport = offset + (header[0] & 15) * 4
        if fragment & 0x1FFF:
            return self._later_fragment(packet, row, identification, header[9])
        row = self._transport(packet, row, transport, phantom=0)
        if fragment & 0x2000:
            self._first_fragment(packet, row, identification, header[9])
        return row

    def _ipv6(self, packet: Packet, row: Row, offset: int) -> Row:
        data = packet.visible
        header = data[offset : offset + 40]
        if len(header) < 40 or header[0] >> 4 != 6:
            return row
        row = replace(row, protocol=header[6], source=header[8:24], destination=header[24:40])
        phantom = 8 if header[4:6] == b"\0\0" and header[6] == 0 else 0
        offset += 40
        first_fragment: tuple[int, int] | None = None
        for _ in range(6):
            if row.protocol not in EXTENSION_HEADERS:
                break
            extension = data[offset : offset + 8]
            if len(extension) < 8:
                if first_fragment:
                    self._first_fragment(packet, row, *first_fragment)
                return row
            following, length, fragment, identification = struct.unpack(">BBHI", extension)
            if row.protocol == 44:
                offset += 8
                if fragment & 0xFFF8:
                    return self._later_fragment(packet, replace(row, protocol=following), identification, following)
                if fragment & 1:
                    first_fragment = identification, following
            else:
                offset += (length + 2) * 4 if row.protocol == 51 else (length + 1) * 8
            row = replace(row, protocol=following)
        if row.protocol not in EXTENSION_HEADERS:
            row = self._transport(packet, row, offset, phantom)
        if first_fragment:
            self._first_fragment(packet, row, *first_fragment)
        return row

    def _transport(self, packet: Packet, row: Row, offset: int, phantom: int) -> Row:
        header = packet.visible[offset : offset + 20]
        source_port = destination_port = 0
        header_bytes = TRANSPORT_BYTES.get(row.protocol, 0)
        if row.protocol in TRANSPORT_BYTES and len(header) >= 4:
            source_port, destination_port = struct.unpack_from(">HH", header)
        if row.protocol == 6 and len(header) >= 16:
            row = replace(row, tcp_flags=header[13])
            header_bytes = (header[12] >> 4) * 4
        if row.protocol in (1, 58) and len(header) >= 2:
            source_port = header[0] << 8 | header[1]
            if header[0] in ((0, 8) if row.protocol == 1 else (128, 129)) and len(header) >= 8:
                (destination_port,) = struct.unpack_from(">H", header, 4)
        row = replace(row, source_port=source_port, destination_port=destination_port)
        if not packet.gso_size:
            return row
        frame_bytes = row.wire_bytes - phantom
        headers = packet.link_bytes + (4 if packet.vlan else 0) + offset - phantom + header_bytes
        payload_bytes = frame_bytes - headers
        segments = (payload_bytes + packet.gso_size - 1) // packet.gso_size
        if segments < 2:
            return row
        return replace(
            row,
            wire_packets=segments,
            wire_bytes=frame_bytes + (segments - 1) * headers,
            segment_bytes=packet.gso_size + headers,
        )

    def _first_fragment(self, packet: Packet, row: Row, identification: int, protocol: int) -> None:
        name = (row.source, row.destination, identification, protocol)
        self.first_fragments[name] = (row.protocol, row.source_port, row.destination_port)

    def _later_fragment(self, packet: Packet, row: Row, identification: int, protocol: int) -> Row:
        known = self.first_fragments.get((row.source, row.destination, identification, protocol))
        if known is None:
            return replace(row, flags=FLAG_FRAGMENT)
        return replace(row, protocol=known[0], source_port=known[1], destination_port=known[2])


@st.composite
def _transports(draw: st.DrawFn) -> tuple[int, bytes]:
    protocol = draw(st.sampled_from([1, 6, 6, 17, 17, 33, 47, 50, 58, 59, 132, 136, *EXTENSION_HEADERS]))
    return protocol, draw(st.binary(max_size=40))


@st.composite
def _ipv4_packets(draw: st.DrawFn) -> bytes:
    protocol, transport = draw(_transports())
    words = draw(st.integers(0, 15) | st.just(5))
    version = draw(st.sampled_from([4, 4, 4, 4, 6]))
    fragment = draw(st.sampled_from([0, 0, 0x4000, 0x2000, 0x2001, 0x0005, 0x1FFF]))
    addresses = draw(st.sampled_from([bytes(8), bytes(range(8))]))
    header = struct.pack(">BBHHHBBH", version << 4 | words, 0, 60, draw(st.integers(0, 2)), fragment, 64, protocol, 0)
    return header + addresses + bytes(max(words - 5, 0) * 4) + transport


@st.composite
def _ipv6_packets(draw: st.DrawFn) -> bytes:
    protocol, transport = draw(_transports())
    chain = draw(st.lists(st.sampled_from(EXTENSION_HEADERS), max_size=8))
    body = bytearray()
    for number, kind in enumerate(chain):
        following = chain[number + 1] if number + 1 < len(chain) else protocol
        length = draw(st.sampled_from([0, 0, 1, 2, 255]))
        body += struct.pack(">BBHI", following, length, draw(st.sampled_from([0, 1, 8, 9, 2])), draw(st.integers(0, 2)))
        if kind != 44 and length < 3:
            body += bytes((length + 2) * 4 - 8 if kind == 51 else length * 8)
    version = draw(st.sampled_from([6, 6, 6, 6, 4]))
    header = struct.pack(">BBHHBB", version << 4, 0, 0, draw(st.sampled_from([0, 40])), (chain or [protocol])[0], 64)
    return header + draw(st.sampled_from([bytes(32), bytes(range(32))])) + bytes(body) + transport


@st.composite
def packets(draw: st.DrawFn) -> Packet:
    """Packets that are nearly sound, lie about lengths, are cut anywhere, or are noise."""
    kind = draw(st.sampled_from([0x0800, 0x0800, 0x86DD, 0x86DD, 0x0806, 0x8100]))
    data = draw({0x0800: _ipv4_packets(), 0x86DD: _ipv6_packets()}.get(kind, st.binary(max_size=120)))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2, 3]))):
        data = struct.pack(">HH", draw(st.integers(0, 0xFFFF)), kind) + data
        kind = draw(st.sampled_from([0x8100, 0x88A8]))
    return Packet(
        data,
        kind,
        captured=draw(st.none() | st.none() | st.integers(0, len(data))),
        vlan=draw(st.sampled_from([0, 0, VLAN_PRESENT | 7, VLAN_PRESENT])),
        gso_size=draw(st.sampled_from([0, 0, 0, 1, 1448, 0xFFFF])),
        link_bytes=draw(st.sampled_from([14, 0])),
        skb_bytes=draw(st.sampled_from([None, 0, 20, 65_000, 200_000])),
    )
