"""Traffic for tests of packet counters, and what was counted in a form that is easy to compare."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from netdash.kernel.bpf_counter import BpfPacketCounter
from netdash.kernel.raw_flow import RawCounts
from tests.namespaces import Port, run_in, socket_in


@dataclass(frozen=True, slots=True)
class Row:
    """One row of RawCounts, readable."""

    packet_type: int
    protocol: int
    source: tuple[str, int]
    destination: tuple[str, int]
    vlan: int = 0
    flags: int = 0
    ethertype: int = 0x0800


@dataclass(frozen=True, slots=True)
class Count:
    wire_packets: int
    wire_bytes: int
    skb_packets: int
    skb_bytes: int


def rows_of(counts: RawCounts) -> dict[Row, Count]:
    rows = {}
    for key, value in zip(counts.keys, counts.values, strict=True):
        addresses = [ipaddress.IPv6Address(key[name].tobytes()) for name in ("source", "destination")]
        source, destination = (str(address.ipv4_mapped or address) for address in addresses)
        row = Row(
            int(key["packet_type"]),
            int(key["protocol"]),
            (source, int(key["source_port"])),
            (destination, int(key["destination_port"])),
            int(key["vlan"]),
            int(key["flags"]),
            int(key["ethertype"]),
        )
        rows[row] = Count(*(int(value[n]) for n in ("wire_packets", "wire_bytes", "skb_packets", "skb_bytes")))
    assert len(rows) == len(counts.keys)
    return rows


def plain(packets: int, frame_bytes: int) -> Count:
    return Count(packets, packets * frame_bytes, packets, packets * frame_bytes)


@contextlib.contextmanager
def counting(namespace: str, max_flows: int = 1024) -> Iterator[BpfPacketCounter]:
    counter = run_in(namespace, partial(BpfPacketCounter.open, max_flows))
    try:
        yield counter
    finally:
        counter.close()


async def interval(counter: BpfPacketCounter) -> dict[Row, Count]:
    counter.switch()
    return rows_of(await counter.drain())


def udp_pair(sender: Port, receiver: Port, version: int = 4) -> tuple[socket.socket, socket.socket]:
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    pair = [socket_in(port.namespace, family, socket.SOCK_DGRAM) for port in (sender, receiver)]
    for end, port in zip(pair, (sender, receiver), strict=True):
        end.settimeout(10)
        end.bind((port.ipv4 if version == 4 else port.ipv6, 0))
    pair[0].connect(pair[1].getsockname())
    return pair[0], pair[1]


def endpoint(end: socket.socket) -> tuple[str, int]:
    name = end.getsockname()
    return str(name[0]), int(name[1])


def raw_sender(port: Port) -> socket.socket:
    sender = socket_in(port.namespace, socket.AF_PACKET, socket.SOCK_RAW)
    sender.bind((port.interface, 0))
    return sender


def ethernet(sender: Port, receiver: Port, ethertype: int, payload: bytes) -> bytes:
    macs = [bytes.fromhex(port.mac.replace(":", "")) for port in (receiver, sender)]
    return b"".join(macs) + struct.pack("!H", ethertype) + payload


def ipv4(sender: Port, receiver: Port, protocol: int, payload: bytes) -> bytes:
    addresses = [socket.inet_aton(port.ipv4) for port in (sender, receiver)]
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0, *addresses) + payload


def udp(payload_bytes: int) -> bytes:
    return struct.pack("!HHHH", 1000, 2000, 8 + payload_bytes, 0) + bytes(payload_bytes)
