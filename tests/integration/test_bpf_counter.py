"""The eBPF packet counter on real traffic between two network namespaces, to the byte."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import fcntl
import ipaddress
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest

from netdash.kernel.bpf import _call_numbers
from netdash.kernel.bpf_counter import BpfPacketCounter
from netdash.kernel.raw_flow import (
    FLAG_FRAGMENT,
    FLAG_OVERFLOW,
    FLOW_KEY,
    PACKET_HOST,
    PACKET_OUTGOING,
    SIZE_LIMITS,
    VLAN_PRESENT,
    RawCounts,
)
from tests.namespaces import Lab, Port, popen_in, run_in, set_offloads, socket_in

pytestmark = pytest.mark.root

ETHERNET = 14
SOL_PACKET, PACKET_VNET_HDR = 263, 15
SOL_UDP, UDP_SEGMENT = 17, 103
TUN_HEADER_CALL, IFF_TUN, IFF_NO_PI, IFF_VNET_HDR = 0x400454CA, 1, 0x1000, 0x4000
VIRTIO_GSO_TCPV4 = 1


@dataclass(frozen=True, slots=True)
class Row:
    """One row of RawCounts, readable."""

    packet_type: int
    protocol: int
    source: tuple[str, int]
    destination: tuple[str, int]
    vlan: int = 0
    flags: int = 0
    ethertype: int = 0x0800


@dataclass(frozen=True, slots=True)
class Count:
    wire_packets: int
    wire_bytes: int
    skb_packets: int
    skb_bytes: int


def rows_of(counts: RawCounts) -> dict[Row, Count]:
    rows = {}
    for key, value in zip(counts.keys, counts.values, strict=True):
        addresses = [ipaddress.IPv6Address(key[name].tobytes()) for name in ("source", "destination")]
        source, destination = (str(address.ipv4_mapped or address) for address in addresses)
        row = Row(
            int(key["packet_type"]),
            int(key["protocol"]),
            (source, int(key["source_port"])),
            (destination, int(key["destination_port"])),
            int(key["vlan"]),
            int(key["flags"]),
            int(key["ethertype"]),
        )
        rows[row] = Count(*(int(value[n]) for n in ("wire_packets", "wire_bytes", "skb_packets", "skb_bytes")))
    assert len(rows) == len(counts.keys)
    return rows


def plain(packets: int, frame_bytes: int) -> Count:
    return Count(packets, packets * frame_bytes, packets, packets * frame_bytes)


@contextlib.contextmanager
def counting(namespace: str, max_flows: int = 1024) -> Iterator[BpfPacketCounter]:
    counter = run_in(namespace, partial(BpfPacketCounter.open, max_flows))
    try:
        yield counter
    finally:
        counter.close()


async def interval(counter: BpfPacketCounter) -> dict[Row, Count]:
    counter.switch()
    return rows_of(await counter.drain())


def udp_pair(sender: Port, receiver: Port, version: int = 4) -> tuple[socket.socket, socket.socket]:
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    pair = [socket_in(port.namespace, family, socket.SOCK_DGRAM) for port in (sender, receiver)]
    for end, port in zip(pair, (sender, receiver), strict=True):
        end.settimeout(10)
        end.bind((port.ipv4 if version == 4 else port.ipv6, 0))
    pair[0].connect(pair[1].getsockname())
    return pair[0], pair[1]


def endpoint(end: socket.socket) -> tuple[str, int]:
    name = end.getsockname()
    return str(name[0]), int(name[1])


def raw_sender(port: Port) -> socket.socket:
    sender = socket_in(port.namespace, socket.AF_PACKET, socket.SOCK_RAW)
    sender.bind((port.interface, 0))
    return sender


def ethernet(sender: Port, receiver: Port, ethertype: int, payload: bytes) -> bytes:
    macs = [bytes.fromhex(port.mac.replace(":", "")) for port in (receiver, sender)]
    return b"".join(macs) + struct.pack("!H", ethertype) + payload


def ipv4(sender: Port, receiver: Port, protocol: int, payload: bytes) -> bytes:
    addresses = [socket.inet_aton(port.ipv4) for port in (sender, receiver)]
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0, *addresses) + payload


def udp(payload_bytes: int) -> bytes:
    return struct.pack("!HHHH", 1000, 2000, 8 + payload_bytes, 0) + bytes(payload_bytes)


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        await asyncio.sleep(0.005)


@pytest.mark.parametrize(("version", "headers"), [(4, 14 + 20 + 8), (6, 14 + 40 + 8)])
async def test_udp_both_ways_at_both_ends(lab: Lab, version: int, headers: int) -> None:
    with counting(lab.a.namespace) as at_a, counting(lab.b.namespace) as at_b:
        client, server = udp_pair(lab.a, lab.b, version)
        with client, server:
            for _ in range(50):
                client.send(bytes(100))
                _, address = server.recvfrom(2000)
                server.sendto(bytes(1000), address)
                client.recv(2000)
            request, answer = (endpoint(client), endpoint(server)), (endpoint(server), endpoint(client))
        ethertype = 0x0800 if version == 4 else 0x86DD
        assert await interval(at_a) == {
            Row(PACKET_OUTGOING, 17, *request, ethertype=ethertype): plain(50, headers + 100),
            Row(PACKET_HOST, 17, *answer, ethertype=ethertype): plain(50, headers + 1000),
        }
        assert await interval(at_b) == {
            Row(PACKET_HOST, 17, *request, ethertype=ethertype): plain(50, headers + 100),
            Row(PACKET_OUTGOING, 17, *answer, ethertype=ethertype): plain(50, headers + 1000),
        }
        assert await interval(at_a) == await interval(at_b) == {}


async def test_loopback_counts_both_directions(lab: Lab) -> None:
    here = Port(lab.a.namespace, "lo", 1, "", "127.0.0.1", "::1")
    with counting(lab.a.namespace) as counter:
        client, server = udp_pair(here, here)
        with client, server:
            client.send(bytes(10))
            ends = endpoint(client), endpoint(server)
        counter.switch()
        counts = await counter.drain()
    assert rows_of(counts) == {
        Row(PACKET_OUTGOING, 17, *ends): plain(1, 52),
        Row(PACKET_HOST, 17, *ends): plain(1, 52),
    }
    assert counts.keys["ifindex"].tolist() == [1, 1]
    assert counts.sizes["ifindex"].tolist() == [1, 1]
    assert counts.sizes["outgoing"].tolist() == [0, 1]
    assert counts.sizes["packets"][:, 0].tolist() == [1, 1]
    assert counts.sizes["packets"].sum() == 2


@pytest.mark.parametrize("offload", [True, False])
@pytest.mark.parametrize("version", [4, 6])
async def test_tcp_segments_with_their_headers(lab: Lab, version: int, offload: bool) -> None:
    for port in (lab.a, lab.b):
        set_offloads(port.namespace, port.interface, offload)
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    payload = bytes(3_000_000)
    with (
        counting(lab.b.namespace) as counter,
        socket_in(lab.b.namespace, family, socket.SOCK_STREAM) as listener,
        socket_in(lab.a.namespace, family, socket.SOCK_STREAM) as client,
    ):
        listener.bind((lab.b.ipv4 if version == 4 else lab.b.ipv6, 0))
        listener.listen()
        client.connect(listener.getsockname())
        server, _ = listener.accept()
        with server:
            sending = threading.Thread(target=client.sendall, args=(payload,))
            sending.start()
            received = 0
            while received < len(payload):
                received += len(await asyncio.to_thread(server.recv, 1 << 20))
            sending.join()
            info = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 240)
            segments_out = struct.unpack_from("=I", info, 136)[0]
            bytes_sent = struct.unpack_from("=Q", info, 200)[0]
            ends = endpoint(client), endpoint(listener)
            counter.switch()
        counts = await counter.drain()
    rows = rows_of(counts)
    count = rows[Row(PACKET_HOST, 6, *ends, ethertype=0x0800 if version == 4 else 0x86DD)]
    headers = ETHERNET + (20 if version == 4 else 40) + 32
    syn_options_beyond_timestamps = 8
    assert count.wire_packets == segments_out
    assert count.wire_bytes == bytes_sent + segments_out * headers + syn_options_beyond_timestamps
    assert (count.skb_packets < count.wire_packets / 3) == offload
    assert (count.skb_bytes == count.wire_bytes) == (not offload)
    incoming = counts.sizes[counts.sizes["outgoing"] == 0]["packets"].sum(axis=0)
    assert incoming.sum() == segments_out
    assert incoming[np.searchsorted(SIZE_LIMITS, 1514)] >= bytes_sent // 1448 // 2


@pytest.mark.parametrize(("version", "headers"), [(4, 14 + 20 + 8), (6, 14 + 40 + 8)])
async def test_udp_segmentation_offload(lab: Lab, version: int, headers: int) -> None:
    with counting(lab.b.namespace) as counter:
        client, server = udp_pair(lab.a, lab.b, version)
        with client, server:
            client.setsockopt(SOL_UDP, UDP_SEGMENT, 1000)
            client.send(bytes(10_300))
            for _ in range(11):
                server.recv(2000)
            ends = endpoint(client), endpoint(server)
        rows = await interval(counter)
    count = rows[Row(PACKET_HOST, 17, *ends, ethertype=0x0800 if version == 4 else 0x86DD)]
    assert (count.wire_packets, count.wire_bytes) == (11, 10_300 + 11 * headers)


@pytest.mark.parametrize("version", [4, 6])
async def test_fragments_count_under_their_flow(lab: Lab, version: int) -> None:
    payload_bytes = 4000
    with counting(lab.a.namespace) as at_a, counting(lab.b.namespace) as at_b:
        client, server = udp_pair(lab.a, lab.b, version)
        with client, server:
            for _ in range(5):
                client.send(bytes(payload_bytes))
                server.recv(5000)
            ends = endpoint(client), endpoint(server)
        headers = ETHERNET + (20 if version == 4 else 40 + 8)
        expected = Count(15, *[5 * (payload_bytes + 8 + 3 * headers), 15, 5 * (payload_bytes + 8 + 3 * headers)])
        ethertype = 0x0800 if version == 4 else 0x86DD
        assert await interval(at_a) == {Row(PACKET_OUTGOING, 17, *ends, ethertype=ethertype): expected}
        assert await interval(at_b) == {Row(PACKET_HOST, 17, *ends, ethertype=ethertype): expected}


async def test_frames_of_packet_sockets(lab: Lab) -> None:
    """Tags and types as a packet socket sends them: in the data going out, the outer tag beside it coming in."""
    datagram = ipv4(lab.a, lab.b, 17, udp(100))
    ends = (lab.a.ipv4, 1000), (lab.b.ipv4, 2000)
    tagged = struct.pack("!HH", 0x6000 | 77, 0x0800) + datagram
    double = struct.pack("!HHHH", 300, 0x8100, 77, 0x0800) + datagram
    frames = {
        "plain": ethernet(lab.a, lab.b, 0x0800, datagram),
        "vlan": ethernet(lab.a, lab.b, 0x8100, tagged),
        "qinq": ethernet(lab.a, lab.b, 0x88A8, double),
        "lldp": ethernet(lab.a, lab.b, 0x88CC, bytes(50)),
        "header cut": ethernet(lab.a, lab.b, 0x0800, datagram[:19]),
    }
    expected = {
        "plain": (17, *ends, 0, 0, 0x0800),
        "vlan": (17, *ends, VLAN_PRESENT | 77, 0, 0x0800),
        "qinq": (17, *ends, VLAN_PRESENT | 300, 0, 0x0800),
        "lldp": (0, ("::", 0), ("::", 0), 0, 0, 0x88CC),
        "header cut": (0, ("::", 0), ("::", 0), 0, 0, 0x0800),
    }
    with counting(lab.a.namespace) as at_a, counting(lab.b.namespace) as at_b, raw_sender(lab.a) as sender:
        for frame in frames.values():
            sender.send(frame)
        outgoing, incoming = await interval(at_a), await interval(at_b)
    for name, frame in frames.items():
        out_of_band = 4 if name in ("vlan", "qinq") else 0
        assert outgoing.pop(Row(PACKET_OUTGOING, *expected[name])) == plain(1, len(frame)), name
        assert incoming.pop(Row(PACKET_HOST, *expected[name])) == Count(1, len(frame), 1, len(frame) - out_of_band), (
            name
        )
    assert outgoing == incoming == {}


async def test_headers_outside_the_linear_part(lab: Lab) -> None:
    """Large frames of packet sockets have only the Ethernet header in the linear part of the skb."""
    with Lab(mtu=20_000) as lab, counting(lab.a.namespace) as at_a, counting(lab.b.namespace) as at_b:
        with raw_sender(lab.a) as sender:
            for frame_bytes in (9018, 9019):
                datagram = ipv4(lab.a, lab.b, 17, udp(frame_bytes - 42))
                sender.send(ethernet(lab.a, lab.b, 0x0800, datagram))
        ends = (lab.a.ipv4, 1000), (lab.b.ipv4, 2000)
        assert await interval(at_a) == {Row(PACKET_OUTGOING, 17, *ends): Count(2, 18037, 2, 18037)}
        at_b.switch()
        counts = await at_b.drain()
    assert rows_of(counts) == {Row(PACKET_HOST, 17, *ends): Count(2, 18037, 2, 18037)}
    assert counts.sizes["packets"][0][-2:].tolist() == [1, 1]


async def test_tagged_super_packet(lab: Lab) -> None:
    tcp = struct.pack("!HHIIBBHHH", 1000, 2000, 1, 1, 5 << 4, 0x10, 512, 0, 0) + bytes(5000)
    frame = ethernet(lab.a, lab.b, 0x8100, struct.pack("!HH", 5, 0x0800) + ipv4(lab.a, lab.b, 6, tcp))
    header_bytes = ETHERNET + 4 + 20 + 20
    virtio = struct.pack("=BBHHHH", 1, VIRTIO_GSO_TCPV4, header_bytes, 1000, header_bytes - 20, 16)
    with counting(lab.a.namespace) as at_a, counting(lab.b.namespace) as at_b, raw_sender(lab.a) as sender:
        sender.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        sender.send(virtio + frame)
        rows = {**await interval(at_a), **await interval(at_b)}
    ends = (lab.a.ipv4, 1000), (lab.b.ipv4, 2000)
    for packet_type in (PACKET_OUTGOING, PACKET_HOST):
        count = rows[Row(packet_type, 6, *ends, vlan=VLAN_PRESENT | 5)]
        assert (count.wire_packets, count.wire_bytes) == (5, 5000 + 5 * header_bytes)


async def test_device_without_link_layer(lab: Lab) -> None:
    """A super-packet received from a tun device: its segments have no Ethernet header."""

    def open_tun() -> int:
        descriptor = os.open("/dev/net/tun", os.O_RDWR)
        request = struct.pack("16sH22x", b"tun-test", IFF_TUN | IFF_NO_PI | IFF_VNET_HDR)
        fcntl.ioctl(descriptor, TUN_HEADER_CALL, request)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            fcntl.ioctl(control, 0x8914, struct.pack("16sH22x", b"tun-test", 0x1 | 0x40))  # SIOCSIFFLAGS: up
        return descriptor

    tcp = struct.pack("!HHIIBBHHH", 1000, 2000, 1, 1, 5 << 4, 0x10, 512, 0, 0) + bytes(5000)
    virtio = struct.pack("=BBHHHH", 1, VIRTIO_GSO_TCPV4, 40, 1000, 20, 16)
    with counting(lab.a.namespace) as counter:
        try:
            tun = run_in(lab.a.namespace, open_tun)
        except OSError as error:
            pytest.skip(f"no tun device: {error}")
        try:
            os.write(tun, virtio + ipv4(lab.b, lab.a, 6, tcp))
        finally:
            os.close(tun)
        rows = await interval(counter)
    ends = (lab.b.ipv4, 1000), (lab.a.ipv4, 2000)
    assert rows[Row(PACKET_HOST, 6, *ends)] == Count(5, 5000 + 5 * 40, 1, 5040)


async def test_full_table_loses_no_count(lab: Lab) -> None:
    with counting(lab.b.namespace, max_flows=16) as counter, raw_sender(lab.a) as sender:
        sent = 0
        for port in range(200):
            datagram = ipv4(lab.a, lab.b, 17, struct.pack("!HHHH", port, 9, 8 + port, 0) + bytes(port))
            sender.send(ethernet(lab.a, lab.b, 0x0800, datagram))
            sent += ETHERNET + len(datagram)
        sender.send(ethernet(lab.a, lab.b, 0x88CC, bytes(50)))
        rows = await interval(counter)
        empty = await interval(counter)
    overflow = {row: count for row, count in rows.items() if row.flags == FLAG_OVERFLOW}
    assert len(rows) - len(overflow) == 16
    assert sum(count.wire_packets for count in rows.values()) == 201
    assert sum(count.wire_bytes for count in rows.values()) == sent + 64
    udp_rest = overflow[Row(PACKET_HOST, 17, ("::", 0), ("::", 0), flags=FLAG_OVERFLOW)]
    assert udp_rest.wire_packets == 200 - 16
    assert overflow[Row(PACKET_HOST, 0, ("::", 0), ("::", 0), flags=FLAG_OVERFLOW, ethertype=0x88CC)] == plain(1, 64)
    assert empty == {}


async def test_lone_later_fragment_is_marked(lab: Lab) -> None:
    datagram = bytearray(ipv4(lab.a, lab.b, 17, udp(100)))
    datagram[6:8] = struct.pack("!H", 185)
    with counting(lab.b.namespace) as counter, raw_sender(lab.a) as sender:
        sender.send(ethernet(lab.a, lab.b, 0x0800, bytes(datagram)))
        rows = await interval(counter)
    assert [(row.flags, row.source[1], row.destination[1]) for row in rows] == [(FLAG_FRAGMENT, 0, 0)]


async def test_switching_under_load_is_exact(lab: Lab) -> None:
    """Many short intervals while packets pour in: each packet is in exactly one of them."""
    total = 60_000
    with counting(lab.b.namespace, max_flows=64) as counter, raw_sender(lab.a) as sender:
        frames = [
            ethernet(lab.a, lab.b, 0x0800, ipv4(lab.a, lab.b, 17, struct.pack("!HHHH", port, 9, 8, 0)))
            for port in range(100)
        ]

        def send() -> None:
            for number in range(total):
                sender.send(frames[number % len(frames)])

        sending = asyncio.create_task(asyncio.to_thread(send))
        packets = sizes = intervals = 0
        ended = False
        while not ended:
            ended = sending.done()
            counter.switch()
            counts = await counter.drain()
            packets += int(counts.values["wire_packets"].sum())
            sizes += int(counts.sizes["packets"].sum())
            intervals += 1
        await sending
    assert intervals > 3
    assert (packets, sizes) == (total, total)


async def test_drain_belongs_to_switch(lab: Lab) -> None:
    with counting(lab.a.namespace) as counter:
        with pytest.raises(RuntimeError, match="drain without switch"):
            await counter.drain()
        before = time.monotonic_ns()
        assert before <= counter.switch() <= time.monotonic_ns()
        counts = await counter.drain()
        assert (len(counts.keys), len(counts.values), len(counts.sizes), counts.lost_packets) == (0, 0, 0, 0)
        assert counts.keys.dtype == FLOW_KEY


async def test_second_switch_without_drain_loses_nothing(lab: Lab) -> None:
    client, server = udp_pair(lab.a, lab.b)
    with client, server, counting(lab.b.namespace) as counter:
        packets = 0
        for _ in range(3):
            client.send(b"x")
            counter.switch()
        for _ in range(2):
            packets += sum(count.wire_packets for count in (await interval(counter)).values())
    assert packets == 3


async def test_run_statistics_name_the_program(lab: Lab) -> None:
    with counting(lab.a.namespace) as counter:
        assert counter.run_statistics().program_id > 0


HOLD_OPEN = """
import sys, time
from netdash.kernel.bpf_counter import BpfPacketCounter
counter = BpfPacketCounter.open(1024)
print(counter.run_statistics().program_id, flush=True)
sys.stdin.read()
"""


class _ProgramById(ctypes.Structure):
    _fields_ = (("id", ctypes.c_uint32), ("next_id", ctypes.c_uint32), ("open_flags", ctypes.c_uint32))


def program_exists(program_id: int) -> bool:
    """BPF_PROG_GET_FD_BY_ID."""
    libc = ctypes.CDLL(None, use_errno=True)
    attributes = _ProgramById(program_id, 0, 0)
    descriptor = libc.syscall(_call_numbers()[0], 13, ctypes.byref(attributes), ctypes.sizeof(attributes))
    if descriptor < 0:
        assert ctypes.get_errno() == errno.ENOENT
        return False
    os.close(descriptor)
    return True


def packet_sockets(namespace: str) -> int:
    def read() -> int:
        with open("/proc/thread-self/net/packet") as table:
            return len(table.readlines()) - 1

    return run_in(namespace, read)


async def test_nothing_stays_after_close(lab: Lab) -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    with counting(lab.a.namespace) as counter:
        program_id = counter.run_statistics().program_id
        assert packet_sockets(lab.a.namespace) == 1
        assert program_exists(program_id)
    await until(lambda: not program_exists(program_id))
    assert packet_sockets(lab.a.namespace) == 0
    assert len(os.listdir("/proc/self/fd")) == descriptors


async def test_nothing_stays_after_sigkill(lab: Lab) -> None:
    child = popen_in(lab.a.namespace, [sys.executable, "-c", HOLD_OPEN], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdin is not None
    with child.stdout, child.stdin:
        program_id = int(child.stdout.readline())
        assert packet_sockets(lab.a.namespace) == 1
        assert program_exists(program_id)
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    await until(lambda: not program_exists(program_id) and packet_sockets(lab.a.namespace) == 0)
