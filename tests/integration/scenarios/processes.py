"""Several processes: short-lived ones, both ends of a connection, shared sockets and ports, another namespace."""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Callable

from tests.integration.scenarios.common import (
    CLONE_NEWPID,
    LIBC,
    SECONDS,
    Moved,
    Place,
    UnsupportedError,
    datagrams,
    enter,
    exchange,
    in_child,
    in_namespace,
    moved,
    receive_all,
    set_name,
    stream,
)
from tests.integration.scenarios.protocols import datagrams_connected


def twenty_processes(place: Place) -> list[Moved]:
    def one(number: int) -> Callable[[], Moved]:
        return in_child(lambda: moved(*exchange(place.ipv4, place.port, 1000 + number, 2000 + number)))

    return [result() for result in [one(number) for number in range(20)]]


def loopback(place: Place) -> list[Moved]:
    """Two processes at the two ends of a TCP connection and of a pair of UDP sockets, each with sockets of its own."""
    reading, writing = os.pipe()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> Moved:
            with datagrams("127.0.0.1") as far:
                far.bind(("127.0.0.1", 0))
                os.write(writing, struct.pack("=H", far.getsockname()[1]))
                connection, _ = listener.accept()
                with connection:
                    received = receive_all(connection)
                    connection.sendall(bytes(70_000))
                data, sender = far.recvfrom(2000)
                return moved(70_000 + far.sendto(bytes(300), sender), received + len(data))

        result = in_child(serve)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            (far_port,) = struct.unpack("=H", pipe.read(2))
        with socket.create_connection(listener.getsockname(), timeout=SECONDS) as end:
            end.sendall(bytes(150_000))
            end.shutdown(socket.SHUT_WR)
            received = receive_all(end)
        with datagrams("127.0.0.1") as near:
            sent = near.sendto(bytes(1000), ("127.0.0.1", far_port))
            received += len(near.recv(2000))
        return [moved(150_000 + sent, received), result()]


def container(place: Place) -> list[Moved]:
    """In the other network namespace and number 1 of a PID namespace of its own."""
    enter(place.namespace)
    if LIBC.unshare(CLONE_NEWPID) != 0:
        raise UnsupportedError("no PID namespaces")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        assert os.getpid() == 1
        sent, received = exchange(place.own_ipv4, place.own_port, 40_000, 60_000)
        part = datagrams_connected(place.own_ipv4, place.own_port, (100, 900), 50)
        os.write(writing, json.dumps([part.process_name, sent + part.sent, received + part.received]).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        name, sent, received = json.loads(pipe.read())
    os.waitpid(child, 0)
    return [Moved(child, name, sent, received)]


def forked(place: Place) -> list[Moved]:
    """A child sends on its parent's connection."""
    with stream(place.ipv4, place.port) as end:
        end.sendall(struct.pack("!I", 5000) + bytes(9996))

        def child() -> Moved:
            end.sendall(bytes(20_000))
            return moved(20_000, 0)

        of_child = in_child(child)()
        end.shutdown(socket.SHUT_WR)
        return [moved(10_000, receive_all(end)), of_child]


def passed(place: Place) -> list[Moved]:
    """A process uses a socket that another one opened and passed to it (SCM_RIGHTS)."""
    giver, taker = socket.socketpair()
    with giver, taker:

        def child() -> Moved:
            set_name("nd-passed-to")
            _, (descriptor,), _, _ = socket.recv_fds(taker, 1, 1)
            with socket.socket(fileno=descriptor) as end:
                sent = end.send(struct.pack("!H", 900) + bytes(498))
                return moved(sent, len(end.recv(2000)))

        result = in_child(child)
        with datagrams(place.ipv4, place.port) as end:
            sent = end.send(struct.pack("!H", 80) + bytes(198))
            received = len(end.recv(2000))
            end.settimeout(None)
            socket.send_fds(giver, [b"x"], [end.fileno()])
            return [result(), moved(sent, received)]


def reuse_port_tcp(place: Place) -> list[Moved]:
    """Two processes listen on one port; this one connects from the other side until both have been asked."""

    def serve(listener: socket.socket) -> Moved:
        sent = received = 0
        while True:
            connection, _ = listener.accept()
            with connection:
                got = receive_all(connection)
                connection.sendall(bytes(100 + got))
            received += got
            sent += 100 + got
            if got == 1:
                return moved(sent, received)

    def ask(size: int) -> tuple[int, int]:
        with in_namespace(place.namespace, lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as end:
            end.settimeout(SECONDS)
            end.connect((place.own_ipv4, port))
            end.sendall(bytes(size))
            end.shutdown(socket.SHUT_WR)
            return size, receive_all(end)

    listeners = _sharing(place.own_ipv4, socket.SOCK_STREAM)
    port = listeners[0].getsockname()[1]
    return _until_both_end(listeners, serve, ask)


def reuse_port_udp(place: Place) -> list[Moved]:
    """As with TCP."""

    def serve(end: socket.socket) -> Moved:
        sent = received = 0
        while True:
            data, sender = end.recvfrom(2000)
            received += len(data)
            sent += end.sendto(bytes(100 + len(data)), sender)
            if len(data) == 1:
                return moved(sent, received)

    def ask(size: int) -> tuple[int, int]:
        with in_namespace(place.namespace, lambda: datagrams(place.own_ipv4)) as end:
            end.connect((place.own_ipv4, port))
            return end.send(bytes(size)), len(end.recv(2000))

    ends = _sharing(place.own_ipv4, socket.SOCK_DGRAM)
    port = ends[0].getsockname()[1]
    return _until_both_end(ends, serve, ask)


def _sharing(address: str, kind: socket.SocketKind) -> list[socket.socket]:
    """Two sockets on one port (SO_REUSEPORT)."""
    ends: list[socket.socket] = []
    for _ in range(2):
        end = socket.socket(socket.AF_INET, kind)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        end.bind((address, ends[0].getsockname()[1] if ends else 0))
        if kind == socket.SOCK_STREAM:
            end.listen()
        ends.append(end)
    return ends


def _until_both_end(
    ends: list[socket.socket], serve: Callable[[socket.socket], Moved], ask: Callable[[int], tuple[int, int]]
) -> list[Moved]:
    """A request of one byte ends the server that gets it; then its socket is closed and the other gets the rest."""

    def one(number: int) -> Callable[[], Moved]:
        def run() -> Moved:
            ends[1 - number].close()
            return serve(ends[number])

        return in_child(run)

    results = [one(number) for number in range(2)]
    for end in ends:
        end.close()
    asked = [ask(500 + number) for number in range(20)]
    for _ in range(2):
        asked.append(ask(1))
        # Only once the first has ended does nothing reach its socket any more.
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
    served = [result() for result in results]
    return [*served, moved(sum(sent for sent, _ in asked), sum(received for _, received in asked))]
