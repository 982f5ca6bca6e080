"""What each socket moved in an interval, and whose it was, from the cumulative counters of the cgroup hooks."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.collector.traffic import MOVED_ROW
from netdash.kernel.socket_hooks import HOOKED_ROW
from netdash.model.hashing import lookup
from netdash.model.protocols import LISTEN, TCP
from netdash.model.tables import UNKNOWN, empty, take

_NS_PER_TICK: Final = 10_000_000

_SAME: Final = tuple(
    name for name in MOVED_ROW.names or () if name in (HOOKED_ROW.names or ()) and name not in ("pid", "uid")
)
_MAX_KNOWN: Final = 65_536
_IDLE_LOOKS: Final = 3
"""The counter of a closed socket that stood still for so many looks is deleted from the kernel's table."""


@dataclass(slots=True)
class HookTable:
    """Remembers the last counters and the process of each socket."""

    rows: NDArray[np.void] = field(default_factory=lambda: empty(HOOKED_ROW))
    idle: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    pids: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    """Beside `rows`: who had the socket at the last look."""
    starts: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    """Start ticks of `pids`."""
    started: bool = False

    def update(self, rows: NDArray[np.void], pids: NDArray[np.int32], start_times: StartTimes) -> NDArray[np.void]:
        """MOVED_ROW of what moved since the last call; the first call gives none.

        `rows`: the cumulative HOOKED_ROW; `pids`: who has each socket now, UNKNOWN where nobody is known; then it is
        who had it. Namespaces are not filled in. A socket that is new counted from 0.
        """
        found = lookup(self.rows["cookie"], rows["cookie"])
        known = found >= 0
        if len(self.rows):
            pids = np.where((pids == UNKNOWN) & known, self.pids[found], pids).astype(np.int32)
        moved = np.zeros(len(rows), MOVED_ROW)
        for name in _SAME:
            moved[name] = rows[name]
        for name in ("rx_payload", "tx_payload"):
            now = rows[f"{name}_bytes"].astype(np.int64)
            before = np.zeros(len(rows), np.int64)
            before[known] = self.rows[f"{name}_bytes"][found[known]]
            # A FIN's byte is told as data until the FIN is seen to be in order.
            moved[name] = np.maximum(now - before, 0)
        starts = self._starts(rows, pids, found, start_times)
        _give(moved, pids, starts, rows)
        active = (moved["rx_payload"] > 0) | (moved["tx_payload"] > 0)
        idle = np.zeros(len(rows), np.int64)
        idle[known] = self.idle[found[known]]
        self.idle = np.where(active, 0, idle + 1)
        self.rows, self.pids, self.starts = rows, pids, starts
        if not self.started:
            self.started = True
            return empty(MOVED_ROW)
        return take(moved, active)

    def _starts(
        self, rows: NDArray[np.void], pids: NDArray[np.int32], found: NDArray[np.intp], start_times: StartTimes
    ) -> NDArray[np.uint64]:
        """Found out when a socket gets its process, which is then most likely to live."""
        starts = np.zeros(len(rows), np.uint64)
        known = np.flatnonzero(found >= 0)
        same = known[self.pids[found[known]] == pids[known]]
        starts[same] = self.starts[found[same]]
        fresh = np.flatnonzero((starts == 0) & (pids != UNKNOWN))
        noted = rows["pid"][fresh] == pids[fresh]
        seen = np.where(noted, rows["owned_ns"][fresh].astype(np.int64) // _NS_PER_TICK, now_ticks())
        starts[fresh] = start_times.resolve(pids[fresh], seen)
        return starts

    def again(self, moved: NDArray[np.void]) -> NDArray[np.void]:
        """Of MOVED_ROW of the last look those whose counters are still there, with the process as it is known now."""
        found = lookup(self.rows["cookie"], moved["cookie"])
        again, found = take(moved, found >= 0), found[found >= 0]
        _give(again, self.pids[found], self.starts[found], self.rows[found])
        return again

    def to_forget(self) -> NDArray[np.uint64]:
        """Cookies of counters that nobody will add to any more."""
        gone = (self.rows["released"] != 0) & (self.idle >= _IDLE_LOOKS)
        cookies: NDArray[np.uint64] = self.rows["cookie"][gone].copy()
        return cookies


def _give(moved: NDArray[np.void], pids: NDArray[np.int32], starts: NDArray[np.uint64], rows: NDArray[np.void]) -> None:
    """Writes each MOVED_ROW's process; its name and user stand in the HOOKED_ROW beside it, if that is who it noted."""
    moved["pid"], moved["start_ticks"] = pids, starts
    noted = pids == rows["pid"].astype(np.int32)
    moved["uid"] = np.where(noted, rows["uid"], 0)
    moved["process_name"] = np.where(noted, rows["process_name"], b"")


def now_ticks() -> int:
    """As start times in /proc/PID/stat count."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // _NS_PER_TICK


def noted_pids(rows: NDArray[np.void]) -> NDArray[np.int32]:
    """The process that the hooks noted of each HOOKED_ROW, UNKNOWN where none."""
    pids = rows["pid"].astype(np.int32)
    return np.where(pids > 0, pids, UNKNOWN).astype(np.int32)


def listeners_of(rows: NDArray[np.void]) -> NDArray[np.void]:
    """Those of SOCKET_ROW or TASK_SOCKET_ROW that listen."""
    return take(rows, (rows["state"] == LISTEN) & (rows["protocol"] == TCP) & (rows["pid"].astype(np.int64) > 0))


def pids_of_listeners(moved: NDArray[np.void], listeners: NDArray[np.void]) -> NDArray[np.int32]:
    """The pid of each MOVED_ROW; where it is UNKNOWN and the only listener of a TCP connection's local end is, its.

    A connection that came and went between two looks was accepted by the process that listens, or by a child of it.
    """
    result = moved["pid"].astype(np.int32)
    nobody = np.flatnonzero((result == UNKNOWN) & (moved["protocol"] == TCP))
    for index in nobody[np.isin(moved["local_port"][nobody], listeners["local_port"])]:
        there = take(listeners, listeners["local_port"] == moved["local_port"][index])
        same = (there["local"] == moved["local"][index]).all(axis=1)
        _, first = np.unique(there["inode"], return_index=True)  # of several holders the first
        whose = there["pid"][first][(same | (there["local"] == 0).all(axis=1))[first]]
        if len(np.unique(whose)) == 1:
            result[index] = whose[0]
    return result


@dataclass(slots=True)
class StartTimes:
    """When the process with a pid started, though it may have ended: what the hooks noted is its pid alone.

    A process that lives is asked. Of one that is gone, the program it started is looked up; else it is taken to have
    started when it was first seen, which no other process of that pid can be confused with.
    """

    read: Callable[[int], int | None]
    """Start ticks of a living process."""
    programs: Callable[[], NDArray[np.void]]
    """Rows with `pid` and `start_ticks` of all programs started of late."""
    known: dict[int, int] = field(default_factory=dict)
    """By pid."""

    def resolve(self, pids: NDArray[np.int32], seen_ticks: NDArray[np.int64]) -> NDArray[np.uint64]:
        """Start ticks for each pid that was running at the tick beside it."""
        programs: NDArray[np.void] | None = None
        result = np.zeros(len(pids), np.uint64)
        for index in np.argsort(seen_ticks, kind="stable"):
            pid, seen = int(pids[index]), int(seen_ticks[index])
            start = self._known_or_living(pid, seen)
            if start is None:
                programs = self.programs() if programs is None else programs
                started = programs["start_ticks"][(programs["pid"] == pid) & (programs["start_ticks"] <= seen)]
                start = int(started.max()) if len(started) else seen
            self.known[pid] = start
            result[index] = start
        while len(self.known) > _MAX_KNOWN:
            del self.known[next(iter(self.known))]
        return result

    def _known_or_living(self, pid: int, seen_ticks: int) -> int | None:
        living = self.read(pid)
        for start in (living, self.known.get(pid)):
            if start is not None and start <= seen_ticks:
                return start
        return None
