"""The vectorised parser against a slow one that reads packet by packet, and against packets made by scapy."""

from __future__ import annotations

import struct
from dataclasses import replace
from ipaddress import IPv6Address, ip_address
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_Router_Alert
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Packet as Layer
from scapy.packet import Raw

from netdash.kernel.fragment_ports import LIFETIME_NS, REMEMBERED_DATAGRAMS
from netdash.kernel.packet_parser import PacketParser
from netdash.kernel.raw_flow import FLAG_FRAGMENT, VLAN_PRESENT
from tests.unit.kernel.slow_parser import Packet, Row, SlowParser, make_batch, packets, parse, parse_one, rows_of


@settings(max_examples=60, deadline=None)
@given(st.lists(packets(), min_size=1, max_size=4))
def test_every_packet_gives_the_row_of_the_slow_parser(batch: list[Packet]) -> None:
    slow = SlowParser()
    assert parse(batch) == [slow.parse(packet) for packet in batch]


def test_many_damaged_packets_in_one_batch() -> None:
    random = Random(20)
    extensions = IPv6ExtHdrHopByHop() / IPv6ExtHdrFragment(m=1, id=4) / IPv6ExtHdrDestOpt()
    frames = [
        IP(src="10.0.0.1", dst="10.0.0.2") / TCP(flags="PA") / Raw(bytes(40)),
        IP(src="10.0.0.1", dst="10.0.0.2", flags="MF") / UDP() / Raw(bytes(40)),
        IP(src="10.0.0.1", dst="10.0.0.2", options=[IPOption_Router_Alert()]) / ICMP() / Raw(bytes(40)),
        IPv6(src="fd00::1", dst="fd00::2") / ICMPv6EchoRequest() / Raw(bytes(40)),
        IPv6(src="fd00::1", dst="fd00::2") / extensions / TCP() / Raw(bytes(40)),
        Dot1Q(vlan=5) / Dot1Q(vlan=6) / IP(src="10.0.0.1", dst="10.0.0.2") / UDP() / Raw(bytes(40)),
    ]
    sound = [_packet(Ether() / frame) for frame in frames]
    damaged = []
    for _ in range(4000):
        packet = random.choice(sound)
        data = bytearray(packet.data)
        for _ in range(random.choice((0, 1, 1, 2))):
            data[random.randrange(min(len(data), 64))] = random.choice(
                (0, 1, 6, 17, 44, 60, 255, random.randrange(256))
            )
        captured = random.choice((None, None, random.randrange(len(data))))
        damaged.append(replace(packet, data=bytes(data), captured=captured, gso_size=random.choice((0, 0, 9))))
    slow = SlowParser()
    assert parse(damaged) == [slow.parse(packet) for packet in damaged]


@settings(max_examples=40, deadline=None)
@given(st.lists(packets(), min_size=1, max_size=3))
def test_bytes_outside_of_the_captured_ones_do_not_matter(batch: list[Packet]) -> None:
    results = [PacketParser().parse(make_batch(batch, poison)) for poison in (0x00, 0x45, 0xFF)]
    for parsed in results:
        parsed.values["station"] = 0  # stands before the captured bytes, in the link-layer header
    for other in results[1:]:
        assert other.keys.tobytes() == results[0].keys.tobytes()
        assert other.values.tobytes() == results[0].values.tobytes()


@settings(max_examples=60, deadline=None)
@given(
    st.binary(max_size=200),
    st.lists(
        st.tuples(
            st.integers(-(2**62), 2**62) | st.integers(-5, 205),
            st.integers(-(2**62), 2**62) | st.integers(-5, 205),
            st.sampled_from([0x0800, 0x86DD, 0x8100]),
        ),
        min_size=1,
        max_size=10,
    ),
)
def test_impossible_offsets_and_lengths_count_as_nothing_captured(
    data: bytes, places: list[tuple[int, int, int]]
) -> None:
    batch = make_batch([Packet(b"", ethertype) for _, _, ethertype in places])
    batch = replace(
        batch,
        buffer=np.frombuffer(data, np.uint8),
        network_offset=np.array([offset for offset, _, _ in places], np.int64),
        captured_bytes=np.array([captured for _, captured, _ in places], np.int64),
    )
    parsed = PacketParser().parse(batch)
    assert parsed.values["wire_packets"].sum() == len(places)
    outside = np.array([not 0 <= offset < len(data) or captured <= 0 for offset, captured, _ in places])
    assert not parsed.keys["source"][outside].any()
    assert not parsed.keys["protocol"][outside].any()


@pytest.mark.parametrize(("offset", "captured"), [(-1, 28), (-28, 56), (28, 1), (29, 28), (0, 0), (0, 19), (0, -5)])
def test_a_sound_header_outside_of_the_packet_is_not_read(offset: int, captured: int) -> None:
    header = _fragments(1)[0].data[:28]
    batch = replace(
        make_batch([Packet(header)]),
        buffer=np.frombuffer(header, np.uint8),
        network_offset=np.array([offset], np.int64),
        captured_bytes=np.array([captured], np.int64),
    )
    (row,) = rows_of(PacketParser().parse(batch))
    assert (row.protocol, row.source, row.source_port, row.wire_packets) == (0, bytes(16), 0, 1)


def test_an_empty_batch_gives_no_rows() -> None:
    assert parse([]) == []


def _packet(layer: Layer, **facts: int) -> Packet:
    """The packet of a scapy frame with its Ethernet header."""
    frame = bytes(layer)
    return Packet(frame[14:], struct.unpack_from(">H", frame, 12)[0], **facts)


def _mapped(address: str) -> bytes:
    parsed = ip_address(address)
    return parsed.packed if isinstance(parsed, IPv6Address) else bytes(10) + b"\xff\xff" + parsed.packed


def _endpoints(row: Row) -> tuple[int, bytes, int, bytes, int]:
    return row.protocol, row.source, row.source_port, row.destination, row.destination_port


def test_tcp_over_ipv4_with_options() -> None:
    ip = IP(src="192.0.2.1", dst="198.51.100.2", options=[IPOption_Router_Alert()])
    row = parse_one(_packet(Ether() / ip / TCP(sport=443, dport=50000, flags="SA")))
    assert _endpoints(row) == (6, _mapped("192.0.2.1"), 443, _mapped("198.51.100.2"), 50000)
    assert row.tcp_flags == 0x12
    assert (row.wire_packets, row.wire_bytes, row.skb_bytes) == (1, 58, 58)


@pytest.mark.parametrize(
    "extensions",
    [
        IPv6ExtHdrHopByHop(),
        IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / IPv6ExtHdrRouting(addresses=["fd00::9"]),
        IPv6ExtHdrFragment(offset=0, m=0, id=5),
    ],
)
def test_udp_behind_ipv6_extension_headers(extensions: Layer) -> None:
    frame = Ether() / IPv6(src="fd00::1", dst="fd00::2") / extensions / UDP(sport=53, dport=40000) / Raw(b"x" * 30)
    row = parse_one(_packet(frame))
    assert (row.protocol, row.source_port, row.destination_port, row.flags) == (17, 53, 40000, 0)
    assert row.source == _mapped("fd00::1")


def test_six_extension_headers_are_read_and_no_more() -> None:
    udp = UDP(sport=53, dport=53)
    rows = []
    for count in (6, 7):
        frame = Ether() / IPv6(src="fd00::1", dst="fd00::2")
        for _ in range(count):
            frame /= IPv6ExtHdrDestOpt()
        rows.append(parse_one(_packet(frame / udp)))
    assert [(row.protocol, row.source_port) for row in rows] == [(17, 53), (60, 0)]


@pytest.mark.parametrize("protocol", [33, 132, 136])
def test_other_protocols_with_ports(protocol: int) -> None:
    row = parse_one(
        _packet(
            Ether() / IP(src="10.0.0.1", dst="10.0.0.2", proto=protocol) / Raw(struct.pack(">HH", 9, 50001) + bytes(12))
        )
    )
    assert (row.protocol, row.source_port, row.destination_port) == (protocol, 9, 50001)


def test_icmp_has_type_and_code_and_the_echo_identifier() -> None:
    request = parse_one(_packet(Ether() / IP(src="10.0.0.1", dst="10.0.0.2") / ICMP(type=8, id=77)))
    unreachable = parse_one(
        _packet(Ether() / IP(src="10.0.0.1", dst="10.0.0.2") / ICMP(type=3, code=3) / Raw(bytes(20)))
    )
    ping6 = parse_one(_packet(Ether() / IPv6(src="fd00::1", dst="fd00::2") / ICMPv6EchoRequest(id=99)))
    assert (request.source_port, request.destination_port) == (8 << 8, 77)
    assert (unreachable.source_port, unreachable.destination_port) == (3 << 8 | 3, 0)
    assert (ping6.source_port, ping6.destination_port) == (128 << 8, 99)


def test_the_outer_vlan_is_kept_and_the_inner_one_skipped() -> None:
    inside = IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=1, dport=2)
    in_band = parse_one(_packet(Ether() / Dot1Q(vlan=100) / Dot1Q(vlan=200) / inside))
    stripped = parse_one(_packet(Ether() / Dot1Q(vlan=200) / inside, vlan=VLAN_PRESENT | 100))
    assert in_band.vlan == stripped.vlan == VLAN_PRESENT | 100
    assert in_band.ethertype == stripped.ethertype == 0x0800
    assert in_band.destination_port == stripped.destination_port == 2
    assert in_band.wire_bytes == stripped.wire_bytes == in_band.skb_bytes == stripped.skb_bytes + 4


def _fragments(identification: int, time_ns: int = 1) -> list[Packet]:
    """A UDP datagram of 2008 bytes in two IPv4 fragments."""
    datagram = bytes(UDP(sport=1000, dport=2000) / Raw(bytes(2000)))
    addresses = bytes([10, 0, 0, 1, 10, 0, 0, 2])
    pieces = (
        struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(data), identification, fragment, 64, 17, 0) + addresses + data
        for fragment, data in ((0x2000, datagram[:1400]), (1400 // 8, datagram[1400:]))
    )
    return [Packet(piece, time_ns=time_ns) for piece in pieces]


def test_all_fragments_of_a_datagram_count_in_one_flow() -> None:
    rows = parse(_fragments(7))
    assert {_endpoints(row) for row in rows} == {(17, _mapped("10.0.0.1"), 1000, _mapped("10.0.0.2"), 2000)}
    assert [row.flags for row in rows] == [0, 0]
    assert [row.wire_bytes for row in rows] == [14 + 20 + 1400, 14 + 20 + 608]


def test_later_ipv6_fragments_learn_the_protocol_too() -> None:
    ip = IPv6(src="fd00::1", dst="fd00::2")
    body = bytes(IPv6ExtHdrDestOpt(nh=17) / UDP(sport=1, dport=2) / Raw(bytes(2000)))
    pieces = (
        ip / IPv6ExtHdrFragment(id=9, m=1, offset=0, nh=60) / Raw(body[:1400]),
        ip / IPv6ExtHdrFragment(id=9, m=0, offset=175, nh=60) / Raw(body[1400:]),
    )
    rows = parse([_packet(Ether() / piece) for piece in pieces])
    assert [(row.protocol, row.source_port, row.flags) for row in rows] == [(17, 1, 0)] * 2


def test_a_fragment_before_its_first_one_is_flagged() -> None:
    first, later = _fragments(7)
    rows = parse([later, first, later])
    assert [(row.flags, row.source_port) for row in rows] == [(FLAG_FRAGMENT, 0), (0, 1000), (0, 1000)]


def test_first_fragments_are_remembered_between_batches_for_a_while() -> None:
    first, later = _fragments(7)
    parser = PacketParser()
    parser.parse(make_batch([first]))
    in_time = replace(later, time_ns=LIFETIME_NS)
    too_late = replace(later, time_ns=LIFETIME_NS + 1)
    rows = rows_of(parser.parse(make_batch([in_time, too_late])))
    assert [row.flags for row in rows] == [0, FLAG_FRAGMENT]


def test_the_memory_of_fragments_is_bounded() -> None:
    first, later = _fragments(0)

    def numbered(packet: Packet, identification: int) -> Packet:
        return replace(packet, data=packet.data[:4] + struct.pack(">H", identification) + packet.data[6:])

    parser = PacketParser()
    parser.parse(make_batch([numbered(first, number) for number in range(REMEMBERED_DATAGRAMS)]))
    # Using number 0 again makes number 1 the one that has to go.
    rows = rows_of(
        parser.parse(make_batch([numbered(later, 0), numbered(first, 5000), numbered(later, 1), numbered(later, 0)]))
    )
    assert [row.flags for row in rows] == [0, 0, FLAG_FRAGMENT, 0]


def test_of_several_fragment_headers_the_innermost_counts() -> None:
    ip = IPv6(src="fd00::1", dst="fd00::2")
    first = IPv6ExtHdrFragment(id=1, m=1, offset=0, nh=44)
    rows = parse([_packet(Ether() / ip / first / IPv6ExtHdrFragment(id=1, offset=1, nh=44) / Raw(bytes(30)))])
    assert [(row.flags, row.protocol) for row in rows] == [(FLAG_FRAGMENT, 44)]


def test_a_super_packet_shorter_than_its_headers_counts_as_it_is() -> None:
    header = struct.pack(">IHBB", 6 << 28, 0, 0, 64) + bytes(32) + bytes([1, 0, 0, 0, 0, 0, 0, 0])
    row = parse_one(Packet(header, 0x86DD, gso_size=1, skb_bytes=0))
    assert (row.wire_packets, row.wire_bytes, row.segment_bytes) == (1, 0, 0)


def test_a_super_packet_counts_as_its_segments() -> None:
    tcp = (
        Ether()
        / IP(src="10.0.0.1", dst="10.0.0.2")
        / TCP(sport=1, dport=2, options=[("Timestamp", (1, 2))])
        / Raw(bytes(1448 * 3 + 100))
    )
    packet = _packet(tcp, gso_size=1448, vlan=VLAN_PRESENT | 5)
    header_bytes = 14 + 4 + 20 + 32
    row = parse_one(packet)
    assert row.wire_packets == 4
    assert row.wire_bytes == 1448 * 3 + 100 + 4 * header_bytes
    assert row.segment_bytes == 1448 + header_bytes
    assert row.skb_bytes == packet.length == 1448 * 3 + 100 + header_bytes - 4


def test_the_jumbo_option_of_a_super_packet_is_not_on_the_wire() -> None:
    ip = IPv6(src="fd00::1", dst="fd00::2", plen=0)
    frame = Ether() / ip / IPv6ExtHdrHopByHop() / TCP() / Raw(bytes(100_000))
    row = parse_one(_packet(frame, gso_size=1000))
    assert row.wire_packets == 100
    assert row.wire_bytes == 100 * (14 + 40 + 20 + 1000)
