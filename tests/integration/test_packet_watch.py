"""Watched packets from both packet counters, and all the way from the collector, against what was sent."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

import msgspec
import pytest

from netdash.kernel.bpf_counter import BpfPacketCounter
from netdash.kernel.raw_flow import PacketCounter
from netdash.kernel.ring_counter import RingPacketCounter
from netdash.kernel.watch_filter import watch_filter
from netdash.model.packets import (
    LINK_ETHERNET,
    MAX_BYTES_A_SECOND,
    MAX_PACKETS_A_SECOND,
    PacketDelivery,
    PacketWatch,
    WatchedFlow,
    WatchedPacket,
    WatchedPort,
)
from netdash.model.tables import pack_address
from tests.integration.counted_traffic import endpoint, ethernet, ipv4, raw_sender, udp, udp_pair
from tests.namespaces import Lab, Port, run_in, socket_in

pytestmark = pytest.mark.root

_UDP_HEADERS = 14 + 20 + 8
_DONE_SECONDS = 10.0

LAYERS: dict[str, Callable[[], PacketCounter]] = {
    "ebpf": partial(BpfPacketCounter.open, 1024),
    "ring": partial(RingPacketCounter.open, 1024, 32 << 20),
}


@pytest.fixture(params=sorted(LAYERS))
def counter(request: pytest.FixtureRequest, lab: Lab) -> Iterator[PacketCounter]:
    """In namespace `b`."""
    opened = run_in(lab.b.namespace, LAYERS[request.param])
    with contextlib.closing(opened):
        yield opened


def udp_flow(local: socket.socket, remote: socket.socket) -> WatchedFlow:
    (here, port), (there, remote_port) = endpoint(local), endpoint(remote)
    return WatchedFlow(0x0800, 17, pack_address(here), port, pack_address(there), remote_port)


async def fetched(counter: PacketCounter, count: int) -> list[WatchedPacket]:
    """Exactly so many packets: more are waited for as long as a ring takes to hand over what it has."""
    packets: list[WatchedPacket] = []
    deadline = time.monotonic() + _DONE_SECONDS
    while len(packets) < count and time.monotonic() < deadline:
        packets += counter.fetch_packets()[0]
        await asyncio.sleep(0.01)
    counter.switch()
    await counter.drain()
    packets += counter.fetch_packets()[0]
    assert len(packets) == count
    return packets


async def test_the_packets_of_one_flow_both_ways(lab: Lab, counter: PacketCounter) -> None:
    client, server = udp_pair(lab.a, lab.b)
    other, _ = pair = udp_pair(lab.a, lab.b)
    with client, server, pair[0], pair[1]:
        client.send(b"before")
        server.recv(99)
        begin = time.time_ns()
        counter.watch(watch_filter(PacketWatch(flows=(udp_flow(server, client),))))
        for index in range(5):
            client.send(b"question %d" % index)
            other.send(b"unseen")
            server.sendto(b"answer " + bytes(100), endpoint(client))
        packets = await fetched(counter, 10)
        counter.watch(None)
        client.send(b"after")
        await fetched(counter, 0)
    assert [p.data[_UDP_HEADERS:] for p in packets if not p.outgoing] == [b"question %d" % i for i in range(5)]
    assert [p.length for p in packets if p.outgoing] == [_UDP_HEADERS + 107] * 5
    assert {(p.ifindex, p.link, p.vlan) for p in packets} == {(lab.b.index, LINK_ETHERNET, 0)}
    times = [p.time_ns for p in packets]
    assert begin <= times[0] <= times[-1] <= time.time_ns()
    if isinstance(counter, BpfPacketCounter):
        assert times == sorted(times)


async def test_snap_length_and_vlan(lab: Lab, counter: PacketCounter) -> None:
    counter.watch(watch_filter(PacketWatch(everything=True, ifindex=lab.b.index, snap_bytes=200)))
    tagged = ethernet(lab.a, lab.b, 0x8100, b"\x00\x05\x08\x00" + ipv4(lab.a, lab.b, 17, udp(1000)))
    with raw_sender(lab.a) as sender:
        sender.send(tagged)
    (packet,) = await fetched(counter, 1)
    assert (packet.vlan, packet.length, packet.packet_type) == (0x1005, len(tagged) - 4, 0)
    assert packet.data == (tagged[:12] + tagged[16:])[:200]


async def test_a_port_and_the_loopback_device_once(lab: Lab, counter: PacketCounter) -> None:
    here = Port(lab.b.namespace, "lo", 1, "", "127.0.0.1", "::1")
    client, server = udp_pair(here, here)
    with client, server:
        counter.watch(watch_filter(PacketWatch(ports=(WatchedPort(17, endpoint(server)[1]),))))
        client.send(b"hello")
        (packet,) = await fetched(counter, 1)
        server.sendto(b"to another port", endpoint(client))
    assert (packet.ifindex, packet.outgoing, packet.data[_UDP_HEADERS:]) == (1, False, b"hello")


async def test_a_flood_is_cut_and_counted(lab: Lab, counter: PacketCounter) -> None:
    sent = 4 * MAX_PACKETS_A_SECOND
    client, server = udp_pair(lab.a, lab.b)
    with client, server:
        counter.watch(watch_filter(PacketWatch(flows=(udp_flow(server, client),))))
        begin = time.monotonic()
        for _ in range(sent):
            client.send(bytes(1000))
        kept, skipped = 0, 0
        while kept + skipped < sent and time.monotonic() < begin + _DONE_SECONDS:
            packets, more = counter.fetch_packets()
            kept, skipped = kept + len(packets), skipped + more
            await asyncio.sleep(0.01)
        seconds = time.monotonic() - begin + 0.25
    assert kept + skipped == sent
    assert 0 < kept <= MAX_PACKETS_A_SECOND * seconds
    assert kept * (1000 + _UDP_HEADERS) <= MAX_BYTES_A_SECOND * seconds + 2000


async def test_echo(lab: Lab, counter: PacketCounter) -> None:
    asked = WatchedFlow(0x0800, 1, pack_address(lab.b.ipv4), 0, pack_address(lab.a.ipv4), 77, echo=True)
    counter.watch(watch_filter(PacketWatch(flows=(asked,))))
    with socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as ping:
        ping.settimeout(_DONE_SECONDS)
        for identifier in (77, 78):
            message = b"\x08\x00\x00\x00" + identifier.to_bytes(2, "big") + b"\x00\x01"
            ping.sendto(message[:2] + _checksum(message) + message[4:], (lab.b.ipv4, 0))
            ping.recv(99)
    packets = await fetched(counter, 2)
    assert [(p.outgoing, p.data[34]) for p in packets] == [(False, 8), (True, 0)]


def _checksum(message: bytes) -> bytes:
    total = sum(int.from_bytes(message[i : i + 2], "big") for i in range(0, len(message), 2))
    return (0xFFFF - (total % 0xFFFF)).to_bytes(2, "big")


class Reader:
    """A collector in a namespace and what it delivers."""

    def __init__(self, namespace: str, refused: str) -> None:
        environment = {**os.environ, "NETDASH_REFUSE": refused}
        command = [sys.executable, "-m", "tests.integration.packet_reader", namespace]
        self._process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin, self._process.stdout
        while not self._out.readline().startswith(b"snapshot"):
            pass

    def watch(self, watch: PacketWatch | None) -> PacketDelivery:
        """The delivery that begins the watch."""
        self._in.write(msgspec.json.encode(watch) + b"\n")
        self._in.flush()
        return self.delivery()

    def change(self, watch: PacketWatch) -> None:
        """Goes on with the present watch for other packets."""
        self._in.write(b"+" + msgspec.json.encode(watch) + b"\n")
        self._in.flush()

    def delivery(self) -> PacketDelivery:
        while (line := self._out.readline()).startswith(b"snapshot"):
            pass
        assert line, self._process.wait(_DONE_SECONDS)
        return msgspec.json.decode(line, type=PacketDelivery)

    def packets(self, count: int) -> list[WatchedPacket]:
        packets: list[WatchedPacket] = []
        while len(packets) < count:
            packets += self.delivery().packets
        return packets

    def close(self) -> None:
        """Ends it, and at the worst kills it."""
        with self._process:
            self._in.close()
            try:
                assert self._process.wait(_DONE_SECONDS) == 0
            finally:
                self._process.kill()


@contextlib.contextmanager
def reading(namespace: str, refused: str) -> Iterator[Reader]:
    with contextlib.closing(Reader(namespace, refused)) as reader:
        yield reader


@pytest.mark.parametrize("refused", ["exact", "ebpf,exact"])
def test_from_the_collector_to_the_source(lab: Lab, refused: str) -> None:
    """With privilege given up, and one watch after the other."""
    client, server = udp_pair(lab.a, lab.b)
    with reading(lab.b.namespace, refused) as reader, client, server:
        assert reader.watch(PacketWatch(flows=(udp_flow(server, client),))) == PacketDelivery(1)
        client.send(b"one")
        (packet,) = reader.packets(1)
        assert packet.data[_UDP_HEADERS : _UDP_HEADERS + 3] == b"one"
        assert reader.watch(PacketWatch(ports=(WatchedPort(17, 9),))) == PacketDelivery(2)
        client.send(b"of the watch before")
        with socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.sendto(b"two", (lab.b.ipv4, 9))
            (packet,) = reader.packets(1)
        assert packet.data[_UDP_HEADERS : _UDP_HEADERS + 3] == b"two"
        assert (
            reader.watch(PacketWatch(snap_bytes=0)).refused
            == "a packet watch with impossible addresses, ports or lengths"
        )


@pytest.mark.parametrize("refused", ["exact", "ebpf,exact"])
def test_a_watch_that_changes_loses_nothing_of_what_stays(lab: Lab, refused: str) -> None:
    client, server = udp_pair(lab.a, lab.b)
    with reading(lab.b.namespace, refused) as reader, client, server:
        flow = udp_flow(server, client)
        assert reader.watch(PacketWatch(flows=(flow,))) == PacketDelivery(1)
        for number in range(100):
            client.send(b"%d" % number)
            if number % 5 == 0:
                reader.change(PacketWatch(flows=(flow,), ports=(WatchedPort(17, 9000 + number),)))
        found = [packet.data[_UDP_HEADERS : packet.length] for packet in reader.packets(100)]
        assert found == [b"%d" % number for number in range(100)]
        reader.change(PacketWatch(snap_bytes=0))
        while (delivery := reader.delivery()).refused is None:
            assert (delivery.number, delivery.skipped) == (1, 0)


def test_a_process_is_followed_to_its_new_connections(lab: Lab) -> None:
    client, server = udp_pair(lab.a, lab.b)
    with reading(lab.b.namespace, "") as reader, client, server:
        assert reader.watch(PacketWatch(pid=os.getpid())) == PacketDelivery(1)
        client.send(b"to an open port")
        (packet,) = reader.packets(1)
        assert packet.data[_UDP_HEADERS:].startswith(b"to an open port")
        with socket_in(lab.b.namespace, socket.AF_INET, socket.SOCK_DGRAM) as new:
            new.bind((lab.b.ipv4, 0))
            deadline = time.monotonic() + _DONE_SECONDS
            found = False
            while not found and time.monotonic() < deadline:
                client.sendto(b"to a new one", endpoint(new))
                client.sendto(b"and the old", endpoint(server))
                found = any(p.data[_UDP_HEADERS:].startswith(b"to a new one") for p in reader.delivery().packets)
            assert found


def test_without_the_privilege_the_reason_is_told(lab: Lab) -> None:
    with reading(lab.b.namespace, "ebpf,ring,exact") as reader:
        delivery = reader.watch(PacketWatch(everything=True))
        assert delivery.refused is not None
        assert "CAP_NET_RAW" in delivery.refused
