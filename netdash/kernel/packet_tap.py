"""Reads single packets from a packet socket: recvmmsg(2) with time stamp, length and VLAN tag of each.

Layouts: <linux/if_packet.h> (`struct sockaddr_ll`, `struct tpacket_auxdata`), <linux/net_tstamp.h>, recvmmsg(2),
cmsg(3).
"""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
import time
from collections.abc import Iterator
from typing import Final

from netdash.kernel.raw_flow import PACKET_OUTGOING, VLAN_PRESENT
from netdash.model.packets import PacketBudget, WatchedPacket, link_of_device

SOL_PACKET, PACKET_STATISTICS, PACKET_AUXDATA = 263, 6, 8
SO_RCVBUFFORCE, SO_TIMESTAMPING = 33, 37
_SOFTWARE_RECEIVE_TIME: Final = 8 | 16
"""SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE."""
_STATUS_VLAN_VALID: Final = 0x10
ARPHRD_LOOPBACK: Final = 772

QUEUE_BYTES: Final = 2 << 20
"""Asked for; the kernel takes twice that, and counts a packet with all of its buffers (some 768 bytes at least)."""

_BATCH: Final = 64
_MOST_BATCHES: Final = 128
"""In one call of `read`: the queue holds fewer packets, and a flood must not keep it busy for ever."""
_CONTROL_BYTES: Final = 256

_SOCKADDR_LL = struct.Struct("=HHiHBB8s")
_AUXDATA = struct.Struct("=IIIHHHH")
_CONTROL_HEADER = struct.Struct("@Nii")
_TIMESPEC = struct.Struct("@ll")
_CONTROL_ALIGNMENT: Final = ctypes.sizeof(ctypes.c_size_t)

_libc = ctypes.CDLL(None, use_errno=True)


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    """`struct msghdr`."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_bytes", ctypes.c_uint32),
        ("vectors", ctypes.POINTER(_Vector)),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_bytes", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    """`struct mmsghdr`."""

    _fields_ = (("header", _Header), ("received_bytes", ctypes.c_uint32))


class PacketTap:
    """The packets that a socket's filter lets through: `start`, `read` often, `stop`; one thread at a time."""

    def __init__(self, packet_socket: socket.socket) -> None:
        """The socket stays the caller's."""
        self._socket = packet_socket
        self._buffers: _Buffers | None = None
        for option in (SO_RCVBUFFORCE, socket.SO_RCVBUF):  # the first wants CAP_NET_ADMIN
            try:
                packet_socket.setsockopt(socket.SOL_SOCKET, option, QUEUE_BYTES)
            except PermissionError:
                continue
            break

    def start(self, snap_bytes: int) -> None:
        """Before the filter lets packets through. Time stamps cost each packet of the host some 20 ns until `stop`."""
        self._socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, _SOFTWARE_RECEIVE_TIME)
        self._buffers = _Buffers(snap_bytes)
        self._discard()

    def stop(self) -> None:
        """After the filter lets none through any more."""
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, 0)
        if self._buffers is not None:
            self._discard()
            self._buffers = None

    def read(self, budget: PacketBudget) -> tuple[list[WatchedPacket], int]:
        """What is queued, as far as the budget goes, and how many packets were left out or found the queue full.

        On the loopback device, where each packet passes twice, the received one is taken.
        """
        if self._buffers is None:
            return [], 0
        packets: list[WatchedPacket] = []
        skipped = 0
        for _ in range(_MOST_BATCHES):
            count = self._buffers.receive(self._socket)
            for row in range(count):
                packet = self._buffers.packet(row)
                if packet is None:
                    continue
                if budget.left:
                    budget.spend(len(packet.data))
                    packets.append(packet)
                else:
                    skipped += 1
            if count < _BATCH:
                break
        return packets, skipped + self._dropped()

    def _dropped(self) -> int:
        statistics = self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
        return int(struct.unpack("II", statistics)[1])

    def _discard(self) -> None:
        """What another watch left behind."""
        if self._buffers is not None:
            for _ in range(_MOST_BATCHES):
                if self._buffers.receive(self._socket) < _BATCH:
                    break
        self._dropped()


class _Buffers:
    """Room for one recvmmsg(2)."""

    def __init__(self, snap_bytes: int) -> None:
        self._snap_bytes = snap_bytes
        self._data = ctypes.create_string_buffer(snap_bytes * _BATCH)
        self._names = ctypes.create_string_buffer(_SOCKADDR_LL.size * _BATCH)
        self._controls = ctypes.create_string_buffer(_CONTROL_BYTES * _BATCH)
        self._vectors = (_Vector * _BATCH)()
        self._messages = (_Message * _BATCH)()
        for row in range(_BATCH):
            self._vectors[row].base = ctypes.addressof(self._data) + row * snap_bytes
            self._vectors[row].length = snap_bytes
            message = self._messages[row].header
            message.name = ctypes.addressof(self._names) + row * _SOCKADDR_LL.size
            message.vectors = ctypes.pointer(self._vectors[row])
            message.vector_count = 1
            message.control = ctypes.addressof(self._controls) + row * _CONTROL_BYTES

    def receive(self, packet_socket: socket.socket) -> int:
        """How many packets came; 0 when none waits. Raises OSError."""
        for message in self._messages:
            message.header.name_bytes = _SOCKADDR_LL.size
            message.header.control_bytes = _CONTROL_BYTES
        count = int(_libc.recvmmsg(packet_socket.fileno(), self._messages, _BATCH, socket.MSG_DONTWAIT, None))
        if count < 0:
            code = ctypes.get_errno()
            if code in (errno.EAGAIN, errno.EINTR, errno.ENETDOWN):
                return 0
            raise OSError(code, "recvmmsg on the packet socket")
        return count

    def packet(self, row: int) -> WatchedPacket | None:
        """None for the first of the two times that a packet passes the loopback device."""
        message = self._messages[row]
        _, _, ifindex, hardware_type, packet_type, _, _ = _SOCKADDR_LL.unpack_from(self._names, row * _SOCKADDR_LL.size)
        if hardware_type == ARPHRD_LOOPBACK and packet_type == PACKET_OUTGOING:
            return None
        start = row * self._snap_bytes
        data = ctypes.string_at(ctypes.addressof(self._data) + start, min(message.received_bytes, self._snap_bytes))
        time_ns, length, vlan = 0, len(data), 0
        for level, kind, value in self._control_messages(row, message.header.control_bytes):
            if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPING) and len(value) >= _TIMESPEC.size:
                seconds, nanoseconds = _TIMESPEC.unpack_from(value)
                time_ns = seconds * 1_000_000_000 + nanoseconds
            elif (level, kind) == (SOL_PACKET, PACKET_AUXDATA) and len(value) >= _AUXDATA.size:
                status, length, _, _, _, tag, _ = _AUXDATA.unpack_from(value)
                vlan = VLAN_PRESENT | tag & 0xFFF if status & _STATUS_VLAN_VALID else 0
        link = link_of_device(hardware_type)
        return WatchedPacket(time_ns or time.time_ns(), ifindex, packet_type, length, data, vlan, link)

    def _control_messages(self, row: int, used_bytes: int) -> Iterator[tuple[int, int, bytes]]:
        place, end = row * _CONTROL_BYTES, row * _CONTROL_BYTES + used_bytes
        while place + _CONTROL_HEADER.size <= end:
            size, level, kind = _CONTROL_HEADER.unpack_from(self._controls, place)
            if size < _CONTROL_HEADER.size:
                return
            start = ctypes.addressof(self._controls) + place + _CONTROL_HEADER.size
            yield level, kind, ctypes.string_at(start, min(size - _CONTROL_HEADER.size, end - place))
            place += -(-size // _CONTROL_ALIGNMENT) * _CONTROL_ALIGNMENT
