"""The packets of one flow in a capture file, to be decoded one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.model.local_nets import LocalNets
from netdash.model.packets import LINK_ETHERNET, LINK_RAW_IP, WatchedFlow, WatchedPacket
from netdash.sources.capture.decoding import DecodedPackets, PacketDecoder
from netdash.sources.capture.file import CaptureFile
from netdash.sources.capture.link_layer import ETHERNET_BYTES
from netdash.sources.capture.records import RecordBatch

MAX_PACKETS: Final = 10_000
MAX_PACKET_BYTES: Final = 65_535
"""Bytes kept of one packet."""


@dataclass(frozen=True, slots=True)
class FlowPackets:
    """What was found."""

    packets: tuple[WatchedPacket, ...]
    """In the order of the file, at most as many as were asked for."""
    more: bool
    """Whether the file has further ones."""


def packets_of(
    file: CaptureFile,
    flow: WatchedFlow,
    limit: int = 1000,
    *,
    local_nets: LocalNets | None = None,
    from_ns: int | None = None,
    to_ns: int | None = None,
) -> FlowPackets:
    """The first `limit` packets of a flow, both directions, reading from the file's beginning.

    `from_ns`, `to_ns`: only packets of that time, nanoseconds since the epoch. `local_nets`: as for the counting, so
    that sent and received are the same. Takes as long as counting up to the last packet that is returned: call it in a
    thread.
    """
    limit = min(limit, MAX_PACKETS)
    state = file.begin()
    decoder = PacketDecoder(state, local_nets or LocalNets())
    found: list[WatchedPacket] = []
    for records in file.batches(state):
        if to_ns is not None and int(records.time_ns.min()) > to_ns:
            break
        decoded = decoder.decode(records)
        matching = _matches(decoded.packets.keys, flow)
        times = decoded.packets.values["last_ns"].astype(np.int64)
        if from_ns is not None:
            matching &= times >= from_ns
        if to_ns is not None:
            matching &= times <= to_ns
        rows = np.flatnonzero(matching)
        room = limit - len(found)
        found += [_packet(records, decoded, row) for row in rows[:room].tolist()]
        if len(rows) > room:
            return FlowPackets(tuple(found), more=True)
    return FlowPackets(tuple(found), more=False)


def _matches(keys: NDArray[np.void], flow: WatchedFlow) -> NDArray[np.bool_]:
    wanted = np.zeros(len(keys), np.bool_)
    of_protocol = (keys["protocol"] == flow.protocol) & (keys["ethertype"] == flow.ethertype)
    for from_local, source_port, destination_port in flow.header_ports():
        source, destination = (flow.local, flow.remote) if from_local else (flow.remote, flow.local)
        rows = np.flatnonzero(
            of_protocol & (keys["source_port"] == source_port) & (keys["destination_port"] == destination_port)
        )
        ends = keys[rows]
        same = (ends["source"] == np.frombuffer(source, np.uint8)).all(axis=1)
        same &= (ends["destination"] == np.frombuffer(destination, np.uint8)).all(axis=1)
        wanted[rows[same]] = True
    return wanted


def _packet(records: RecordBatch, decoded: DecodedPackets, row: int) -> WatchedPacket:
    record = int(decoded.rows[row])
    start = int(records.data_offset[record])
    end = start + int(records.captured_bytes[record])
    network = int(decoded.batch.network_offset[row])
    length = int(records.original_bytes[record])
    # Headers that are none of the wire are left out: what stays begins with the IP header.
    is_ethernet = network - start == ETHERNET_BYTES and int(decoded.batch.link_header_bytes[row]) == ETHERNET_BYTES
    if not is_ethernet:
        length -= network - start
        start = network
    return WatchedPacket(
        time_ns=int(records.time_ns[record]),
        ifindex=int(decoded.batch.ifindex[row]),
        packet_type=int(decoded.packets.keys["packet_type"][row]),
        length=max(0, length),
        data=records.buffer[start : min(max(start, end), start + MAX_PACKET_BYTES)].tobytes(),
        link=LINK_ETHERNET if is_ethernet else LINK_RAW_IP,
    )
