"""Names of addresses and ports, looked up without ever making the caller wait."""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from netdash.model.protocols import DCCP, SCTP, TCP, UDP, UDPLITE
from netdash.model.sanitize import sanitize
from netdash.model.tables import IPV4_PREFIX
from netdash.services import service_name

MAX_NAMES: Final = 4096
"""Answers kept; the one not asked for longest goes first."""

MAX_WAITING: Final = 256
"""Look-ups waiting for a thread; what is asked beyond is asked again when its row is drawn next."""

THREADS: Final = 4

NO_NAME_SECONDS: Final = 300.0
"""How long "has no name" and "no server answered" are believed."""

NAME_LIMIT: Final = 253
"""Characters of a host name (RFC 1035 section 2.3.4, without the length octets)."""

_SERVICE_PROTOCOLS: Final = {TCP: "tcp", UDP: "udp", DCCP: "dccp", SCTP: "sctp", UDPLITE: "udp"}

_NO_ANSWER: Final = (None, float("-inf"))


def host_name(address: bytes) -> str | None:
    """The name of a packed address (16 bytes, IPv4 as ::ffff:a.b.c.d), None if it has none. Waits for DNS."""
    try:
        if address[:12] == IPV4_PREFIX:
            name, _ = socket.getnameinfo((socket.inet_ntop(socket.AF_INET, address[12:]), 0), socket.NI_NAMEREQD)
        else:
            name, _ = socket.getnameinfo((socket.inet_ntop(socket.AF_INET6, address), 0), socket.NI_NAMEREQD)
    except (OSError, ValueError):
        return None
    return sanitize(name, NAME_LIMIT) or None


class Resolver:
    """Host and service names with a cache of its own. Threads start with the first look-up and never delay an exit."""

    def __init__(self, enabled: bool, lookup: Callable[[bytes], str | None] = host_name) -> None:
        """`enabled`: whether addresses are looked up at all (services need no network); may be changed any time."""
        self.enabled = enabled
        self._lookup = lookup
        self._lock = threading.Lock()
        self._answers: OrderedDict[bytes, tuple[str | None, float]] = OrderedDict()
        self._waiting: set[bytes] = set()
        self._queue: queue.Queue[bytes | None] = queue.Queue()
        self._threads: list[threading.Thread] = []
        self._closed = False
        self._services: dict[tuple[int, int], str | None] = {}

    def name(self, address: bytes) -> str | None:
        """The name of a packed address if it is known by now; a look-up is begun if it is not. Never waits."""
        if not self.enabled or not any(address):
            return None
        with self._lock:
            name, until = self._answers.get(address, _NO_ANSWER)
            if until > time.monotonic():
                self._answers.move_to_end(address)
            elif not self._closed and address not in self._waiting and len(self._waiting) < MAX_WAITING:
                self._waiting.add(address)
                self._queue.put(address)
                self._start_thread()
        return name

    def known_names(self) -> dict[bytes, str]:
        """The names that are known by now, by packed address; asking begins no look-up."""
        with self._lock:
            return {address: name for address, (name, _) in self._answers.items() if name is not None}

    def service(self, port: int, protocol: int) -> str | None:
        """The name of a port in services(5), None if it has none or the IP protocol has no ports."""
        key = (port, protocol)
        if key not in self._services:
            self._services[key] = _service_name(port, protocol)
        return self._services[key]

    def close(self) -> None:
        """Begins no more look-ups and returns at once; a thread that waits for DNS ends when that does."""
        with self._lock:
            self._closed = True
            self._waiting.clear()
            for _ in self._threads:
                self._queue.put(None)

    def _start_thread(self) -> None:
        if len(self._threads) < min(THREADS, len(self._waiting)):
            # A daemon thread: the interpreter's exit does not wait for one that hangs in getnameinfo(3).
            thread = threading.Thread(target=self._work, name=f"resolver-{len(self._threads)}", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                return  # no more threads allowed: the look-up waits for a thread that runs, the caller sees an address
            self._threads.append(thread)

    def _work(self) -> None:
        while (address := self._queue.get()) is not None and not self._closed:
            name = self._lookup(address)
            until = float("inf") if name is not None else time.monotonic() + NO_NAME_SECONDS
            with self._lock:
                self._waiting.discard(address)
                self._answers[address] = (name, until)
                self._answers.move_to_end(address)
                if len(self._answers) > MAX_NAMES:
                    self._answers.popitem(last=False)


def _service_name(port: int, protocol: int) -> str | None:
    family = _SERVICE_PROTOCOLS.get(protocol)
    if family is None or port == 0:
        return None
    return service_name(port, family)
