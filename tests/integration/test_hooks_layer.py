"""The hooks layer beside listings that are older than what it counted."""

from __future__ import annotations

import os
import socket
import sys
from functools import partial

import numpy as np
import pytest

from netdash.collector.hooks import HooksLayer
from netdash.kernel.namespaces import current_namespace_inode
from netdash.model.protocols import LISTEN, TCP
from netdash.model.tables import SOCKET_ROW, UNKNOWN, empty
from tests.namespaces import Lab, run_in, socket_in

pytestmark = pytest.mark.root

SO_COOKIE = 57


def test_a_connection_that_came_and_went_after_the_listings(lab: Lab) -> None:
    """Its bytes are told at the next look, which knows that it has ended and who listens."""
    inode = run_in(lab.b.namespace, current_namespace_inode)
    layer = run_in(lab.b.namespace, partial(HooksLayer.open, inode, []))
    nothing = empty(SOCKET_ROW)
    try:
        layer.moves(nothing, nothing)
        with (
            socket_in(lab.b.namespace, socket.AF_INET, socket.SOCK_STREAM) as listener,
            socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_STREAM) as client,
        ):
            listener.bind((lab.b.ipv4, 0))
            listener.listen()
            client.connect(listener.getsockname())
            server, _ = listener.accept()
            with server:
                cookie = int.from_bytes(server.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8), sys.byteorder)
                client.sendall(bytes(1234))
                assert server.recv(1234, socket.MSG_WAITALL) == bytes(1234)
                server.sendall(bytes(77))
            port = listener.getsockname()[1]
            first = layer.moves(nothing, nothing).everywhere
            listening, closed = np.zeros(1, SOCKET_ROW), np.zeros(1, SOCKET_ROW)
            listening["state"], listening["protocol"], listening["local_port"] = LISTEN, TCP, port
            listening["pid"], closed["pid"], closed["cookie"] = os.getpid(), UNKNOWN, cookie
            second, third = (layer.moves(listening.copy(), closed.copy()).everywhere for _ in range(2))
    finally:
        layer.close()
    assert cookie not in first["cookie"]
    (row,) = second[second["cookie"] == cookie]
    assert (row["pid"], row["rx_payload"], row["tx_payload"]) == (os.getpid(), 1234, 77)
    assert cookie not in third["cookie"]
