"""Writes capture files for the tests, and reads them with the reader under test."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from netdash.model.snapshot import Snapshot
from netdash.model.tables import address_text, join
from netdash.sources.capture.counting import CaptureOptions, CapturePass
from netdash.sources.capture.file import CaptureFile
from netdash.sources.open_file import open_file

START_SECONDS = 1_700_000_000
ETHERNET = 1


@dataclass(frozen=True, slots=True)
class Total:
    """Of one pair of ends, both directions."""

    packets: int
    wire_bytes: int


Ends = tuple[str, frozenset[tuple[str, int]]]
"""Protocol number as text, and both (address, port)."""


def read_all(path: Path, options: CaptureOptions | None = None) -> list[Snapshot]:
    file = CaptureFile(open_file(str(path)))
    try:
        return list(CapturePass(file, options or CaptureOptions()).snapshots())
    finally:
        file.close()


def all_flows(snapshots: list[Snapshot]) -> NDArray[np.void]:
    return join(*(snapshot.flows for snapshot in snapshots))


def totals_by_ends(flows: NDArray[np.void]) -> dict[Ends, Total]:
    totals: dict[Ends, Total] = {}
    for row in flows:
        ends: Ends = (
            str(int(row["protocol"])),
            frozenset((address_text(row[side].tobytes()), int(row[f"{side}_port"])) for side in ("local", "remote")),
        )
        before = totals.get(ends, Total(0, 0))
        totals[ends] = Total(
            before.packets + int(row["rx_packets"] + row["tx_packets"]),
            before.wire_bytes + int(row["rx_bytes"] + row["tx_bytes"]),
        )
    return totals


def frame(
    source: str, source_port: int, destination: str, destination_port: int, *, flags: int = 0x10, size: int = 100
) -> bytes:
    """An Ethernet frame with a TCP segment over IPv4."""
    addresses = b"".join(bytes(int(part) for part in address.split(".")) for address in (source, destination))
    ip = struct.pack("!BBHHHBBH", 0x45, 0, size - 14, 0, 0, 64, 6, 0) + addresses
    tcp = struct.pack("!HHIIBBHHH", source_port, destination_port, 0, 0, 0x50, flags, 0, 0, 0)
    return bytes(12) + b"\x08\x00" + ip + tcp + bytes(size - 54)


def pcap(
    packets: Sequence[tuple[float, bytes]], *, order: str = "<", nano: bool = False, link_type: int = ETHERNET
) -> bytes:
    """A classic file of (seconds after START_SECONDS, bytes)."""
    magic, unit = (0xA1B23C4D, 10**9) if nano else (0xA1B2C3D4, 10**6)
    data = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 262_144, link_type)
    for seconds, packet in packets:
        whole, fraction = divmod(round(seconds * unit), unit)
        header = struct.pack(f"{order}IIII", START_SECONDS + whole, fraction, len(packet), len(packet))
        data += header + packet
    return data


@dataclass
class Pcapng:
    """Builds a file block by block, in one byte order at a time."""

    order: str = "<"
    data: bytearray = field(default_factory=bytearray)

    def block(self, kind: int, body: bytes) -> None:
        padded = body + bytes(-len(body) % 4)
        length = len(padded) + 12
        self.data += struct.pack(f"{self.order}II", kind, length) + padded + struct.pack(f"{self.order}I", length)

    def section(self, order: str = "<") -> None:
        self.order = order
        self.block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1))

    def options(self, *options: tuple[int, bytes]) -> bytes:
        encoded = b"".join(
            struct.pack(f"{self.order}HH", code, len(value)) + value + bytes(-len(value) % 4) for code, value in options
        )
        return encoded + bytes(4) if options else b""

    def interface(self, *options: tuple[int, bytes], link_type: int = ETHERNET, snap_length: int = 0) -> None:
        self.block(1, struct.pack(f"{self.order}HHI", link_type, 0, snap_length) + self.options(*options))

    def packet(self, data: bytes, ticks: int, *options: tuple[int, bytes], interface: int = 0, length: int = 0) -> None:
        head = struct.pack(
            f"{self.order}IIIII", interface, ticks >> 32, ticks & 0xFFFFFFFF, len(data), length or len(data)
        )
        self.block(6, head + data + bytes(-len(data) % 4) + self.options(*options))

    def flags(self, value: int) -> tuple[int, bytes]:
        return 2, struct.pack(f"{self.order}I", value)
