"""What each interface carried by protocol and by packet size, from the counted packets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.kernel.raw_flow import PACKET_BROADCAST, PACKET_MULTICAST, PACKET_OUTGOING, SIZE_LIMITS, RawCounts
from netdash.model.protocols import ETHERTYPE_IPV4, ETHERTYPE_IPV6, ICMP, ICMPV6, TCP, UDP
from netdash.model.snapshot import InterfaceProtocols, SizeBucket, Traffic

_FAMILIES: Final = ("ipv4", "ipv6", "non_ip")
_PROTOCOLS: Final = ("tcp", "udp", "icmp", "other_ip", "not_ip")
_GROUPS: Final = ("unicast", "broadcast", "multicast")
_DIRECTIONS: Final = 2
_SHAPE: Final = (len(_FAMILIES), len(_PROTOCOLS), len(_GROUPS), _DIRECTIONS)
_CODES: Final = int(np.prod(_SHAPE))


def _codes(keys: NDArray[np.void]) -> NDArray[np.int64]:
    """One number for family, protocol, group and direction of each key."""
    ethertype, protocol = keys["ethertype"], keys["protocol"]
    family = np.select([ethertype == ETHERTYPE_IPV4, ethertype == ETHERTYPE_IPV6], [0, 1], 2)
    kind = np.select(
        [family == 2, protocol == TCP, protocol == UDP, (protocol == ICMP) | (protocol == ICMPV6)], [4, 0, 1, 2], 3
    )
    outgoing = keys["packet_type"] == PACKET_OUTGOING
    codes: NDArray[np.int64] = (
        (family * len(_PROTOCOLS) + kind) * len(_GROUPS) + _groups(keys, outgoing)
    ) * 2 + outgoing
    return codes


def _groups(keys: NDArray[np.void], outgoing: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Received broadcast and multicast are marked by the kernel; sent ones are told by their IP destination."""
    groups = np.select(
        [keys["packet_type"] == PACKET_BROADCAST, keys["packet_type"] == PACKET_MULTICAST], [1, 2], 0
    ).astype(np.int64)
    sent = np.flatnonzero(outgoing)
    destination, ethertype = keys["destination"][sent], keys["ethertype"][sent]
    v4 = ethertype == ETHERTYPE_IPV4
    groups[sent[v4 & (destination[:, 12] >> 4 == 224 >> 4)]] = 2
    groups[sent[(ethertype == ETHERTYPE_IPV6) & (destination[:, 0] == 0xFF)]] = 2
    groups[sent[v4 & (destination[:, 12:] == 255).all(axis=1)]] = 1
    return groups


def interface_protocols(raw: RawCounts, names: Mapping[int, str]) -> dict[str, InterfaceProtocols]:
    """By interface name, for every interface of `names` (ifindex -> name), idle ones included."""
    indices = np.array(sorted(names), np.int64)
    sums = _sums(raw, indices)
    sizes = _sizes(raw.sizes)
    return {
        names[int(ifindex)]: _protocols_of(sums[row], sizes.get(int(ifindex), EMPTY_SIZES))
        for row, ifindex in enumerate(indices)
    }


def _protocols_of(sums: NDArray[np.int64], sizes: tuple[SizeBucket, ...]) -> InterfaceProtocols:
    """From sums of shape (families, protocols, groups, directions, 2)."""

    def traffic(part: NDArray[np.int64]) -> Traffic:
        (rx_packets, rx_bytes), (tx_packets, tx_bytes) = part.tolist()
        return Traffic(rx_packets, rx_bytes, tx_packets, tx_bytes)

    by_family, by_protocol, by_group = sums.sum(axis=(1, 2)), sums.sum(axis=(0, 2)), sums.sum(axis=(0, 1))
    return InterfaceProtocols(
        **{name: traffic(by_family[i]) for i, name in enumerate(_FAMILIES)},
        **{name: traffic(by_protocol[i]) for i, name in enumerate(_PROTOCOLS[:-1])},
        **{name: traffic(by_group[i]) for i, name in enumerate(_GROUPS) if i},
        sizes=sizes,
    )


def _sums(raw: RawCounts, indices: NDArray[np.int64]) -> NDArray[np.int64]:
    """Wire packets and bytes: shape (interfaces, families, protocols, groups, directions, 2)."""
    cells = len(indices) * _CODES
    sums = np.zeros((cells, 2), np.int64)
    if len(indices) and len(raw.keys):
        place = np.searchsorted(indices, raw.keys["ifindex"]).clip(0, len(indices) - 1)
        known = indices[place] == raw.keys["ifindex"]
        cell = np.where(known, place * _CODES + _codes(raw.keys), cells)
        for column, name in enumerate(("wire_packets", "wire_bytes")):
            # Sums as doubles are exact below 2^53: nine petabytes in an interval.
            sums[:, column] = np.bincount(cell, raw.values[name], cells + 1)[:-1]
    return sums.reshape(len(indices), *_SHAPE, 2)


_BOUNDS: Final = tuple(zip((1, *(limit + 1 for limit in SIZE_LIMITS)), (*SIZE_LIMITS, None), strict=True))

EMPTY_SIZES: Final = tuple(SizeBucket(first, last, 0, 0) for first, last in _BOUNDS)


def _sizes(rows: NDArray[np.void]) -> dict[int, tuple[SizeBucket, ...]]:
    """By ifindex."""
    counts: dict[int, NDArray[np.int64]] = {}
    for row in rows:
        table = counts.setdefault(int(row["ifindex"]), np.zeros((2, len(_BOUNDS)), np.int64))
        table[int(row["outgoing"])] += row["packets"].astype(np.int64)
    return {
        ifindex: tuple(
            SizeBucket(first, last, int(table[0, i]), int(table[1, i])) for i, (first, last) in enumerate(_BOUNDS)
        )
        for ifindex, table in counts.items()
    }
