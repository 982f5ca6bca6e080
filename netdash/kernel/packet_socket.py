"""What all packet sockets of this program share (packet(7))."""

from __future__ import annotations

import ctypes
import os
import socket
import struct

_ETH_P_ALL = 0x0003
"""Every protocol, <linux/if_ether.h>."""
_SOCKADDR_LL = struct.Struct("=HHiHBB8s")
"""`struct sockaddr_ll`, <linux/if_packet.h>."""


def bind_to_all_interfaces(packet_socket: socket.socket) -> None:
    """From here on the socket sees every frame of its network namespace. Raises OSError.

    Python's bind() wants the name of one interface; ifindex 0, which means all, can only be said in the raw address.
    """
    address = _SOCKADDR_LL.pack(socket.AF_PACKET, socket.htons(_ETH_P_ALL), 0, 0, 0, 0, b"")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.bind(packet_socket.fileno(), address, len(address)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
