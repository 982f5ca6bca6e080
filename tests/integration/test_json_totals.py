"""What `netdash --json` says against what was sent, to the byte."""

from __future__ import annotations

import os
import socket
import struct
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.running import JsonObject, flow, interface, observe
from tests.namespaces import Lab, Port, run_in, set_offloads, socket_in

pytestmark = pytest.mark.root

ETHERNET, IPV4, IPV6, UDP, ICMP = 14, 20, 40, 8, 8
TCP_WITH_TIMESTAMPS = 32
SYN_OPTIONS_MORE = 8
"""A SYN's header is 40 bytes: maximum segment size, window scale and timestamps, padded."""


class Echo:
    """A connected TCP pair across the lab; `close` ends both sides in order."""

    def __init__(self, lab: Lab, family: socket.AddressFamily, stack: ExitStack) -> None:
        address = lab.b.ipv4 if family == socket.AF_INET else lab.b.ipv6
        self.listener = stack.enter_context(socket_in(lab.b.namespace, family, socket.SOCK_STREAM))
        self.listener.bind((address, 0))
        self.listener.listen()
        self.client = stack.enter_context(socket_in(lab.a.namespace, family, socket.SOCK_STREAM))
        self.client.connect(self.listener.getsockname()[:2])
        self.server = stack.enter_context(self.listener.accept()[0])

    @property
    def ports(self) -> tuple[int, int]:
        return self.client.getsockname()[1], self.listener.getsockname()[1]

    def move(self, up_bytes: int, down_bytes: int) -> None:
        """Sends so much each way and waits until it has arrived."""
        for sender, receiver, total in (
            (self.client, self.server, up_bytes),
            (self.server, self.client, down_bytes),
        ):
            for _ in range(0, total, 50_000):
                sender.sendall(bytes(50_000))
                left = 50_000
                while left:
                    left -= len(receiver.recv(left))


def sent_bytes(connection: socket.socket) -> int:
    """Payload that left the socket, retransmissions included: `tcpi_bytes_sent` of struct tcp_info, <linux/tcp.h>."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 208)
    return int.from_bytes(info[200:208], "little")


def switch_sack_off() -> None:
    """Without selective acknowledgments every header after the SYN's is of one size, whatever the scheduler
    reorders."""
    Path("/proc/sys/net/ipv4/tcp_sack").write_text("0")


def tcp_wire_bytes(payload: int, packets: int, ip_header: int) -> int:
    return payload + packets * (ETHERNET + ip_header + TCP_WITH_TIMESTAMPS) + SYN_OPTIONS_MORE


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
@pytest.mark.parametrize("offloads", [False, True])
def test_tcp_both_ways(lab: Lab, family: socket.AddressFamily, offloads: bool) -> None:
    for port in (lab.a, lab.b):
        set_offloads(port.namespace, port.interface, offloads)
        run_in(port.namespace, switch_sack_off)
    pairs: list[Echo] = []
    # The connection stays open until the run has ended: a poll can only name the owner of what it sees.
    with ExitStack() as stack:

        def traffic() -> None:
            echo = Echo(lab, family, stack)
            pairs.append(echo)
            echo.move(2_000_000, 500_000)

        summary = observe(lab.a.namespace, traffic)
        local_port, remote_port = pairs[0].ports
        up_bytes, down_bytes = sent_bytes(pairs[0].client), sent_bytes(pairs[0].server)
    row = flow(summary, interface=lab.a.interface, local_port=local_port, remote_port=remote_port)
    header = IPV4 if family == socket.AF_INET else IPV6
    assert row["protocol"] == "tcp"
    assert row["tx_bytes"] == tcp_wire_bytes(up_bytes, row["tx_packets"], header)
    assert row["rx_bytes"] == tcp_wire_bytes(down_bytes, row["rx_packets"], header)
    # Each segment carries at most 1448 bytes (1428 over IPv6).
    assert row["tx_packets"] >= 2_000_000 / (1500 - header - TCP_WITH_TIMESTAMPS)
    assert (row["tx_payload"], row["rx_payload"]) == (2_000_000, 500_000)
    assert (row["pid"], row["attribution"]) == (os.getpid(), "exact")
    counted_equals_counter(summary, lab.a)
    if not offloads:
        seen = interface(summary, lab.a.interface)
        assert (seen["rx_bytes"], seen["tx_bytes"]) == (row["rx_bytes"], row["tx_bytes"])
        assert (seen["rx_packets"], seen["tx_packets"]) == (row["rx_packets"], row["tx_packets"])


def counted_equals_counter(summary: JsonObject, port: Port) -> None:
    accounting = summary["accounting"][port.interface]
    assert accounting["counted_bytes"] == accounting["kernel_bytes"]
    parts = ("attributed_bytes", "forwarded_bytes", "kernel_socket_bytes", "unattributed_bytes")
    assert sum(accounting[part] for part in parts) == accounting["counted_bytes"]


@pytest.mark.parametrize(("family", "header"), [(socket.AF_INET, IPV4), (socket.AF_INET6, IPV6)])
def test_udp_connected_and_not(lab: Lab, family: socket.AddressFamily, header: int) -> None:
    address = lab.b.ipv4 if family == socket.AF_INET else lab.b.ipv6
    ports: list[int] = []
    with ExitStack() as stack:
        server = stack.enter_context(socket_in(lab.b.namespace, family, socket.SOCK_DGRAM))
        server.bind((address, 0))
        connected, loose = (
            stack.enter_context(socket_in(lab.a.namespace, family, socket.SOCK_DGRAM)) for _ in range(2)
        )

        def traffic() -> None:
            connected.connect(server.getsockname()[:2])
            for _ in range(300):
                connected.send(bytes(100))
                loose.sendto(bytes(1000), server.getsockname()[:2])
                server.recv(2000)
                _, sender = server.recvfrom(2000)
                server.sendto(bytes(10), sender[:2])
            ports.extend((connected.getsockname()[1], loose.getsockname()[1]))

        summary = observe(lab.a.namespace, traffic)
    headers = ETHERNET + header + UDP
    row = flow(summary, protocol="udp", local_port=ports[0])
    assert (row["tx_packets"], row["tx_bytes"]) == (300, 300 * (100 + headers))
    assert (row["attribution"], row["pid"]) == ("exact", os.getpid())
    row = flow(summary, protocol="udp", local_port=ports[1])
    assert (row["tx_packets"], row["tx_bytes"]) == (300, 300 * (1000 + headers))
    assert (row["rx_packets"], row["rx_bytes"]) == (300, 300 * (10 + headers))
    assert (row["attribution"], row["pid"]) == ("exact", os.getpid())
    counted_equals_counter(summary, lab.a)


def test_large_datagrams_count_with_all_their_fragments(lab: Lab) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(socket_in(lab.b.namespace, socket.AF_INET, socket.SOCK_DGRAM))
        server.bind((lab.b.ipv4, 0))
        client = stack.enter_context(socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_DGRAM))

        def traffic() -> None:
            for _ in range(20):
                client.sendto(bytes(8000), server.getsockname())
                assert len(server.recv(9000)) == 8000

        summary = observe(lab.a.namespace, traffic)
    # 8008 bytes of UDP in pieces of 1480: six frames, each with its own Ethernet and IP header.
    row = flow(summary, protocol="udp")
    assert (row["tx_packets"], row["tx_bytes"]) == (20 * 6, 20 * (8000 + UDP + 6 * (ETHERNET + IPV4)))
    assert row["pid"] == os.getpid()
    counted_equals_counter(summary, lab.a)


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    folded: int = (total >> 16) + (total & 0xFFFF)
    return ~(folded + (folded >> 16)) & 0xFFFF


def test_ping_seen_from_both_ends(lab: Lab) -> None:
    """The side that is asked answers by itself: its bytes are the kernel's."""

    def traffic() -> None:
        with socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
            for sequence in range(50):
                body = struct.pack("!BBHHH", 8, 0, 0, 4242, sequence) + bytes(56)
                request = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
                raw.sendto(request, (lab.b.ipv4, 0))
                assert raw.recv(200)[20] == 0

    asked = observe(lab.b.namespace, traffic)
    row = flow(asked, protocol="icmp")
    size = 50 * (ETHERNET + IPV4 + ICMP + 56)
    assert (row["rx_bytes"], row["tx_bytes"], row["remote_port"]) == (size, size, 4242)
    assert row["attribution"] == "kernel"
    assert asked["accounting"][lab.b.interface]["kernel_socket_bytes"] == 2 * size
    assert asked["protocols"][lab.b.interface]["icmp"]["rx_packets"] == 50
    asking = observe(lab.a.namespace, traffic)
    assert flow(asking, protocol="icmp")["local_port"] == 4242


def test_many_flows(lab: Lab) -> None:
    count, size = 3000, 200
    with ExitStack() as stack:
        server = stack.enter_context(socket_in(lab.b.namespace, socket.AF_INET, socket.SOCK_DGRAM))
        server.bind((lab.b.ipv4, 0))
        raw = stack.enter_context(socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW))

        def traffic() -> None:
            for port in range(count):
                udp = struct.pack("!HHHH", 10_000 + port, server.getsockname()[1], UDP + size, 0) + bytes(size)
                ip = struct.pack("!BBHHHBBH", 0x45, 0, 0, 0, 0, 64, 17, 0)
                addresses = socket.inet_aton(lab.a.ipv4) + socket.inet_aton(lab.b.ipv4)
                raw.sendto(ip + addresses + udp, (lab.b.ipv4, 0))

        summary = observe(lab.a.namespace, traffic)
    rows = [f for f in summary["flows"] if f["protocol"] == "udp"]
    assert len(rows) == count
    assert {f["tx_bytes"] for f in rows} == {size + ETHERNET + IPV4 + UDP}
    assert {f["local_port"] for f in rows} == set(range(10_000, 10_000 + count))
    counted_equals_counter(summary, lab.a)


def test_tagged_frames_show_their_vlan(lab: Lab) -> None:
    frame = (
        bytes.fromhex(lab.b.mac.replace(":", ""))
        + bytes.fromhex(lab.a.mac.replace(":", ""))
        + struct.pack("!HHH", 0x8100, 17, 0x0800)
        + struct.pack("!BBHHHBBH", 0x45, 0, IPV4 + UDP + 100, 0, 0, 64, 17, 0)
        + socket.inet_aton("192.0.2.1")
        + socket.inet_aton("192.0.2.2")
        + struct.pack("!HHHH", 1000, 2000, UDP + 100, 0)
        + bytes(100)
    )

    def traffic() -> None:
        with socket_in(lab.a.namespace, socket.AF_PACKET, socket.SOCK_RAW) as sender:
            sender.bind((lab.a.interface, 0))
            for _ in range(40):
                sender.send(frame)

    summary = observe(lab.b.namespace, traffic)
    row = flow(summary, vlan=17)
    assert (row["local"], row["remote"], row["local_port"]) == ("192.0.2.2", "192.0.2.1", 2000)
    assert (row["rx_packets"], row["rx_bytes"]) == (40, 40 * len(frame))
    assert row["attribution"] == "forwarded"


def test_loopback_shows_both_ends(lab: Lab) -> None:
    def traffic() -> None:
        with ExitStack() as stack:
            receiver, sender = (
                stack.enter_context(socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(2)
            )
            receiver.bind(("127.0.0.1", 7001))
            sender.bind(("127.0.0.1", 7002))
            for _ in range(100):
                sender.sendto(bytes(500), ("127.0.0.1", 7001))
                receiver.recv(600)

    summary = observe(lab.a.namespace, traffic)
    size = 100 * (500 + ETHERNET + IPV4 + UDP)
    sending, receiving = flow(summary, local_port=7002), flow(summary, local_port=7001)
    assert (sending["tx_bytes"], sending["rx_bytes"]) == (size, 0)
    assert (receiving["tx_bytes"], receiving["rx_bytes"]) == (0, size)
    counted_equals_counter(summary, Port(lab.a.namespace, "lo", 1, "", "", ""))


def test_non_ip_frames_and_other_protocols(lab: Lab) -> None:
    lldp = bytes.fromhex("0180c200000e" + lab.a.mac.replace(":", "") + "88cc") + bytes(50)

    def traffic() -> None:
        with socket_in(lab.a.namespace, socket.AF_PACKET, socket.SOCK_RAW) as sender:
            sender.bind((lab.a.interface, 0))
            for _ in range(7):
                sender.send(lldp)
        with socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_RAW, 253) as raw:
            raw.sendto(bytes(80), (lab.b.ipv4, 0))

    summary = observe(lab.a.namespace, traffic)
    row = flow(summary, protocol="lldp")
    assert (row["tx_bytes"], row["local"], row["remote"]) == (7 * len(lldp), None, None)
    assert flow(summary, protocol="ip-253")["tx_bytes"] == 80 + ETHERNET + IPV4
    protocols = summary["protocols"][lab.a.interface]
    assert protocols["non_ip"]["tx_bytes"] == 7 * len(lldp)
    assert protocols["other_ip"]["tx_packets"] == 1


def test_one_interface_alone(lab: Lab) -> None:
    def traffic() -> None:
        with socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(bytes(500), ("127.0.0.1", 7001))
            sender.sendto(bytes(500), (lab.b.ipv4, 7001))

    summary = observe(lab.a.namespace, traffic, [lab.a.interface])
    assert {i["name"] for i in summary["interfaces"]} == {lab.a.interface}
    assert {f["interface"] for f in summary["flows"]} == {lab.a.interface}
