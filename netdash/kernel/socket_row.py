"""The row that describes one socket, whoever read it."""

from __future__ import annotations

from typing import Final

import numpy as np

SOCKET_ROW: Final = np.dtype(
    [
        ("family", "u1"),
        ("protocol", "u1"),
        ("state", "u1"),
        ("timer", "u1"),
        ("local", "u1", 16),
        ("remote", "u1", 16),
        ("local_port", "u2"),
        ("remote_port", "u2"),
        ("ifindex", "u4"),
        ("uid", "u4"),
        ("inode", "u4"),
        ("cookie", "u8"),
        ("rqueue", "u4"),
        ("wqueue", "u4"),
        ("retransmits", "u4"),
        ("rtt_us", "u4"),
        ("rttvar_us", "u4"),
        ("min_rtt_us", "u4"),
        ("cwnd", "u4"),
        ("mss", "u4"),
        ("unacked", "u4"),
        ("lost", "u4"),
        ("timer_ms", "u4"),
        ("rto_us", "u4"),
        ("ssthresh", "u4"),
        ("pmtu", "u4"),
        ("not_sent_bytes", "u4"),
        ("delivery_rate_bytes", "u8"),
        ("pacing_rate_bytes", "u8"),
        ("rx_payload_bytes", "u8"),
        ("tx_payload_bytes", "u8"),
        ("resent_bytes", "u8"),
        ("busy_us", "u8"),
        ("rwnd_limited_us", "u8"),
        ("sndbuf_limited_us", "u8"),
        ("segments_in", "u4"),
        ("segments_out", "u4"),
        ("drops", "u4"),
        ("cgroup_id", "u8"),
        ("has_info", "u1"),
    ],
    align=True,
)
"""One socket (224 bytes, C layout), numbers in host byte order.

* `family`: 4 or 6. `local`, `remote`: IPv6, or IPv4 as ::ffff:a.b.c.d; any wildcard is 16 zero bytes. A dual-stack
  socket that carries IPv4 has family 6 and such mapped addresses.
* `protocol`: IP protocol; 255 for a raw socket, whose `local_port` is then the IP protocol number it was made for.
* `state`: include/net/tcp_states.h (`netdash.model.protocols.TCP_STATES`). UDP: 7 unconnected, 1 connected.
* `timer`: 0 none, 1 retransmission, 2 keep-alive or other, 3 TIME_WAIT, 4 zero-window probe; it fires in `timer_ms`.
* `ifindex`: the interface the socket is bound to, or 0. `inode`: 0 where no process has the socket (not accepted yet,
  orphaned, TIME_WAIT). `cookie`: getsockopt(SO_COOKIE); a TIME_WAIT row has a cookie of its own.
* `rqueue`, `wqueue`: bytes not yet read / not yet acknowledged; LISTEN: connections that wait / the backlog's limit.
* `has_info`: 1 where `struct tcp_info` was there: TCP, except LISTEN, TIME_WAIT, half-open connections and the
  remnants that the kernel keeps in FIN_WAIT2. Where it is 0, the columns of `INFO_FIELDS` are not known and hold 0.
* `rtt_us`, `rttvar_us`, `min_rtt_us`: 0 = not measured. `pacing_rate_bytes`: bytes/s, 0 = not limited.
  `delivery_rate_bytes`: bytes/s. `cwnd`, `ssthresh` (2^31-1 = none yet), `unacked`, `lost`: segments; `mss`, `pmtu`,
  `not_sent_bytes` (in `wqueue`, but not under way), `resent_bytes`: bytes.
* `busy_us`: time with data to send, so far; of that `rwnd_limited_us` held back by the receiver's window and
  `sndbuf_limited_us` by the own send buffer.
* `tx_payload_bytes`: tcpi_bytes_sent - tcpi_bytes_retrans, data handed to the network, each byte once.
* `rx_payload_bytes`: tcpi_bytes_received, data received in order, each byte once. The kernel counts a received FIN as
  one byte; that byte is subtracted in the states that a FIN leads to (CLOSE_WAIT, CLOSING, LAST_ACK), and where the one
  byte came without any data segment. Uncertain by one byte: a socket read in the instant its FIN arrives (the
  next reading is right, so a counter may step back by one), and a destroyed socket (state CLOSE says nothing about
  the FIN; see `socket_events.subtract_seen_fins`).
* `drops`: datagrams dropped at the socket (SK_MEMINFO_DROPS; not asked for TCP).
* `cgroup_id`: inode number of the cgroup-v2 directory, 0 = not given.
"""

FIN_RECEIVED_STATES: Final = (6, 8, 9, 11)
"""TIME_WAIT, CLOSE_WAIT, LAST_ACK, CLOSING: the peer's FIN has arrived (net/ipv4/tcp_input.c, `tcp_fin`)."""

INFO_FIELDS: Final = (
    "retransmits",
    "rtt_us",
    "rttvar_us",
    "min_rtt_us",
    "cwnd",
    "mss",
    "unacked",
    "lost",
    "rto_us",
    "ssthresh",
    "pmtu",
    "not_sent_bytes",
    "delivery_rate_bytes",
    "pacing_rate_bytes",
    "rx_payload_bytes",
    "tx_payload_bytes",
    "resent_bytes",
    "busy_us",
    "rwnd_limited_us",
    "sndbuf_limited_us",
    "segments_in",
    "segments_out",
)
"""Columns that come from `struct tcp_info`."""
