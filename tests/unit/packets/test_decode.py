"""Decoding of single packets: what a line says, where fields stand, and that nothing hostile gets through."""

from __future__ import annotations

import struct
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netdash.model.packets import LINK_ETHERNET, LINK_RAW_IP, WatchedPacket
from netdash.model.sanitize import sanitize
from netdash.packets.decode import Decoder, decode, hex_dump
from netdash.packets.payload import describe_payload, server_name
from tests.unit.kernel.flow_frames import SHAPES, ethernet, ipv4, ipv6, tcp, udp


def packet(data: bytes, length: int | None = None, link: int = LINK_ETHERNET, vlan: int = 0) -> WatchedPacket:
    return WatchedPacket(1_700_000_000_123_456_789, 2, 0, len(data) if length is None else length, data, vlan, link)


def client_hello(name: bytes) -> bytes:
    entry = b"\x00" + struct.pack("!H", len(name)) + name
    extension = struct.pack("!HHH", 0, len(entry) + 2, len(entry)) + entry
    other = struct.pack("!HH", 0x0A0A, 0)
    extensions = struct.pack("!H", len(extension + other)) + other + extension
    body = b"\x03\x03" + bytes(32) + b"\x04abcd" + b"\x00\x02\x13\x01" + b"\x01\x00" + extensions
    handshake = b"\x01" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x01" + struct.pack("!H", len(handshake)) + handshake


def dns(answer: bool) -> bytes:
    name = b"\x07example\x03org\x00"
    message = struct.pack("!6H", 7, 0x8180 if answer else 0x0100, 1, int(answer), 0, 0) + name + b"\x00\x01\x00\x01"
    return message + (b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x01\x02\x03\x04" if answer else b"")


def dns_packet(answer: bool) -> bytes:
    message = dns(answer)
    return ipv4(17, struct.pack("!HHHH", 5353, 53, 8 + len(message), 0) + message)


SYN = ethernet(0x0800, bytes.fromhex("4500002800010000400600000a0000010a000002") + tcp(0x02))


@pytest.mark.parametrize(
    ("data", "protocol", "info"),
    [
        (SYN + bytes(6), "TCP", "[S] len=0 seq="),
        (
            ipv4(6, tcp(0x18, payload=b"GET /index.html HTTP/1.1\r\nHost: x\r\n")),
            "HTTP",
            "GET /index.html HTTP/1.1 · [PA]",
        ),
        (ipv4(6, tcp(0x18, payload=b"HTTP/1.1 404 Not Found\r\n")), "HTTP", "HTTP/1.1 404 Not Found"),
        (ipv4(6, tcp(0x18, payload=client_hello(b"www.example.org"))), "TLS", "ClientHello www.example.org"),
        (ipv6(6, tcp(0x18, payload=b"SSH-2.0-OpenSSH_9.2\r\n")), "SSH", "SSH-2.0-OpenSSH_9.2"),
        (dns_packet(False), "DNS", "query A example.org."),
        (dns_packet(True), "DNS", "answer A example.org. → 1.2.3.4"),
        (ipv4(17, udp()), "UDP", "len="),
        (ipv4(1, b"\x08\x00\x00\x00\x00\x07\x00\x01"), "ICMP", "type=echo-request code=0 id=0x7 seq=0x1"),
    ],
)
def test_what_a_line_says(data: bytes, protocol: str, info: str) -> None:
    summary = decode(packet(data)).summary
    assert (summary.protocol, summary.info[: len(info)]) == (protocol, info)


def test_padding_is_no_payload_and_a_cut_payload_counts_whole() -> None:
    assert decode(packet(SYN + bytes(6))).summary.info.startswith("[S] len=0 ")
    long = ethernet(0x0800, bytes.fromhex("450003e800010000400600000a0000010a000002") + tcp(0x10, payload=bytes(20)))
    assert decode(packet(long, 1014)).summary.info.startswith("[A] len=960 ")


def test_ends_tags_and_times() -> None:
    summary = decode(packet(SYN, vlan=0x1000 | 42)).summary
    assert (summary.source, summary.destination) == ("10.0.0.1:1234", "10.0.0.2:443")
    assert summary.info.startswith("VLAN 42 [S]")
    assert summary.time_ns == 1_700_000_000_123_456_789
    assert decode(packet(SYN[14:], link=LINK_RAW_IP)).summary.source == "10.0.0.1:1234"


def test_where_fields_stand() -> None:
    layers = decode(packet(SYN)).layers
    assert [(layer.kind, layer.offset, layer.length) for layer in layers] == [
        ("Ether", 0, 14),
        ("IP", 14, 20),
        ("TCP", 34, 20),
    ]
    places = {(layer.kind, field.name): (field.offset, field.length) for layer in layers for field in layer.fields}
    assert places["IP", "ihl"] == (14, 1)
    assert places["IP", "frag"] == (20, 2)
    assert places["IP", "dst"] == (30, 4)
    assert places["TCP", "dport"] == (36, 2)
    assert places["TCP", "flags"] == (46, 2)
    assert places["TCP", "window"] == (48, 2)


def test_hex_dump() -> None:
    lines = hex_dump(b"\x00ABC\x7f" + bytes(20))
    assert (lines[0].offset, lines[0].digits[:14], lines[0].characters[:5]) == (0, "00 41 42 43 7f", ".ABC.")
    assert [line.offset for line in lines] == [0, 16]


@settings(max_examples=40, deadline=None)
@given(
    start=st.sampled_from([b"", dns_packet(True), SYN, *(frame for frame, _ in SHAPES.values())]),
    cut=st.integers(0, 100),
    noise=st.binary(max_size=300),
    link=st.sampled_from([LINK_ETHERNET, LINK_RAW_IP]),
)
def test_hostile_bytes_give_a_line_without_control_characters(start: bytes, cut: int, noise: bytes, link: int) -> None:
    decoded = decode(packet(start[:cut] + noise, link=link))
    texts = [decoded.summary.info, decoded.summary.protocol, decoded.summary.source]
    texts += [text for layer in decoded.layers for field in layer.fields for text in (field.name, field.value)]
    assert [sanitize(text) for text in texts] == texts


@given(data=st.binary(max_size=200), cut=st.integers(0, 90))
def test_hostile_payload(data: bytes, cut: int) -> None:
    for payload in (data, client_hello(b"a.example")[:cut] + data):
        describe_payload(payload)
        server_name(payload)


def test_nested_headers_end_somewhere() -> None:
    tags = ethernet(0x8100, b"\x00\x01\x81\x00" * 1000)
    assert 0 < len(decode(packet(tags)).layers) <= 24


async def test_the_decoder_works_in_its_thread() -> None:
    decoder = Decoder()
    try:
        assert [line.protocol for line in await decoder.summaries([packet(SYN), packet(dns_packet(False))])] == [
            "TCP",
            "DNS",
        ]
        assert (await decoder.packet(packet(SYN))).layers[-1].kind == "TCP"
    finally:
        decoder.close()


def test_nothing_but_decoding_imports_scapy() -> None:
    names = "netdash.packets.decode, netdash.packets.pcapng, netdash.sources.live"
    script = f"import sys; import {names}; sys.exit('scapy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
