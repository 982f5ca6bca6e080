"""Sockets as NETLINK_SOCK_DIAG describes them: bytes from the kernel to rows of one NumPy dtype. No I/O here.

A message is `struct nlmsghdr` (16 bytes), `struct inet_diag_msg` (72 bytes) and netlink attributes. The kernel fills
all messages of one kind alike, so messages of equal layout are read together, column by column, by strided views.

Sources: <linux/netlink.h>, <linux/inet_diag.h>, <linux/tcp.h> (`struct tcp_info`, which only ever grows at its end),
net/ipv4/inet_diag.c, net/ipv4/tcp_diag.c.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.kernel.socket_row import FIN_RECEIVED_STATES, INFO_FIELDS, SOCKET_ROW
from netdash.model.protocols import LISTEN, TCP

SOCK_DIAG_BY_FAMILY: Final = 20
RAW: Final = 255
"""IPPROTO_RAW: how raw sockets are asked for and marked."""

_AF_INET, _AF_INET6 = 2, 10
_HEADER_BYTES = 88
_ATTR_INFO, _ATTR_SKMEMINFO, _ATTR_PROTOCOL, _ATTR_CGROUP_ID = 2, 7, 10, 21
_TCP_INFO_BYTES = 216
"""`struct tcp_info` up to tcpi_bytes_retrans (Linux 4.19); a shorter one is left alone."""
_SKMEMINFO_BYTES = 36
_NOT_KNOWN_32, _NOT_KNOWN_64 = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF

_MAPPED = int(np.frombuffer(b"\0\0\xff\xff", np.uint32)[0])
"""The third word of ::ffff:a.b.c.d, as it lies in memory."""
_FIN_RECEIVED = np.isin(np.arange(256), FIN_RECEIVED_STATES)

_MESSAGE_FIELDS = (
    ("state", "u1", 17),
    ("timer", "u1", 18),
    ("local_port", ">u2", 20),
    ("remote_port", ">u2", 22),
    ("ifindex", "u4", 56),
    ("cookie", "u8", 60),
    ("timer_ms", "u4", 68),
    ("rqueue", "u4", 72),
    ("wqueue", "u4", 76),
    ("uid", "u4", 80),
    ("inode", "u4", 84),
)
"""`struct inet_diag_msg` after the netlink header: (name, type, offset)."""

_TCP_INFO_FIELDS = (
    ("tcpi_state", "u1", 0),
    ("rto_us", "u4", 8),
    ("mss", "u4", 16),
    ("unacked", "u4", 24),
    ("lost", "u4", 32),
    ("pmtu", "u4", 60),
    ("rtt_us", "u4", 68),
    ("rttvar_us", "u4", 72),
    ("ssthresh", "u4", 76),
    ("cwnd", "u4", 80),
    ("retransmits", "u4", 100),
    ("pacing_rate_bytes", "u8", 104),
    ("tcpi_bytes_received", "u8", 128),
    ("segments_out", "u4", 136),
    ("segments_in", "u4", 140),
    ("not_sent_bytes", "u4", 144),
    ("min_rtt_us", "u4", 148),
    ("tcpi_data_segs_in", "u4", 152),
    ("delivery_rate_bytes", "u8", 160),
    ("busy_us", "u8", 168),
    ("rwnd_limited_us", "u8", 176),
    ("sndbuf_limited_us", "u8", 184),
    ("tcpi_bytes_sent", "u8", 200),
    ("resent_bytes", "u8", 208),
)
"""`struct tcp_info`: (name, type, offset)."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where things are in one kind of message. Offsets count from the netlink header; 0 = not there."""

    header_words: tuple[int, ...]
    header_values: tuple[int, ...]
    protocol_at: int
    info_at: int
    skmeminfo_at: int
    cgroup_at: int


def parse_sockets(data: bytes | bytearray | memoryview, protocol: int | None) -> NDArray[np.void]:
    """Reads netlink messages that lie end to end; gives SOCKET_ROW rows, those of equal layout together.

    `protocol` is what the dump asked for; None takes each message's own INET_DIAG_PROTOCOL (destroy events).
    Messages that are not of an IPv4 or IPv6 socket are left out, and so is what follows the first broken length
    or is cut off. Raises nothing, whatever the bytes.
    """
    usable = len(data) & ~3
    words = np.frombuffer(data, np.uint32, usable // 4)
    parts = []
    for record_words, starts in _group_by_length(memoryview(data)[:usable].cast("I")).items():
        remaining = _records(words, record_words, starts)
        remaining = _select(remaining, _is_socket(remaining))
        while len(remaining):
            layout = _read_layout(remaining[0])
            alike = _has_layout(remaining, layout)
            parts.append(_read_rows(_select(remaining, alike), layout, protocol))
            remaining = _select(remaining, ~alike)
    return join_rows(parts)


def join_rows(parts: list[NDArray[np.void]]) -> NDArray[np.void]:
    """SOCKET_ROW arrays (contiguous) one after the other, as one array."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return np.zeros(0, SOCKET_ROW)
    # As plain numbers: NumPy joins structured arrays field by field, which takes ten times as long.
    return np.concatenate([part.view(np.uint64) for part in parts]).view(SOCKET_ROW)


def _group_by_length(words: memoryview[int]) -> dict[int, list[tuple[int, int]]]:
    """Record length in words -> runs of records that follow each other: (index of the first word, count)."""
    groups: dict[int, list[tuple[int, int]]] = {}
    for start, length, count in _runs(words):
        groups.setdefault(length, []).append((start, count))
    return groups


def _runs(words: memoryview[int], probe: int = 16) -> Iterator[tuple[int, int, int]]:
    """Runs of records of one length: (index of the first word, words per record, count).

    Short runs are walked one by one; after `probe` equal lengths the end of the run is found at one stroke.
    """
    lengths = np.frombuffer(words, np.uint32)
    at, end = 0, len(words)
    while at + 4 <= end:
        length_bytes = words[at]
        step = (length_bytes + 3) >> 2
        if length_bytes < 16 or at + step > end:
            return
        possible = (end - at) // step
        count = 1
        while count < probe and count < possible and words[at + count * step] == length_bytes:
            count += 1
        if count == probe:
            equal = lengths[at : at + possible * step : step] == length_bytes
            count = possible if equal.all() else int(equal.argmin())
        yield at, step, count
        at += count * step


def _records(words: NDArray[np.uint32], record_words: int, runs: list[tuple[int, int]]) -> NDArray[np.uint32]:
    """The records of one length as a matrix [records, words]: a view of one run, a copy of several."""
    if len(runs) == 1:
        start, count = runs[0]
        return words[start : start + count * record_words].reshape(count, record_words)
    starts = np.concatenate([np.arange(count) * record_words + start for start, count in runs])
    copy: NDArray[np.uint32] = np.lib.stride_tricks.sliding_window_view(words, record_words)[starts]
    return copy


def _select(records: NDArray[np.uint32], mask: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """The records under the mask, without a copy in the usual case that it is all of them."""
    return records if mask.all() else records[mask]


def _is_socket(records: NDArray[np.uint32]) -> NDArray[np.bool_]:
    if records.shape[1] * 4 < _HEADER_BYTES:
        return np.zeros(len(records), np.bool_)
    octets = records.view(np.uint8)
    family = octets[:, 16]
    kind = records[:, 1:2].view(np.uint16)[:, 0]
    is_socket: NDArray[np.bool_] = (kind == SOCK_DIAG_BY_FAMILY) & ((family == _AF_INET) | (family == _AF_INET6))
    return is_socket


def _read_layout(record: NDArray[np.uint32]) -> _Layout:
    """Walks the attributes of one record (each: u16 length with its header, u16 type, data, padded to 4 bytes)."""
    data = record.tobytes()
    words, values, found = [], [], {}
    at = _HEADER_BYTES
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        if length < 4 or at + length > len(data):
            break
        words.append(at // 4)
        values.append(int(record[at // 4]))
        found[kind] = (at + 4, length - 4)
        at += (length + 3) & ~3

    def offset_of(kind: int, least_bytes: int) -> int:
        offset, size = found.get(kind, (0, 0))
        return offset if size >= least_bytes else 0

    return _Layout(
        tuple(words),
        tuple(values),
        offset_of(_ATTR_PROTOCOL, 1),
        offset_of(_ATTR_INFO, _TCP_INFO_BYTES),
        offset_of(_ATTR_SKMEMINFO, _SKMEMINFO_BYTES),
        offset_of(_ATTR_CGROUP_ID, 8),
    )


def _has_layout(records: NDArray[np.uint32], layout: _Layout) -> NDArray[np.bool_]:
    """Which records have the attributes of the first one at the same places, and its family and protocol."""
    octets = records.view(np.uint8)
    alike: NDArray[np.bool_] = octets[:, 16] == octets[0, 16]
    for word, value in zip(layout.header_words, layout.header_values, strict=True):
        alike &= records[:, word] == value
    if layout.protocol_at:
        alike &= octets[:, layout.protocol_at] == octets[0, layout.protocol_at]
    return alike


@lru_cache(maxsize=256)
def _record_dtype(record_bytes: int, info_at: int, skmeminfo_at: int, cgroup_at: int) -> np.dtype[np.void]:
    fields = list(_MESSAGE_FIELDS)
    if info_at:
        fields += [(name, kind, info_at + offset) for name, kind, offset in _TCP_INFO_FIELDS]
    if skmeminfo_at:
        fields.append(("drops", "u4", skmeminfo_at + 32))
    if cgroup_at:
        fields.append(("cgroup_id", "u8", cgroup_at))
    names, formats, offsets = zip(*fields, strict=True)
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": record_bytes})


def _read_rows(records: NDArray[np.uint32], layout: _Layout, protocol: int | None) -> NDArray[np.void]:
    """SOCKET_ROW rows of records of one layout, family and protocol."""
    octets = records.view(np.uint8)
    if protocol is None:
        protocol = int(octets[0, layout.protocol_at]) if layout.protocol_at else 0
    # The INET_DIAG_INFO of other protocols is another structure.
    info_at = layout.info_at if protocol == TCP else 0
    source = records.view(_record_dtype(records.shape[1] * 4, info_at, layout.skmeminfo_at, layout.cgroup_at))[:, 0]
    rows = np.zeros(len(records), SOCKET_ROW)
    is_ipv4 = bool(octets[0, 16] == _AF_INET)
    rows["family"] = 4 if is_ipv4 else 6
    rows["protocol"] = protocol
    for name in source.dtype.names or ():
        if not name.startswith("tcpi_"):
            rows[name] = source[name]
    _read_addresses(records[:, 6:10], rows["local"].view(np.uint32), is_ipv4=is_ipv4)
    _read_addresses(records[:, 10:14], rows["remote"].view(np.uint32), is_ipv4=is_ipv4)
    if info_at:
        _read_tcp_info(source, rows)
    return rows


def _read_addresses(source: NDArray[np.uint32], target: NDArray[np.uint32], *, is_ipv4: bool) -> None:
    if is_ipv4:
        target[:, 3] = source[:, 0]
        target[:, 2] = np.where(source[:, 0] == 0, 0, _MAPPED)
        return
    target[:] = source
    mapped_wildcard = (source[:, 2] == _MAPPED) & ~(source[:, 0] | source[:, 1] | source[:, 3]).astype(np.bool_)
    target[mapped_wildcard, 2] = 0


def _read_tcp_info(source: NDArray[np.void], rows: NDArray[np.void]) -> None:
    rows["has_info"] = 1
    min_rtt_us, pacing_rate = rows["min_rtt_us"], rows["pacing_rate_bytes"]
    min_rtt_us[min_rtt_us == _NOT_KNOWN_32] = 0
    pacing_rate[pacing_rate == _NOT_KNOWN_64] = 0
    sent, retransmitted = source["tcpi_bytes_sent"], source["resent_bytes"]
    rows["tx_payload_bytes"] = sent - np.minimum(sent, retransmitted)
    received = source["tcpi_bytes_received"]
    only_fin = (received == 1) & (source["tcpi_data_segs_in"] == 0)
    # The state inside tcp_info is read next to the counters, the message's own a little earlier.
    fin = _FIN_RECEIVED[source["tcpi_state"]] | only_fin
    rows["rx_payload_bytes"] = received - (fin & (received > 0))
    listening = rows["state"] == LISTEN
    if listening.any():
        for name in ("has_info", *INFO_FIELDS):
            rows[name][listening] = 0
