"""Sockets with what got worse in the last interval: segments sent again, datagrams dropped, queues that are full."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import IntFlag
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.model.hashing import lookup
from netdash.model.protocols import LISTEN, SYN_SENT, TCP
from netdash.model.snapshot import Snapshot
from netdash.model.tables import SOCKET_ROW, UNKNOWN, empty, take

LONG_QUEUE_BYTES: Final = 131_072
"""So much unread data is a reader that does not keep up: the first receive buffer of a TCP socket (tcp_rmem[1])."""

SMOOTH_SECONDS: Final = 10.0

_STALL_ROUND_TRIPS: Final = 4
_STALL_SECONDS: Final = 0.9
"""Shorter intervals say nothing about a stall."""


class Trouble(IntFlag):
    """What is not as it should be with a socket."""

    BACKLOG_FULL = 1
    """A listener has as many connections waiting as it takes; the next are dropped (tcp_v4_syn_recv_sock)."""
    DROPS = 2
    """Datagrams were dropped at the socket in the interval."""
    RETRANSMITS = 4
    """Segments were sent again in the interval."""
    NO_ANSWER = 8
    """The SYN had to be sent again: nobody answers."""
    NOT_READ = 16
    """`LONG_QUEUE_BYTES` or more wait to be read."""
    STALLED = 32
    """Data waits to be sent, and nothing was sent for the whole interval and several round trips."""


@dataclass(frozen=True, slots=True, eq=False)
class SocketFigures:
    """The sockets of one snapshot; arrays of one length, never changed."""

    sockets: NDArray[np.void] = field(default_factory=lambda: empty(SOCKET_ROW))
    """SOCKET_ROW."""
    interval: float = 0.0
    """Seconds; 0.0 = no figures of an interval yet."""
    new_retransmits: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """Of the interval; UNKNOWN where there is no counter."""
    new_drops: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """Of the interval; UNKNOWN where there is no counter."""
    smooth_rates: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    """Payload bytes per second in both directions, averaged with a weight that fades over `SMOOTH_SECONDS`: an order by
    it does not flutter. -1 where there is no counter."""
    trouble: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))
    """`Trouble` flags."""

    def __len__(self) -> int:
        return len(self.sockets)


class SocketHistory:
    """Remembers the counters of the last snapshot, by cookie."""

    def __init__(self) -> None:
        self.figures = SocketFigures()

    def copy(self) -> SocketHistory:
        """One that goes on from here by itself."""
        twin = SocketHistory()
        twin.figures = self.figures
        return twin

    def update(self, snapshot: Snapshot) -> None:
        """Takes one snapshot. Of a baseline, and of a socket's first, the counters are the whole past: no difference.

        A socket that appeared within an interval counted from 0.
        """
        sockets, before = snapshot.sockets, self.figures.sockets
        interval = max(snapshot.interval, 0.0)
        smooth = _rates(sockets, interval)
        retransmits = sockets["retransmits"].astype(np.int64)
        drops = sockets["drops"].astype(np.int64)
        if interval:
            found = lookup(before["cookie"], sockets["cookie"])
            known = np.flatnonzero(found >= 0)
            old = take(before, found[known])
            smooth[known] = _smoothed(smooth[known], self.figures.smooth_rates[found[known]], interval)
            for column, name in ((retransmits, "retransmits"), (drops, "drops")):
                column[known] = np.maximum(0, column[known] - old[name].astype(np.int64))
        else:
            retransmits[:] = drops[:] = UNKNOWN
        tcp = sockets["protocol"] == TCP
        retransmits[~tcp | (sockets["has_info"] == 0)] = UNKNOWN
        drops[tcp] = UNKNOWN
        trouble = _troubles(sockets, interval, retransmits, drops)
        self.figures = SocketFigures(sockets, interval, retransmits, drops, smooth, trouble)


def _rates(sockets: NDArray[np.void], interval: float) -> NDArray[np.float64]:
    """Payload bytes per second, both directions; -1 where there is no counter."""
    rx, tx = sockets["rx_payload"], sockets["tx_payload"]
    known = ((rx != UNKNOWN) | (tx != UNKNOWN)) & (interval > 0.0)
    moved = (np.maximum(rx, 0) + np.maximum(tx, 0)).astype(np.float64)
    return np.where(known, moved / (interval or 1.0), -1.0)


def _smoothed(now: NDArray[np.float64], before: NDArray[np.float64], interval: float) -> NDArray[np.float64]:
    """The average goes on with a new rate; it begins with the first one that is known."""
    weight = -math.expm1(-interval / SMOOTH_SECONDS)
    return np.where((now < 0) | (before < 0), now, before + weight * (now - before))


def _troubles(
    sockets: NDArray[np.void], interval: float, retransmits: NDArray[np.int64], drops: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """`Trouble` flags of each socket."""
    tcp, state = sockets["protocol"] == TCP, sockets["state"]
    listening = tcp & (state == LISTEN)
    rqueue, wqueue = sockets["rqueue"].astype(np.int64), sockets["wqueue"].astype(np.int64)
    slow_seconds = sockets["rtt_us"] * (_STALL_ROUND_TRIPS / 1e6)
    stalled = (wqueue > 0) & (sockets["tx_payload"] == 0) & (slow_seconds < interval) & (interval >= _STALL_SECONDS)
    signs = (
        (Trouble.BACKLOG_FULL, listening & (rqueue > 0) & (rqueue >= wqueue)),
        (Trouble.DROPS, drops > 0),
        (Trouble.RETRANSMITS, (retransmits > 0) & (state != SYN_SENT)),
        (Trouble.NO_ANSWER, tcp & (state == SYN_SENT) & (sockets["retransmits"] > 0)),
        (Trouble.NOT_READ, ~listening & (rqueue >= LONG_QUEUE_BYTES)),
        (Trouble.STALLED, tcp & ~listening & (sockets["has_info"] != 0) & stalled),
    )
    flags = np.zeros(len(sockets), np.uint8)
    for flag, where in signs:
        flags[where] |= np.uint8(flag)
    return flags
