"""Flows of a minute as conversations: with which address, over which service, by which process."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.model.hashing import address_words, hash_columns
from netdash.model.protocols import PORT_PROTOCOLS, TCP, UDP
from netdash.model.tables import UNKNOWN, Attribution, empty, take
from netdash.recording.flow_sums import FIGURES, SUM_ROW

DIRECTIONS: Final = ("", "in", "out", "forwarded")
NO_DIRECTION, IN, OUT, FORWARDED = range(4)

CONVERSATION_ROW: Final = np.dtype([*SUM_ROW.descr, ("port", "<u2"), ("direction", "u1"), ("flows", "<i8")])
"""SUM_ROW of one flow of each conversation, its figures those of all of them."""


def conversations(
    flows: NDArray[np.void], tcp_services: NDArray[np.uint16], udp_services: NDArray[np.uint16]
) -> NDArray[np.void]:
    """CONVERSATION_ROW from SUM_ROW, and the local ports on which somebody listens."""
    if not len(flows):
        return empty(CONVERSATION_ROW)
    direction, port = _services(flows, tcp_services, udp_services)
    place = (
        flows["ifindex"].astype(np.uint64)
        | flows["ethertype"].astype(np.uint64) << np.uint64(32)
        | flows["protocol"].astype(np.uint64) << np.uint64(48)
        | direction.astype(np.uint64) << np.uint64(56)
    )
    owner = flows["pid"].astype(np.int64).view(np.uint64) << np.uint64(16) | port.astype(np.uint64)
    ids = hash_columns(place, owner, *address_words(flows["remote"]))
    order = np.argsort(ids, kind="stable")
    ordered = ids[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    rows = np.zeros(len(starts), CONVERSATION_ROW)
    first = take(flows, order[starts])
    for name in SUM_ROW.names or ():
        rows[name] = first[name]
    rows["port"], rows["direction"] = port[order[starts]], direction[order[starts]]
    rows["flows"] = np.diff(starts, append=len(flows))
    for name in FIGURES:
        rows[name] = sum_by(flows[name][order], starts)
    return rows


def sum_by(values: NDArray[np.int64], starts: NDArray[np.intp]) -> NDArray[np.int64]:
    """Sums of the parts that begin at `starts`, unknown where one of them is."""
    sums = np.add.reduceat(values, starts)
    sums[np.minimum.reduceat(values, starts) < 0] = UNKNOWN
    return sums


def busiest(rows: NDArray[np.void], count: int) -> tuple[NDArray[np.void], NDArray[np.void]]:
    """The `count` rows that moved most, and the others."""
    if len(rows) <= count:
        return rows, rows[:0]
    volume = np.maximum(rows["rx_bytes"], rows["rx_payload"]) + np.maximum(rows["tx_bytes"], rows["tx_payload"])
    order = np.argpartition(volume, len(rows) - count)
    return take(rows, order[len(rows) - count :]), take(rows, order[: len(rows) - count])


def _services(
    flows: NDArray[np.void], tcp_services: NDArray[np.uint16], udp_services: NDArray[np.uint16]
) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """Direction and the service's port of each flow."""
    local, remote = flows["local_port"], flows["remote_port"]
    with_ports = np.isin(flows["protocol"], list(PORT_PROTOCOLS))
    served = (flows["protocol"] == TCP) & np.isin(local, tcp_services)
    # A client that asks without connecting has an open port too, but asks a lower one.
    served |= (flows["protocol"] == UDP) & np.isin(local, udp_services) & (local <= remote)
    direction = np.where(with_ports, np.where(served, IN, OUT), NO_DIRECTION).astype(np.uint8)
    port = np.where(served, local, remote)
    passing = with_ports & (flows["attribution"] == Attribution.FORWARDED)
    direction[passing] = FORWARDED
    port[passing] = np.minimum(local, remote)[passing]
    port[~with_ports] = 0
    return direction, port.astype(np.uint16)
