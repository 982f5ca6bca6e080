"""The long tables of a snapshot: flows and sockets as NumPy structured arrays, one row each."""

from __future__ import annotations

from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Final

import numpy as np
from numpy.typing import NDArray

UNKNOWN: Final = -1
"""In signed columns: not known (a 0 says none)."""


class Attribution(IntEnum):
    """How a flow got its process."""

    NONE = 0
    """No owner is known."""
    EXACT = 1
    """Counted by the kernel for that process."""
    SOCKET = 2
    """The socket of its five-tuple belongs to the process."""
    LISTENER = 3
    """Only the listening or unconnected socket of its local port is known; the process owns that."""
    FORWARDED = 4
    """No local address: the host passes it on."""
    KERNEL = 5
    """A socket of the kernel itself, or a protocol that the kernel answers."""


ATTRIBUTION_NAMES: Final = tuple(member.name.lower() for member in Attribution)

FLOW_FRAGMENT: Final = 1
"""Flow flag: fragments whose ports are not known."""
FLOW_OVERFLOW: Final = 2
"""Flow flag: the row collects flows for which the table had no room."""
FLOW_ECHO: Final = 4
"""Flow flag: ICMP echo; the identifier stands as the port of the side that asks, the other port is 0."""

FLOW_ROW: Final = np.dtype(
    [
        ("id", "<u8"),
        ("ifindex", "<u4"),
        ("pid", "<i4"),
        ("ethertype", "<u2"),
        ("vlan", "<u2"),
        ("local_port", "<u2"),
        ("remote_port", "<u2"),
        ("protocol", "u1"),
        ("flags", "u1"),
        ("attribution", "u1"),
        ("state", "u1"),
        ("tcp_flags", "u1"),
        ("padding", "u1", 3),
        ("local", "u1", 16),
        ("remote", "u1", 16),
        ("rx_bytes", "<i8"),
        ("tx_bytes", "<i8"),
        ("rx_packets", "<i8"),
        ("tx_packets", "<i8"),
        ("rx_payload", "<i8"),
        ("tx_payload", "<i8"),
        ("rtt_us", "<u4"),
        ("retransmits", "<u4"),
    ]
)
"""One flow seen on one interface in one interval.

`id`: 64-bit hash of interface, VLAN, protocol and five-tuple; the same in every snapshot. Addresses: IPv6, or IPv4 as
::ffff:a.b.c.d; zero where the frame is not IP. `vlan`: 0, or 0x1000 | id. Ports of ICMP: see `FLOW_ECHO`; of its other
messages remote_port = type << 8 | code. `*_bytes` and `*_packets`: wire, of the interval, `UNKNOWN` where only sockets
are read; `*_payload`: TCP payload of the interval from the socket's counters, else `UNKNOWN`. `pid`: `UNKNOWN` where
none. `rtt_us`: 0 = not known. `retransmits`: of the connection so far.
"""

SOCKET_ROW: Final = np.dtype(
    [
        ("cookie", "<u8"),
        ("inode", "<u4"),
        ("pid", "<i4"),
        ("uid", "<u4"),
        ("ifindex", "<u4"),
        ("local_port", "<u2"),
        ("remote_port", "<u2"),
        ("family", "u1"),
        ("protocol", "u1"),
        ("state", "u1"),
        ("has_info", "u1"),
        ("local", "u1", 16),
        ("remote", "u1", 16),
        ("rqueue", "<u4"),
        ("wqueue", "<u4"),
        ("rtt_us", "<u4"),
        ("rttvar_us", "<u4"),
        ("min_rtt_us", "<u4"),
        ("cwnd", "<u4"),
        ("mss", "<u4"),
        ("retransmits", "<u4"),
        ("unacked", "<u4"),
        ("lost", "<u4"),
        ("drops", "<u4"),
        ("timer", "<u4"),
        ("timer_ms", "<u4"),
        ("rto_us", "<u4"),
        ("ssthresh", "<u4"),
        ("pmtu", "<u4"),
        ("not_sent_bytes", "<u4"),
        ("segments_in", "<u4"),
        ("segments_out", "<u4"),
        ("padding", "<u4"),
        ("pacing_rate_bytes", "<u8"),
        ("resent_bytes", "<u8"),
        ("busy_us", "<u8"),
        ("rwnd_limited_us", "<u8"),
        ("sndbuf_limited_us", "<u8"),
        ("delivery_rate_bytes", "<u8"),
        ("rx_payload_total", "<u8"),
        ("tx_payload_total", "<u8"),
        ("rx_payload", "<i8"),
        ("tx_payload", "<i8"),
    ]
)
"""One socket. `*_total`: of the connection so far; `rx_payload`, `tx_payload`: of the interval, `UNKNOWN` where the
kernel keeps no counter (UDP) or the socket was not seen before. Queues of a listener: backlog now and at most.
A wildcard address is all zero. `timer`: as in `SOCKET_TIMERS`, fires in `timer_ms`. `busy_us` and what of it was
`rwnd_limited_us` and `sndbuf_limited_us`: of the connection so far. 0 is not known in `rto_us` and `pmtu`, no limit in
`pacing_rate_bytes`; `ssthresh`: `NO_SSTHRESH` before the first loss."""

SOCKET_TIMERS: Final = ("", "on", "keepalive", "timewait", "persist")
"""Words of ss(8) for a socket's timer: retransmission, keep-alive or another, TIME-WAIT, zero-window probe."""

NO_SSTHRESH: Final = 0x7FFF_FFFF
"""TCP_INFINITE_SSTHRESH, <net/tcp.h>."""

STATION_ROW: Final = np.dtype(
    [
        ("ifindex", "<u4"),
        ("mac", "u1", 6),
        ("padding", "u1", 2),
        ("rx_packets", "<i8"),
        ("rx_bytes", "<i8"),
        ("tx_packets", "<i8"),
        ("tx_bytes", "<i8"),
        ("rx_ip_packets", "<i8"),
        ("tx_ip_packets", "<i8"),
    ]
)
"""Wire traffic with one MAC address on one interface in one interval: `rx`: frames that came from it, `tx`: frames that
were sent to it (also a group's address). `*_ip_packets`: those of IPv4 and IPv6. Address zero: of stations that had no
room or are not known, of interface 0 where not even that is; which of their packets are IP is `UNKNOWN`. An IP flow
whose other end changes its address within an interval counts for one of the two."""

IPV4_PREFIX: Final = bytes(10) + b"\xff\xff"


def empty(dtype: np.dtype[np.void]) -> NDArray[np.void]:
    """A table without rows."""
    return np.zeros(0, dtype)


def join(*tables: NDArray[np.void]) -> NDArray[np.void]:
    """Tables of one dtype, one after the other. Three times as fast as np.concatenate, which goes field by field."""
    dtype = tables[0].dtype
    plain = np.dtype((np.void, dtype.itemsize))
    return np.concatenate([np.ascontiguousarray(table).view(plain) for table in tables]).view(dtype)


def take(table: NDArray[np.void], rows: NDArray[np.intp] | NDArray[np.bool_]) -> NDArray[np.void]:
    """A copy of some rows, by index or mask; six times as fast as indexing a structured array."""
    return table.compress(rows) if rows.dtype == np.bool_ else table.take(rows)


def address_text(packed: bytes) -> str:
    """An address of 16 bytes as text; IPv4 in its own form, the wildcard as "*"."""
    if packed[:12] == IPV4_PREFIX:
        return str(IPv4Address(packed[12:]))
    if not any(packed):
        return "*"
    return str(IPv6Address(packed))


def pack_address(text: str) -> bytes:
    """16 bytes of an IPv4 or IPv6 address. Raises ValueError."""
    if ":" in text:
        return IPv6Address(text).packed
    return IPV4_PREFIX + IPv4Address(text).packed
