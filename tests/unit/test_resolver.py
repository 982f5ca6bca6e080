"""The resolver: real look-ups of names of this host, and look-ups that hang."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netdash.model.protocols import ICMP, TCP, UDP
from netdash.model.tables import pack_address
from netdash.sources import resolver as module
from netdash.sources.resolver import MAX_WAITING, THREADS, Resolver, host_name

LOOPBACK = pack_address("127.0.0.1")

SECONDS = 30.0


def eventually(condition: Callable[[], bool]) -> None:
    """Waits until `condition` holds."""
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)


class Hanging:
    """A look-up that waits until it is released."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.asked: list[bytes] = []
        self.threads: set[threading.Thread] = set()

    def __call__(self, address: bytes) -> str | None:
        self.threads.add(threading.current_thread())
        self.asked.append(address)
        self.release.wait()
        return f"host-{address[-1]}"


def has_name(resolver: Resolver, packed: bytes) -> bool:
    return resolver.name(packed) is not None


def address(number: int) -> bytes:
    return pack_address("2001:db8::")[:8] + number.to_bytes(8, "big")


def test_the_name_of_loopback_comes_without_waiting() -> None:
    expected = socket.getnameinfo(("127.0.0.1", 0), 0)[0]
    resolver = Resolver(enabled=True)
    eventually(lambda: resolver.name(LOOPBACK) == expected)
    resolver.close()


def test_names_are_not_looked_up_unless_enabled() -> None:
    asked: list[bytes] = []
    resolver = Resolver(enabled=False, lookup=lambda a: asked.append(a))
    assert resolver.name(LOOPBACK) is None
    resolver.enabled = True
    resolver.name(LOOPBACK)
    eventually(lambda: asked == [LOOPBACK])
    resolver.close()


def test_the_unspecified_address_has_no_name() -> None:
    hanging = Hanging()
    resolver = Resolver(enabled=True, lookup=hanging)
    assert resolver.name(bytes(16)) is None
    assert hanging.asked == []
    resolver.close()


def test_an_address_without_a_name_is_asked_once() -> None:
    asked: list[bytes] = []
    resolver = Resolver(enabled=True, lookup=lambda a: asked.append(a))
    resolver.name(LOOPBACK)
    eventually(lambda: asked == [LOOPBACK])
    resolver.name(address(1))
    eventually(lambda: len(asked) == 2)
    assert [resolver.name(LOOPBACK) for _ in range(3)] == [None] * 3
    resolver.name(address(2))
    eventually(lambda: len(asked) == 3)
    assert asked == [LOOPBACK, address(1), address(2)]
    resolver.close()


def test_an_address_without_a_name_is_asked_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NO_NAME_SECONDS", 0.0)
    answers = iter([None, "late.example.org"])
    resolver = Resolver(enabled=True, lookup=lambda _: next(answers))
    eventually(lambda: resolver.name(LOOPBACK) == "late.example.org")
    resolver.close()


def test_hanging_lookups_are_bounded_and_do_not_delay() -> None:
    hanging = Hanging()
    resolver = Resolver(enabled=True, lookup=hanging)
    for number in range(2 * MAX_WAITING):
        assert resolver.name(address(number + 1)) is None
    eventually(lambda: len(hanging.asked) == THREADS)
    hanging.release.set()
    eventually(lambda: resolver.name(address(MAX_WAITING)) is not None)
    assert len(hanging.threads) == THREADS
    assert len(hanging.asked) == MAX_WAITING
    eventually(lambda: resolver.name(address(1)) == "host-1")
    resolver.close()


def test_the_cache_keeps_what_was_asked_for_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_NAMES", 8)
    asked: list[bytes] = []

    def lookup(asked_for: bytes) -> str:
        asked.append(asked_for)
        return "name"

    resolver = Resolver(enabled=True, lookup=lookup)
    for number in range(1, 10):
        eventually(partial(has_name, resolver, address(number)))
        assert resolver.name(address(1)) == "name"
    assert len(asked) == 9
    eventually(partial(has_name, resolver, address(2)))
    assert asked[-1] == address(2)
    assert asked.count(address(1)) == 1
    resolver.close()


def test_close_returns_while_a_lookup_hangs() -> None:
    hanging = Hanging()
    resolver = Resolver(enabled=True, lookup=hanging)
    resolver.name(LOOPBACK)
    eventually(lambda: hanging.asked == [LOOPBACK])
    resolver.close()
    assert not hanging.release.is_set()
    assert resolver.name(address(1)) is None
    hanging.release.set()
    eventually(lambda: not any(thread.is_alive() for thread in hanging.threads))
    assert hanging.asked == [LOOPBACK]


def test_services() -> None:
    resolver = Resolver(enabled=False)
    assert resolver.service(53, UDP) == _system_service(53, "udp")
    assert resolver.service(443, TCP) == _system_service(443, "tcp")
    assert resolver.service(0, TCP) is None
    assert resolver.service(53, ICMP) is None
    resolver.close()


def _system_service(port: int, protocol: str) -> str | None:
    try:
        return socket.getservbyport(port, protocol)
    except OSError:
        return None


@given(st.binary(max_size=20))
def test_what_is_no_address_has_no_name(data: bytes) -> None:
    if len(data) != 16:
        assert host_name(data) is None


_HANG = """
import sys, threading
from netdash.sources.resolver import Resolver
from netdash.model.tables import pack_address
resolver = Resolver(enabled=True)
for last in range(1, 20):
    resolver.name(pack_address(f"203.0.113.{last}"))
while not any(t.name.startswith("resolver-") for t in threading.enumerate()):
    pass
resolver.close()
print("closed")
"""


@pytest.mark.root
def test_the_program_ends_while_dns_does_not_answer(tmp_path: os.PathLike[str]) -> None:
    """A name server that swallows every question: 300 seconds of waiting if anybody waited."""
    configuration = os.path.join(tmp_path, "resolv.conf")
    with open(configuration, "w", encoding="ascii") as file:
        file.write("nameserver 192.0.2.53\noptions timeout:30 attempts:5\n")
    script = (
        "ip link add sink type veth peer name drain && ip link set sink up && ip link set drain up &&"
        " ip addr add 192.0.2.1/24 dev sink &&"
        " ip neigh add 192.0.2.53 lladdr 02:00:00:00:00:53 dev sink &&"
        f" mount --bind {configuration} /etc/resolv.conf && exec {sys.executable} -c '{_HANG}'"
    )
    command = ["unshare", "--net", "--mount", "sh", "-c", script]
    done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "closed\n", "")
