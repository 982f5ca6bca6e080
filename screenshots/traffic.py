"""A small busy server between two network namespaces: named processes, each with its own kind of traffic.

Run inside a namespace: `python -m screenshots.traffic serve` answers; `python -m screenshots.traffic NAME ...` is one
process.
"""

from __future__ import annotations

import ctypes
import selectors
import socket
import sys
import time
from collections.abc import Callable

PR_SET_NAME = 15

PEERS = tuple(f"10.77.0.{host}" for host in range(2, 14))
"""Addresses of the far side."""

TCP_PORTS = (22, 443, 873, 5432, 6379, 8080)
UDP_PORTS = (53, 123, 4500)

_TICK_SECONDS = 0.02


def name_process(name: str) -> None:
    """Sets the name that ps(1) shows, prctl(2)."""
    ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode(), 0, 0, 0)


def serve() -> None:
    """Takes everything on all ports of all addresses; answers each request with as many bytes as it asks for."""
    name_process("far-side")
    selector = selectors.DefaultSelector()
    for port in TCP_PORTS:
        listener = socket.create_server(("0.0.0.0", port), backlog=256)
        selector.register(listener, selectors.EVENT_READ, _accept)
    for port in UDP_PORTS:
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagrams.bind(("0.0.0.0", port))
        selector.register(datagrams, selectors.EVENT_READ, _answer)
    while True:
        for key, _ in selector.select():
            handler: Callable[[selectors.BaseSelector, socket.socket], None] = key.data
            assert isinstance(key.fileobj, socket.socket)
            handler(selector, key.fileobj)


def _accept(selector: selectors.BaseSelector, listener: socket.socket) -> None:
    connection, _ = listener.accept()
    selector.register(connection, selectors.EVENT_READ, _reply)


def _reply(selector: selectors.BaseSelector, connection: socket.socket) -> None:
    """The first eight digits of what comes say how many bytes go back."""
    data = connection.recv(1 << 20)
    if not data:
        selector.unregister(connection)
        connection.close()
    elif data[:8].isdigit() and int(data[:8]):
        connection.sendall(bytes(int(data[:8])))


def _answer(_: selectors.BaseSelector, datagrams: socket.socket) -> None:
    data, sender = datagrams.recvfrom(2048)
    datagrams.sendto(bytes(120 if len(data) < 200 else 40), sender)


def exchange(name: str, port: int, connections: int, up_bytes: int, down_bytes: int) -> None:
    """TCP connections to different peers; each tick sends `up_bytes` and asks for `down_bytes` on every one."""
    name_process(name)
    opened = [_connected(PEERS[i % len(PEERS)], port) for i in range(connections)]
    started = time.monotonic()
    for tick in range(1, 1_000_000):
        for index, connection in enumerate(opened):
            share = 1 + (index * 7 + tick // 50) % 5
            request = b"%08d" % (down_bytes * share // 3)
            connection.sendall(request + bytes(max(0, up_bytes * share // 3 - len(request))))
            left = int(request)
            while left:
                left -= len(connection.recv(left))
        time.sleep(max(0.0, started + tick * _TICK_SECONDS - time.monotonic()))


def _connected(peer: str, port: int) -> socket.socket:
    """A connection, as soon as the far side listens."""
    while True:
        try:
            return socket.create_connection((peer, port))
        except ConnectionRefusedError:
            time.sleep(_TICK_SECONDS)


def datagrams(name: str, port: int, size: int) -> None:
    """UDP to one peer after the other."""
    name_process(name)
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for tick in range(1_000_000):
        sender.sendto(bytes(size), (PEERS[tick // 100 % 3], port))
        sender.recv(2048)
        time.sleep(_TICK_SECONDS)


def main(arguments: list[str]) -> None:
    """One process of the scene."""
    match arguments:
        case ["serve"]:
            serve()
        case ["tcp", name, *numbers]:
            exchange(name, *map(int, numbers))
        case ["udp", name, port, size]:
            datagrams(name, int(port), int(size))


if __name__ == "__main__":
    main(sys.argv[1:])
