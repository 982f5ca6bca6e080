"""Ports since the start: what went to each and what came from it, as iptraf-ng's "TCP/UDP services" count."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.model.protocols import LISTEN, PORT_PROTOCOLS, TCP
from netdash.model.snapshot import Layer, Snapshot
from netdash.model.tables import FLOW_FRAGMENT, FLOW_OVERFLOW, Attribution, take

MAX_SERVICES: Final = 8192
"""Rows; beyond that the smallest are summed up as port 0 of their kind, so that no byte is lost."""
_SPARE: Final = MAX_SERVICES // 8
"""So many rows a full table gives up at once."""

OTHERS: Final = 0
"""Port of the row that has what had no room."""


class Side(IntEnum):
    """Where a service's port is."""

    HERE = 0
    """On this host."""
    THERE = 1
    """On the other one."""
    BETWEEN = 2
    """Neither end is on this host."""


SERVICE_ROW: Final = np.dtype(
    [
        ("key", "<u8"),
        ("to_bytes", "<i8"),
        ("to_packets", "<i8"),
        ("from_bytes", "<i8"),
        ("from_packets", "<i8"),
        ("to_bytes_now", "<i8"),
        ("to_packets_now", "<i8"),
        ("from_bytes_now", "<i8"),
        ("from_packets_now", "<i8"),
    ]
)
"""One port on one interface. `key`: see `service_keys`. `to_*`: towards the port, `from_*`: away from it; since the
start, and `*_now` in the last interval."""

FIGURES: Final = tuple(name for name in SERVICE_ROW.names or () if name != "key")
_NOW: Final = FIGURES[len(FIGURES) // 2 :]
_TOTALS: Final = FIGURES[: len(FIGURES) // 2]
_PORT_BITS, _SIDE_BITS, _PROTOCOL_BITS = 16, 8, 8


def service_keys(
    ifindex: NDArray[np.uint64], protocol: NDArray[np.uint64], side: NDArray[np.uint64], port: NDArray[np.uint64]
) -> NDArray[np.uint64]:
    """One number for interface, IP protocol, `Side` and port; the port lowest, the interface highest."""
    high = (ifindex << np.uint64(_PROTOCOL_BITS)) | protocol
    return (((high << np.uint64(_SIDE_BITS)) | side) << np.uint64(_PORT_BITS)) | port


@dataclass(frozen=True, slots=True, eq=False)
class ServiceFigures:
    """All ports at one moment; never changed."""

    rows: NDArray[np.void] = field(default_factory=lambda: np.zeros(0, SERVICE_ROW))
    """SERVICE_ROW, by rising key."""
    interval: float = 0.0
    """Seconds of the last interval; 0.0 before the first."""
    layer: Layer = Layer.WIRE
    """What the bytes are; payload has no packets."""

    def of_interfaces(self, indices: list[int]) -> NDArray[np.void]:
        """The rows of some interfaces, those of one port as one; their keys have interface 0."""
        interface = (self.rows["key"] >> np.uint64(32)).astype(np.int64)
        rows = take(self.rows, np.isin(interface, indices))
        return _joined(rows["key"] & np.uint64(0xFFFFFFFF), rows)


class ServiceHistory:
    """Adds up the flows of snapshots by the port that offers the service.

    A port with a TCP listener on this host is the service. Where neither port is known to be one, the lower is taken,
    as services have low numbers and clients get high ones.
    """

    def __init__(self) -> None:
        self.figures = ServiceFigures()

    def copy(self) -> ServiceHistory:
        """One that goes on from here by itself."""
        twin = ServiceHistory()
        twin.figures = self.figures
        return twin

    def update(self, snapshot: Snapshot) -> None:
        """Takes one interval. A baseline has no figures; another layer of bytes begins anew."""
        if snapshot.interval <= 0.0:
            return
        before = self.figures.rows if self.figures.layer is snapshot.mode.layer else np.zeros(0, SERVICE_ROW)
        idle = before.copy()
        for name in _NOW:
            idle[name] = 0
        moved = _moved(snapshot)
        rows = np.concatenate([idle, moved])
        rows = _bounded(_joined(rows["key"], rows))
        self.figures = ServiceFigures(rows, snapshot.interval, snapshot.mode.layer)


def _moved(snapshot: Snapshot) -> NDArray[np.void]:
    """SERVICE_ROW of the flows with ports, one row a key, by rising key."""
    flows = snapshot.flows
    with_ports = np.isin(flows["protocol"], list(PORT_PROTOCOLS)) & (
        flows["flags"] & (FLOW_OVERFLOW | FLOW_FRAGMENT) == 0
    )
    flows = take(flows, with_ports)
    local, remote = flows["local_port"], flows["remote_port"]
    here = _is_offered(snapshot.sockets, flows) | (local <= remote)
    between = flows["attribution"] == Attribution.FORWARDED
    side = np.where(between, Side.BETWEEN, np.where(here, Side.HERE, Side.THERE))
    port = np.where(between, np.minimum(local, remote), np.where(here, local, remote))
    # Of what is passed on the table's local end is the one that the port is compared with, too.
    to_local = np.where(between, local <= remote, here)
    keys = service_keys(*(column.astype(np.uint64) for column in (flows["ifindex"], flows["protocol"], side, port)))
    distinct, inverse = np.unique(keys, return_inverse=True)
    rows = np.zeros(len(distinct), SERVICE_ROW)
    rows["key"] = distinct
    amount = "payload" if snapshot.mode.layer is Layer.PAYLOAD else "bytes"
    for name, figure in ((amount, "bytes"), ("packets", "packets")):
        rx, tx = (np.maximum(flows[f"{direction}_{name}"], 0) for direction in ("rx", "tx"))
        for way, moved in (("to", np.where(to_local, rx, tx)), ("from", np.where(to_local, tx, rx))):
            rows[f"{way}_{figure}"] = rows[f"{way}_{figure}_now"] = _sums(inverse, moved, len(rows))
    return rows


def _sums(group: NDArray[np.intp], figures: NDArray[np.int64], groups: int) -> NDArray[np.float64]:
    """By group; sums as doubles are exact below 2^53."""
    return np.asarray(np.bincount(group, figures, groups), np.float64) if len(figures) else np.zeros(groups)


def _is_offered(sockets: NDArray[np.void], flows: NDArray[np.void]) -> NDArray[np.bool_]:
    """Whether a TCP flow's local port has a listener."""
    listening = np.zeros(65536, np.bool_)
    listening[sockets["local_port"][(sockets["protocol"] == TCP) & (sockets["state"] == LISTEN)]] = True
    offered = listening[flows["local_port"]] | (flows["attribution"] == Attribution.LISTENER)
    return np.asarray((flows["protocol"] == TCP) & offered)


def _joined(keys: NDArray[np.uint64], rows: NDArray[np.void]) -> NDArray[np.void]:
    """One row a key, in the order of the keys, figures added."""
    distinct, inverse = np.unique(keys, return_inverse=True)
    joined = np.zeros(len(distinct), SERVICE_ROW)
    joined["key"] = distinct
    for name in FIGURES:
        joined[name] = _sums(inverse, rows[name], len(distinct))
    return joined


def _bounded(rows: NDArray[np.void]) -> NDArray[np.void]:
    """At most MAX_SERVICES rows."""
    if len(rows) <= MAX_SERVICES:
        return rows
    size = rows["to_bytes"] + rows["from_bytes"]
    moving = rows["to_packets_now"] + rows["from_packets_now"] + rows["to_bytes_now"] + rows["from_bytes_now"] > 0
    smallest = np.lexsort([size, moving])[: len(rows) - MAX_SERVICES + _SPARE]
    keys = rows["key"].copy()
    keys[smallest] &= ~np.uint64(0xFFFF)
    return _joined(keys, rows)
