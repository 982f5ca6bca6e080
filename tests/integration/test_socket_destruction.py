"""Sockets that end, against the kernel: what it says of them at last."""

from __future__ import annotations

import os
import socket
import struct
from contextlib import ExitStack

import pytest

from netdash.kernel import sock_diag
from netdash.kernel.socket_events import subtract_seen_fins
from tests.integration.sockets import (
    CLOSE,
    CLOSE_WAIT,
    TCP,
    UDP,
    await_true,
    connect,
    cookie,
    events_in,
    events_of,
    reader_in,
    row_of,
    stack,
    transfer,
)
from tests.namespaces import Lab, socket_in

__all__ = ["stack"]


@pytest.mark.root
def test_reset_connection_ends_with_exact_counters(lab: Lab, stack: ExitStack) -> None:
    with events_in(lab.a.namespace) as events:
        client, server = connect(stack, lab.a.namespace)
        transfer(client, server, 54_321)
        transfer(server, client, 1_234)
        server.sendall(b"not read")
        await_true(lambda: len(client.recv(100, socket.MSG_PEEK)) == 8)
        cookies = cookie(client), cookie(server)
        # Closing with unread data resets the connection.
        client.close()
        with pytest.raises(ConnectionResetError):
            server.recv(1)
        server.close()
        rows = events_of(events, *cookies)
    ended, other = row_of(rows, cookies[0]), row_of(rows, cookies[1])
    assert (ended["protocol"], ended["state"], ended["inode"], ended["has_info"]) == (TCP, CLOSE, 0, 1)
    assert (ended["tx_payload_bytes"], ended["rx_payload_bytes"]) == (54_321, 1_242)
    assert (other["tx_payload_bytes"], other["rx_payload_bytes"]) == (1_242, 54_321)


@pytest.mark.root
def test_kernel_clears_the_counters_of_a_socket_closed_without_lingering(lab: Lab, stack: ExitStack) -> None:
    with events_in(lab.a.namespace) as events:
        client, server = connect(stack, lab.a.namespace)
        transfer(client, server, 54_321)
        cookies = cookie(client), cookie(server)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("@ii", 1, 0))
        client.close()
        with pytest.raises(ConnectionResetError):
            server.recv(1)
        server.close()
        rows = events_of(events, *cookies)
    assert row_of(rows, cookies[0])["tx_payload_bytes"] == 0
    assert row_of(rows, cookies[1])["rx_payload_bytes"] == 54_321


@pytest.mark.root
def test_closed_connection_ends_with_counters_exact_but_for_an_unseen_fin(lab: Lab, stack: ExitStack) -> None:
    with events_in(lab.a.namespace) as events, reader_in(lab.a.namespace) as reader:
        client, server = connect(stack, lab.a.namespace, socket.AF_INET6, "::1")
        transfer(client, server, 1_000)
        transfer(server, client, 500)
        cookies = cookie(client), cookie(server)
        client.close()
        assert server.recv(1) == b""
        before = reader.dump()
        assert row_of(before, cookies[1])["state"] == CLOSE_WAIT
        assert row_of(before, cookies[1])["rx_payload_bytes"] == 1_000
        server.close()
        rows = events_of(events, *cookies)
    subtract_seen_fins(rows, before)
    ended, other = row_of(rows, cookies[0]), row_of(rows, cookies[1])
    assert (other["tx_payload_bytes"], other["rx_payload_bytes"]) == (500, 1_000)
    assert ended["tx_payload_bytes"] == 1_000
    assert ended["rx_payload_bytes"] in (500, 501)


@pytest.mark.root
def test_udp_destruction_and_overflow(lab: Lab, stack: ExitStack) -> None:
    with events_in(lab.a.namespace) as events:
        one = stack.enter_context(socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_DGRAM))
        one.bind(("127.0.0.1", 0))
        known, port = cookie(one), one.getsockname()[1]
        one.close()
        row = row_of(events_of(events, known), known)
        assert (row["protocol"], row["local_port"], row["has_info"], row["wqueue"]) == (UDP, port, 0, 0)
        assert not events.overflowed

        same = stack.enter_context(socket.socket(fileno=os.dup(events.fileno())))
        same.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        for _ in range(50):
            with socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_DGRAM) as short:
                short.bind(("127.0.0.1", 0))

        def has_overflowed() -> bool:
            events.read()
            return events.overflowed

        await_true(has_overflowed)
        # The kernel tells of the last ones later; they have to fit.
        sock_diag.grow_receive_buffer(same, 1 << 20)
        await_true(lambda: len(events.read()) == 0)
        events.overflowed = False
        last = stack.enter_context(socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_DGRAM))
        last.bind(("127.0.0.1", 0))
        known = cookie(last)
        last.close()
        assert known in events_of(events, known)["cookie"]
