"""Packets in a capture file, to be decoded one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.model.held_packets import MAX_HELD_BYTES, MAX_HELD_PACKETS
from netdash.model.local_nets import LocalNets
from netdash.model.packets import (
    LINK_ETHERNET,
    LINK_RAW_IP,
    PacketWatch,
    StoredPackets,
    WatchedFlow,
    WatchedPacket,
    WatchedPort,
)
from netdash.sources.capture.decoding import DecodedPackets, PacketDecoder
from netdash.sources.capture.file import CaptureFile
from netdash.sources.capture.link_layer import ETHERNET_BYTES
from netdash.sources.capture.records import RecordBatch
from netdash.sources.source import never

MAX_PACKET_BYTES: Final = 65_535
"""Bytes kept of one packet."""


def packets_of(
    file: CaptureFile,
    watch: PacketWatch,
    limit: int = MAX_HELD_PACKETS,
    *,
    local_nets: LocalNets | None = None,
    from_ns: int | None = None,
    to_ns: int | None = None,
    is_over: Callable[[], bool] = never,
) -> StoredPackets:
    """The first `limit` packets of a watch, within MAX_HELD_BYTES, reading from the file's beginning. See PacketStore.

    `local_nets`: as for the counting, so that sent and received are the same. Takes as long as counting up to the last
    packet that is returned.
    """
    state = file.begin()
    decoder = PacketDecoder(state, local_nets or LocalNets())
    found: list[WatchedPacket] = []
    kept_bytes = 0
    for records in file.batches(state):
        if is_over() or (to_ns is not None and int(records.time_ns.min()) > to_ns):
            break
        decoded = decoder.decode(records)
        matching = _matches(decoded.packets.keys, watch)
        times = decoded.packets.values["last_ns"].astype(np.int64)
        if from_ns is not None:
            matching &= times >= from_ns
        if to_ns is not None:
            matching &= times <= to_ns
        if watch.ifindex:
            matching &= decoded.batch.ifindex == watch.ifindex
        for row in np.flatnonzero(matching).tolist():
            packet = _packet(records, decoded, row)
            kept_bytes += len(packet.data)
            if len(found) == limit or kept_bytes > MAX_HELD_BYTES:
                return StoredPackets(tuple(found), more=True)
            found.append(packet)
    return StoredPackets(tuple(found), more=False)


def _matches(keys: NDArray[np.void], watch: PacketWatch) -> NDArray[np.bool_]:
    if watch.everything:
        return np.ones(len(keys), np.bool_)
    wanted = np.zeros(len(keys), np.bool_)
    for flow in watch.flows:
        _match_flow(keys, flow, wanted)
    for port in watch.ports:
        wanted |= _match_port(keys, port)
    return wanted


def _match_flow(keys: NDArray[np.void], flow: WatchedFlow, wanted: NDArray[np.bool_]) -> None:
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


def _match_port(keys: NDArray[np.void], port: WatchedPort) -> NDArray[np.bool_]:
    either = (keys["source_port"] == port.port) | (keys["destination_port"] == port.port)
    of_port: NDArray[np.bool_] = either & (keys["protocol"] == port.protocol)
    return of_port


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
