"""Link-layer headers of capture files, and where the network layer begins behind them.

Layouts: https://www.tcpdump.org/linktypes.html. Pseudo headers that were never on the wire (Linux cooked, null) do not
count as bytes: a cooked packet of an Ethernet counts with the 14 bytes that its real header had.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.kernel.byte_windows import load_headers
from netdash.kernel.packet_batch import PacketBatch
from netdash.kernel.raw_flow import (
    PACKET_BROADCAST,
    PACKET_HOST,
    PACKET_MULTICAST,
    PACKET_OTHERHOST,
    PACKET_OUTGOING,
)
from netdash.model.protocols import ETHERTYPE_IPV4, ETHERTYPE_IPV6
from netdash.model.sanitize import sanitize
from netdash.sources.capture.records import (
    INBOUND,
    MAX_INTERFACES,
    NAME_LIMIT,
    OUTBOUND,
    CapturedInterface,
    RecordBatch,
)

NULL, ETHERNET, RAW, LOOP, LINUX_SLL, IPV4, IPV6, LINUX_SLL2 = 0, 1, 101, 108, 113, 228, 229, 276
_OTHER_RAW: Final = (12, 14)
"""DLT_RAW of BSDs, as old files have it."""

ETHERNET_BYTES: Final = 14
_SMALLEST_ETHERTYPE: Final = 0x0600
_ETH_P_802_2, _ETH_P_802_3 = 4, 1
"""What Linux calls frames with a length instead of an EtherType (eth_type_trans in net/ethernet/eth.c)."""

_ARPHRD_ETHER, _ARPHRD_LOOPBACK = 1, 772
_NULL_BYTES: Final = 4
_AF_INET: Final = (2,)
_AF_INET6: Final = (10, 24, 28, 30)
"""Linux, NetBSD and OpenBSD, FreeBSD, Darwin."""

_ETHERNET_HEADER: Final = np.dtype(
    {
        "names": ["mac", "low_mac", "ethertype", "behind"],
        "formats": [">u4", ">u2", ">u2", ">u2"],
        "offsets": [0, 4, 12, 14],
        "itemsize": 16,
    }
)
_SLL: Final = np.dtype(
    {
        "names": ["packet_type", "hardware", "ethertype"],
        "formats": [">u2", ">u2", ">u2"],
        "offsets": [0, 2, 14],
        "itemsize": 16,
    }
)
_SLL2: Final = np.dtype(
    {
        "names": ["ethertype", "ifindex", "hardware", "packet_type"],
        "formats": [">u2", ">u4", ">u2", "u1"],
        "offsets": [0, 4, 8, 10],
        "itemsize": 20,
    }
)
_IP_START: Final = np.dtype(
    {
        "names": ["version", "destination_ipv4", "destination_ipv6"],
        "formats": ["u1", "u1", "u1"],
        "offsets": [0, 16, 24],
        "itemsize": 25,
    }
)


@dataclass(frozen=True, slots=True)
class LinkPackets:
    """Packets ready for the parser."""

    rows: NDArray[np.intp]
    """Which records of the batch they are; those of refused link types are left out."""
    batch: PacketBatch
    """`packet_type` as if each packet was received; `ifindex`: index + 1 in `LinkLayers.interfaces`."""
    direction: NDArray[np.uint8]
    """INBOUND, OUTBOUND, or 0 where the file does not tell."""


class LinkLayers:
    """Reads link-layer headers of one file's packets; knows its interfaces."""

    def __init__(self) -> None:
        self.interfaces: list[CapturedInterface] = []
        """Those that packets are counted on; cooked v2 packets name theirs one by one."""
        self.refused: list[CapturedInterface] = []
        self._numbers: dict[tuple[int, int], int] = {}
        self._names: dict[str, int] = {}
        """As they are shown; how many of that name there were."""

    def meet(self, index: int, interface: CapturedInterface) -> None:
        """An interface of the file; call once for each before its packets."""
        if interface.link_type not in SUPPORTED:
            self.refused.append(interface)
        elif interface.link_type != LINUX_SLL2:
            self._number(index, 0, interface)

    def describe(self, records: RecordBatch, interfaces: list[CapturedInterface]) -> LinkPackets:
        """The packets of `records` on interfaces that can be read; `interfaces`: the file's."""
        link_types = np.array([i.link_type for i in interfaces])[records.interface]
        kinds = np.unique(link_types).tolist()
        header = _Headers(records)
        for link_type in kinds:
            rows = np.flatnonzero(link_types == link_type) if len(kinds) > 1 else np.arange(len(records))
            header.read(link_type, rows)
        supported = np.isin(link_types, SUPPORTED)
        rows = np.flatnonzero(supported)
        ifindex = self._ifindex(records, header, rows, interfaces)
        told = (records.flags & 3).astype(np.uint8)
        direction = np.where((told == INBOUND) | (told == OUTBOUND), told, header.direction)
        network = records.data_offset + header.pseudo_bytes
        batch = PacketBatch(
            buffer=records.buffer,
            network_offset=network[rows],
            captured_bytes=np.maximum(records.captured_bytes - header.pseudo_bytes, 0)[rows],
            skb_bytes=np.maximum(records.original_bytes - header.pseudo_bytes, 0)[rows] + header.link_bytes[rows],
            link_header_bytes=header.link_bytes[rows],
            ethertype=header.ethertype[rows],
            packet_type=header.packet_type[rows],
            ifindex=ifindex,
            vlan=np.zeros(len(rows), np.uint16),
            gso_size=np.zeros(len(rows), np.uint16),
            time_ns=records.time_ns[rows].astype(np.uint64),
        )
        return LinkPackets(rows, batch, direction[rows])

    def _ifindex(
        self,
        records: RecordBatch,
        header: _Headers,
        rows: NDArray[np.intp],
        interfaces: list[CapturedInterface],
    ) -> NDArray[np.uint32]:
        codes = records.interface[rows] << 32 | header.own_ifindex[rows]
        if len(codes) and (codes == codes[0]).all():
            code = int(codes[0])
            number = self._number(code >> 32, code & 0xFFFFFFFF, interfaces[code >> 32]) + 1
            return np.full(len(codes), number, np.uint32)
        found, inverse = np.unique(codes, return_inverse=True)
        numbers = [self._number(code >> 32, code & 0xFFFFFFFF, interfaces[code >> 32]) + 1 for code in found.tolist()]
        return np.array(numbers, np.uint32)[inverse]

    def _number(self, index: int, own_ifindex: int, interface: CapturedInterface) -> int:
        key = (index, own_ifindex)
        if key not in self._numbers:
            if len(self.interfaces) >= MAX_INTERFACES:
                return MAX_INTERFACES - 1
            if interface.link_type == LINUX_SLL2:
                interface = CapturedInterface(f"if{own_ifindex}", LINUX_SLL2)
            self._numbers[key] = len(self.interfaces)
            self.interfaces.append(replace(interface, name=self._own_name(interface.name)))
        return self._numbers[key]

    def _own_name(self, name: str) -> str:
        """`name`, or what tells it from an interface of that name that another link type or file brought along."""
        shown = sanitize(name, NAME_LIMIT)
        if shown not in self._names:
            self._names[shown] = 1
            return name
        base = sanitize(name, NAME_LIMIT - len(f"#{MAX_INTERFACES}"))
        number = self._names[shown] + 1
        while f"{base}#{number}" in self._names:
            number += 1
        self._names[shown] = number
        self._names[f"{base}#{number}"] = 1
        return f"{base}#{number}"


class _Headers:
    """What the link-layer headers of a batch say."""

    def __init__(self, records: RecordBatch) -> None:
        count = len(records)
        self._records = records
        self.pseudo_bytes = np.zeros(count, np.int64)
        """Bytes before the network header."""
        self.link_bytes = np.zeros(count, np.int64)
        """Bytes of the link-layer header on the wire."""
        self.ethertype = np.zeros(count, np.uint16)
        self.packet_type = np.full(count, PACKET_HOST, np.uint8)
        self.direction = np.zeros(count, np.uint8)
        self.own_ifindex = np.zeros(count, np.int64)

    def read(self, link_type: int, rows: NDArray[np.intp]) -> None:
        """Packets of one link type; unsupported ones stay as they are."""
        if link_type == ETHERNET:
            self._read_ethernet(rows)
        elif link_type in (LINUX_SLL, LINUX_SLL2):
            self._read_cooked(rows, link_type)
        elif link_type in (NULL, LOOP):
            self._read_null(rows)
        elif link_type in SUPPORTED:
            self._read_ip(rows, 0)

    def _load(self, rows: NDArray[np.intp], layout: np.dtype[np.void], skip: int = 0) -> NDArray[np.void]:
        records = self._records
        return load_headers(
            records.buffer, records.data_offset[rows] + skip, records.captured_bytes[rows] - skip, layout
        )

    def _read_ethernet(self, rows: NDArray[np.intp]) -> None:
        header = self._load(rows, _ETHERNET_HEADER)
        self.pseudo_bytes[rows] = self.link_bytes[rows] = ETHERNET_BYTES
        self.ethertype[rows] = _ethertypes(header["ethertype"], header["behind"])
        group = np.flatnonzero(header["mac"] & 0x01000000)
        broadcast = (header["mac"][group] == 0xFFFFFFFF) & (header["low_mac"][group] == 0xFFFF)
        self.packet_type[rows[group]] = np.where(broadcast, PACKET_BROADCAST, PACKET_MULTICAST)

    def _read_cooked(self, rows: NDArray[np.intp], link_type: int) -> None:
        header = self._load(rows, _SLL if link_type == LINUX_SLL else _SLL2)
        self.pseudo_bytes[rows] = header.dtype.itemsize
        hardware = header["hardware"]
        ethernet = (hardware == _ARPHRD_ETHER) | (hardware == _ARPHRD_LOOPBACK)
        self.link_bytes[rows] = np.where(ethernet, ETHERNET_BYTES, 0)
        self.ethertype[rows] = header["ethertype"]
        packet_type = header["packet_type"]
        self.direction[rows] = np.where(packet_type == PACKET_OUTGOING, OUTBOUND, INBOUND)
        self.packet_type[rows] = np.where(packet_type <= PACKET_OTHERHOST, packet_type, PACKET_HOST)
        if link_type == LINUX_SLL2:
            self.own_ifindex[rows] = header["ifindex"]

    def _read_null(self, rows: NDArray[np.intp]) -> None:
        family = self._load(rows, np.dtype([("family", "<u4")]))["family"].astype(np.uint32)
        # In the byte order of the machine that captured; families are below 256.
        family = np.where(family > 0xFFFF, family.byteswap(), family)
        self._read_ip(rows, _NULL_BYTES)
        ip = np.isin(family, _AF_INET) | np.isin(family, _AF_INET6)
        self.ethertype[rows[~ip]] = 0

    def _read_ip(self, rows: NDArray[np.intp], skip: int) -> None:
        header = self._load(rows, _IP_START, skip)
        self.pseudo_bytes[rows] = skip
        version = header["version"] >> 4
        self.ethertype[rows] = np.select([version == 4, version == 6], [ETHERTYPE_IPV4, ETHERTYPE_IPV6], 0)
        group = np.where(version == 4, header["destination_ipv4"] >> 4 == 0xE, header["destination_ipv6"] == 0xFF)
        self.packet_type[rows[group & ((version == 4) | (version == 6))]] = PACKET_MULTICAST


def _ethertypes(ethertype: NDArray[np.uint16], behind: NDArray[np.uint16]) -> NDArray[np.uint16]:
    short = ethertype < _SMALLEST_ETHERTYPE
    if not short.any():
        return ethertype
    named: NDArray[np.uint16] = np.where(
        short, np.where(behind == 0xFFFF, np.uint16(_ETH_P_802_3), np.uint16(_ETH_P_802_2)), ethertype
    )
    return named


SUPPORTED: Final = (NULL, ETHERNET, *_OTHER_RAW, RAW, LOOP, LINUX_SLL, IPV4, IPV6, LINUX_SLL2)

_NAMES: Final = {105: "802.11", 119: "802.11 (Prism)", 127: "802.11 (radiotap)", 163: "802.11 (AVS)"}


def link_type_text(link_type: int) -> str:
    """A link type's name where it has one here, else its number."""
    return _NAMES.get(link_type, f"link type {link_type}")
