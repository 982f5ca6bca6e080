"""Writes packets to a pcapng file that Wireshark, tshark and tcpdump open (draft-ietf-opsawg-pcapng).

One section, little endian; an interface block for each interface with its name and nanosecond time stamps; an enhanced
packet block for each packet with its direction and, as a comment, its process.
"""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Final

import netdash
from netdash.errors import NetdashError
from netdash.model.packet_comment import ProcessNote, process_comment
from netdash.model.packets import MAX_SNAP_BYTES, WatchedPacket, frame_with_tag
from netdash.model.sanitize import sanitize

_SECTION_HEADER, _INTERFACE_DESCRIPTION, _ENHANCED_PACKET = 0x0A0D0D0A, 1, 6
_BYTE_ORDER_MAGIC: Final = 0x1A2B3C4D
_UNKNOWN_LENGTH: Final = 0xFFFF_FFFF_FFFF_FFFF
_OPTION_COMMENT, _SECTION_APPLICATION, _INTERFACE_NAME, _PACKET_FLAGS, _INTERFACE_RESOLUTION = 1, 4, 2, 2, 9
_NANOSECONDS: Final = b"\x09"
_TAG_BYTES: Final = 4
_RECEPTION: Final = {0: 1, 1: 3, 2: 2, 3: 4}
"""From the kernel's packet type to epb_flags: unicast, broadcast, multicast, promiscuous."""
_INBOUND, _OUTBOUND = 1, 2


def write_pcapng(
    path: Path,
    packets: Iterable[WatchedPacket],
    interface_names: Mapping[int, str],
    process_of: Callable[[WatchedPacket], ProcessNote | None] = lambda packet: None,
    *,
    replace: bool = True,
) -> int:
    """Writes a new file, or replaces one as a whole, readable for its owner alone; returns the number of packets.

    `interface_names`: by ifindex. `replace`: whether there may be a file of that name. Raises NetdashError; then there
    is no new file and an old one is as it was.
    """
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name[:64]}.", dir=path.parent)  # of mode 0600
    except OSError as error:
        raise NetdashError(f"{path}: cannot be written: {error.strerror}; choose another directory") from error
    try:
        with ExitStack() as unfinished:
            unfinished.callback(os.unlink, temporary)
            with os.fdopen(descriptor, "wb") as file:
                count = _write(file, packets, interface_names, process_of)
                file.flush()
                os.fsync(file.fileno())
            _name(temporary, path, replace=replace)
            unfinished.pop_all()
    except OSError as error:
        raise NetdashError(f"{path}: not written: {error.strerror}; free some space or choose another") from error
    return count


def _name(temporary: str, path: Path, *, replace: bool) -> None:
    if replace:
        os.replace(temporary, path)
        return
    try:
        os.link(temporary, path)  # unlike a look beforehand, this cannot be too late
    except FileExistsError as error:
        raise NetdashError(f"{path}: not written: there is such a file by now; choose another name") from error
    except OSError:  # a file system without links
        if os.path.lexists(path):
            raise NetdashError(f"{path}: not written: there is such a file by now; choose another name") from None
        os.replace(temporary, path)
        return
    os.unlink(temporary)


def _write(
    file: BinaryIO,
    packets: Iterable[WatchedPacket],
    interface_names: Mapping[int, str],
    process_of: Callable[[WatchedPacket], ProcessNote | None],
) -> int:
    file.write(_section_header())
    interfaces: dict[tuple[int, int], int] = {}
    count = 0
    for packet in packets:
        key = packet.ifindex, packet.link
        if key not in interfaces:
            interfaces[key] = len(interfaces)
            file.write(_interface(packet.link, interface_names.get(packet.ifindex, f"if{packet.ifindex}")))
        note = process_of(packet)
        file.write(_packet(packet, interfaces[key], process_comment(note) if note is not None else ""))
        count += 1
    return count


def _section_header() -> bytes:
    fields = struct.pack("<IHHQ", _BYTE_ORDER_MAGIC, 1, 0, _UNKNOWN_LENGTH)
    application = f"netdash {netdash.__version__}".encode()
    return _block(_SECTION_HEADER, fields + _options((_SECTION_APPLICATION, application)))


def _interface(link: int, name: str) -> bytes:
    options = _options((_INTERFACE_NAME, sanitize(name, 64).encode()), (_INTERFACE_RESOLUTION, _NANOSECONDS))
    # A tag that is put back makes the packet longer than what was kept.
    return _block(_INTERFACE_DESCRIPTION, struct.pack("<HHI", link, 0, MAX_SNAP_BYTES + _TAG_BYTES) + options)


def _packet(packet: WatchedPacket, interface: int, comment: str) -> bytes:
    data = frame_with_tag(packet)
    length = packet.length + len(data) - len(packet.data)
    direction = _OUTBOUND if packet.outgoing else _INBOUND
    flags = struct.pack("<I", direction | _RECEPTION.get(packet.packet_type, 0) << 2)
    options = [(_PACKET_FLAGS, flags)]
    if comment:
        options.insert(0, (_OPTION_COMMENT, comment.encode()))
    high, low = divmod(packet.time_ns, 1 << 32)
    fields = struct.pack("<5I", interface, high, low, len(data), max(length, len(data)))
    return _block(_ENHANCED_PACKET, fields + _padded(data) + _options(*options))


def _options(*options: tuple[int, bytes]) -> bytes:
    return b"".join(struct.pack("<HH", code, len(value)) + _padded(value) for code, value in options) + bytes(4)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _block(kind: int, body: bytes) -> bytes:
    size = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + size + body + size
