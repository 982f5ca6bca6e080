"""One process and its own sockets: every protocol, both versions of IP, raw sockets."""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Iterable
from typing import Final

from tests.integration.scenarios.common import (
    AT_ONCE,
    SECONDS,
    Moved,
    Place,
    UnsupportedError,
    datagrams,
    exchange,
    in_namespace,
    moved,
    receive_all,
    send_stream,
    stream,
)

_MEGABYTE: Final = 1_000_000


def tcp_up(place: Place) -> list[Moved]:
    return [moved(*exchange(place.ipv4, place.port, _MEGABYTE, 0))]


def tcp_down(place: Place) -> list[Moved]:
    return [moved(*exchange(place.ipv4, place.port, 4, _MEGABYTE))]


def tcp_both(place: Place) -> list[Moved]:
    """Both ways at the same time, by two threads."""
    with stream(place.ipv4, place.port) as end:
        sending = threading.Thread(target=send_stream, args=(end, _MEGABYTE, AT_ONCE | _MEGABYTE))
        sending.start()
        received = receive_all(end)
        sending.join()
    return [moved(_MEGABYTE, received)]


def tcp_ipv6(place: Place) -> list[Moved]:
    return [moved(*exchange(place.ipv6, place.port, 300_000, 200_000))]


def udp_connected(place: Place) -> list[Moved]:
    return [datagrams_connected(place.ipv4, place.port, (2, 500, 1400), 700)]


def udp_unconnected(place: Place) -> list[Moved]:
    return [_datagrams_loose(place.ipv4, place.port)]


def udp_ipv6(place: Place) -> list[Moved]:
    return [datagrams_connected(place.ipv6, place.port, (2, 500, 1400), 700)]


def udp_ipv6_unconnected(place: Place) -> list[Moved]:
    return [_datagrams_loose(place.ipv6, place.port)]


def dns(place: Place) -> list[Moved]:
    """Small packets to and from port 53, each from a socket of its own."""
    parts = [datagrams_connected(place.ipv4, 53, (40,), 120) for _ in range(50)]
    return [moved(sum(part.sent for part in parts), sum(part.received for part in parts))]


def datagrams_connected(address: str, port: int, sizes: Iterable[int], answer: int) -> Moved:
    sent = received = 0
    with datagrams(address, port) as end:
        for size in sizes:
            sent += end.send(struct.pack("!H", answer) + bytes(size - 2))
            received += len(end.recv(2000))
    return moved(sent, received)


def _datagrams_loose(address: str, port: int) -> Moved:
    sent = received = 0
    with datagrams(address) as end:
        for size in (10, 600, 1300) * 5:
            sent += end.sendto(struct.pack("!H", 333) + bytes(size - 2), (address, port))
            received += len(end.recvfrom(2000)[0])
    return moved(sent, received)


def icmp_echo(place: Place) -> list[Moved]:
    """What a raw socket receives begins with the IPv4 header."""
    sent = received = 0
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as end:
        end.settimeout(SECONDS)
        for sequence in range(10):
            message = struct.pack("!BBHHH", 8, 0, 0, os.getpid() & 0xFFFF, sequence) + bytes(56)
            checksum = sum(struct.unpack("!32H", message))
            checksum = ~((checksum & 0xFFFF) + (checksum >> 16)) & 0xFFFF
            sent += end.sendto(message[:2] + struct.pack("!H", checksum) + message[4:], (place.ipv4, 0))
            received += len(end.recv(2000))
    return [moved(sent, received)]


def raw_protocol(place: Place) -> list[Moved]:
    sent = received = 0
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, 253) as end:
        end.settimeout(SECONDS)
        for size in (1, 200, 1400):
            sent += end.sendto(bytes(size), (place.ipv4, 0))
            received += len(end.recv(2000))
    return [moved(sent, received)]


def sctp(place: Place) -> list[Moved]:
    """Both ends are its own: the other one lives in the other namespace."""
    protocol = 132
    try:
        end = socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol)
    except OSError as error:
        raise UnsupportedError(f"no SCTP: {error.strerror}") from error
    peer = in_namespace(place.namespace, lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol))
    with end, peer:
        peer.bind((place.ipv4, 0))
        peer.listen()
        end.settimeout(SECONDS)
        end.connect(peer.getsockname())
        other, _ = peer.accept()
        with other:
            for size in (10, 1000, 20_000):
                end.sendall(bytes(size))
                left = size
                while left:
                    left -= len(other.recv(left))
                other.sendall(bytes(100))
                assert end.recv(100, socket.MSG_WAITALL) == bytes(100)
    return [moved(21_010 + 300, 21_010 + 300)]


def frames(place: Place) -> list[Moved]:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as end:
        end.bind((place.interface, 0))
        sent = sum(end.send(bytes(12) + b"\x88\xb5" + bytes(size)) for size in (46, 1000, 1500))
    return [moved(sent, 0)]
