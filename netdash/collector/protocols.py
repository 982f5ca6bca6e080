"""What each interface carried by protocol and by packet size, from the counted packets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.kernel.raw_flow import PACKET_BROADCAST, PACKET_MULTICAST, PACKET_OUTGOING, SIZE_LIMITS, RawCounts
from netdash.model.protocols import ETHERTYPE_IPV4, ETHERTYPE_IPV6, ICMP, ICMPV6, TCP, UDP
from netdash.model.snapshot import InterfaceProtocols, SizeBucket, Traffic

Selector = Callable[[NDArray[np.void]], NDArray[np.bool_]]


def _is_ip(keys: NDArray[np.void]) -> NDArray[np.bool_]:
    return np.isin(keys["ethertype"], (ETHERTYPE_IPV4, ETHERTYPE_IPV6))


def _is_group(keys: NDArray[np.void], packet_type: int, first_octet: int) -> NDArray[np.bool_]:
    """Received ones are marked by the kernel; sent ones are told by their IP destination."""
    destination = keys["destination"]
    sent = (keys["packet_type"] == PACKET_OUTGOING) & (keys["ethertype"] == ETHERTYPE_IPV4)
    if packet_type == PACKET_BROADCAST:
        named = sent & (destination[:, 12:] == 255).all(axis=1)
    else:
        named = sent & (destination[:, 12] >> 4 == first_octet >> 4)
        named |= (
            (keys["packet_type"] == PACKET_OUTGOING)
            & (keys["ethertype"] == ETHERTYPE_IPV6)
            & (destination[:, 0] == 0xFF)
        )
    return np.asarray((keys["packet_type"] == packet_type) | named)


_CLASSES: Final[Mapping[str, Selector]] = {
    "ipv4": lambda k: k["ethertype"] == ETHERTYPE_IPV4,
    "ipv6": lambda k: k["ethertype"] == ETHERTYPE_IPV6,
    "tcp": lambda k: _is_ip(k) & (k["protocol"] == TCP),
    "udp": lambda k: _is_ip(k) & (k["protocol"] == UDP),
    "icmp": lambda k: _is_ip(k) & np.isin(k["protocol"], (ICMP, ICMPV6)),
    "other_ip": lambda k: _is_ip(k) & ~np.isin(k["protocol"], (TCP, UDP, ICMP, ICMPV6)),
    "non_ip": lambda k: ~_is_ip(k),
    "broadcast": lambda k: _is_group(k, PACKET_BROADCAST, 255),
    "multicast": lambda k: _is_group(k, PACKET_MULTICAST, 224),
}


def interface_protocols(raw: RawCounts, names: Mapping[int, str]) -> dict[str, InterfaceProtocols]:
    """By interface name, for every interface of `names` (ifindex -> name), idle ones included."""
    indices = np.array(sorted(names), np.int64)
    position = np.searchsorted(indices, raw.keys["ifindex"]).clip(0, max(0, len(indices) - 1))
    known = indices[position] == raw.keys["ifindex"] if len(indices) else np.zeros(len(raw.keys), np.bool_)
    keys, values, position = raw.keys[known], raw.values[known], position[known]
    outgoing = keys["packet_type"] == PACKET_OUTGOING
    tables = {name: _sums(values, outgoing, position, select(keys), len(indices)) for name, select in _CLASSES.items()}
    sizes = _sizes(raw.sizes)
    return {
        names[int(ifindex)]: InterfaceProtocols(
            **{name: Traffic(*(int(n) for n in table[row])) for name, table in tables.items()},
            sizes=sizes.get(int(ifindex), EMPTY_SIZES),
        )
        for row, ifindex in enumerate(indices)
    }


def _sums(
    values: NDArray[np.void],
    outgoing: NDArray[np.bool_],
    position: NDArray[np.intp],
    chosen: NDArray[np.bool_],
    size: int,
) -> NDArray[np.int64]:
    """Shape (interfaces, 4) in the order of `Traffic`'s fields."""
    table = np.zeros((size, 4), np.int64)
    for column, direction, name in (
        (0, ~outgoing, "wire_packets"),
        (1, ~outgoing, "wire_bytes"),
        (2, outgoing, "wire_packets"),
        (3, outgoing, "wire_bytes"),
    ):
        rows = chosen & direction
        np.add.at(table[:, column], position[rows], values[name][rows].astype(np.int64))
    return table


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
