"""From counted packets to flows: both directions of a conversation on an interface become one row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netdash.kernel.raw_flow import FLAG_FRAGMENT, FLAG_OVERFLOW, PACKET_OUTGOING, RawCounts
from netdash.model.hashing import connection_ids, group_equal, hash_columns
from netdash.model.merge import overflow_id
from netdash.model.protocols import ICMP, ICMPV6
from netdash.model.tables import FLOW_ECHO, FLOW_FRAGMENT, FLOW_OVERFLOW, FLOW_ROW, UNKNOWN, take


@dataclass(frozen=True, slots=True)
class CountedFlows:
    """Flows of one interval and, beside them, what the kernel handed over for each."""

    rows: NDArray[np.void]
    """FLOW_ROW; no owner yet."""
    rx_skb_bytes: NDArray[np.int64]
    tx_skb_bytes: NDArray[np.int64]
    rx_skb_packets: NDArray[np.int64]
    tx_skb_packets: NDArray[np.int64]


def join_directions(raw: RawCounts) -> CountedFlows:
    """One row for each (interface, VLAN, protocol, local end, remote end).

    The source of an outgoing packet is the local end, the destination of any other. On the loopback device each packet
    passes twice, out and in: its two ends are two flows, as the device's own two counters have it.
    """
    keys, values = raw.keys, raw.values
    outgoing = keys["packet_type"] == PACKET_OUTGOING
    ends = _ends(keys, outgoing)
    first, group = group_equal(ends["id"])
    rows = ends if len(first) == len(ends) else take(ends, first)
    size, cell = len(rows), 2 * group + outgoing
    for name, column in (("bytes", "wire_bytes"), ("packets", "wire_packets")):
        rows[f"rx_{name}"], rows[f"tx_{name}"] = _split(values[column], cell, size)
    flagged = np.flatnonzero(values["tcp_flags"])
    flags = np.zeros(size, np.uint8)
    np.bitwise_or.at(flags, group[flagged], values["tcp_flags"][flagged].astype(np.uint8))
    rows["tcp_flags"] = flags
    rx_skb_bytes, tx_skb_bytes = _split(values["skb_bytes"], cell, size)
    rx_skb_packets, tx_skb_packets = _split(values["skb_packets"], cell, size)
    return CountedFlows(rows, rx_skb_bytes, tx_skb_bytes, rx_skb_packets, tx_skb_packets)


def flow_ids(rows: NDArray[np.void]) -> NDArray[np.uint64]:
    """The `id` of FLOW_ROW rows from their other identity columns."""
    place = (
        rows["ifindex"].astype(np.uint64)
        | rows["vlan"].astype(np.uint64) << np.uint64(32)
        | rows["ethertype"].astype(np.uint64) << np.uint64(48)
    )
    ends = connection_ids(rows)
    ids = hash_columns(place, ends)
    overflow = (rows["flags"] & FLOW_OVERFLOW) != 0
    ids[overflow] = overflow_id(0) | rows["ifindex"][overflow].astype(np.uint64)
    return ids


def _ends(keys: NDArray[np.void], outgoing: NDArray[np.bool_]) -> NDArray[np.void]:
    """FLOW_ROW rows of the same length as `keys`, with identity and no figures."""
    rows = np.zeros(len(keys), FLOW_ROW)
    for name in ("ifindex", "vlan", "ethertype", "protocol"):
        rows[name] = keys[name]
    sent = np.flatnonzero(outgoing)
    for local, remote, source, destination in (
        ("local", "remote", "source", "destination"),
        ("local_port", "remote_port", "source_port", "destination_port"),
    ):
        rows[local], rows[remote] = keys[destination], keys[source]
        rows[local][sent], rows[remote][sent] = keys[source][sent], keys[destination][sent]
    rows["flags"][keys["flags"] & FLAG_FRAGMENT != 0] = FLOW_FRAGMENT
    _name_icmp(rows, keys, outgoing)
    overflow = np.flatnonzero(keys["flags"] & FLAG_OVERFLOW)
    rows["flags"][overflow] = FLOW_OVERFLOW
    for name in ("vlan", "ethertype", "protocol"):
        rows[name][overflow] = 0
    rows["pid"] = rows["rx_payload"] = rows["tx_payload"] = UNKNOWN
    rows["id"] = flow_ids(rows)
    return rows


def _name_icmp(rows: NDArray[np.void], keys: NDArray[np.void], outgoing: NDArray[np.bool_]) -> None:
    """Requests and replies of one echo are one flow; any other message is a flow of its type and code."""
    icmp = np.flatnonzero((keys["protocol"] == ICMP) | (keys["protocol"] == ICMPV6))
    if not len(icmp):
        return
    type_and_code = keys["source_port"][icmp].astype(np.uint16)
    kind = type_and_code >> 8
    v6 = keys["protocol"][icmp] == ICMPV6
    request = np.where(v6, kind == 128, kind == 8)
    echo = request | np.where(v6, kind == 129, kind == 0)
    asked_here = request == outgoing[icmp]
    identifier = keys["destination_port"][icmp]
    rows["local_port"][icmp] = np.where(echo & asked_here, identifier, 0)
    rows["remote_port"][icmp] = np.where(echo, np.where(asked_here, 0, identifier), type_and_code)
    # An identifier of 0 is legal, so which side asks needs a mark of its own.
    rows["flags"][icmp] |= np.where(echo, FLOW_ECHO, 0).astype(np.uint8)


def _split(
    column: NDArray[np.uint64], cell: NDArray[np.intp], size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sums of `column` by group, incoming and outgoing; `cell`: twice the group, and one more for outgoing.

    Sums as doubles are exact below 2^53: nine petabytes in an interval.
    """
    sums = np.bincount(cell, column, 2 * size).astype(np.int64).reshape(size, 2)
    return sums[:, 0], sums[:, 1]
