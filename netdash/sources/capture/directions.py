"""Which end of a captured packet is the local one, so that every flow has a side that is "here".

A capture file rarely says. In this order, the first that can tell decides:

1. `--local-net`: exactly one end lies in one of these networks;
2. what the file says of the packet: epb_flags of pcapng, the packet type of Linux cooked captures;
3. a broadcast or multicast packet, and what is not IP, was received;
4. ICMP: who asks (echo) is local, and so is who receives an answer or an error;
5. TCP: who opened the connection (SYN, or the other end of SYN and ACK) is local;
6. the lower port is the server's, and the server is remote;
7. between equal ports, the lower address is local.

So without a hint the local end is the client. It stays the same for a connection as long as its SYN comes first.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.kernel.raw_flow import PACKET_HOST, PACKET_OUTGOING
from netdash.model.hashing import lookup
from netdash.model.local_nets import LocalNets
from netdash.model.protocols import ETHERTYPE_IPV4, ETHERTYPE_IPV6, ICMP, ICMPV6, TCP
from netdash.sources.capture.pairs import pair_ids
from netdash.sources.capture.records import OUTBOUND

_SYN, _ACK = 0x02, 0x10
_MAX_UNUSUAL: Final = 262_144
"""Connections to a higher port that are remembered; the oldest is forgotten first, and then told by its ports."""


class Directions:
    """Decides for packets in the order of the file; remembers the connections whose server has the higher port."""

    def __init__(self, local_nets: LocalNets) -> None:
        self._local_nets = local_nets
        self._unusual: OrderedDict[int, None] = OrderedDict()
        """Pairs of TCP connections whose opener has the lower port (or an equal port and the higher address)."""
        self._pairs: NDArray[np.uint64] | None = None
        """The same as an array; None while it must be made anew."""
        self._low_ports = np.zeros(65_536, np.bool_)
        """By port: the opener of one of them has it."""

    def apply(self, keys: NDArray[np.void], tcp_flags: NDArray[np.uint32], told: NDArray[np.uint8]) -> None:
        """Sets `packet_type` of sent packets in FLOW_KEY rows to PACKET_OUTGOING.

        `told`: INBOUND, OUTBOUND or 0 where the file does not tell.
        """
        outgoing = told == OUTBOUND
        open_rows = np.flatnonzero(told == 0)
        if len(open_rows):
            every = len(open_rows) == len(keys)
            self._note_openers(keys, tcp_flags, open_rows)
            outgoing[open_rows] = self._guess(keys if every else keys[open_rows])
        if self._local_nets:
            source = self._local_nets.contain(keys["source"])
            destination = self._local_nets.contain(keys["destination"])
            outgoing = np.where(source != destination, source, outgoing)
        keys["packet_type"][outgoing] = PACKET_OUTGOING

    def _note_openers(self, keys: NDArray[np.void], tcp_flags: NDArray[np.uint32], rows: NDArray[np.intp]) -> None:
        syn = rows[(tcp_flags[rows] & _SYN) != 0]
        if not len(syn):
            return
        syn_keys = keys[syn]
        answers = (tcp_flags[syn] & _ACK) != 0
        opener_sends = ~answers
        unusual = _client_by_port(syn_keys) != opener_sends
        if not self._unusual and not unusual.any():
            return
        for pair, is_unusual, low_port in zip(
            pair_ids(syn_keys).tolist(),
            unusual.tolist(),
            np.minimum(syn_keys["source_port"], syn_keys["destination_port"]).tolist(),
            strict=True,
        ):
            if is_unusual:
                self._low_ports[low_port] = True
                if pair not in self._unusual:
                    self._unusual[pair] = None
                    self._pairs = None
            elif pair in self._unusual:
                # The ports are used again, the other way round.
                del self._unusual[pair]
                self._pairs = None
        while len(self._unusual) > _MAX_UNUSUAL:
            self._unusual.popitem(last=False)

    def _guess(self, keys: NDArray[np.void]) -> NDArray[np.bool_]:
        ethertype, protocol = keys["ethertype"], keys["protocol"]
        outgoing = _client_by_port(keys)
        self._correct_by_opener(keys, outgoing)
        icmp = np.flatnonzero((protocol == ICMP) | (protocol == ICMPV6))
        if len(icmp):
            kind = keys["source_port"][icmp] >> 8
            outgoing[icmp] = np.where(protocol[icmp] == ICMP, kind == 8, kind == 128)
        received = ((ethertype != ETHERTYPE_IPV4) & (ethertype != ETHERTYPE_IPV6)) | (
            keys["packet_type"] != PACKET_HOST
        )
        outgoing[received] = False
        return outgoing

    def _correct_by_opener(self, keys: NDArray[np.void], outgoing: NDArray[np.bool_]) -> None:
        if not self._unusual:
            return
        low_port = np.minimum(keys["source_port"], keys["destination_port"])
        rows = np.flatnonzero(self._low_ports[low_port] & (keys["protocol"] == TCP))
        if not len(rows):
            return
        if self._pairs is None:
            self._pairs = np.fromiter(self._unusual, np.uint64, len(self._unusual))
        wrong = rows[lookup(self._pairs, pair_ids(keys[rows])) >= 0]
        outgoing[wrong] = ~outgoing[wrong]


def _client_by_port(keys: NDArray[np.void]) -> NDArray[np.bool_]:
    """Whether the sender has the higher port; between equal ports, the lower address."""
    source_port, destination_port = keys["source_port"], keys["destination_port"]
    client: NDArray[np.bool_] = source_port > destination_port
    equal = np.flatnonzero(source_port == destination_port)
    if len(equal):
        source, destination = (
            np.ascontiguousarray(keys[name][equal]).view(">u8") for name in ("source", "destination")
        )
        lower = (source[:, 0] < destination[:, 0]) | (
            (source[:, 0] == destination[:, 0]) & (source[:, 1] < destination[:, 1])
        )
        client[equal] = lower
    return client
