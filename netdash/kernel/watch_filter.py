"""Which packets a watch wants, in the form that both packet counters compare with.

The layout is that of `struct watch_key` in `programs/flows_watch.bpf.h`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netdash.kernel.raw_flow import PACKET_OUTGOING
from netdash.model.packets import PacketWatch, WatchedFlow, WatchedPort

WATCH_KEY = np.dtype(
    [
        ("ethertype", "<u2"),
        ("protocol", "u1"),
        ("unused", "u1"),
        ("source_port", ">u2"),
        ("destination_port", ">u2"),
        ("source", "u1", 16),
        ("destination", "u1", 16),
    ]
)
"""One direction of a flow as FLOW_KEY has it; of a port: `protocol` and `source_port`, all else zero."""

MAX_WATCH_KEYS = 4096
"""Four for each of model.packets.MAX_WATCHED_FLOWS: the most that a flow takes (ICMP echo)."""

_ANY = np.dtype((np.void, WATCH_KEY.itemsize))


@dataclass(frozen=True, slots=True)
class WatchFilter:
    """What is compared with each packet, from the cheapest to the dearest."""

    snap_bytes: int
    ifindex: int
    """0 = any."""
    everything: bool
    keys: bytes
    """WATCH_KEY rows, sorted, each once."""
    flow_bits: int
    port_bits: int
    """64 bits each: the bits of the ports of all that is wanted, see `_bit_numbers`. Most other packets end here."""

    def matches(self, keys: NDArray[np.void]) -> NDArray[np.bool_]:
        """Mask of the FLOW_KEY rows whose packets are wanted."""
        here = keys["ifindex"] == self.ifindex if self.ifindex else np.ones(len(keys), np.bool_)
        if self.everything or not self.keys:
            return here & self.everything
        local = np.where(keys["packet_type"] == PACKET_OUTGOING, keys["source_port"], keys["destination_port"])
        by_flow = _selected(here, self.flow_bits, keys["source_port"] ^ keys["destination_port"])
        by_port = _selected(here, self.port_bits, local)
        flows, ports = np.zeros(len(by_flow), WATCH_KEY), np.zeros(len(by_port), WATCH_KEY)
        for name in ("ethertype", "protocol", "source_port", "destination_port", "source", "destination"):
            flows[name] = keys[name][by_flow]
        ports["protocol"], ports["source_port"] = keys["protocol"][by_port], local[by_port]
        known = np.frombuffer(self.keys, _ANY)
        wanted = np.zeros(len(keys), np.bool_)
        wanted[by_flow] = np.isin(flows.view(_ANY), known)
        wanted[by_port] |= np.isin(ports.view(_ANY), known)
        return wanted


def watch_filter(
    watch: PacketWatch, more_flows: Iterable[WatchedFlow] = (), more_ports: Iterable[WatchedPort] = ()
) -> WatchFilter:
    """Of a watch and of what its process has at this moment; what is beyond MAX_WATCH_KEYS is left out."""
    flows = dict.fromkeys((*watch.flows, *more_flows))
    ports = dict.fromkeys((*watch.ports, *more_ports))
    rows = [(0, port.protocol, 0, port.port, 0, bytes(16), bytes(16)) for port in ports]
    for flow in flows:
        for sent, source_port, destination_port in flow.header_ports():
            ends = (flow.local, flow.remote) if sent else (flow.remote, flow.local)
            rows.append((flow.ethertype, flow.protocol, 0, source_port, destination_port, *ends))
    keys = np.zeros(min(len(rows), MAX_WATCH_KEYS), WATCH_KEY)
    for index in range(len(keys)):
        row = rows[index]
        keys[index] = (*row[:5], np.frombuffer(row[5], np.uint8), np.frombuffer(row[6], np.uint8))
    keys = np.unique(keys.view(_ANY)).view(WATCH_KEY) if len(keys) else keys
    is_port = keys["ethertype"] == 0
    return WatchFilter(
        watch.snap_bytes,
        watch.ifindex,
        watch.everything,
        keys.tobytes(),
        _bits(keys["source_port"][~is_port] ^ keys["destination_port"][~is_port]),
        _bits(keys["source_port"][is_port]),
    )


def _bit_numbers(ports: NDArray[np.uint16]) -> NDArray[np.uint64]:
    """Of a flow's two ports exclusive-or'd, the same for both directions; of a port. In either byte order the same."""
    folded: NDArray[np.uint64] = (ports.astype(np.uint64) ^ (ports.astype(np.uint64) >> np.uint64(8))) & np.uint64(63)
    return folded


def _bits(ports: NDArray[np.uint16]) -> int:
    return int(np.bitwise_or.reduce(np.uint64(1) << _bit_numbers(ports))) if len(ports) else 0


def _selected(here: NDArray[np.bool_], bits: int, ports: NDArray[np.uint16]) -> NDArray[np.intp]:
    return np.flatnonzero(here & ((np.uint64(bits) >> _bit_numbers(ports) & np.uint64(1)) != 0))
