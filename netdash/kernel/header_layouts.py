"""Headers of packets as NumPy reads them, many at once, and what protocol numbers say of what follows.

Layouts: RFC 791 (IPv4), RFC 8200 (IPv6 and its extension headers), RFC 4302 (AH), IEEE 802.1Q (VLAN tag),
RFC 9293 (TCP), RFC 768 (UDP), RFC 792 and 4443 (ICMP).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from netdash.kernel.raw_flow import FLOW_KEY
from netdash.model.protocols import DCCP, ICMP, ICMPV6, SCTP, TCP, UDP, UDPLITE

HOP_BY_HOP, FRAGMENT_HEADER, AUTHENTICATION_HEADER = 0, 44, 51
VLAN_TAG_BYTES = 4
JUMBO_OPTION_BYTES = 8


def _protocol_set(*protocols: int) -> NDArray[np.bool_]:
    members = np.zeros(256, np.bool_)
    members[list(protocols)] = True
    return members


def _header_bytes(lengths: Mapping[int, int]) -> NDArray[np.uint8]:
    by_protocol = np.zeros(256, np.uint8)
    by_protocol[list(lengths)] = list(lengths.values())
    return by_protocol


IS_EXTENSION_HEADER = _protocol_set(HOP_BY_HOP, 43, FRAGMENT_HEADER, AUTHENTICATION_HEADER, 60, 135)
HAS_PORTS = _protocol_set(TCP, UDP, DCCP, SCTP, UDPLITE)
IS_ICMP = _protocol_set(ICMP, ICMPV6)
TRANSPORT_BYTES = _header_bytes({TCP: 20, UDP: 8, DCCP: 8, SCTP: 12, UDPLITE: 8})

# Address and port fields are copied, never compared: reading them as little endian keeps the order of their bytes.
VLAN_TAG = np.dtype([("control", ">u2"), ("ethertype", ">u2")])
IPV4_HEADER = np.dtype(
    {
        "names": ["version_length", "identification", "fragment", "protocol", "source", "destination"],
        "formats": ["u1", ">u2", ">u2", "u1", "<u4", "<u4"],
        "offsets": [0, 4, 6, 9, 12, 16],
        "itemsize": 20,
    }
)
IPV6_HEADER = np.dtype(
    {
        "names": ["version", "payload_bytes", "next_header", "source", "destination"],
        "formats": ["u1", ">u2", "u1", ("<u8", 2), ("<u8", 2)],
        "offsets": [0, 4, 6, 8, 24],
        "itemsize": 40,
    }
)
EXTENSION_HEADER = np.dtype([("next_header", "u1"), ("length", "u1"), ("fragment", ">u2"), ("identification", ">u4")])
TRANSPORT_HEADER = np.dtype(
    {
        "names": ["ports", "icmp_type", "icmp_type_code", "echo_identifier", "data_offset", "tcp_flags"],
        "formats": ["<u4", "u1", "<u2", "<u2", "u1", "u1"],
        "offsets": [0, 0, 0, 4, 12, 13],
        "itemsize": 16,
    }
)
ETHERNET_HEADER = np.dtype(
    {
        "names": ["destination", "source_low", "source_high"],
        "formats": ["<u8", "<u4", "<u2"],
        "offsets": [0, 6, 10],
        "itemsize": 14,
    }
)
KEY_WORDS = np.dtype(
    {
        "names": [
            "ports",
            "source",
            "mark_source",
            "source_ipv4",
            "destination",
            "mark_destination",
            "destination_ipv4",
        ],
        "formats": ["<u4", ("<u8", 2), "<u4", "<u4", ("<u8", 2), "<u4", "<u4"],
        "offsets": [12, 16, 24, 28, 32, 40, 44],
        "itemsize": FLOW_KEY.itemsize,
    }
)
"""FLOW_KEY seen as words: both ports, whole addresses, and the last two words of a mapped IPv4 address."""
