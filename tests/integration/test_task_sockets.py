"""Processes and their sockets, as the kernel lists them, beside what the processes themselves know."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from netdash.kernel.btf import Btf
from netdash.kernel.namespaces import current_namespace_inode
from netdash.kernel.socket_traffic import SocketTraffic
from netdash.kernel.task_sockets import TASK_SOCKET_ROW, TaskSockets
from tests.integration.movers import Answer, start_ticks
from tests.integration.payload import Peer, kernel_types
from tests.namespaces import Lab, popen_in, run_in, socket_in

pytestmark = pytest.mark.root

SO_COOKIE = 57
ESTABLISHED, CLOSE, CLOSE_WAIT, LISTEN = 1, 7, 8, 10


@pytest.fixture(scope="module")
def types() -> Btf:
    return kernel_types()


@pytest.fixture(scope="module")
def sockets(types: Btf) -> Iterator[TaskSockets]:
    opened = TaskSockets.open(types)
    yield opened
    opened.close()


def cookie(end: socket.socket) -> int:
    return int.from_bytes(end.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8), sys.byteorder)


def row_of(sockets: TaskSockets, end: socket.socket) -> np.void:
    rows = sockets.read()
    (row,) = rows[rows["cookie"] == cookie(end)]
    assert isinstance(row, np.void)
    return row


def mapped(address: str) -> bytes:
    if ":" in address:
        return socket.inet_pton(socket.AF_INET6, address)
    return socket.inet_pton(socket.AF_INET6, f"::ffff:{address}")


def proc_sockets() -> set[tuple[int, int]]:
    """(descriptor, inode) of this process's sockets, from /proc."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if match := re.fullmatch(r"socket:\[(\d+)\]", os.readlink(f"/proc/self/fd/{name}")):
                found.add((int(name), int(match[1])))
    return found


def test_the_same_descriptors_as_in_proc(sockets: TaskSockets, lab: Lab) -> None:
    kinds = [
        (socket.AF_INET, socket.SOCK_STREAM, 0),
        (socket.AF_INET6, socket.SOCK_STREAM, 0),
        (socket.AF_INET, socket.SOCK_DGRAM, 0),
        (socket.AF_INET6, socket.SOCK_DGRAM, 0),
        (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
        (socket.AF_PACKET, socket.SOCK_RAW, 0),
    ]
    before = proc_sockets()
    with contextlib.ExitStack() as opened:
        ends = [opened.enter_context(socket_in(lab.a.namespace, *kind)) for kind in kinds]
        for unlisted in socket.socketpair():
            opened.enter_context(unlisted)
        new = {(end.fileno(), os.fstat(end.fileno()).st_ino) for end in ends}
        rows = sockets.read()
        own = rows[rows["pid"] == os.getpid()]
        listed = set(zip(own["fd"].tolist(), own["inode"].tolist(), strict=True))
        assert new <= listed <= before | new
        by_descriptor = {int(row["fd"]): row for row in own}
        seen = [tuple(by_descriptor[end.fileno()][["family", "type", "protocol"]].tolist()) for end in ends]
        assert seen == [(4, 1, 6), (6, 1, 6), (4, 2, 17), (6, 2, 17), (4, 3, 1), (17, 3, 0)]
        assert [int(by_descriptor[end.fileno()]["cookie"]) for end in ends] == [cookie(end) for end in ends]
        assert set(own["start_ticks"].tolist()) == {start_ticks(os.getpid())}


@pytest.mark.parametrize("version", [4, 6])
def test_tcp_states_ends_and_counters(sockets: TaskSockets, lab: Lab, version: int) -> None:
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    addresses = [port.ipv4 if version == 4 else port.ipv6 for port in (lab.a, lab.b)]
    with (
        socket_in(lab.b.namespace, family, socket.SOCK_STREAM) as listener,
        socket_in(lab.a.namespace, family, socket.SOCK_STREAM) as client,
    ):
        listener.bind((addresses[1], 0))
        listener.listen()
        client.connect(listener.getsockname())
        server, _ = listener.accept()
        with server:
            client.sendall(bytes(5000))
            server.sendall(bytes(300))
            received = 0
            while received < 5000:
                received += len(server.recv(5000))
            assert client.recv(300, socket.MSG_WAITALL) == bytes(300)
            at_client, at_server, at_listener = (row_of(sockets, end) for end in (client, server, listener))
            client.shutdown(socket.SHUT_WR)
            assert server.recv(1) == b""
            half_closed = row_of(sockets, server)
            server.close()
            assert client.recv(1) == b""
            closed = row_of(sockets, client)
    assert (at_client["tx_payload_bytes"], at_client["rx_payload_bytes"]) == (5000, 300)
    assert (at_server["tx_payload_bytes"], at_server["rx_payload_bytes"]) == (300, 5000)
    assert (half_closed["state"], half_closed["rx_payload_bytes"]) == (CLOSE_WAIT, 5000)
    assert (closed["state"], closed["rx_payload_bytes"], closed["tx_payload_bytes"]) == (CLOSE, 300, 5000)
    assert (at_client["state"], at_server["state"], at_listener["state"]) == (ESTABLISHED, ESTABLISHED, LISTEN)
    assert [int(row["has_counters"]) for row in (at_client, at_server, at_listener)] == [1, 1, 0]
    assert 0 < at_client["rtt_us"] < 10_000_000
    for row, (local, remote) in ((at_client, addresses), (at_server, reversed(addresses))):
        assert (row["local"].tobytes(), row["remote"].tobytes()) == (mapped(local), mapped(remote))
    assert at_client["remote_port"] == at_server["local_port"] == at_listener["local_port"] > 0
    assert at_client["local_port"] == at_server["remote_port"] > 0
    assert (at_listener["remote"].tobytes(), at_listener["remote_port"]) == (bytes(16), 0)
    assert at_client["net_namespace"] == run_in(lab.a.namespace, current_namespace_inode)
    assert at_server["net_namespace"] == run_in(lab.b.namespace, current_namespace_inode)
    assert at_client["uid"] == os.geteuid()


def test_what_splice_took_is_in_the_sockets_counter(sockets: TaskSockets, types: Btf, lab: Lab) -> None:
    traffic = SocketTraffic.open(btf=types)
    reading, writing = os.pipe()
    try:
        with (
            Peer(lab.b.namespace) as peer,
            socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_STREAM) as end,
            open(os.devnull, "wb") as sink,
        ):
            end.connect((lab.b.ipv4, peer.port))
            end.send(bytes(42))
            end.shutdown(socket.SHUT_WR)
            spliced = 0
            while got := os.splice(end.fileno(), writing, 1 << 16):
                spliced += got
                while got:
                    got -= os.splice(reading, sink.fileno(), got)
            assert spliced == Answer.STREAM
            row = row_of(sockets, end)
            rows = traffic.read()
            (counted,) = rows[rows["cookie"] == row["cookie"]]
            assert (row["rx_payload_bytes"], row["tx_payload_bytes"]) == (spliced, 42)
            assert (counted["rx_payload_bytes"], counted["tx_payload_bytes"]) == (0, 42)
            assert (counted["pid"], counted["start_ticks"]) == (row["pid"], row["start_ticks"])
    finally:
        os.close(reading)
        os.close(writing)
        traffic.close()


HOLD = """
import ctypes, os, socket, sys
if sys.argv[1:] == ["apart"]:
    assert ctypes.CDLL(None).unshare(0x20000000) == 0
end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
twin = os.dup(end.fileno())
child = os.fork()
if child == 0:
    os.read(0, 1)
    os._exit(0)
print(child, os.getpid(), end.fileno(), twin, os.fstat(end.fileno()).st_ino, flush=True)
os.read(0, 1)
os.waitpid(child, 0)
"""


@pytest.mark.parametrize("arguments", [[], ["apart"]], ids=["same PID namespace", "its own PID namespace"])
def test_a_shared_socket_has_a_row_for_each_holder(sockets: TaskSockets, lab: Lab, arguments: list[str]) -> None:
    holder = popen_in(
        lab.a.namespace,
        [sys.executable, "-c", HOLD, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdin is not None
    with holder.stdout, holder.stdin:
        child, parent, first, second, inode = map(int, holder.stdout.readline().split())
        rows = sockets.read()
        started = {pid: start_ticks(pid) for pid in (parent, child)}
        holder.stdin.write(b"xx")
        holder.stdin.flush()
        assert holder.wait() == 0
    shared = rows[rows["inode"] == inode]
    holders = {(int(row["pid"]), int(row["fd"]), int(row["start_ticks"])) for row in shared}
    assert holders == {(pid, fd, started[pid]) for pid in (parent, child) for fd in (first, second)}
    assert len(set(shared["cookie"].tolist())) == 1
    after = sockets.read()
    assert not np.isin([parent, child], after["pid"]).any()


def test_more_sockets_than_one_read_returns(sockets: TaskSockets, lab: Lab) -> None:
    with contextlib.ExitStack() as opened:
        ends = [opened.enter_context(socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(700)]
        cookies = sorted(cookie(end) for end in ends)
        rows: NDArray[np.void] = sockets.read()
    assert rows.dtype == TASK_SOCKET_ROW
    assert rows.nbytes > 1 << 16
    assert sorted(rows["cookie"][np.isin(rows["cookie"], cookies)].tolist()) == cookies


def test_nothing_stays_after_close(types: Btf) -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    opened = TaskSockets.open(types)
    assert opened.run_statistics().program_id > 0
    opened.read()
    opened.close()
    assert len(os.listdir("/proc/self/fd")) == descriptors
