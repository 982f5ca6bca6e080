"""The eBPF packet counter on real traffic between two network namespaces, to the byte."""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import struct
import threading

import numpy as np
import pytest

from netdash.kernel.raw_flow import (
    FLAG_FRAGMENT,
    FLAG_OVERFLOW,
    PACKET_HOST,
    PACKET_OUTGOING,
    SIZE_LIMITS,
    VLAN_PRESENT,
)
from tests.integration.counted_traffic import (
    Count,
    Row,
    counting,
    endpoint,
    ethernet,
    interval,
    ipv4,
    plain,
    raw_sender,
    rows_of,
    udp,
    udp_pair,
)
from tests.namespaces import Lab, Port, run_in, set_offloads, socket_in

pytestmark = pytest.mark.root

ETHERNET = 14
SOL_PACKET, PACKET_VNET_HDR = 263, 15
SOL_UDP, UDP_SEGMENT = 17, 103
TUN_HEADER_CALL, IFF_TUN, IFF_NO_PI, IFF_VNET_HDR = 0x400454CA, 1, 0x1000, 0x4000
VIRTIO_GSO_TCPV4 = 1


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
