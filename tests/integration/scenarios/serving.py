"""The other end of every scenario: threads of this process that answer in a namespace what they are asked for."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import Final, Self

from tests.namespaces import socket_in

AT_ONCE: Final = 1 << 31
"""In the length of a stream's answer: answer while the data still comes."""

RAW_PROTOCOL: Final = 253
"""For experiments and tests, RFC 3692."""

RAW_ANSWER_BYTES: Final = 50
DNS_PORT: Final = 53

_V6ONLY_OFF: Final = (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
_POLL_SECONDS: Final = 0.05


class Server:
    """Listens on one port over IPv4 and IPv6, TCP and UDP, on UDP port 53 and, if asked, to IP protocol 253.

    A stream begins with the length of the answer that it wants (4 bytes, big endian), a datagram with 2 such bytes.
    `sent` and `received`: payload in bytes, as calls had it.
    """

    def __init__(self, namespace: str, raw: bool = False) -> None:
        self._raw = raw
        self.port = 0
        self.sent = 0
        self.received = 0
        self._namespace = namespace
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._threads: list[threading.Thread] = []
        self._cleanup = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as cleanup:
            listener = self._open(cleanup, socket.AF_INET6, socket.SOCK_STREAM)
            listener.setsockopt(*_V6ONLY_OFF)
            listener.bind(("::", 0))
            listener.listen(256)
            self.port = listener.getsockname()[1]
            loops: list[Callable[[], None]] = [partial(self._accept, listener)]
            for port in (self.port, DNS_PORT):
                end = self._open(cleanup, socket.AF_INET6, socket.SOCK_DGRAM)
                end.setsockopt(*_V6ONLY_OFF)
                end.bind(("::", port))
                loops.append(partial(self._answer, end, _wanted))
            if self._raw:
                raw = self._open(cleanup, socket.AF_INET, socket.SOCK_RAW, RAW_PROTOCOL)
                loops.append(partial(self._answer, raw, lambda data: RAW_ANSWER_BYTES))
            for loop in loops:
                self._start(loop)
            cleanup.callback(self._stop)
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._cleanup.close()

    def _open(
        self, cleanup: ExitStack, family: socket.AddressFamily, kind: socket.SocketKind, protocol: int = 0
    ) -> socket.socket:
        end = cleanup.enter_context(socket_in(self._namespace, family, kind, protocol))
        end.settimeout(_POLL_SECONDS)
        return end

    def _start(self, loop: Callable[[], None]) -> None:
        thread = threading.Thread(target=loop)
        self._threads.append(thread)
        thread.start()

    def _stop(self) -> None:
        self._ending.set()
        # Connections start threads until the accepting one, which is the first, has ended.
        for thread in self._threads:
            thread.join()

    def _add(self, sent: int, received: int) -> None:
        with self._lock:
            self.sent += sent
            self.received += received

    def _accept(self, listener: socket.socket) -> None:
        while not self._ending.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            self._start(partial(self._serve, connection))

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(20)
            head = b""
            while len(head) < 4 and (chunk := connection.recv(4 - len(head))):
                head += chunk
            self._add(0, len(head))
            (wanted,) = struct.unpack("!I", head)
            answer = threading.Thread(target=self._send, args=(connection, wanted & ~AT_ONCE))
            if wanted & AT_ONCE:
                answer.start()
            while chunk := connection.recv(1 << 17):
                self._add(0, len(chunk))
            if not wanted & AT_ONCE:
                answer.start()
            answer.join()

    def _send(self, connection: socket.socket, length: int) -> None:
        connection.sendall(bytes(length))
        connection.shutdown(socket.SHUT_WR)
        self._add(length, 0)

    def _answer(self, end: socket.socket, wanted: Callable[[bytes], int]) -> None:
        while not self._ending.is_set():
            try:
                data, sender = end.recvfrom(65536)
            except TimeoutError:
                continue
            length = wanted(data)
            if length:
                end.sendto(bytes(length), sender)
            self._add(length, len(data))


def _wanted(data: bytes) -> int:
    return int.from_bytes(data[:2], "big")
