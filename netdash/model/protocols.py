"""Numbers of protocols and states and their names."""

from __future__ import annotations

from typing import Final

ETHERTYPE_IPV4: Final = 0x0800
ETHERTYPE_IPV6: Final = 0x86DD
ETHERTYPE_VLAN: Final = 0x8100
ETHERTYPE_QINQ: Final = 0x88A8

ICMP, IGMP, TCP, UDP, DCCP, GRE, ESP, AH, ICMPV6, SCTP, UDPLITE = 1, 2, 6, 17, 33, 47, 50, 51, 58, 132, 136

PROTOCOL_NAMES: Final[dict[int, str]] = {
    0: "ip-0",
    ICMP: "icmp",
    IGMP: "igmp",
    4: "ipip",
    TCP: "tcp",
    8: "egp",
    UDP: "udp",
    DCCP: "dccp",
    41: "ipv6-in-ip",
    46: "rsvp",
    GRE: "gre",
    ESP: "esp",
    AH: "ah",
    ICMPV6: "icmp6",
    59: "none",
    88: "eigrp",
    89: "ospf",
    94: "ipip",
    103: "pim",
    112: "vrrp",
    115: "l2tp",
    SCTP: "sctp",
    UDPLITE: "udplite",
    137: "mpls-in-ip",
    143: "ethernet",
}
"""IANA protocol numbers that are met on the wire."""

ETHERTYPE_NAMES: Final[dict[int, str]] = {
    0x0806: "arp",
    0x0842: "wake-on-lan",
    0x8035: "rarp",
    ETHERTYPE_VLAN: "vlan",
    0x8809: "lacp",
    0x8847: "mpls",
    0x8848: "mpls",
    0x8863: "pppoe-discovery",
    0x8864: "pppoe",
    0x888E: "eapol",
    ETHERTYPE_QINQ: "qinq",
    0x88CC: "lldp",
    0x88E5: "macsec",
    0x88F7: "ptp",
}
"""IANA EtherTypes of what is not IP; values below 0x0600 are IEEE 802.3 frame lengths or Linux' own ETH_P numbers."""

PORT_PROTOCOLS: Final = frozenset({TCP, UDP, DCCP, SCTP, UDPLITE})
"""Protocols whose headers begin with a source and a destination port."""

TCP_STATES: Final = (
    "",
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
    "NEW_SYN_RECV",
    "BOUND",
)
"""Index = state number of include/net/tcp_states.h; 0 = not known."""

ESTABLISHED, SYN_SENT, CLOSE, LISTEN = 1, 2, 7, 10

TCP_FLAGS: Final = "FSRPAUEC"
"""FIN, SYN, RST, PSH, ACK, URG, ECE, CWR from the lowest bit (RFC 9293)."""

_TCP_FLAG_NAMES: Final = ("FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR")


def protocol_name(protocol: int, ethertype: int = ETHERTYPE_IPV4) -> str:
    """Name of an IP protocol, or of the EtherType where the frame is not IP. Unknown: "ip-253", "0x9000"."""
    if ethertype in (ETHERTYPE_IPV4, ETHERTYPE_IPV6, 0):
        return PROTOCOL_NAMES.get(protocol, f"ip-{protocol}")
    return ETHERTYPE_NAMES.get(ethertype, "802.3" if ethertype < 0x0600 else f"{ethertype:#06x}")


def state_name(protocol: int, state: int) -> str | None:
    """Name of a socket's state; UDP knows only connected and not. None = not known."""
    if state == 0 or state >= len(TCP_STATES):
        return None
    if protocol != TCP:
        return "UNCONN" if state == CLOSE else TCP_STATES[state]
    return TCP_STATES[state]


def tcp_flag_letters(flags: int) -> str:
    """The flags seen: "SPA." style letters, "-" where none."""
    return "".join(letter for bit, letter in enumerate(TCP_FLAGS) if flags >> bit & 1) or "-"


def tcp_flag_names(flags: int) -> list[str]:
    """The flags seen by their names, from FIN up."""
    return [name for bit, name in enumerate(_TCP_FLAG_NAMES) if flags >> bit & 1]
