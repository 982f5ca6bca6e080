"""What each process moved through each socket in an interval, from the kernel's cumulative counters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.kernel.socket_traffic import TRAFFIC_ROW
from netdash.model.hashing import group_equal, hash_columns, lookup
from netdash.model.tables import SOCKET_ROW, UNKNOWN, empty, take

MOVED_ROW: Final = np.dtype(
    [
        ("cookie", "<u8"),
        ("start_ticks", "<u8"),
        ("pid", "<i4"),
        ("net_namespace", "<u4"),
        ("rx_payload", "<i8"),
        ("tx_payload", "<i8"),
        ("local", "u1", 16),
        ("remote", "u1", 16),
        ("local_port", "<u2"),
        ("remote_port", "<u2"),
        ("protocol", "<u2"),
        ("family", "u1"),
        ("type", "u1"),
        ("uid", "<u4"),
        ("process_name", "S16"),
    ]
)
"""One process and one socket that moved something in the interval. `*_payload`: of the interval. The rest as in
TRAFFIC_ROW."""

_SAME: Final = tuple(name for name in MOVED_ROW.names or () if name in (TRAFFIC_ROW.names or ()))

_IDLE_LOOKS: Final = 3
"""A counter that stood still for so many looks, and whose socket is gone, is deleted from the kernel's table."""

AF_PACKET: Final = 17
SOCK_RAW: Final = 3
"""`type` of a raw socket, <bits/socket_type.h>."""


@dataclass(slots=True)
class TrafficTable:
    """Remembers the last counters by socket and process."""

    keys: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    rows: NDArray[np.void] = field(default_factory=lambda: empty(TRAFFIC_ROW))
    idle: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    started: bool = False

    def update(self, rows: NDArray[np.void]) -> NDArray[np.void]:
        """MOVED_ROW of what moved since the last call; `rows` are the cumulative TRAFFIC_ROW. The first call gives
        none.

        A key that is new counted from 0. A counter that fell was deleted and began anew.
        """
        keys = hash_columns(rows["cookie"], rows["process_start_ns"], rows["pid"].astype(np.uint64))
        found = lookup(self.keys, keys)
        moved = np.zeros(len(rows), MOVED_ROW)
        for name in _SAME:
            moved[name] = rows[name]
        for name in ("rx_payload", "tx_payload"):
            now = rows[f"{name}_bytes"].astype(np.int64)
            before = (
                np.where(found >= 0, self.rows[f"{name}_bytes"][found].astype(np.int64), 0) if len(self.rows) else 0
            )
            moved[name] = np.where(now >= before, now - before, now)
        # What a packet socket receives is what it watches, no traffic of its process.
        moved["rx_payload"][rows["family"] == AF_PACKET] = 0
        active = (moved["rx_payload"] > 0) | (moved["tx_payload"] > 0)
        known_idle = np.where(found >= 0, self.idle[found], 0) if len(self.idle) else np.zeros(len(rows), np.int64)
        self.idle = np.where(active, 0, known_idle + 1)
        self.keys, self.rows = keys, rows
        if not self.started:
            self.started = True
            return empty(MOVED_ROW)
        return take(moved, active)

    def to_forget(self, live_cookies: NDArray[np.uint64]) -> NDArray[np.void]:
        """TRAFFIC_ROW of counters that nobody will add to any more."""
        idle = take(self.rows, self.idle >= _IDLE_LOOKS)
        return take(idle, lookup(live_cookies, idle["cookie"]) < 0)


def sockets_of(moved: NDArray[np.void], known: NDArray[np.uint64], net_namespace: int) -> NDArray[np.void]:
    """SOCKET_ROW of sockets of one namespace that moved something and are in no listing (`known`: cookies).

    So a connection that came and went between two looks has its owner. Their own counters are not known.
    """
    here = (moved["net_namespace"] == net_namespace) & np.isin(moved["family"], (4, 6))
    candidates = take(moved, here & (lookup(known, moved["cookie"]) < 0))
    _, first = np.unique(candidates["cookie"], return_index=True)
    candidates = take(candidates, first)
    rows = np.zeros(len(candidates), SOCKET_ROW)
    for name in ("cookie", "pid", "family", "protocol", "local", "remote", "local_port", "remote_port"):
        rows[name] = candidates[name]
    rows["rx_payload"] = rows["tx_payload"] = UNKNOWN
    return rows


@dataclass(frozen=True, slots=True)
class Mover:
    """What one process moved in the interval, and what the kernel noted of it."""

    rx_payload: int
    tx_payload: int
    process_name: str
    uid: int


def payload_by_process(moved: NDArray[np.void]) -> dict[tuple[int, int], Mover]:
    """(pid, start ticks) -> what it moved, over all its sockets."""
    if not len(moved):
        return {}
    ids = hash_columns(moved["pid"].astype(np.uint64), moved["start_ticks"])
    first, group = group_equal(ids)
    sums = np.zeros((len(first), 2), np.int64)
    np.add.at(sums, group, np.stack([moved["rx_payload"], moved["tx_payload"]], axis=1))
    return {
        (int(row["pid"]), int(row["start_ticks"])): Mover(
            int(s[0]), int(s[1]), row["process_name"].decode(errors="replace"), int(row["uid"])
        )
        for row, s in zip(moved[first], sums, strict=True)
    }
