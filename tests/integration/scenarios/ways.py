"""One process that sends and receives in other ways, or at another pace, than call by call."""

from __future__ import annotations

import os
import select
import socket
import struct
import subprocess
import tempfile
from typing import Final

from tests.integration.scenarios.common import (
    AT_ONCE,
    SECONDS,
    Moved,
    Place,
    UnsupportedError,
    datagrams,
    exchange,
    looks,
    moved,
    receive_all,
    send_stream,
    stream,
)

_REFUSED: Final = 77
"""Exit status of helper.c."""


def sendfile(place: Place) -> list[Moved]:
    size = 400_000
    with stream(place.ipv4, place.port) as end, tempfile.TemporaryFile() as file:
        file.write(struct.pack("!I", 1000))
        file.truncate(size)
        file.flush()
        sent = 0
        while sent < size:
            # The descriptor does not block, because the connection has a timeout.
            select.select([], [end], [], SECONDS)
            sent += os.sendfile(end.fileno(), file.fileno(), sent, size - sent)
        end.shutdown(socket.SHUT_WR)
        return [moved(sent, receive_all(end))]


def splice(place: Place) -> list[Moved]:
    """Reads by splice(2) alone, over several looks."""
    reading, writing = os.pipe()
    received, size = 0, 600_000
    with stream(place.ipv4, place.port) as end, open(os.devnull, "wb") as sink:
        end.settimeout(None)
        # The rest waits at the other end: a connection of which all has come is in no listing any more.
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 15)
        sent = send_stream(end, 100, size)
        for look, _ in enumerate(looks(place, 5), start=1):
            while received < size * look // 5 and (got := os.splice(end.fileno(), writing, 1 << 14)):
                received += got
                while got:
                    got -= os.splice(reading, sink.fileno(), got)
        assert os.splice(end.fileno(), writing, 1) == 0
    return [moved(sent, received)]


def long_lived(place: Place) -> list[Moved]:
    """A connection that moves something both ways, over several looks."""
    sent, received, size = 4, 0, 300_000
    with stream(place.ipv4, place.port) as end:
        end.sendall(struct.pack("!I", AT_ONCE | size))
        for _ in looks(place, 5):
            for _ in range(3):
                end.sendall(bytes(10_000))
                sent += 10_000
                received += len(end.recv(20_000))
        end.shutdown(socket.SHUT_WR)
        return [moved(sent, received + receive_all(end))]


def drip(place: Place) -> list[Moved]:
    """A few bytes now and then."""
    sent = received = 0
    with datagrams(place.ipv4, place.port) as end:
        for _ in looks(place, 5):
            for _ in range(3):
                sent += end.send(b"\0\7drips")
                received += len(end.recv(100))
    return [moved(sent, received)]


def sixty_connections(place: Place) -> list[Moved]:
    """One after the other."""
    parts = [exchange(place.ipv4, place.port, 100 + number, 200 + number) for number in range(60)]
    return [moved(sum(part[0] for part in parts), sum(part[1] for part in parts))]


def thirty_at_once(place: Place) -> list[Moved]:
    ends = [stream(place.ipv4, place.port) for _ in range(30)]
    sent = sum(send_stream(end, 5000 + number, 10_000 + number) for number, end in enumerate(ends))
    received = 0
    for end in ends:
        with end:
            received += receive_all(end)
    return [moved(sent, received)]


def thousand_processes(place: Place) -> list[Moved]:
    return _helper(place, "burst", "1000")


def io_uring(place: Place) -> list[Moved]:
    return _helper(place, "uring")


def many_messages(place: Place) -> list[Moved]:
    return _helper(place, "messages")


def _helper(place: Place, what: str, *arguments: str) -> list[Moved]:
    """The executable is copied to the name that the process shall have."""
    if place.helper is None:
        raise UnsupportedError("no C compiler")
    name = f"nd-{what}"
    path = os.path.join(os.path.dirname(place.helper), name)
    if not os.path.exists(path):
        os.link(place.helper, path)
    done = subprocess.run([path, what, place.ipv4, str(place.port), *arguments], capture_output=True, text=True)
    if done.returncode == _REFUSED:
        raise UnsupportedError(done.stderr.strip())
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    rows = (map(int, line.split()) for line in done.stdout.splitlines())
    return [Moved(pid, name, sent, received) for pid, sent, received in rows]
