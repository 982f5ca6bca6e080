"""The packets of a watch, picked from the batches of a packet ring while they are there."""

from __future__ import annotations

import threading
import time

import numpy as np

from netdash.kernel.packet_batch import ParsedPackets
from netdash.kernel.packet_ring import PacketRing
from netdash.kernel.raw_flow import PACKET_OUTGOING
from netdash.kernel.watch_filter import WatchFilter
from netdash.model.packets import MAX_PACKETS_A_SECOND, PacketBudget, WatchedPacket

_LOOPBACK_IFINDEX = 1
"""The loopback device of every network namespace (drivers/net/loopback.c registers it first)."""


class RingWatch:
    """Filled by the ring's reader thread, emptied by any other."""

    def __init__(self) -> None:
        self._wanted: WatchFilter | None = None
        self._since_ns = 0
        """CLOCK_MONOTONIC: what passed before lies in the ring a little longer."""
        self._packets: list[WatchedPacket] = []
        self._skipped = 0
        self._budget = PacketBudget(time.monotonic())
        self._lock = threading.Lock()

    def set(self, wanted: WatchFilter | None) -> None:
        """What to pick from the next batch on."""
        with self._lock:
            if wanted is None:
                self._packets, self._skipped = [], 0
            elif self._wanted is None:
                self._since_ns = time.monotonic_ns()
            self._wanted = wanted

    def take(self) -> tuple[list[WatchedPacket], int]:
        """What was picked since the last call, and how many packets more there were."""
        with self._lock:
            taken = self._packets, self._skipped
            self._packets, self._skipped = [], 0
        return taken

    def pick(self, ring: PacketRing, packets: ParsedPackets) -> None:
        """From a batch that was parsed and not released yet."""
        wanted = self._wanted
        if wanted is None:
            return
        keys = packets.keys
        again = (keys["ifindex"] == _LOOPBACK_IFINDEX) & (keys["packet_type"] == PACKET_OUTGOING)
        early = packets.values["last_ns"] < self._since_ns
        rows = np.flatnonzero(wanted.matches(keys) & ~again & ~early)
        self._budget.fill(time.monotonic())
        picked: list[WatchedPacket] = []
        for packet in ring.packets_at(rows[:MAX_PACKETS_A_SECOND], wanted.snap_bytes):
            if not self._budget.left:
                break
            self._budget.spend(len(packet.data))
            picked.append(packet)
        with self._lock:
            if self._wanted is None:
                return
            self._skipped += len(rows) - len(picked)
            room = max(0, MAX_PACKETS_A_SECOND - len(self._packets))
            self._packets += picked[:room]
            self._skipped += len(picked[room:])
