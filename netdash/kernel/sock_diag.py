"""The sockets of one network namespace, read in bulk by NETLINK_SOCK_DIAG (sock_diag(7)). Needs no privilege."""

from __future__ import annotations

import errno
import os
import socket
import struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.errors import NetdashError, NotPermittedError, NotSupportedError
from netdash.kernel.sock_diag_wire import RAW, SOCK_DIAG_BY_FAMILY, join_rows, parse_sockets
from netdash.kernel.socket_row import SOCKET_ROW as SOCKET_ROW
from netdash.model.protocols import SCTP, TCP, UDP, UDPLITE

MAX_SOCKETS: Final = 2_000_000
"""Most rows of one dump: 448 MB of SOCKET_ROW."""

NETLINK_SOCK_DIAG: Final = 4
SO_RCVBUFFORCE: Final = 33
"""<asm-generic/socket.h>; missing in Python's socket module."""

_EXT_INFO = 1 << (2 - 1)
_EXT_SKMEMINFO = 1 << (7 - 1)
"""Bits of `idiag_ext`: INET_DIAG_INFO, INET_DIAG_SKMEMINFO, <linux/inet_diag.h>."""

_ALL_STATES = 0xFFF
"""Bits 0 to 11; TCP_BOUND_INACTIVE (13) is left out: such a socket neither listens nor moves anything."""
_TIME_WAIT_BIT = 1 << 6

_REQUEST = struct.Struct("=IHHIIBBBBI48x")
"""`struct nlmsghdr`, `struct inet_diag_req_v2` with an empty socket id: 72 bytes."""
_NLM_F_REQUEST_DUMP = 0x301
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_DONE_BYTES = 20

_ROOM_BYTES = 1 << 16
"""Room for one datagram: the kernel builds dumps in pieces of at most 32 KiB (netlink_recvmsg, af_netlink.c)."""
_BUFFER_BYTES = 1 << 20
"""Messages are parsed whenever this much has come, so memory follows the rows, not the messages."""
_RECEIVE_BUFFER_BYTES, _LARGE_RECEIVE_BUFFER_BYTES = 1 << 20, 1 << 24
_ANSWER_TIMEOUT_S = 10

_MISSING = (errno.ENOENT, errno.EPROTONOSUPPORT, errno.EOPNOTSUPP)
"""How the kernel says that it has no diag module for a family or protocol."""


class SocketReader:
    """Lists all TCP, UDP, UDP-Lite, SCTP and raw sockets of the network namespace of the thread that called `open`.

    A protocol whose diag module the kernel lacks is asked for once and then left out (`missing_protocols`), because
    each question makes the kernel look for a module to load.
    """

    truncated: bool
    """The last dump stopped at `max_sockets`: there are more sockets than rows."""

    def __init__(self, *, include_time_wait: bool = False, max_sockets: int = MAX_SOCKETS) -> None:
        self.truncated = False
        self._states = _ALL_STATES if include_time_wait else _ALL_STATES & ~_TIME_WAIT_BIT
        self.max_sockets = max_sockets
        self._socket: socket.socket | None = None
        self._buffer = bytearray(_BUFFER_BYTES)
        self._sequence = 0
        self._missing: set[tuple[int, int]] = set()

    @property
    def missing_protocols(self) -> tuple[int, ...]:
        """IP protocols (255: raw) that this kernel cannot list, as far as `dump` has found out."""
        return tuple(sorted({protocol for _, protocol in self._missing}))

    def open(self) -> None:
        """Makes the netlink socket. Raises NotSupportedError or NotPermittedError."""
        self.close()
        self._socket = open_netlink()
        grow_receive_buffer(self._socket, _RECEIVE_BUFFER_BYTES)
        timeout = struct.pack("@ll", _ANSWER_TIMEOUT_S, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeout)

    def close(self) -> None:
        """Closes the netlink socket; closing twice is harmless."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def dump(self) -> NDArray[np.void]:
        """All sockets now, as SOCKET_ROW rows in no order.

        TCP comes with `struct tcp_info`, the others with their drops. Rows are not of one instant: a socket that
        opens or closes meanwhile may be there or not.
        Raises NotSupportedError without tcp_diag, NetdashError if the kernel does not answer or loses the answer twice.
        """
        self.truncated = False
        parts: list[NDArray[np.void]] = []
        room = self.max_sockets
        for protocol in (TCP, UDP, UDPLITE, SCTP, RAW):
            for family in (socket.AF_INET, socket.AF_INET6):
                if (family, protocol) in self._missing:
                    continue
                found = self._dump_family(family, protocol, room)
                room -= sum(map(len, found))
                parts += found
        return join_rows(parts)

    def _dump_family(self, family: int, protocol: int, room: int) -> list[NDArray[np.void]]:
        try:
            parts = self._request(family, protocol, room)
            if parts is None:
                grow_receive_buffer(self._opened(), _LARGE_RECEIVE_BUFFER_BYTES)
                parts = self._request(family, protocol, room)
        except OSError as error:
            if error.errno not in _MISSING:
                raise _failure(error) from error
            if protocol == TCP:
                raise NotSupportedError(
                    "cannot list sockets: this kernel has no tcp_diag; load it with 'modprobe tcp_diag'"
                ) from error
            self._missing.add((family, protocol))
            return []
        if parts is None:
            raise NetdashError("cannot list sockets: the kernel lost the answer twice (ENOBUFS); memory is short")
        return parts

    def _request(self, family: int, protocol: int, room: int) -> list[NDArray[np.void]] | None:
        """Asks for one family and protocol. None: a part of the answer was lost (ENOBUFS)."""
        netlink = self._opened()
        self._sequence = (self._sequence + 1) & 0xFFFFFFFF
        extensions = _EXT_INFO if protocol == TCP else _EXT_SKMEMINFO
        netlink.send(
            _REQUEST.pack(
                _REQUEST.size,
                SOCK_DIAG_BY_FAMILY,
                _NLM_F_REQUEST_DUMP,
                self._sequence,
                0,
                family,
                protocol,
                extensions,
                0,
                self._states,
            )
        )
        return self._receive(netlink, protocol, room)

    def _receive(self, netlink: socket.socket, protocol: int, room: int) -> list[NDArray[np.void]] | None:
        parts: list[NDArray[np.void]] = []
        filled, full, lost, done = 0, False, False, False
        with memoryview(self._buffer) as view:
            while not done:
                try:
                    # A dump that lost a part may have stopped for good: then there is nothing to wait for.
                    flags = socket.MSG_DONTWAIT if lost else 0
                    size = netlink.recv_into(view[filled : filled + _ROOM_BYTES], _ROOM_BYTES, flags)
                except OSError as error:
                    if lost and error.errno == errno.EAGAIN:
                        return None
                    if error.errno != errno.ENOBUFS:
                        raise
                    lost = True
                    continue
                records, done = self._judge(view[filled : filled + size])
                filled += records
                if done or filled + _ROOM_BYTES > _BUFFER_BYTES:
                    if not lost and not full:
                        rows = parse_sockets(view[:filled], protocol)
                        full = len(rows) > room
                        parts.append(rows[:room])
                        room -= len(parts[-1])
                    filled = 0
        if lost:
            return None
        self.truncated |= full
        return parts

    def _judge(self, datagram: memoryview) -> tuple[int, bool]:
        """How many bytes of records a datagram begins with, and whether it ends the dump. Raises OSError for an error.

        The end is NLMSG_DONE, alone or after the last records, and carries an error number (0 or negative).
        A datagram of an older request, left behind by an exception, has no records for us.
        """
        size = len(datagram)
        if size < _DONE_BYTES:
            return 0, False
        _, kind, _, sequence = struct.unpack_from("=IHHI", datagram)
        if sequence != self._sequence:
            return 0, False
        if kind == _NLMSG_ERROR:
            _raise_for(struct.unpack_from("=i", datagram, 16)[0])
            return 0, True
        length, kind, _, sequence = struct.unpack_from("=IHHI", datagram, size - _DONE_BYTES)
        if length != _DONE_BYTES or kind != _NLMSG_DONE or sequence != self._sequence:
            return size, False
        _raise_for(struct.unpack_from("=i", datagram, size - 4)[0])
        return size - _DONE_BYTES, True

    def _opened(self) -> socket.socket:
        if self._socket is None:
            raise NetdashError("cannot list sockets: the reader is closed; call open() first")
        return self._socket


def open_netlink() -> socket.socket:
    """A bound NETLINK_SOCK_DIAG socket. Raises NotSupportedError, NotPermittedError or NetdashError."""
    try:
        netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_SOCK_DIAG)
    except OSError as error:
        raise _failure(error) from error
    try:
        netlink.bind((0, 0))
    except OSError as error:
        netlink.close()
        raise _failure(error) from error
    return netlink


def grow_receive_buffer(netlink: socket.socket, size_bytes: int) -> None:
    """Sets the receive buffer, past net.core.rmem_max where CAP_NET_ADMIN allows it."""
    try:
        netlink.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, size_bytes)
    except PermissionError:
        netlink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size_bytes)


def _raise_for(error_number: int) -> None:
    if error_number < 0:
        raise OSError(-error_number, os.strerror(-error_number))


def _failure(error: OSError) -> NetdashError:
    if error.errno in (errno.EPERM, errno.EACCES):
        return NotPermittedError(
            "cannot list sockets: the kernel refuses NETLINK_SOCK_DIAG here; allow it in the seccomp or SELinux policy"
        )
    if error.errno in (errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT):
        return NotSupportedError("cannot list sockets: this kernel has no NETLINK_SOCK_DIAG; it needs CONFIG_INET_DIAG")
    if error.errno == errno.EAGAIN:
        return NetdashError("cannot list sockets: the kernel did not finish its answer; try again")
    return NetdashError(f"cannot list sockets: {error.strerror}; try again")
