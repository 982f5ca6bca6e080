"""The speed of a link, asked of its driver: ETHTOOL_GLINKSETTINGS through SIOCETHTOOL.

The ioctl answers for the network namespace of the socket that it is made on. /sys/class/net shows the same speed,
but of the namespace in which /sys was mounted, which may have another interface of that name.
"""

from __future__ import annotations

import array
import fcntl
import socket
import struct

_SIOCETHTOOL = 0x8946
_ETHTOOL_GLINKSETTINGS = 0x4C
_SPEED_UNKNOWN = 0xFFFFFFFF

_SETTINGS = struct.Struct("=II7Bb32x")
"""`struct ethtool_link_settings` up to its bit maps: cmd, speed in Mbit/s, seven bytes, words per bit map."""

_MAX_BIT_MAP_WORDS = 127


def link_speed_bps(control: socket.socket, interface: str) -> int | None:
    """Bits per second, or None if the driver does not know, has no such notion, or the interface is gone.

    `control`: any IPv4 or IPv6 socket. Needs no privilege. struct layouts: <linux/ethtool.h>.
    """
    name = interface.encode("utf-8", "replace")
    if len(name) > 15:
        return None
    try:
        # The first call names no bit-map size; the kernel answers with the size it wants, negated.
        words = -_ask(control, name, 0)[1]
        if not 0 < words <= _MAX_BIT_MAP_WORDS:
            return None
        speed_mbps, _ = _ask(control, name, words)
    except OSError:
        return None
    return speed_mbps * 1_000_000 if 0 < speed_mbps < _SPEED_UNKNOWN else None


def _ask(control: socket.socket, name: bytes, words: int) -> tuple[int, int]:
    settings = array.array("B", _SETTINGS.pack(_ETHTOOL_GLINKSETTINGS, 0, *[0] * 7, words))
    settings.extend(bytes(3 * 4 * words))
    fcntl.ioctl(control, _SIOCETHTOOL, struct.pack("16sP16x", name, settings.buffer_info()[0]))
    _, speed_mbps, *_, answered_words = _SETTINGS.unpack_from(settings)
    return speed_mbps, answered_words
