"""Listing sockets, against the kernel: real ones in a network namespace, and what getsockopt(2) says of them."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import sys
from contextlib import ExitStack

import numpy as np
import pytest

from netdash.collector.health import unlisted_sockets
from netdash.errors import NetdashError
from netdash.kernel import sock_diag
from netdash.kernel.process_files import SocketOwners
from netdash.kernel.sock_diag import SocketReader
from tests.integration.sockets import (
    CLOSE,
    ESTABLISHED,
    LISTEN,
    TCP,
    TIME_WAIT,
    UDP,
    await_true,
    connect,
    cookie,
    inode,
    mapped,
    reader_in,
    row_of,
    stack,
    transfer,
)
from tests.namespaces import Lab, run_in, socket_in

__all__ = ["stack"]

SKNLGRP_INET_UDP_DESTROY = 2


@pytest.mark.root
@pytest.mark.parametrize(
    ("family", "target", "server_family"),
    [(socket.AF_INET, "127.0.0.1", 4), (socket.AF_INET6, "::1", 6), (socket.AF_INET, "mapped", 6)],
)
def test_tcp_connection(lab: Lab, stack: ExitStack, family: int, target: str, server_family: int) -> None:
    client, server = connect(stack, lab.a.namespace, family, target)
    transfer(client, server, 123_456)
    transfer(server, client, 789)
    with reader_in(lab.a.namespace) as reader:
        rows = reader.dump()
    for one, sent, received, expected_family in (
        (client, 123_456, 789, 4 if family == socket.AF_INET else 6),
        (server, 789, 123_456, server_family),
    ):
        row = row_of(rows, one)
        assert (row["family"], row["protocol"], row["state"]) == (expected_family, TCP, ESTABLISHED)
        assert (row["tx_payload_bytes"], row["rx_payload_bytes"]) == (sent, received)
        assert (row["local_port"], row["remote_port"]) == (one.getsockname()[1], one.getpeername()[1])
        plain = "::1" if target == "::1" else "127.0.0.1"
        assert row["local"].tobytes() == row["remote"].tobytes() == mapped(plain)
        assert (row["inode"], row["uid"], row["has_info"]) == (inode(one), os.getuid(), 1)
        assert row["rtt_us"] > 0
        assert row["segments_out"] > 0


def own_info(one: socket.socket) -> dict[str, int]:
    """What the kernel tells the socket's owner: some of `struct tcp_info` of <linux/tcp.h>."""
    info = one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 240)
    words = {"rto_us": 8, "pmtu": 60, "ssthresh": 76, "segments_out": 136, "not_sent_bytes": 144}
    figures = {name: int.from_bytes(info[at : at + 4], sys.byteorder) for name, at in words.items()}
    longs = {"busy_us": 168, "rwnd_limited_us": 176, "sndbuf_limited_us": 184, "resent_bytes": 208}
    return figures | {name: int.from_bytes(info[at : at + 8], sys.byteorder) for name, at in longs.items()}


def fill(one: socket.socket) -> None:
    """Sends until no more goes in."""
    one.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            one.send(bytes(65_536))


@pytest.mark.root
def test_timing_and_what_holds_a_sender_back_are_those_of_the_kernel(lab: Lab, stack: ExitStack) -> None:
    """A receiver that does not read: its window closes, and data stays unsent."""
    client, server = connect(stack, lab.a.namespace)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    transfer(client, server, 100_000)
    with reader_in(lab.a.namespace) as reader:

        def row() -> np.void:
            return row_of(reader.dump(), client)

        fill(client)
        await_true(lambda: row()["rwnd_limited_us"] > 0 and row()["timer"] == 4)
        before, held, after = own_info(client), row(), own_info(client)
        for name in before:
            assert before[name] <= held[name] <= after[name], name
        assert 0 < held["not_sent_bytes"] <= held["wqueue"]
        assert 0 < held["rwnd_limited_us"] <= held["busy_us"]
        assert 0 < held["timer_ms"] <= 120_000
        server.setblocking(False)
        await_true(lambda: _drained(server) and row()["wqueue"] == 0)
        rest = row()
        assert (rest["not_sent_bytes"], rest["timer"]) == (0, 2), "only the keep-alive timer runs"
        assert 7_000_000 < rest["timer_ms"] <= 7_200_000


def _drained(one: socket.socket) -> bool:
    """Reads what is there."""
    with contextlib.suppress(BlockingIOError):
        while one.recv(1 << 20):
            pass
    return True


@pytest.mark.root
def test_backlog_queues_and_udp(lab: Lab, stack: ExitStack) -> None:
    listener = stack.enter_context(socket_in(lab.a.namespace, socket.AF_INET6, socket.SOCK_STREAM))
    listener.bind(("::", 0))
    listener.listen(17)
    port = listener.getsockname()[1]
    waiting = [stack.enter_context(socket_in(lab.a.namespace, socket.AF_INET6, socket.SOCK_STREAM)) for _ in range(3)]
    for one in waiting:
        one.connect(("::1", port))
    unconnected = stack.enter_context(socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_DGRAM))
    unconnected.bind(("0.0.0.0", 0))
    connected = stack.enter_context(socket_in(lab.a.namespace, socket.AF_INET6, socket.SOCK_DGRAM))
    connected.connect(("::ffff:127.0.0.1", unconnected.getsockname()[1]))
    connected.send(bytes(500))
    bound = stack.enter_context(socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_DGRAM))
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"vetha")
    bound.bind((lab.a.ipv4, 0))
    with reader_in(lab.a.namespace) as reader:
        rows = reader.dump()
    row = row_of(rows, listener)
    assert (row["state"], row["rqueue"], row["wqueue"], row["has_info"]) == (LISTEN, 3, 17, 0)
    assert not row["local"].any()
    accepted_later = rows[(rows["local_port"] == port) & (rows["state"] == ESTABLISHED)]
    assert accepted_later["inode"].tolist() == [0, 0, 0]
    row = row_of(rows, unconnected)
    assert (row["protocol"], row["state"], row["remote_port"]) == (UDP, CLOSE, 0)
    assert not row["local"].any()
    assert not row["remote"].any()
    assert row["rqueue"] >= 500
    row = row_of(rows, connected)
    assert (row["family"], row["state"], row["inode"]) == (6, ESTABLISHED, inode(connected))
    assert row["local"].tobytes() == row["remote"].tobytes() == mapped("127.0.0.1")
    row = row_of(rows, bound)
    assert (row["ifindex"], row["local"].tobytes()) == (lab.a.index, mapped(lab.a.ipv4))


@pytest.mark.root
def test_reader_sees_the_namespace_it_was_opened_in(lab: Lab, stack: ExitStack) -> None:
    here = stack.enter_context(socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_DGRAM))
    there = stack.enter_context(socket_in(lab.b.namespace, socket.AF_INET, socket.SOCK_DGRAM))
    here.bind(("0.0.0.0", 0))
    there.bind(("0.0.0.0", 0))
    with reader_in(lab.a.namespace) as reader:
        assert reader.dump()["cookie"].tolist() == [cookie(here)]


@pytest.mark.root
def test_time_wait_is_an_option(lab: Lab, stack: ExitStack) -> None:
    client, server = connect(stack, lab.a.namespace)
    port = client.getsockname()[1]
    client.close()
    assert server.recv(1) == b""
    server.close()
    with reader_in(lab.a.namespace) as without, reader_in(lab.a.namespace, include_time_wait=1) as reader:
        await_true(lambda: TIME_WAIT in reader.dump()["state"])
        rows = reader.dump()
        (row,) = rows[rows["state"] == TIME_WAIT]
        assert (row["local_port"], row["inode"], row["has_info"]) == (port, 0, 0)
        assert len(without.dump()) == 0


@pytest.mark.root
def test_dump_is_bounded_and_says_so(lab: Lab, stack: ExitStack) -> None:
    for _ in range(10):
        one = stack.enter_context(socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_DGRAM))
        one.bind(("127.0.0.1", 0))
    for limit, truncated in ((3, True), (9, True), (10, False), (0, True)):
        with reader_in(lab.a.namespace, max_sockets=limit) as reader:
            assert len(reader.dump()) == limit
            assert reader.truncated is truncated
            assert (f"more than {limit} sockets" in " ".join(unlisted_sockets(reader))) is truncated
            assert len(reader.dump()) == limit


@pytest.mark.root
def test_many_sockets_fill_several_buffers(lab: Lab, stack: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sock_diag, "_BUFFER_BYTES", sock_diag._ROOM_BYTES * 2)

    def bind_many() -> list[socket.socket]:
        many = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(1200)]
        for one in many:
            one.bind(("127.0.0.1", 0))
        return many

    made = run_in(lab.a.namespace, bind_many)
    with reader_in(lab.a.namespace) as reader:
        assert sorted(reader.dump()["inode"].tolist()) == sorted(map(inode, made))
        assert not reader.truncated


@pytest.mark.root
def test_protocol_without_diag_module_is_asked_for_once(lab: Lab) -> None:
    with reader_in(lab.a.namespace) as reader:
        counts = []
        for _ in range(2):
            before = reader._sequence
            reader.dump()
            counts.append(reader._sequence - before)
        assert counts == [10, 10 - 2 * len(reader.missing_protocols)]
        assert set(reader.missing_protocols) <= {UDP, 132, 136, 255}


def overflow(reader: SocketReader, namespace: str) -> None:
    """Makes the reader's netlink socket lose messages: it is told of closing sockets, but has no room."""
    netlink = reader._opened()
    netlink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    netlink.setsockopt(270, 1, SKNLGRP_INET_UDP_DESTROY)

    def open_and_close() -> None:
        for _ in range(50):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
                one.bind(("127.0.0.1", 0))

    run_in(namespace, open_and_close)
    poll = select.poll()
    poll.register(netlink, 0)
    await_true(lambda: any(event & select.POLLERR for _, event in poll.poll(0)))


@pytest.mark.root
def test_lost_answer_is_asked_for_again(lab: Lab, stack: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    client, server = connect(stack, lab.a.namespace)
    with reader_in(lab.a.namespace) as reader:
        overflow(reader, lab.a.namespace)
        assert {cookie(client), cookie(server)} <= set(reader.dump()["cookie"].tolist())
        overflow(reader, lab.a.namespace)
        monkeypatch.setattr(sock_diag, "grow_receive_buffer", lambda *_: overflow(reader, lab.a.namespace))
        with pytest.raises(NetdashError, match="lost the answer twice"):
            reader.dump()
        monkeypatch.undo()
        assert {cookie(client), cookie(server)} <= set(reader.dump()["cookie"].tolist())


def test_reading_needs_no_privilege_and_no_namespace(stack: ExitStack) -> None:
    client, server = connect(stack, None)
    transfer(client, server, 100)
    reader = SocketReader()
    try:
        reader.open()
    except NetdashError as error:
        pytest.skip(str(error))
    stack.callback(reader.close)
    rows = reader.dump()
    assert row_of(rows, client)["tx_payload_bytes"] == 100
    owners = SocketOwners()
    owners.refresh(rows["inode"])
    found = owners.owners(rows["inode"])
    assert set(found[np.isin(rows["inode"], [inode(client), inode(server)])].tolist()) == {os.getpid()}


@pytest.mark.root
def test_udplite_where_the_kernel_has_it(lab: Lab, stack: ExitStack) -> None:
    try:
        one = stack.enter_context(socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_DGRAM, 136))
    except OSError as error:
        pytest.skip(f"this kernel has no UDP-Lite: {error}")
    one.bind(("127.0.0.1", 0))
    with reader_in(lab.a.namespace) as reader:
        assert row_of(reader.dump(), one)["protocol"] == 136
