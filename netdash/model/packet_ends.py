"""The two ends of a single packet, read from its first bytes: for packets one by one, not for counting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from netdash.model.packets import LINK_ETHERNET, WatchedPacket
from netdash.model.protocols import ETHERTYPE_IPV4, ETHERTYPE_IPV6, PORT_PROTOCOLS
from netdash.model.tables import IPV4_PREFIX

_ETHERNET_BYTES: Final = 14
_VLAN_TYPES: Final = frozenset({0x8100, 0x88A8, 0x9100})
_TAG_BYTES: Final = 4
_MAX_TAGS: Final = 2
"""As the counting program reads them."""
_EXTENSIONS: Final = frozenset({0, 43, 60, 135})
"""IPv6 headers of the form "next header, length in units of 8 bytes beyond the first" (RFC 8200 §4, RFC 6275)."""
_FRAGMENT_HEADER, _AUTHENTICATION_HEADER = 44, 51
_ALL_EXTENSIONS: Final = _EXTENSIONS | {_FRAGMENT_HEADER, _AUTHENTICATION_HEADER}
_MAX_EXTENSIONS: Final = 8


@dataclass(frozen=True, slots=True)
class PacketEnds:
    """A five-tuple as it stands in the packet."""

    protocol: int
    source: bytes
    """16 bytes; IPv4 as ::ffff:a.b.c.d."""
    source_port: int
    """0 where the protocol has none, or where they are not in the packet (later fragments, cut)."""
    destination: bytes
    destination_port: int


def packet_ends(packet: WatchedPacket) -> PacketEnds | None:
    """None of what is not IP, or too short to tell. Never raises."""
    data, start = packet.data, 0
    if packet.link == LINK_ETHERNET:
        start = _ETHERNET_BYTES
        ethertype = _number(data, 12)
        for _ in range(_MAX_TAGS):
            if ethertype in _VLAN_TYPES:
                ethertype, start = _number(data, start + 2), start + _TAG_BYTES
    else:
        ethertype = ETHERTYPE_IPV6 if data[:1] and data[0] >> 4 == 6 else ETHERTYPE_IPV4
    if ethertype == ETHERTYPE_IPV4:
        return _ipv4_ends(data, start)
    return _ipv6_ends(data, start) if ethertype == ETHERTYPE_IPV6 else None


def _number(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 2], "big")


def _ipv4_ends(data: bytes, start: int) -> PacketEnds | None:
    if len(data) < start + 20 or data[start] >> 4 != 4 or data[start] & 0x0F < 5:
        return None
    protocol, is_later_fragment = data[start + 9], bool(_number(data, start + 6) & 0x1FFF)
    after = start + 4 * (data[start] & 0x0F)
    ends = (IPV4_PREFIX + data[start + 12 : start + 16], IPV4_PREFIX + data[start + 16 : start + 20])
    return _with_ports(data, after, protocol, ends, readable=not is_later_fragment)


def _ipv6_ends(data: bytes, start: int) -> PacketEnds | None:
    if len(data) < start + 40 or data[start] >> 4 != 6:
        return None
    protocol, after, readable = data[start + 6], start + 40, True
    for _ in range(_MAX_EXTENSIONS):
        if len(data) < after + 8 or protocol not in _ALL_EXTENSIONS:
            break
        if protocol == _FRAGMENT_HEADER:
            readable &= not _number(data, after + 2) >> 3
            length = 8
        elif protocol == _AUTHENTICATION_HEADER:
            length = 4 * (2 + data[after + 1])
        else:
            length = 8 * (1 + data[after + 1])
        protocol, after = data[after], after + length
    return _with_ports(data, after, protocol, (data[start + 8 : start + 24], data[start + 24 : start + 40]), readable)


def _with_ports(data: bytes, after: int, protocol: int, ends: tuple[bytes, bytes], readable: bool) -> PacketEnds:
    has_ports = readable and protocol in PORT_PROTOCOLS and len(data) >= after + 4
    source_port, destination_port = (_number(data, after), _number(data, after + 2)) if has_ports else (0, 0)
    return PacketEnds(protocol, ends[0], source_port, ends[1], destination_port)
