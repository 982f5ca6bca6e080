"""From the records of a capture file to parsed packets that know which end is local."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netdash.kernel.packet_batch import PacketBatch, ParsedPackets
from netdash.kernel.packet_parser import PacketParser, read_stations
from netdash.model.local_nets import LocalNets
from netdash.sources.capture.directions import Directions
from netdash.sources.capture.file import ReadState
from netdash.sources.capture.link_layer import ETHERNET_BYTES, LinkLayers
from netdash.sources.capture.records import RecordBatch


@dataclass(frozen=True, slots=True)
class DecodedPackets:
    """The packets of a batch of records whose link layer can be read."""

    rows: NDArray[np.intp]
    """Which records they are."""
    batch: PacketBatch
    packets: ParsedPackets


class PacketDecoder:
    """Decodes the batches of one pass, in their order."""

    def __init__(self, state: ReadState, local_nets: LocalNets) -> None:
        self.links = LinkLayers()
        self._state = state
        self._met = 0
        self._parser = PacketParser()
        self._directions = Directions(local_nets)

    def decode(self, records: RecordBatch) -> DecodedPackets:
        """Parsed, and with `packet_type` as live: PACKET_OUTGOING for what the local end sent."""
        known = self._state.format.interfaces
        for index in range(self._met, len(known)):
            self.links.meet(index, known[index])
        self._met = len(known)
        linked = self.links.describe(records, known)
        packets = self._parser.parse(linked.batch)
        self._directions.apply(packets.keys, packets.values["tcp_flags"], linked.direction)
        # Behind what was captured of a packet stands another record.
        whole = records.captured_bytes[linked.rows] >= ETHERNET_BYTES
        packets.values["station"] = np.where(whole, read_stations(linked.batch, packets.keys["packet_type"]), 0)
        return DecodedPackets(linked.rows, linked.batch, packets)
