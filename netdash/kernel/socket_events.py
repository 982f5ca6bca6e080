"""Sockets at the moment they are destroyed, with their final counters: NETLINK_SOCK_DIAG multicast. No privilege.

This is how a TCP connection that opens and closes between two dumps is still counted to the byte.
Source: net/core/sock_diag.c (`sock_diag_broadcast_destroy`), net/ipv4/inet_diag.c (`inet_diag_handler_get_info`).
"""

from __future__ import annotations

import errno
import socket

import numpy as np
from numpy.typing import NDArray

from netdash.errors import NotSupportedError
from netdash.kernel.sock_diag import grow_receive_buffer, open_netlink
from netdash.kernel.sock_diag_wire import join_rows, parse_sockets
from netdash.kernel.socket_row import FIN_RECEIVED_STATES

_SOL_NETLINK = 270
_NETLINK_ADD_MEMBERSHIP = 1
_GROUPS = (1, 2, 3, 4)
"""SKNLGRP_INET_TCP_DESTROY, _INET_UDP_, _INET6_TCP_, _INET6_UDP_DESTROY, <linux/sock_diag.h>."""

_RECEIVE_BUFFER_BYTES = 1 << 24
_ROOM_BYTES = 1 << 12
"""Room for one datagram: one message of about 400 bytes."""
_BUFFER_BYTES = 1 << 18
_MAX_READ_BYTES = 1 << 25
"""Most that one `read` takes (about 80 000 sockets); sockets may close faster than they can be read."""


class SocketDestroyEvents:
    """Tells of every TCP and UDP socket that is destroyed in the network namespace of the thread that called `open`.

    The kernel works for each destroyed socket while this is open (tens of microseconds), so close it when not in use.
    """

    overflowed: bool
    """Events were lost because they were not read in time; set by `read`, to be reset by the user of the class."""

    def __init__(self) -> None:
        self.overflowed = False
        self._socket: socket.socket | None = None
        self._buffer = bytearray(_BUFFER_BYTES)

    def open(self) -> None:
        """Subscribes. Raises NotSupportedError, NotPermittedError or NetdashError."""
        self.close()
        netlink = open_netlink()
        try:
            grow_receive_buffer(netlink, _RECEIVE_BUFFER_BYTES)
            for group in _GROUPS:
                netlink.setsockopt(_SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP, group)
        except OSError as error:
            netlink.close()
            raise NotSupportedError(
                f"cannot follow closing sockets: {error.strerror}; short connections are missed without"
            ) from error
        netlink.setblocking(False)
        self._socket = netlink

    def close(self) -> None:
        """Ends the subscription; closing twice is harmless."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def fileno(self) -> int:
        """The descriptor to poll for reading; -1 when closed."""
        return -1 if self._socket is None else self._socket.fileno()

    def read(self) -> NDArray[np.void]:
        """All pending events as SOCKET_ROW rows, without waiting; a very long queue comes in several reads.

        `cookie`, addresses, ports and `protocol` are valid, and with `has_info` (TCP) the final counters. `state` is
        CLOSE for TCP; `uid`, `inode` and the queues are 0. `rx_payload_bytes` may hold one byte too many for the
        peer's FIN: see `subtract_seen_fins`. A socket closed with SO_LINGER of 0 seconds has its counters cleared by
        the kernel (tcp_disconnect, net/ipv4/tcp.c): its last dump counts then. Empty when closed.
        """
        parts: list[NDArray[np.void]] = []
        taken_bytes, more = 0, self._socket is not None
        while more and taken_bytes < _MAX_READ_BYTES:
            filled, more = self._fill_buffer()
            taken_bytes += filled
            with memoryview(self._buffer) as view:
                parts.append(parse_sockets(view[:filled], None))
        rows = join_rows(parts)
        # Left-overs of the destruction, for UDP even below zero.
        rows["rqueue"] = rows["wqueue"] = 0
        return rows

    def _fill_buffer(self) -> tuple[int, bool]:
        """Receives into the buffer; gives the bytes in it and whether there may be more to receive."""
        assert self._socket is not None
        filled = 0
        with memoryview(self._buffer) as view:
            while filled + _ROOM_BYTES <= _BUFFER_BYTES:
                try:
                    filled += self._socket.recv_into(view[filled : filled + _ROOM_BYTES])
                except BlockingIOError:
                    return filled, False
                except OSError as error:
                    if error.errno != errno.ENOBUFS:
                        raise
                    self.overflowed = True
        return filled, True


def subtract_seen_fins(events: NDArray[np.void], last_seen: NDArray[np.void]) -> None:
    """Takes the FIN's byte out of `rx_payload_bytes` of destroyed sockets, where an earlier row proves that it came.

    `events` (SOCKET_ROW rows of `SocketDestroyEvents.read`) are changed in place; `last_seen` are SOCKET_ROW rows
    of a dump. A socket that was in CLOSE_WAIT, LAST_ACK or CLOSING had received its FIN. For the rest it is not known
    whether the connection ended by FIN (one byte too many) or by reset or time-out (exact).
    """
    if not len(events):
        return
    with_fin = last_seen[np.isin(last_seen["state"], FIN_RECEIVED_STATES) & (last_seen["has_info"] == 1)]
    sure = np.isin(events["cookie"], with_fin["cookie"]) & (events["rx_payload_bytes"] > 0)
    events["rx_payload_bytes"] -= sure
