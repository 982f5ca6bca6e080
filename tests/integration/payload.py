"""Traffic of a known size between the two ends of a Lab, for the tests of what counts payload per process."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from netdash.errors import NotSupportedError
from netdash.kernel.btf import Btf, Kind
from tests.integration import movers
from tests.integration.movers import Answer, Moved
from tests.namespaces import popen_in, socket_in

_SECONDS = 30


def kernel_types() -> Btf:
    """The kernel's BTF; skips the test where the kernel has none, or no tracepoints for sends (before Linux 6.3)."""
    try:
        btf = Btf.of_kernel()
        btf.type_id(Kind.TYPEDEF, "btf_trace_sock_send_length")
    except NotSupportedError as error:
        pytest.skip(str(error))
    return btf


class Peer:
    """Answers in a namespace, over IPv4 and IPv6: each datagram, and each connection when its data has ended.

    Sockets are of this process. `connections`: (remote port, received, sent) of each TCP connection that ended.
    """

    def __init__(self, namespace: str) -> None:
        self.connections: list[tuple[int, int, int]] = []
        self._listener = socket_in(namespace, socket.AF_INET6, socket.SOCK_STREAM)
        self._datagrams = socket_in(namespace, socket.AF_INET6, socket.SOCK_DGRAM)
        self._threads = [threading.Thread(target=self._serve), threading.Thread(target=self._answer)]
        self.port = 0

    def __enter__(self) -> Self:
        self._listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self._datagrams.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self._listener.bind(("::", 0))
        self._listener.listen(64)
        self.port = self._listener.getsockname()[1]
        self._datagrams.bind(("::", self.port))
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._datagrams.sendto(b"", ("::1", self.port))
        for thread in self._threads:
            thread.join()
        self._listener.close()
        self._datagrams.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, address = self._listener.accept()
            except OSError:
                return
            with connection:
                received = 0
                while chunk := connection.recv(1 << 16):
                    received += len(chunk)
                connection.sendall(bytes(Answer.STREAM))
                self.connections.append((address[1], received, Answer.STREAM))

    def _answer(self) -> None:
        while True:
            data, address = self._datagrams.recvfrom(2000)
            if not data:
                return
            self._datagrams.sendto(bytes(Answer.DATAGRAM), address)


def until(condition: Callable[[], bool]) -> None:
    """Returns when the condition holds."""
    deadline = time.monotonic() + _SECONDS
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.005)


def move(namespace: str, name: str, address: str, port: int) -> list[Moved]:
    """Runs one of the movers in a namespace; what each of its processes moved."""
    process = popen_in(
        namespace, [sys.executable, str(Path(movers.__file__)), name, address, str(port)], stdout=subprocess.PIPE
    )
    output, _ = process.communicate(timeout=_SECONDS)
    assert process.returncode == 0, name
    return [(pid, start, sent, received) for pid, start, sent, received in json.loads(output)]
