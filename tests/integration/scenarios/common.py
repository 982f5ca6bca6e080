"""What the scenarios share: where they are, what they tell, and their sockets."""

from __future__ import annotations

import ctypes
import json
import os
import re
import socket
import struct
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

AT_ONCE: Final = 1 << 31
"""As in serving.py."""

SECONDS: Final = 20
_LOOK_SECONDS: Final = 0.3
_LOOK_TIME: Final = re.compile(rb'"time":"([^"]+)"')
_HEAD_BYTES: Final = 200
"""What a line begins with: its type, schema and time."""
CLONE_NEWPID: Final = 0x20000000
_CLONE_NEWNET: Final = 0x40000000
_PR_SET_NAME: Final = 15
LIBC: Final = ctypes.CDLL(None, use_errno=True)


class Place(NamedTuple):
    """Where the other ends are."""

    ipv4: str
    ipv6: str
    port: int
    namespace: str
    """Network namespace of the other end."""
    own_ipv4: str
    own_ipv6: str
    own_port: int
    """A server on this side, for who comes from the other one."""
    interface: str
    helper: str | None
    """Path of the compiled helper.c."""
    looks: str | None
    """File to which who watches adds a line at each look; None where that cannot be seen."""


class Moved(NamedTuple):
    """Payload in bytes, as calls had it."""

    pid: int
    """In the initial PID namespace."""
    process_name: str
    sent: int
    received: int


class UnsupportedError(Exception):
    """The scenario cannot run here."""


def looks(place: Place, count: int) -> Iterator[None]:
    """`count` times: at once, and then each time after who watches has looked again, where that can be seen."""
    yield
    for _ in range(count - 1):
        if place.looks is None:
            time.sleep(_LOOK_SECONDS)
        else:
            await_look(Path(place.looks))
        yield


def await_look(output: Path) -> None:
    """Returns when a line of `netdash --json` is there of a look after the call; older ones may still be on the way."""
    now = datetime.now(UTC)
    deadline = time.monotonic() + SECONDS
    with output.open("rb") as file:
        file.seek(0, os.SEEK_END)
        rest = b""
        while True:
            *lines, rest = (rest + file.read()).split(b"\n")
            times = (match for line in lines if (match := _LOOK_TIME.search(line[:_HEAD_BYTES])))
            if any(datetime.fromisoformat(match[1].decode()) > now for match in times):
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"no further look in {output}")
            time.sleep(0.01)


def set_name(name: str) -> None:
    """prctl(2): at most 15 bytes stay."""
    LIBC.prctl(_PR_SET_NAME, name.encode(), 0, 0, 0)


def moved(sent: int, received: int) -> Moved:
    with open("/proc/self/comm") as comm:
        return Moved(os.getpid(), comm.read().rstrip("\n"), sent, received)


def in_child(function: Callable[[], Moved]) -> Callable[[], Moved]:
    """Runs it in a forked process; what comes back waits for its result."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, json.dumps(function()).encode())
        finally:
            os._exit(0)
    os.close(writing)

    def result() -> Moved:
        with os.fdopen(reading) as pipe:
            text = pipe.read()
        os.waitpid(child, 0)
        return Moved(*json.loads(text))

    return result


def stream(address: str, port: int) -> socket.socket:
    return socket.create_connection((address, port), timeout=SECONDS)


def datagrams(address: str, port: int | None = None) -> socket.socket:
    """Connected if there is a port."""
    end = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    end.settimeout(SECONDS)
    if port is not None:
        end.connect((address, port))
    return end


def send_stream(end: socket.socket, size: int, answer: int) -> int:
    """`size` with the prefix."""
    end.sendall(struct.pack("!I", answer))
    for first in range(4, size, 100_000):
        end.sendall(bytes(min(100_000, size - first)))
    end.shutdown(socket.SHUT_WR)
    return size


def receive_all(end: socket.socket) -> int:
    received = 0
    while chunk := end.recv(60_000):
        received += len(chunk)
    return received


def exchange(address: str, port: int, size: int, answer: int) -> tuple[int, int]:
    """One TCP connection."""
    with stream(address, port) as end:
        return send_stream(end, size, answer), receive_all(end)


def in_namespace(namespace: str, make: Callable[[], socket.socket]) -> socket.socket:
    """A socket that lives in another network namespace; this process stays in its own."""
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    enter(namespace)
    try:
        return make()
    finally:
        LIBC.setns(own, _CLONE_NEWNET)
        os.close(own)


def enter(namespace: str) -> None:
    descriptor = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        if LIBC.setns(descriptor, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(descriptor)
