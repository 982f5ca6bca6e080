"""Payload per process and socket, to the byte, on real traffic."""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
import time
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from netdash.kernel.btf import Btf
from netdash.kernel.namespaces import current_namespace_inode
from netdash.kernel.socket_traffic import SocketTraffic
from tests.integration.movers import Answer, Moved, start_ticks
from tests.integration.payload import Peer, kernel_types, move, until
from tests.namespaces import Lab, run_in, socket_in

pytestmark = pytest.mark.root

BOTH = (
    "tcp",
    "udp_connected",
    "udp_unconnected",
    "many_messages",
    "sendfile",
    "peek",
    "error_queue",
    "forked",
    "passed",
)

SO_RCVBUFFORCE, SO_COOKIE = 33, 57
TCP_CLOSE = 7


@pytest.fixture(scope="module")
def types() -> Btf:
    return kernel_types()


@pytest.fixture(scope="module")
def traffic(types: Btf) -> Iterator[SocketTraffic]:
    opened = SocketTraffic.open(btf=types)
    yield opened
    opened.close()


@pytest.fixture
def peer(lab: Lab) -> Iterator[Peer]:
    with Peer(lab.b.namespace) as serving:
        yield serving


def rows_of(rows: NDArray[np.void], pid: int) -> NDArray[np.void]:
    found: NDArray[np.void] = rows[rows["pid"] == pid]
    return found


def counted(rows: NDArray[np.void], moved: Moved) -> Moved:
    """What was counted for the process that `moved` is about, in the same form."""
    own = rows_of(rows, moved[0])
    (started,) = set(own["start_ticks"].tolist())
    return moved[0], started, int(own["tx_payload_bytes"].sum()), int(own["rx_payload_bytes"].sum())


def text(address: NDArray[np.uint8]) -> str:
    parsed = ipaddress.IPv6Address(address.tobytes())
    return str(parsed.ipv4_mapped or parsed)


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("name", BOTH)
def test_payload_to_the_byte(traffic: SocketTraffic, lab: Lab, peer: Peer, name: str, version: int) -> None:
    moved = move(lab.a.namespace, name, lab.b.ipv4 if version == 4 else lab.b.ipv6, peer.port)
    rows = traffic.read()
    assert [counted(rows, one) for one in moved] == moved
    for pid, *_ in moved:
        assert set(rows_of(rows, pid)["family"].tolist()) == {version}


@pytest.mark.parametrize("name", ["threads", "raw_icmp", "frames", "pid_namespace"])
def test_payload_of_special_senders(traffic: SocketTraffic, lab: Lab, peer: Peer, name: str) -> None:
    moved = move(lab.a.namespace, name, lab.b.ipv4, peer.port)
    rows = traffic.read()
    assert [counted(rows, one) for one in moved] == moved
    (pid, _, _, _) = moved[0]
    assert {(int(row["family"]), int(row["type"]), int(row["protocol"])) for row in rows_of(rows, pid)} == {
        {"raw_icmp": (4, 3, 1), "frames": (17, 3, 0)}.get(name, (4, 2, 17))
    }


def test_short_lived_processes(traffic: SocketTraffic, lab: Lab, peer: Peer) -> None:
    before = traffic.read()
    moved = move(lab.a.namespace, "short_lived", lab.b.ipv4, peer.port)
    rows = traffic.read()
    assert len(moved) == 200
    assert [counted(rows, one) for one in moved] == moved
    assert all(len(rows_of(rows, pid)) == 1 for pid, *_ in moved)
    # The other end is one process, this one, with a socket for each connection and one for all datagrams.
    assert len(peer.connections) == 100
    own = rows_of(rows, os.getpid())
    of_peer = [row for row in own if row["type"] == socket.SOCK_STREAM and row["local_port"] == peer.port]
    by_port = {int(row["remote_port"]): row for row in of_peer}
    for port, received, sent in peer.connections:
        row = by_port[port]
        assert (row["rx_payload_bytes"], row["tx_payload_bytes"], row["local_port"]) == (received, sent, peer.port)
    datagrams = own[(own["type"] == socket.SOCK_DGRAM) & (own["local_port"] == peer.port)]
    assert datagrams["tx_payload_bytes"].tolist() == [100 * Answer.DATAGRAM]
    assert datagrams["rx_payload_bytes"].tolist() == [sum(range(1, 201, 2))]
    assert np.setdiff1d(before["cookie"], rows["cookie"]).size == 0


@pytest.mark.parametrize("version", [4, 6])
def test_what_a_row_tells(traffic: SocketTraffic, lab: Lab, peer: Peer, version: int) -> None:
    addresses = [port.ipv4 if version == 4 else port.ipv6 for port in (lab.a, lab.b)]
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    before = time.monotonic_ns()
    with socket_in(lab.a.namespace, family, socket.SOCK_DGRAM) as end:
        cookie = int.from_bytes(end.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8), sys.byteorder)
        end.settimeout(10)
        end.connect((addresses[1], peer.port))
        for _ in range(3):
            end.send(bytes(100))
            end.recv(2000)
        local = end.getsockname()
    (row,) = (row for row in traffic.read() if row["cookie"] == cookie)
    assert before < row["first_seen_ns"] < time.monotonic_ns()
    assert (row["tx_payload_bytes"], row["rx_payload_bytes"]) == (300, 3 * Answer.DATAGRAM)
    assert (row["tx_calls"], row["rx_calls"]) == (3, 3)
    assert (text(row["local"]), row["local_port"]) == local[:2]
    assert (text(row["remote"]), row["remote_port"]) == (addresses[1], peer.port)
    assert row["net_namespace"] == run_in(lab.a.namespace, current_namespace_inode) != current_namespace_inode()
    assert (row["pid"], row["start_ticks"]) == (os.getpid(), start_ticks(os.getpid()))
    with open("/proc/self/comm", "rb") as comm:
        assert row["process_name"] == comm.read().rstrip(b"\n")[:15]
    assert row["uid"] == os.getuid()
    assert row["cgroup_id"] > 0


def test_ends_are_those_of_the_last_call(traffic: SocketTraffic, lab: Lab, peer: Peer) -> None:
    with socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_DGRAM) as end:
        cookie = int.from_bytes(end.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8), sys.byteorder)

        def ends() -> tuple[str, str, int]:
            (row,) = (row for row in traffic.read() if row["cookie"] == cookie)
            return text(row["local"]), text(row["remote"]), int(row["remote_port"])

        end.sendto(b"x", (lab.b.ipv4, peer.port))
        assert ends() == ("::", "::", 0)
        end.connect((lab.b.ipv4, peer.port))
        end.send(b"x")
        assert ends() == (lab.a.ipv4, lab.b.ipv4, peer.port)
        end.connect((lab.a.ipv4, 9))
        end.send(b"x")
        assert ends() == (lab.a.ipv4, lab.a.ipv4, 9)


def test_a_connection_that_ended_keeps_its_ends(traffic: SocketTraffic, lab: Lab, peer: Peer) -> None:
    """The kernel takes the port from a socket in TIME_WAIT while data still waits to be read."""
    with socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_STREAM) as end:
        end.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 21)
        end.settimeout(10)
        end.connect((lab.b.ipv4, peer.port))
        local_port = end.getsockname()[1]
        end.send(b"x")
        end.shutdown(socket.SHUT_WR)
        until(lambda: end.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == TCP_CLOSE)
        received = 0
        while chunk := end.recv(1 << 16):
            received += len(chunk)
    assert received == Answer.STREAM
    (row,) = (row for row in rows_of(traffic.read(), os.getpid()) if row["local_port"] == local_port)
    assert row["rx_payload_bytes"] == received
    assert (text(row["remote"]), row["remote_port"]) == (lab.b.ipv4, peer.port)


def test_forgotten_rows_begin_anew(traffic: SocketTraffic, lab: Lab, peer: Peer) -> None:
    ends = [socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_DGRAM) for _ in range(50)]
    try:
        cookies = [int.from_bytes(end.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8), sys.byteorder) for end in ends]
        for end in ends:
            end.sendto(bytes(40), (lab.b.ipv4, 9))
        rows = traffic.read()
        own = rows[np.isin(rows["cookie"], cookies)]
        assert len(own) == 50
        assert traffic.forget(own[10:20]) == 10
        assert traffic.forget(own[5:25]) == 10
        assert traffic.forget(own[:25]) == 5
        assert traffic.forget(own[:0]) == 0
        left = traffic.read()["cookie"]
        assert not np.isin(own["cookie"][:25], left).any()
        assert np.isin(own["cookie"][25:], left).all()
        for end in ends:
            end.sendto(bytes(2), (lab.b.ipv4, 9))
        after = traffic.read()
        sums = {int(row["cookie"]): int(row["tx_payload_bytes"]) for row in after if row["cookie"] in cookies}
        assert sums == {int(c): 2 for c in own["cookie"][:25]} | {int(c): 42 for c in own["cookie"][25:]}
    finally:
        for end in ends:
            end.close()


def test_a_full_table_counts_the_rest_without_names(traffic: SocketTraffic, types: Btf, lab: Lab, peer: Peer) -> None:
    """Other programs on the machine may use the network meanwhile: what they add is known from the large table."""

    def total(of: SocketTraffic) -> NDArray[np.int64]:
        rows = of.read()
        return np.array([int(rows[name].sum()) for name in ("rx_payload_bytes", "tx_payload_bytes")])

    before = total(traffic)
    small = SocketTraffic.open(max_sockets=8, btf=types)
    try:
        moved = move(lab.a.namespace, "short_lived", lab.b.ipv4, peer.port)
        overflow = small.overflow()
        without_names = np.array([overflow.rx_payload_bytes, overflow.tx_payload_bytes])
        seen = total(small) + without_names
        sent, received = (sum(one[column] for one in moved) for column in (2, 3))
        # All of it is counted at both ends, once by the sender and once by this process.
        own = np.array([received + sent, sent + received])
        by_others = total(traffic) - before - own
        assert len(small.read()) == 8
        assert overflow.calls > len(moved)
        assert overflow.missed_calls == 0
        assert (own <= seen).all()
        assert (seen <= own + by_others).all()
    finally:
        small.close()
