"""--capture-filter: exactly the packets that match are counted, both ways of counting, with and without Ethernet."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from collections.abc import Callable, Iterator
from ctypes.util import find_library
from functools import partial

import pytest

from tests.integration.running import observe
from tests.namespaces import create_namespace, remove_namespace, run_in

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(find_library("pcap") is None, reason="libpcap is not installed"),
]

NAMESPACE = "netdash-capture"
SIOCGIFFLAGS, SIOCSIFFLAGS, TUNSETIFF = 0x8913, 0x8914, 0x400454CA
IFF_UP, IFF_TUN, IFF_NO_PI = 1, 1, 0x1000
WANTED, OTHERS = 5, 7


def _up(name: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = fcntl.ioctl(control, SIOCGIFFLAGS, struct.pack("16sH22x", name, 0))
        flags = struct.unpack_from("H", request, 16)[0] | IFF_UP
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH22x", name, flags))


def _tun() -> int:
    descriptor = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", b"tun0", IFF_TUN | IFF_NO_PI))
    return descriptor


@pytest.fixture
def tun() -> Iterator[int]:
    """A TUN device, whose packets begin with the IP header, beside the loopback device."""
    create_namespace(NAMESPACE)
    try:
        descriptor = run_in(NAMESPACE, _tun)
        for name in (b"lo", b"tun0"):
            run_in(NAMESPACE, partial(_up, name))
        yield descriptor
        os.close(descriptor)
    finally:
        remove_namespace(NAMESPACE)


def _udp(port: int) -> bytes:
    """IPv4 and UDP from 8.0.1.2: bytes 12 and 13 are what an Ethernet frame of IPv4 has there."""
    addresses = socket.inet_aton("8.0.1.2") + socket.inet_aton("8.0.1.3")
    return struct.pack(">BBHHHBBH", 0x45, 0, 32, 1, 0, 64, 17, 0) + addresses + struct.pack(">HHHHI", 9, port, 12, 0, 0)


def _send(tun: int) -> Callable[[], None]:
    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for port, count in ((80, WANTED), (81, OTHERS)):
                for _ in range(count):
                    sender.sendto(b"x", ("127.0.0.1", port))
                    os.write(tun, _udp(port))

    return lambda: run_in(NAMESPACE, send)


@pytest.mark.parametrize("refused", ["", "ebpf"], ids=["ebpf", "ring"])
def test_counts_exactly_what_matches(tun: int, refused: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETDASH_REFUSE", refused)
    summary = observe(NAMESPACE, _send(tun), ["--capture-filter", "udp port 80"])
    assert summary["mode"]["flows"] == ("ring" if refused else "ebpf")
    udp = {(f["interface"], f["local_port"], f["remote_port"]): f for f in summary["flows"] if f["protocol"] == "udp"}
    assert all(80 in ports for _, *ports in udp)
    counted = {
        name: sum(f["rx_packets"] for (interface, *_), f in udp.items() if interface == name) for name in ("lo", "tun0")
    }
    assert counted == {"lo": WANTED, "tun0": WANTED}
    assert any("filtered: only packets that match 'udp port 80'" in note for note in summary["health"]["notes"])
    assert summary["accounting"]["lo"]["kernel_bytes"] is None
