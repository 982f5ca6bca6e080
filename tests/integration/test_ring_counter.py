"""The packet ring in real network namespaces: what was sent is what was counted, to the byte."""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from ipaddress import ip_address
from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray
from pyroute2 import IPRoute

from netdash.errors import NetdashError, NotPermittedError, NotSupportedError
from netdash.kernel import packet_ring
from netdash.kernel.bpf_counter import BpfPacketCounter
from netdash.kernel.packet_ring import PacketRing
from netdash.kernel.raw_flow import (
    FLAG_OVERFLOW,
    PACKET_HOST,
    PACKET_OTHERHOST,
    PACKET_OUTGOING,
    VLAN_PRESENT,
    RawCounts,
)
from netdash.kernel.ring_counter import RingPacketCounter
from tests.namespaces import Lab, Port, interface_counters, run_in, set_offloads, socket_in

pytestmark = pytest.mark.root

RING_BYTES = 8 << 20


@contextmanager
def counter_in(port: Port, max_flows: int = 1000) -> Iterator[RingPacketCounter]:
    counter = run_in(port.namespace, partial(RingPacketCounter.open, max_flows, RING_BYTES))
    with closing(counter):
        yield counter


@contextmanager
def udp_pair(lab: Lab, ipv6: bool = False, port: int = 9000) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A connected sender in `a` and its receiver in `b`."""
    family = socket.AF_INET6 if ipv6 else socket.AF_INET
    receiver = socket_in(lab.b.namespace, family, socket.SOCK_DGRAM)
    sender = socket_in(lab.a.namespace, family, socket.SOCK_DGRAM)
    with receiver, sender:
        receiver.bind((lab.b.ipv6 if ipv6 else lab.b.ipv4, port))
        sender.connect(receiver.getsockname())
        yield sender, receiver


def wait_until_all_has_passed(lab: Lab) -> None:
    """Returns when `b` has seen all that `a` sent: a datagram on each CPU's queue comes after what is in it."""
    cpus = os.sched_getaffinity(0)
    with udp_pair(lab, port=9999) as (sender, receiver):
        for cpu in cpus:
            os.sched_setaffinity(0, {cpu})
            sender.send(b"last")
        os.sched_setaffinity(0, cpus)
        for _ in cpus:
            receiver.recv(10)


async def counts_of(counter: RingPacketCounter) -> RawCounts:
    counter.switch()
    return await counter.drain()


def only_flow(counts: RawCounts, source_port: int) -> tuple[NDArray[np.void], NDArray[np.void]]:
    (row,) = np.flatnonzero(counts.keys["source_port"] == source_port)
    return counts.keys[row], counts.values[row]


def assert_same_as_interface(counts: RawCounts, port: Port, outgoing: bool) -> None:
    counters = interface_counters(port.namespace, port.interface)
    rows = (counts.keys["ifindex"] == port.index) & ((counts.keys["packet_type"] == PACKET_OUTGOING) == outgoing)
    direction = "tx" if outgoing else "rx"
    assert counts.values["skb_packets"][rows].sum() == counters[f"{direction}_packets"]
    assert counts.values["skb_bytes"][rows].sum() == counters[f"{direction}_bytes"]


@pytest.mark.parametrize("ipv6", [False, True])
async def test_udp_flows_are_counted_to_the_byte_on_both_ends(lab: Lab, ipv6: bool) -> None:
    header_bytes = 14 + (40 if ipv6 else 20) + 8
    with counter_in(lab.a) as sending, counter_in(lab.b) as receiving, ExitStack() as held:
        # The first look starts the reading: a ring that nobody reads is full after so many timeouts of its blocks.
        for counter in (sending, receiving):
            await counts_of(counter)
        sent = {}
        for number in range(20):
            # All stay open: the source port of a closed one may come again.
            sender, receiver = held.enter_context(udp_pair(lab, ipv6, 9000 + number))
            sizes = [(number * 97 + step * 13) % 1400 for step in range(number + 1)]
            for size in sizes:
                sender.send(bytes(size))
                receiver.recv(2000)
            sent[sender.getsockname()[1]] = (9000 + number, sizes)
        for counter, port, packet_type in (
            (sending, lab.a, PACKET_OUTGOING),
            (receiving, lab.b, PACKET_HOST),
        ):
            counts = await counts_of(counter)
            assert counts.lost_packets == 0
            assert len(counts.keys) == len(sent)
            for source_port, (destination_port, sizes) in sent.items():
                key, value = only_flow(counts, source_port)
                assert key["destination_port"] == destination_port
                assert [int(key[name]) for name in ("ifindex", "packet_type", "protocol")] == [
                    port.index,
                    packet_type,
                    17,
                ]
                assert key["source"].tobytes().endswith(ip_address(lab.a.ipv6 if ipv6 else lab.a.ipv4).packed)
                assert value["wire_packets"] == len(sizes)
                assert value["wire_bytes"] == value["skb_bytes"] == sum(sizes) + len(sizes) * header_bytes
            (sizes_row,) = counts.sizes
            assert sizes_row["ifindex"] == port.index
            assert sizes_row["packets"].sum() == counts.values["wire_packets"].sum()
            assert_same_as_interface(counts, port, packet_type == PACKET_OUTGOING)


async def test_packets_belong_to_the_interval_they_came_in(lab: Lab) -> None:
    with counter_in(lab.b) as counter, udp_pair(lab) as (sender, receiver):
        for number in range(1, 6):
            for _ in range(number):
                sender.send(b"before")
            for _ in range(number):  # a packet has passed the tap when its datagram is received
                receiver.recv(10)
            switch_ns = counter.switch()
            sender.send(b"after")
            counts = await counter.drain()
            _, value = only_flow(counts, sender.getsockname()[1])
            assert value["wire_packets"] == number + (number > 1)
            assert 0 < value["last_ns"] <= switch_ns
            receiver.recv(10)


async def test_an_interval_that_is_not_drained_joins_the_next(lab: Lab) -> None:
    with counter_in(lab.b) as counter, udp_pair(lab) as (sender, receiver):
        for _ in range(3):
            sender.send(b"x")
            receiver.recv(10)
            counter.switch()
        _, value = only_flow(await counter.drain(), sender.getsockname()[1])
        assert value["wire_packets"] == 3
        assert len((await counts_of(counter)).keys) == 0


def _tcp_segments_sent(namespace: str) -> tuple[int, int]:
    """Segments that TCP sent for the first time, and again."""

    def read() -> tuple[int, int]:
        with open("/proc/thread-self/net/snmp") as table:
            names, values = (line.split() for line in table if line.startswith("Tcp:"))
        counters = dict(zip(names, values, strict=True))
        return int(counters["OutSegs"]), int(counters["RetransSegs"])

    return run_in(namespace, read)


def _send_tcp(lab: Lab, payload_bytes: int) -> None:
    server = socket_in(lab.b.namespace, socket.AF_INET, socket.SOCK_STREAM)
    client = socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_STREAM)
    with server, client:
        server.bind((lab.b.ipv4, 9100))
        server.listen()
        client.connect((lab.b.ipv4, 9100))
        connection, _ = server.accept()
        with connection:
            sending = threading.Thread(target=client.sendall, args=(bytes(payload_bytes),))
            sending.start()
            received = 0
            while received < payload_bytes:
                received += len(connection.recv(1 << 20))
            sending.join()


@pytest.mark.parametrize("offload", [True, False])
async def test_tcp_super_packets_count_as_the_segments_on_the_wire(lab: Lab, offload: bool) -> None:
    set_offloads(lab.a.namespace, lab.a.interface, on=offload, features=("tso", "gso"))
    payload_bytes = 3_000_000
    with counter_in(lab.b) as counter:
        await asyncio.to_thread(_send_tcp, lab, payload_bytes)
        counts = await counts_of(counter)
    first_sent, sent_again = _tcp_segments_sent(lab.a.namespace)
    segments = first_sent + sent_again
    (row,) = np.flatnonzero((counts.keys["destination_port"] == 9100) & (counts.keys["packet_type"] == PACKET_HOST))
    value = counts.values[row]
    assert counts.lost_packets == 0
    assert value["wire_packets"] == segments
    assert (value["skb_packets"] < segments / 4) == offload
    # Ethernet 14, IPv4 20, TCP 20 with 12 of time stamps; the SYN has 8 more of options.
    repeated_bytes = int(value["wire_bytes"]) - (payload_bytes + segments * 66 + 8)
    assert 0 <= repeated_bytes <= sent_again * 1448
    assert value["tcp_flags"] & 0x02
    (sizes,) = counts.sizes[counts.sizes["outgoing"] == 0]
    assert sizes["packets"].sum() == segments
    assert sizes["packets"][20] >= payload_bytes // 1448 - 100  # full frames of 1514 bytes
    assert_same_as_interface(counts, lab.b, outgoing=False)


async def test_without_virtio_headers_super_packets_count_once_and_a_note_says_so(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packet_ring, "PACKET_VNET_HDR", 0x7FFF)  # an option that no kernel knows
    with counter_in(lab.b) as counter:
        await asyncio.to_thread(_send_tcp, lab, 1_000_000)
        counts = await counts_of(counter)
    assert "super-packets" in counter.notes[0]
    assert counts.values["wire_packets"].sum() == counts.values["skb_packets"].sum()
    assert counts.values["wire_bytes"].sum() == counts.values["skb_bytes"].sum()
    assert_same_as_interface(counts, lab.b, outgoing=False)


def _counted(counts: RawCounts) -> tuple[dict[bytes, list[int]], dict[tuple[int, int], list[int]]]:
    """Flows and sizes without the times, which two counters take at different instants."""
    names = ("wire_packets", "wire_bytes", "skb_bytes", "skb_packets", "tcp_flags")
    flows = {
        key.tobytes(): [int(value[name]) for name in names]
        for key, value in zip(counts.keys, counts.values, strict=True)
    }
    return flows, {(int(row["ifindex"]), int(row["outgoing"])): row["packets"].tolist() for row in counts.sizes}


def _damaged_frames(random: Random) -> Iterator[bytes]:
    ethernet = bytes.fromhex("020000000077020000000099")
    udp = struct.pack(">HHHH", 5000, 53, 60, 0) + bytes(52)
    ipv4 = struct.pack(">BBHHHBBH", 0x45, 0, 80, 1, 0, 64, 17, 0) + bytes([10, 0, 0, 1, 10, 0, 0, 2])
    first_fragment = struct.pack(">BBHI", 60, 0, 1, 77)
    extended = first_fragment + bytes([6, 0, 1, 4, 0, 0, 0, 0]) + struct.pack(">HHIIBB", 80, 40000, 1, 2, 0x50, 0x18)
    ipv6 = struct.pack(">IHBB", 6 << 28, len(extended) + 40, 44, 64) + bytes(range(32)) + extended + bytes(40)
    sound = [b"\x08\x00" + ipv4 + udp, b"\x86\xdd" + ipv6]
    sound += [struct.pack(">HHHH", 0x88A8, 7, 0x8100, 8) + frame for frame in sound]
    sound.append(b"\x08\x06" + bytes(46))
    for _ in range(1500):
        frame = bytearray(ethernet + random.choice(sound))
        for _ in range(random.randrange(3)):
            frame[random.randrange(12, 60)] = random.choice((0, 1, 6, 17, 44, 58, 60, 135, random.randrange(128)))
        yield bytes(frame[: random.choice((len(frame), random.randrange(18, len(frame))))])


async def test_the_ring_and_the_ebpf_counter_agree_on_damaged_frames(lab: Lab) -> None:
    try:
        other = run_in(lab.b.namespace, partial(BpfPacketCounter.open, 4096))
    except (NotPermittedError, NotSupportedError) as error:
        pytest.skip(str(error))
    with (
        closing(other),
        counter_in(lab.b, max_flows=4096) as counter,
        socket_in(lab.a.namespace, socket.AF_PACKET, socket.SOCK_RAW) as raw,
    ):
        raw.bind((lab.a.interface, 0))
        for frame in _damaged_frames(Random(4)):
            raw.send(frame)
        wait_until_all_has_passed(lab)
        other.switch()
        counts = await counts_of(counter)
        assert counts.values["wire_packets"].sum() > 1400  # the kernel itself drops what is cut within a tag
        assert _counted(counts) == _counted(await other.drain())


async def test_vlan_tags_of_raw_frames(lab: Lab) -> None:
    addresses = b"\x02\x00\x00\x00\x00\x99" + b"\x02\x00\x00\x00\x00\x01"
    udp = struct.pack(">BBHHHBBH8s", 0x45, 0, 48, 1, 0, 64, 17, 0, bytes(8)) + struct.pack(">HHHH", 7, 8, 28, 0)
    tagged = addresses + struct.pack(">HHH", 0x8100, 100, 0x0800) + udp + bytes(20)
    double = addresses + struct.pack(">HHHHH", 0x88A8, 0x6000 | 300, 0x8100, 4, 0x0800) + udp + bytes(20)
    with (
        counter_in(lab.a) as sending,
        counter_in(lab.b) as receiving,
        socket_in(lab.a.namespace, socket.AF_PACKET, socket.SOCK_RAW) as raw,
    ):
        raw.bind((lab.a.interface, 0))
        for frame in (tagged, double):
            raw.send(frame)
        wait_until_all_has_passed(lab)
        for counter, packet_type in ((sending, PACKET_OUTGOING), (receiving, PACKET_OTHERHOST)):
            counts = await counts_of(counter)
            tagged_rows = np.flatnonzero(counts.keys["vlan"])
            found = {int(counts.keys["vlan"][row]): (counts.keys[row], counts.values[row]) for row in tagged_rows}
            assert len(found) == len(tagged_rows)
            assert sorted(found) == [VLAN_PRESENT | 100, VLAN_PRESENT | 300]
            for vlan, frame in ((100, tagged), (300, double)):
                key, value = found[VLAN_PRESENT | vlan]
                assert value["wire_bytes"] == len(frame)
                assert (key["ethertype"], key["packet_type"]) == (0x0800, packet_type)
                assert (key["source_port"], key["destination_port"]) == (7, 8)


async def test_fragments_count_in_the_flow_of_their_datagram(lab: Lab) -> None:
    with counter_in(lab.b) as counter, udp_pair(lab) as (sender, receiver):
        sender.send(bytes(4000))
        receiver.recv(5000)
        counts = await counts_of(counter)
        key, value = only_flow(counts, sender.getsockname()[1])
        assert len(counts.keys) == 1
        assert key["flags"] == 0
        assert value["wire_packets"] == 3
        assert value["wire_bytes"] == 4008 + 3 * 34


async def test_flows_above_the_limit_are_counted_together(lab: Lab) -> None:
    with counter_in(lab.b, max_flows=10) as counter:
        for number in range(30):
            with udp_pair(lab, port=9000 + number) as (sender, receiver):
                sender.send(bytes(100))
                receiver.recv(200)
        counts = await counts_of(counter)
    overflow = counts.keys["flags"] == FLAG_OVERFLOW
    assert (~overflow).sum() == 10
    (rest,) = counts.keys[overflow]
    assert (rest["ifindex"], rest["packet_type"], rest["protocol"]) == (lab.b.index, PACKET_HOST, 17)
    assert not rest["source"].any()
    assert counts.values["wire_packets"][overflow] == 20
    assert counts.values["wire_bytes"].sum() == 30 * 142


async def test_packets_that_found_the_ring_full_are_reported(lab: Lab) -> None:
    ring = run_in(lab.b.namespace, partial(PacketRing.open, 4 << 20))
    with udp_pair(lab) as (sender, _):
        while not (dropped := ring.dropped_packets()):  # nobody reads: four blocks are soon full
            for _ in range(1000):
                sender.send(b"x")
        for _ in range(1000):
            sender.send(b"x")
    wait_until_all_has_passed(lab)
    with closing(RingPacketCounter(ring, 10)) as counter:
        counts = await counts_of(counter)
    received = interface_counters(lab.b.namespace, lab.b.interface)["rx_packets"]
    assert counts.lost_packets > 0
    assert dropped + counts.lost_packets + counts.values["wire_packets"].sum() == received


def _create_tun(name: str) -> tuple[int, int]:
    """Makes a TUN device (no link-layer header, <linux/if_tun.h>) and sets it up; its descriptor and ifindex."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(descriptor, 0x400454CA, struct.pack("16sH22x", name.encode(), 0x0001 | 0x1000))
    with IPRoute() as route:
        (index,) = route.link_lookup(ifname=name)
        route.link("set", index=index, state="up")
    return descriptor, index


async def test_an_interface_that_came_later_and_has_no_link_layer_header(lab: Lab) -> None:
    packet = struct.pack(">BBHHHBBH", 0x45, 0, 60, 1, 0, 64, 17, 0) + bytes([10, 9, 0, 1, 10, 9, 0, 2])
    packet += struct.pack(">HHHH", 5000, 53, 40, 0) + bytes(32)
    with counter_in(lab.a) as counter:
        descriptor, index = run_in(lab.a.namespace, partial(_create_tun, "tun-late"))
        try:
            os.write(descriptor, packet)
            counts = await counts_of(counter)
        finally:
            os.close(descriptor)
    key, value = only_flow(counts, 5000)
    assert (int(key["ifindex"]), int(key["destination_port"])) == (index, 53)
    assert value["wire_bytes"] == len(packet) == 60


def _text_of(path: str) -> str:
    with open(path) as file:
        return file.read()


async def test_closing_frees_everything_and_ends_waiting_drains(lab: Lab) -> None:
    threads = threading.active_count()
    with counter_in(lab.b) as counter:
        counter.switch()
        waiting = asyncio.ensure_future(counter.drain())
        await asyncio.sleep(0)
    with pytest.raises(NetdashError, match="closed"):
        await waiting
    assert threading.active_count() <= threads
    assert "socket:[" not in _text_of("/proc/self/maps")
    assert len(run_in(lab.b.namespace, partial(_text_of, "/proc/thread-self/net/packet")).splitlines()) == 1
    counter.close()


def test_without_the_capability_the_error_names_it() -> None:
    program = (
        "import os\n"
        "from netdash.errors import NotPermittedError\n"
        "from netdash.kernel.ring_counter import RingPacketCounter\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try:\n"
        "    RingPacketCounter.open()\n"
        "except NotPermittedError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "CAP_NET_RAW" in done.stdout
    assert len(done.stdout.splitlines()) == 1
