"""Frames of many kinds for the packet program, and the flow that each belongs to."""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass, replace

import numpy as np

from netdash.kernel.raw_flow import VLAN_PRESENT

V4_SOURCE, V4_DESTINATION = "192.0.2.1", "198.51.100.7"
V6_SOURCE, V6_DESTINATION = "2001:db8::1", "2001:db8:ffff::2"


@dataclass(frozen=True, slots=True)
class Flow:
    """The part of a key that a frame's content decides."""

    ethertype: int
    protocol: int = 0
    source: str = "::"
    destination: str = "::"
    source_port: int = 0
    destination_port: int = 0
    vlan: int = 0
    flags: int = 0


def shortest(frame: bytes) -> int:
    """The kernel runs no test on less than an Ethernet header and a byte, nor on less than an IP header."""
    return {0x0800: 34, 0x86DD: 54}.get(int.from_bytes(frame[12:14]), 15)


def flow_of(key: np.void) -> Flow:
    addresses = [ipaddress.IPv6Address(key[name].tobytes()) for name in ("source", "destination")]
    source, destination = (str(address.ipv4_mapped or address) for address in addresses)
    return Flow(
        int(key["ethertype"]),
        int(key["protocol"]),
        source,
        destination,
        int(key["source_port"]),
        int(key["destination_port"]),
        int(key["vlan"]),
        int(key["flags"]),
    )


def ethernet(ethertype: int, payload: bytes, *tags: tuple[int, int]) -> bytes:
    """`tags`: (ethertype of the tag, tag control information), outermost first."""
    types = [*(tag_type for tag_type, _ in tags), ethertype]
    frame = bytes(12) + struct.pack("!H", types[0])
    for (_, control), following in zip(tags, types[1:], strict=True):
        frame += struct.pack("!HH", control, following)
    return frame + payload


def ipv4(protocol: int, payload: bytes, *, options: bytes = b"", fragment: int = 0, ident: int = 7) -> bytes:
    source, destination = (ipaddress.IPv4Address(text).packed for text in (V4_SOURCE, V4_DESTINATION))
    header = struct.pack(
        "!BBHHHBBH4s4s",
        0x45 + len(options) // 4,
        0,
        20 + len(options) + len(payload),
        ident,
        fragment,
        64,
        protocol,
        0,
        source,
        destination,
    )
    return ethernet(0x0800, header + options + payload)


def ipv6_packet(protocol: int, payload: bytes, length: int | None = None) -> bytes:
    source, destination = (ipaddress.IPv6Address(text).packed for text in (V6_SOURCE, V6_DESTINATION))
    payload_length = len(payload) if length is None else length
    return struct.pack("!IHBB16s16s", 6 << 28, payload_length, protocol, 64, source, destination) + payload


def ipv6(protocol: int, payload: bytes) -> bytes:
    return ethernet(0x86DD, ipv6_packet(protocol, payload))


def extension(following: int, words: int = 0) -> bytes:
    """Hop-by-hop, routing or destination options of (words + 1) * 8 bytes."""
    return struct.pack("!BB", following, words) + bytes(6 + 8 * words)


def authentication(following: int) -> bytes:
    return struct.pack("!BBH", following, 4, 0) + bytes(20)


def fragment_header(following: int, offset: int, more: bool, ident: int = 9) -> bytes:
    return struct.pack("!BBHI", following, 0, offset | more, ident)


def tcp(flags: int = 0x18, options: bytes = b"", payload: bytes = b"") -> bytes:
    words = 5 + len(options) // 4
    return struct.pack("!HHIIBBHHH", 1234, 443, 1, 2, words << 4, flags, 512, 0, 0) + options + payload


def udp(payload: bytes = b"") -> bytes:
    return struct.pack("!HHHH", 1234, 53, 8 + len(payload), 0) + payload


PORTS = struct.pack("!HH", 1234, 53) + bytes(12)
ECHO = struct.pack("!BBHHH", 8, 0, 0, 0xBEEF, 1)
ECHO6 = struct.pack("!BBHHH", 129, 0, 0, 0xBEEF, 1)
V4 = Flow(0x0800, 0, V4_SOURCE, V4_DESTINATION)
V6 = Flow(0x86DD, 0, V6_SOURCE, V6_DESTINATION)
V4_DNS = replace(V4, protocol=17, source_port=1234, destination_port=53)
V6_DNS = replace(V6, protocol=17, source_port=1234, destination_port=53)

SHAPES = {
    "udp": (ipv4(17, udp()), V4_DNS),
    "tcp": (ipv4(6, tcp()), replace(V4, protocol=6, source_port=1234, destination_port=443)),
    "ip options": (ipv4(17, udp(), options=b"\x01" * 40), V4_DNS),
    "sctp": (ipv4(132, PORTS), replace(V4_DNS, protocol=132)),
    "dccp": (ipv4(33, PORTS), replace(V4_DNS, protocol=33)),
    "udp-lite": (ipv4(136, PORTS), replace(V4_DNS, protocol=136)),
    "icmp echo": (ipv4(1, ECHO), replace(V4, protocol=1, source_port=0x0800, destination_port=0xBEEF)),
    "icmp unreachable": (
        ipv4(1, struct.pack("!BBHI", 3, 4, 0, 1500) + bytes(28)),
        replace(V4, protocol=1, source_port=0x0304),
    ),
    "gre": (ipv4(47, bytes(40)), replace(V4, protocol=47)),
    "esp": (ipv4(50, b"\xff" * 40), replace(V4, protocol=50)),
    "protocol 253": (ipv4(253, b"\xff" * 40), replace(V4, protocol=253)),
    "ipv4 header too short": (ethernet(0x0800, b"\x44" + bytes(39)), Flow(0x0800)),
    "ipv4 of another version": (ethernet(0x0800, b"\x65" + bytes(39)), Flow(0x0800)),
    "v6 udp": (ipv6(17, udp()), V6_DNS),
    "v6 tcp": (ipv6(6, tcp()), replace(V6, protocol=6, source_port=1234, destination_port=443)),
    "v6 hop-by-hop": (ipv6(0, extension(17) + udp()), V6_DNS),
    "v6 routing": (ipv6(43, extension(17, 4) + udp()), V6_DNS),
    "v6 destination options": (ipv6(60, extension(17, 1) + udp()), V6_DNS),
    "v6 authentication": (ipv6(51, authentication(17) + udp()), V6_DNS),
    "v6 all extensions": (
        ipv6(0, extension(60) + extension(43) + extension(51) + authentication(60) + extension(17) + udp()),
        V6_DNS,
    ),
    "v6 endless extensions": (ipv6(60, extension(60) * 20), replace(V6, protocol=60)),
    "v6 whole datagram as fragment": (ipv6(44, fragment_header(17, 0, False) + udp()), V6_DNS),
    "v6 no next header": (ipv6(59, b""), replace(V6, protocol=59)),
    "v6 echo": (ipv6(58, ECHO6), replace(V6, protocol=58, source_port=0x8100, destination_port=0xBEEF)),
    "v6 neighbour solicitation": (
        ipv6(58, struct.pack("!BBHI", 135, 0, 0, 0) + bytes(16)),
        replace(V6, protocol=58, source_port=0x8700),
    ),
    "v6 of another version": (ethernet(0x86DD, b"\x45" + bytes(60)), Flow(0x86DD)),
    "vlan": (
        ethernet(0x0800, ipv4(17, udp())[14:], (0x8100, 0x6064)),
        replace(V4_DNS, vlan=VLAN_PRESENT | 0x64),
    ),
    "qinq": (
        ethernet(0x86DD, ipv6(6, tcp())[14:], (0x88A8, 200), (0x8100, 30)),
        replace(V6, protocol=6, source_port=1234, destination_port=443, vlan=VLAN_PRESENT | 200),
    ),
    "vlan v6": (
        ethernet(0x86DD, ipv6(17, udp())[14:], (0x8100, 100)),
        replace(V6_DNS, vlan=VLAN_PRESENT | 100),
    ),
    "three tags": (
        ethernet(0x0800, ipv4(17, udp())[14:], (0x88A8, 1), (0x8100, 2), (0x8100, 3)),
        Flow(0x8100, vlan=VLAN_PRESENT | 1),
    ),
    "arp": (ethernet(0x0806, bytes(46)), Flow(0x0806)),
    "lldp": (ethernet(0x88CC, bytes(46)), Flow(0x88CC)),
    "802.2": (ethernet(0x0026, b"\x42\x42\x03" + bytes(43)), Flow(0x0004)),
}
