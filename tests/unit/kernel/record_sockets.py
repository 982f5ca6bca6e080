"""Records the netlink messages in `data/sockets_*.bin`: `python -m tests.unit.kernel.record_sockets`, as root.

The sockets are made in a namespace of their own, each with a port that the tests know it by.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from contextlib import ExitStack
from pathlib import Path

from netdash.kernel.socket_events import SocketDestroyEvents
from tests.namespaces import Lab, run_in

Pair = tuple[socket.socket, socket.socket]

DATA = Path(__file__).parent / "data"

_REQUEST = struct.Struct("=IHHIIBBBBI48x")


def record() -> None:
    """Makes the sockets, dumps them as root and as a plain user, then records how they end."""
    with Lab() as lab:
        run_in(lab.a.namespace, _record_here)


def _record_here() -> None:
    with ExitStack() as stack:
        events = SocketDestroyEvents()
        events.open()
        stack.callback(events.close)
        with ExitStack() as sockets:
            _make_tcp(sockets)
            _make_udp(sockets)
            for name, family, protocol, extension in (
                ("tcp4", socket.AF_INET, socket.IPPROTO_TCP, 0x02),
                ("tcp6", socket.AF_INET6, socket.IPPROTO_TCP, 0x02),
                ("udp4", socket.AF_INET, socket.IPPROTO_UDP, 0x40),
                ("udp6", socket.AF_INET6, socket.IPPROTO_UDP, 0x40),
            ):
                _write(f"sockets_{name}_root.bin", _dump(family, protocol, extension))
            os.seteuid(65534)
            try:
                as_user = _dump(socket.AF_INET, socket.IPPROTO_TCP, 0x02)
            finally:
                os.seteuid(0)
            _write("sockets_tcp4_user.bin", as_user)
        _write("sockets_destroyed.bin", _receive_events(events))


def _make_tcp(stack: ExitStack) -> None:
    def new(family: int, address: tuple[str, int]) -> socket.socket:
        made = stack.enter_context(socket.socket(family))
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        return made

    def connect(source: tuple[str, int], target: tuple[str, int], listener: socket.socket) -> Pair:
        client = new(socket.AF_INET6 if ":" in source[0] else socket.AF_INET, source)
        client.connect(target)
        server, _ = listener.accept()
        return client, stack.enter_context(server)

    listener = new(socket.AF_INET, ("127.0.0.1", 4000))
    listener.listen(7)
    any4 = new(socket.AF_INET, ("0.0.0.0", 4004))
    any4.listen(8)
    any6 = new(socket.AF_INET6, ("::", 4005))
    any6.listen(9)
    target4 = ("127.0.0.1", 4000)
    client, server = connect(("127.0.0.1", 4001), target4, listener)
    _transfer(client, server, 1000)
    _transfer(server, client, 250)
    client, server = connect(("127.0.0.1", 4002), target4, listener)
    _transfer(client, server, 10)
    client.shutdown(socket.SHUT_WR)
    client, server = connect(("127.0.0.1", 4003), target4, listener)
    _transfer(client, server, 5)
    client.close()
    server.close()
    client, server = connect(("127.0.0.1", 4006), ("127.0.0.1", 4005), any6)
    _transfer(client, server, 44)
    client, server = connect(("::1", 4007), ("::1", 4005), any6)
    _transfer(client, server, 33)
    time.sleep(0.1)


def _make_udp(stack: ExitStack) -> None:
    def new(family: int, address: tuple[str, int]) -> socket.socket:
        made = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        made.bind(address)
        return made

    new(socket.AF_INET, ("0.0.0.0", 4100))
    connected = new(socket.AF_INET, ("127.0.0.1", 4101))
    connected.connect(("127.0.0.1", 4100))
    new(socket.AF_INET6, ("::", 4102))
    full = new(socket.AF_INET, ("127.0.0.1", 4103))
    full.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    sender = new(socket.AF_INET, ("127.0.0.1", 4104))
    for _ in range(20):
        sender.sendto(bytes(1000), ("127.0.0.1", 4103))


def _transfer(sender: socket.socket, receiver: socket.socket, size: int) -> None:
    sender.sendall(bytes(size))
    while size:
        size -= len(receiver.recv(size))


def _dump(family: int, protocol: int, extension: int) -> bytes:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4) as netlink:
        netlink.bind((0, 0))
        netlink.send(_REQUEST.pack(_REQUEST.size, 20, 0x301, 1, 0, family, protocol, extension, 0, 0xFFF))
        data = b""
        while struct.unpack_from("=IH", data[-20:].ljust(20)) != (20, 3):
            data += netlink.recv(1 << 16)
        return data[:-20]


def _receive_events(events: SocketDestroyEvents) -> bytes:
    netlink = socket.socket(fileno=os.dup(events.fileno()))
    with netlink:
        netlink.settimeout(1)
        data = b""
        try:
            while True:
                data += netlink.recv(1 << 16)
        except TimeoutError:
            return data


def _write(name: str, data: bytes) -> None:
    (DATA / name).write_bytes(data)


if __name__ == "__main__":
    record()
