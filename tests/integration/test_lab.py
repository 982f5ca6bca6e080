"""The harness itself: other tests count bytes in a lab, so a lab must be silent and exact."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import pytest

from netdash.errors import NotSupportedError
from tests.namespaces import Lab, Port, interface_counters, popen_in, run_in, set_offloads, socket_in

pytestmark = pytest.mark.root

ETHERNET_BYTES, IPV4_BYTES, IPV6_BYTES, UDP_BYTES, TCP_BYTES = 14, 20, 40, 8, 32


def send_bulk(lab: Lab, family: int, address: str, length: int) -> None:
    listener = socket_in(lab.b.namespace, family, socket.SOCK_STREAM)
    sender = socket_in(lab.a.namespace, family, socket.SOCK_STREAM)
    with listener, sender:
        listener.bind((address, 0))
        listener.listen()
        sender.connect((address, listener.getsockname()[1]))
        receiver, _ = listener.accept()
        with receiver:
            sent = received = 0
            while received < length:
                if sent < length:
                    sent += sender.send(b"x" * min(65536, length - sent))
                received += len(receiver.recv(1 << 20))


def test_a_datagram_is_all_that_the_counters_show(lab: Lab) -> None:
    for port in (lab.a, lab.b):
        assert not any(interface_counters(port.namespace, port.interface).values())
    expected = 0
    for family, address, header in (
        (socket.AF_INET, lab.b.ipv4, IPV4_BYTES),
        (socket.AF_INET6, lab.b.ipv6, IPV6_BYTES),
    ):
        with (
            socket_in(lab.b.namespace, family, socket.SOCK_DGRAM) as receiver,
            socket_in(lab.a.namespace, family, socket.SOCK_DGRAM) as sender,
        ):
            receiver.bind((address, 9000))
            receiver.settimeout(5)
            sender.sendto(b"x" * 100, (address, 9000))
            assert receiver.recv(1000) == b"x" * 100
        expected += ETHERNET_BYTES + header + UDP_BYTES + 100
    sent = interface_counters(lab.a.namespace, lab.a.interface)
    assert (sent["tx_packets"], sent["tx_bytes"], sent["rx_packets"]) == (2, expected, 0)
    received = interface_counters(lab.b.namespace, lab.b.interface)
    assert (received["rx_packets"], received["rx_bytes"], received["tx_packets"]) == (2, expected, 0)


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_offloads_decide_whether_super_packets_cross(lab: Lab, family: int) -> None:
    address = lab.b.ipv4 if family == socket.AF_INET else lab.b.ipv6
    length = 1_000_000
    segments = length / (1500 - TCP_BYTES - (IPV4_BYTES if family == socket.AF_INET else IPV6_BYTES))

    def packets_of_one_transfer() -> int:
        before = interface_counters(lab.a.namespace, lab.a.interface)["tx_packets"]
        send_bulk(lab, family, address, length)
        return interface_counters(lab.a.namespace, lab.a.interface)["tx_packets"] - before

    assert packets_of_one_transfer() < segments / 2
    for port in (lab.a, lab.b):
        set_offloads(port.namespace, port.interface, on=False)
    assert packets_of_one_transfer() >= segments


def test_everything_is_gone_afterwards_even_if_the_test_failed() -> None:
    labs: list[Lab] = []
    processes: list[subprocess.Popen[bytes]] = []

    def fail_in_a_lab() -> None:
        with Lab() as lab:
            labs.append(lab)
            processes.append(popen_in(lab.a.namespace, [sys.executable, "-c", "import signal; signal.pause()"]))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_in_a_lab()
    assert processes[0].returncode == -signal.SIGKILL
    assert not {labs[0].a.namespace, labs[0].b.namespace} & set(os.listdir("/run/netns"))


def test_an_exception_inside_a_namespace_reaches_the_caller(lab: Lab) -> None:
    def fail() -> None:
        raise LookupError("inside")

    with pytest.raises(LookupError, match="inside"):
        run_in(lab.a.namespace, fail)


def test_a_vlan_carries_traffic_where_the_kernel_has_them(lab: Lab) -> None:
    try:
        a, b = lab.add_vlan(5)
    except NotSupportedError as error:
        pytest.skip(str(error))
    ends: tuple[Port, Port] = (a, b)
    with (
        socket_in(b.namespace, socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket_in(a.namespace, socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind((b.ipv4, 9000))
        receiver.settimeout(5)
        sender.sendto(b"x", (b.ipv4, 9000))
        assert receiver.recv(10) == b"x"
    assert [interface_counters(end.namespace, end.interface)["rx_packets"] for end in ends] == [0, 1]
