"""The parser of NETLINK_SOCK_DIAG messages, on bytes recorded from a Linux 6.18 kernel (see record_sockets.py)."""

from __future__ import annotations

import ipaddress
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from netdash.errors import NetdashError
from netdash.kernel.sock_diag import SocketReader
from netdash.kernel.sock_diag_wire import join_rows, parse_sockets
from netdash.kernel.socket_row import INFO_FIELDS, SOCKET_ROW

DATA = Path(__file__).parent / "data"
TCP, UDP = 6, 17
ESTABLISHED, FIN_WAIT2, TIME_WAIT, CLOSE, CLOSE_WAIT, LISTEN = 1, 5, 6, 7, 8, 10
RECORDED = {
    "tcp4_root": TCP,
    "tcp4_user": TCP,
    "tcp6_root": TCP,
    "udp4_root": UDP,
    "udp6_root": UDP,
    "destroyed": None,
}


def recorded(name: str) -> bytes:
    return (DATA / f"sockets_{name}.bin").read_bytes()


def parse(name: str) -> NDArray[np.void]:
    return parse_sockets(recorded(name), RECORDED[name])


def row(rows: NDArray[np.void], local_port: int, remote_port: int) -> np.void:
    (found,) = rows[(rows["local_port"] == local_port) & (rows["remote_port"] == remote_port)]
    assert isinstance(found, np.void)
    return found


def address(octets: NDArray[np.uint8]) -> str:
    ip = ipaddress.IPv6Address(octets.tobytes())
    return str(ip.ipv4_mapped or ip)


def message(body: bytes, kind: int = 20, length: int | None = None) -> bytes:
    return struct.pack("=IHHII", 16 + len(body) if length is None else length, kind, 2, 1, 1) + body


def records(data: bytes) -> list[bytes]:
    found = []
    while data:
        (length,) = struct.unpack_from("=I", data)
        found.append(data[:length])
        data = data[length:]
    return found


@pytest.mark.parametrize("name", ["tcp4_root", "tcp4_user"])
def test_established_tcp_has_addresses_owner_and_counters(name: str) -> None:
    server = row(parse(name), 4000, 4001)
    assert (address(server["local"]), address(server["remote"])) == ("127.0.0.1", "127.0.0.1")
    assert (server["family"], server["protocol"], server["state"]) == (4, TCP, ESTABLISHED)
    assert (server["rx_payload_bytes"], server["tx_payload_bytes"]) == (1000, 250)
    assert server["has_info"] == 1
    assert server["inode"] > 0
    assert server["cookie"] > 0
    assert server["cgroup_id"] == 1
    assert 0 < server["min_rtt_us"] <= server["rtt_us"] < 1_000_000
    assert 10 <= server["cwnd"] < 100
    assert server["mss"] == 32768
    assert server["segments_in"] >= 2
    assert (server["pmtu"], server["ssthresh"], server["resent_bytes"]) == (65535, 0x7FFF_FFFF, 0)
    assert server["rto_us"] >= 200_000
    for name in ("timer", "timer_ms", "busy_us", "rwnd_limited_us", "sndbuf_limited_us", "not_sent_bytes"):
        assert server[name] == 0, name


def test_root_and_user_see_the_same_sockets_through_different_layouts() -> None:
    root, user = parse("tcp4_root"), parse("tcp4_user")
    assert len(recorded("tcp4_root")) > len(recorded("tcp4_user"))
    columns = ["local_port", "remote_port", "state", "inode", "uid", "rx_payload_bytes", "tx_payload_bytes", "rtt_us"]
    assert sorted(root[columns].tolist()) == sorted(user[columns].tolist())


def test_received_fin_is_not_counted_as_payload() -> None:
    rows = parse("tcp4_root")
    assert row(rows, 4000, 4002)["state"] == CLOSE_WAIT
    assert row(rows, 4000, 4002)["rx_payload_bytes"] == 10
    assert row(rows, 4002, 4000)["state"] == FIN_WAIT2
    assert row(rows, 4002, 4000)["tx_payload_bytes"] == 10


def test_time_wait_and_listen_have_no_tcp_info() -> None:
    rows = parse("tcp4_root")
    closed, listener = row(rows, 4003, 4000), row(rows, 4000, 0)
    assert (closed["state"], closed["has_info"], closed["inode"]) == (TIME_WAIT, 0, 0)
    assert (listener["state"], listener["has_info"]) == (LISTEN, 0)
    assert (listener["rqueue"], listener["wqueue"]) == (0, 7)
    assert not any(listener[name] for name in INFO_FIELDS)


def test_wildcards_of_both_families_are_zero_and_mapped_addresses_stay() -> None:
    ipv4, ipv6 = parse("tcp4_root"), parse("tcp6_root")
    assert address(row(ipv4, 4000, 0)["local"]) == "127.0.0.1"
    assert not row(ipv4, 4004, 0)["local"].any()
    assert not row(ipv4, 4004, 0)["remote"].any()
    assert not row(ipv6, 4005, 0)["local"].any()
    mapped, native = row(ipv6, 4005, 4006), row(ipv6, 4007, 4005)
    assert (mapped["family"], address(mapped["local"]), mapped["rx_payload_bytes"]) == (6, "127.0.0.1", 44)
    assert (native["family"], address(native["remote"]), native["tx_payload_bytes"]) == (6, "::1", 33)


def test_mapped_wildcard_is_zero_too() -> None:
    (source,) = records(recorded("udp6_root"))
    mapped = bytes(10) + b"\xff\xff" + bytes(4)
    (parsed,) = parse_sockets(source[:24] + mapped + source[40:], UDP)
    assert not parsed["local"].any()


def test_udp_has_drops_and_no_counters() -> None:
    rows = parse("udp4_root")
    full, connected = row(rows, 4103, 0), row(rows, 4101, 4100)
    assert (full["protocol"], full["state"], full["drops"], full["has_info"]) == (UDP, CLOSE, 19, 0)
    assert full["rqueue"] > 1000
    assert (connected["state"], address(connected["remote"]), connected["drops"]) == (ESTABLISHED, "127.0.0.1", 0)
    assert row(parse("udp6_root"), 4102, 0)["family"] == 6


def test_destroy_events_have_final_counters_and_their_own_protocol() -> None:
    rows = parse("destroyed")
    ended = row(rows, 4001, 4000)
    assert (ended["protocol"], ended["state"], ended["inode"], ended["has_info"]) == (TCP, CLOSE, 0, 1)
    assert (ended["tx_payload_bytes"], ended["rx_payload_bytes"]) == (1000, 251)
    before = row(parse("tcp4_root"), 4001, 4000)
    assert ended["cookie"] == before["cookie"]
    assert row(rows, 4101, 4100)["protocol"] == UDP
    assert set(rows["family"].tolist()) == {4, 6}


def test_fin_alone_is_no_payload_even_in_a_destroy_event() -> None:
    only_sent = row(parse("destroyed"), 4002, 4000)
    assert (only_sent["tx_payload_bytes"], only_sent["rx_payload_bytes"]) == (10, 0)


def test_order_of_records_does_not_matter() -> None:
    """Runs of equal length, broken runs and single records are read by different ways."""
    mixed = records(recorded("tcp4_root"))
    established, time_wait = mixed[2], next(record for record in mixed if len(record) < 200)
    pattern = [established] * 40 + [time_wait, established] * 30 + [time_wait] * 5 + [established] * 17
    rows = parse_sockets(b"".join(pattern), TCP)
    assert len(rows) == len(pattern)
    assert (rows["has_info"] == 1).sum() == pattern.count(established)
    (expected,) = parse_sockets(established, TCP)
    (other,) = parse_sockets(time_wait, TCP)
    assert all(bytes(found) == bytes(expected if found["has_info"] else other) for found in rows)


def test_equal_lengths_with_different_attributes_are_told_apart() -> None:
    (record,) = records(recorded("udp6_root"))
    attribute = struct.pack("=HHQ", 12, 21, 77)
    other = struct.pack("=HHQ", 12, 99, 88)
    first, second = record[16:88] + attribute + other, record[16:88] + other + attribute
    rows = parse_sockets(message(first) + message(second) + message(first), UDP)
    assert sorted(rows["cgroup_id"].tolist()) == [77, 77, 77]


def test_info_of_other_protocols_and_short_info_are_left_alone() -> None:
    (_, _, record, *_) = records(recorded("tcp4_root"))
    (as_sctp,) = parse_sockets(record, 132)
    assert (as_sctp["protocol"], as_sctp["has_info"], as_sctp["rx_payload_bytes"]) == (132, 0, 0)
    short = record[16:88] + struct.pack("=HH200x", 204, 2)
    (old_kernel,) = parse_sockets(message(short), TCP)
    assert (old_kernel["has_info"], old_kernel["local_port"]) == (0, 4000)


def test_other_messages_and_families_are_left_out() -> None:
    (record,) = records(recorded("udp6_root"))
    unix = message(b"\x01" + record[17:])
    done, error = message(struct.pack("=i", 0), kind=3), message(struct.pack("=i16x", -2), kind=2)
    assert len(parse_sockets(done + record + error + unix + record + message(record[16:], kind=18), UDP)) == 2
    assert len(parse_sockets(b"", UDP)) == 0


@pytest.mark.parametrize("length", [0, 1, 15, 0xFFFFFFFF])
def test_broken_length_ends_the_reading(length: int) -> None:
    (record,) = records(recorded("udp6_root"))
    broken = message(record[16:], length=length)
    assert len(parse_sockets(record + broken + record, UDP)) == 1


@pytest.mark.parametrize("name", RECORDED)
def test_truncation_anywhere_gives_the_whole_records(name: str) -> None:
    data = recorded(name)
    ends = np.cumsum([len(record) for record in records(data)])
    near_ends = {end + offset for end in ends.tolist() for offset in range(-5, 6) if end + offset <= len(data)}
    for size in near_ends | set(range(0, len(data), 41)):
        assert len(parse_sockets(data[:size], RECORDED[name])) == (ends <= size).sum()


@given(st.binary(max_size=2000), st.sampled_from([TCP, UDP, 132, 255, None]))
def test_random_bytes_never_raise(data: bytes, protocol: int | None) -> None:
    assert parse_sockets(data, protocol).dtype == SOCKET_ROW


@given(st.sampled_from(sorted(RECORDED)), st.lists(st.tuples(st.integers(0, 5999), st.integers(0, 255)), max_size=30))
def test_damaged_messages_never_raise(name: str, damage: list[tuple[int, int]]) -> None:
    data = bytearray(recorded(name))
    for position, value in damage:
        data[position % len(data)] = value
    rows = parse_sockets(data, RECORDED[name])
    assert rows.dtype == SOCKET_ROW
    assert set(rows["family"].tolist()) <= {4, 6}


@given(st.lists(st.tuples(st.integers(0, 30), st.binary(max_size=300)), max_size=8))
def test_any_attributes_never_raise(attributes: list[tuple[int, bytes]]) -> None:
    (record, *_) = records(recorded("tcp4_root"))
    body = record[16:88]
    for kind, data in attributes:
        body += struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)
    (parsed,) = parse_sockets(message(body) * 3, None)[:1]
    assert parsed["local_port"] == 4000
    info = [data for kind, data in attributes if kind == 2]
    protocol = [data for kind, data in attributes if kind == 10 and data]
    if not info or not protocol:
        assert parsed["has_info"] == 0


def test_rows_are_joined_bit_by_bit() -> None:
    parts = [parse("tcp4_root"), parse("udp4_root"), parse("tcp6_root")]
    assert join_rows(parts).tobytes() == b"".join(part.tobytes() for part in parts)
    assert len(join_rows([])) == 0


def test_row_layout_is_that_of_c() -> None:
    assert SOCKET_ROW.itemsize == 224
    assert SOCKET_ROW.isalignedstruct


def test_closed_reader_says_so() -> None:
    reader = SocketReader()
    with pytest.raises(NetdashError, match="open"):
        reader.dump()
    reader.close()
