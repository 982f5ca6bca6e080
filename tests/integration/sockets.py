"""Real connections in a network namespace, and what reads of them what the kernel knows."""

from __future__ import annotations

import os
import select
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import pytest
from numpy.typing import NDArray

from netdash.kernel import sock_diag
from netdash.kernel.sock_diag import SocketReader
from netdash.kernel.socket_events import SocketDestroyEvents
from tests.namespaces import run_in, socket_in

SO_COOKIE = 57
TCP, UDP = 6, 17
ESTABLISHED, TIME_WAIT, CLOSE, CLOSE_WAIT, LISTEN = 1, 6, 7, 8, 10
Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def cookie(one: socket.socket) -> int:
    return int.from_bytes(one.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8), sys.byteorder)


def inode(one: socket.socket) -> int:
    return os.fstat(one.fileno()).st_ino


def mapped(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6, address if ":" in address else f"::ffff:{address}")


def row_of(rows: NDArray[np.void], one: socket.socket | int) -> np.void:
    (found,) = rows[rows["cookie"] == (one if isinstance(one, int) else cookie(one))]
    assert isinstance(found, np.void)
    return found


def connect(stack: ExitStack, namespace: str | None, family: int = socket.AF_INET, target: str = "127.0.0.1") -> Pair:
    """A connected client and server socket; the listener is closed."""
    listener_family = socket.AF_INET6 if ":" in target or target == "mapped" else family

    def new(family: int) -> socket.socket:
        made = socket.socket(family) if namespace is None else socket_in(namespace, family, socket.SOCK_STREAM)
        return stack.enter_context(made)

    with new(listener_family) as listener:
        if listener_family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            listener.bind(("::", 0))
        else:
            listener.bind((target, 0))
        listener.listen(5)
        client = new(family)
        client.connect(("127.0.0.1" if target == "mapped" else target, listener.getsockname()[1]))
        server, _ = listener.accept()
    return client, stack.enter_context(server)


def transfer(sender: socket.socket, receiver: socket.socket, size: int) -> None:
    """Moves exactly `size` bytes, a piece at a time so that no buffer fills up."""
    while size:
        piece = min(size, 16384)
        sender.sendall(bytes(piece))
        size -= piece
        while piece:
            piece -= len(receiver.recv(piece))


def await_true(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.005)


@contextmanager
def reader_in(namespace: str, **options: int) -> Iterator[SocketReader]:
    reader = SocketReader(
        include_time_wait=bool(options.get("include_time_wait", False)),
        max_sockets=options.get("max_sockets", sock_diag.MAX_SOCKETS),
    )
    run_in(namespace, reader.open)
    try:
        yield reader
    finally:
        reader.close()


@contextmanager
def events_in(namespace: str) -> Iterator[SocketDestroyEvents]:
    events = SocketDestroyEvents()
    run_in(namespace, events.open)
    try:
        yield events
    finally:
        events.close()


def events_of(events: SocketDestroyEvents, *cookies: int) -> NDArray[np.void]:
    """Reads until the sockets with these cookies have ended."""
    parts: list[NDArray[np.void]] = []
    missing = set(cookies)
    while missing:
        assert select.select([events], [], [], 10)[0], f"no event for {missing}"
        parts.append(events.read())
        missing -= set(parts[-1]["cookie"].tolist())
    return np.concatenate(parts)
