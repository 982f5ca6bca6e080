"""Programs that move a known payload: `python movers.py NAME ADDRESS PORT` prints what each process moved, as JSON.

Each talks to a `tests.integration.payload.Peer` and gives [pid, start ticks, sent, received] of itself and of the
processes that it forked. Needs only the standard library.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import socket
import struct
import sys
import tempfile
import threading
from collections.abc import Callable

Moved = tuple[int, int, int, int]

_CLONE_NEWPID = 0x20000000
_IP_RECVERR, _IPV6_RECVERR, _MSG_ERRQUEUE = 11, 25, 0x2000
_SHORT_LIVED = 200
_libc = ctypes.CDLL(None, use_errno=True)


def start_ticks(pid: int) -> int:
    with open(f"/proc/{pid}/stat", "rb") as file:
        return int(file.read().rpartition(b")")[2].split()[19])


def moved(sent: int, received: int) -> Moved:
    return os.getpid(), start_ticks(os.getpid()), sent, received


def in_child(function: Callable[[], Moved]) -> Callable[[], Moved]:
    """Runs it in a forked process; what comes back waits for its result."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, json.dumps(function()).encode())
        os._exit(0)
    os.close(writing)

    def result() -> Moved:
        with os.fdopen(reading) as pipe:
            pid, start, sent, received = json.load(pipe)
        os.waitpid(child, 0)
        return pid, start, sent, received

    return result


def datagram_socket(peer: str, port: int) -> socket.socket:
    end = socket.socket(socket.AF_INET6 if ":" in peer else socket.AF_INET, socket.SOCK_DGRAM)
    end.settimeout(10)
    end.connect((peer, port))
    return end


def receive_all(end: socket.socket) -> int:
    received = 0
    while chunk := end.recv(50_000):
        received += len(chunk)
    return received


def tcp(peer: str, port: int) -> list[Moved]:
    with socket.create_connection((peer, port)) as end:
        for size in (1, 100, 70_000):
            end.sendall(bytes(size))
        end.shutdown(socket.SHUT_WR)
        return [moved(70_101, receive_all(end))]


def udp_connected(peer: str, port: int) -> list[Moved]:
    received = 0
    with datagram_socket(peer, port) as end:
        for size in (1, 500, 1400):
            end.send(bytes(size))
            received += len(end.recv(2000))
    return [moved(1901, received)]


def udp_unconnected(peer: str, port: int) -> list[Moved]:
    received = 0
    with socket.socket(socket.AF_INET6 if ":" in peer else socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.settimeout(10)
        for size in (2, 600):
            end.sendto(bytes(size), (peer, port))
            received += len(end.recvfrom(2000)[0])
    return [moved(602, received)]


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    """`struct msghdr` of sendmsg(2)."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vector", ctypes.POINTER(_Vector)),
        ("vector_length", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    """`struct mmsghdr` of sendmmsg(2)."""

    _fields_ = (("header", _Header), ("length", ctypes.c_uint32))


def many_messages(peer: str, port: int) -> list[Moved]:
    count, size = 10, 250
    buffers = [ctypes.create_string_buffer(2000) for _ in range(count)]
    vectors = [_Vector(ctypes.addressof(buffer), size) for buffer in buffers]
    messages = (_Message * count)(*(_Message(_Header(vector=ctypes.pointer(v), vector_length=1)) for v in vectors))
    received = 0
    with datagram_socket(peer, port) as end:
        end.settimeout(None)
        assert _libc.sendmmsg(end.fileno(), messages, count, 0) == count
        for vector in vectors:
            vector.length = 2000
        while received < count:
            got = _libc.recvmmsg(end.fileno(), messages, count - received, 0, None)
            assert got > 0
            received += got
    return [moved(count * size, count * Answer.DATAGRAM)]


def sendfile(peer: str, port: int) -> list[Moved]:
    size = 200_000
    with socket.create_connection((peer, port)) as end, tempfile.TemporaryFile() as file:
        file.truncate(size)
        sent = received = 0
        while sent < size:
            sent += os.sendfile(end.fileno(), file.fileno(), sent, size - sent)
        os.write(end.fileno(), b"written")
        os.writev(end.fileno(), [b"a", b"vector"])
        end.shutdown(socket.SHUT_WR)
        while chunk := os.read(end.fileno(), 30_000):
            received += len(chunk)
    return [moved(size + 14, received)]


def peek(peer: str, port: int) -> list[Moved]:
    with datagram_socket(peer, port) as end:
        end.send(bytes(10))
        for _ in range(3):
            assert len(end.recv(2000, socket.MSG_PEEK)) == Answer.DATAGRAM
        return [moved(10, len(end.recv(2000)))]


def error_queue(peer: str, port: int) -> list[Moved]:
    """Nobody listens where this sends to; what the error queue gives back is not received traffic."""
    with datagram_socket(peer, 9) as end:
        if ":" in peer:
            end.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
        else:
            end.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        end.send(bytes(100))
        poll = select.poll()
        poll.register(end, 0)
        assert poll.poll(10_000)
        assert len(end.recvmsg(2000, 1000, _MSG_ERRQUEUE)[0]) == 100
    return [moved(100, 0)]


def threads(peer: str, port: int) -> list[Moved]:
    def send_and_receive() -> None:
        with datagram_socket(peer, port) as end:
            end.send(bytes(300))
            end.recv(2000)

    running = [threading.Thread(target=send_and_receive) for _ in range(5)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return [moved(5 * 300, 5 * Answer.DATAGRAM)]


def forked(peer: str, port: int) -> list[Moved]:
    """A child sends on its parent's connection."""
    with socket.create_connection((peer, port)) as end:
        end.sendall(bytes(1000))

        def child() -> Moved:
            end.sendall(bytes(2000))
            return moved(2000, 0)

        of_child = in_child(child)()
        end.shutdown(socket.SHUT_WR)
        return [moved(1000, receive_all(end)), of_child]


def passed(peer: str, port: int) -> list[Moved]:
    """A process sends on a socket that another one opened and passed to it (SCM_RIGHTS)."""
    giver, taker = socket.socketpair()
    with giver, taker:

        def child() -> Moved:
            _, (descriptor,), _, _ = socket.recv_fds(taker, 1, 1)
            with socket.socket(fileno=descriptor) as end:
                end.settimeout(10)
                end.send(bytes(500))
                return moved(500, len(end.recv(2000)))

        result = in_child(child)
        with datagram_socket(peer, port) as end:
            end.send(bytes(200))
            received = len(end.recv(2000))
            socket.send_fds(giver, [b"x"], [end.fileno()])
            return [result(), moved(200, received)]


def raw_icmp(peer: str, port: int) -> list[Moved]:
    """An echo request of 8 + 56 bytes; the answer comes with its IPv4 header."""
    message = struct.pack("!BBHHH", 8, 0, 0, os.getpid() & 0xFFFF, 1) + bytes(56)
    checksum = sum(struct.unpack("!32H", message))
    checksum = ~((checksum & 0xFFFF) + (checksum >> 16)) & 0xFFFF
    message = message[:2] + struct.pack("!H", checksum) + message[4:]
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as end:
        end.settimeout(10)
        end.sendto(message, (peer, 0))
        return [moved(len(message), len(end.recv(2000)))]


def frames(peer: str, port: int) -> list[Moved]:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as end:
        end.bind(("vetha", 0))
        sent = sum(end.send(bytes(12) + b"\x88\xb5" + bytes(size)) for size in (46, 1000, 1500))
    return [moved(sent, 0)]


def pid_namespace(peer: str, port: int) -> list[Moved]:
    """As in a container: the process that sends is number 1 in its own namespace."""
    assert _libc.unshare(_CLONE_NEWPID) == 0
    begin_reading, begin = os.pipe()
    result_reading, result = os.pipe()
    child = os.fork()
    if child == 0:
        os.read(begin_reading, 1)
        assert os.getpid() == 1
        sent, received = udp_connected(peer, port)[0][2:]
        os.write(result, json.dumps([sent, received]).encode())
        os._exit(0)
    os.close(result)
    started = start_ticks(child)
    os.write(begin, b"x")
    with os.fdopen(result_reading) as pipe:
        sent, received = json.load(pipe)
    os.waitpid(child, 0)
    return [(child, started, sent, received)]


def short_lived(peer: str, port: int) -> list[Moved]:
    """Processes with one socket each, of which many are gone after a millisecond."""

    def one(number: int) -> Callable[[], Moved]:
        def run() -> Moved:
            if number % 2:
                with socket.create_connection((peer, port)) as end:
                    end.sendall(bytes(1000 + number))
                    end.shutdown(socket.SHUT_WR)
                    return moved(1000 + number, receive_all(end))
            with datagram_socket(peer, port) as end:
                end.send(bytes(number + 1))
                return moved(number + 1, len(end.recv(2000)))

        return in_child(run)

    results = []
    for first in range(0, _SHORT_LIVED, 8):
        running = [one(number) for number in range(first, first + 8)]
        results += [result() for result in running]
    return results


class Answer:
    """What the peer sends back: to each datagram, and after the end of each connection's data."""

    DATAGRAM = 700
    STREAM = 300_000


if __name__ == "__main__":
    name, address, number = sys.argv[1:]
    function = globals()[name]
    sys.stdout.write(json.dumps(function(address, int(number))))
