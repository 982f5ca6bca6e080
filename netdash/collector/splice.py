"""Bytes that left a TCP socket by splice(2) or a zero-copy receive: no receive call tells of them.

What was taken out of a socket in any way is its own count of received bytes less what still waits in its queue. Where
that is more than its processes received by calls, the rest was spliced.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from netdash.collector.traffic import MOVED_ROW
from netdash.kernel.task_sockets import TASK_SOCKET_ROW
from netdash.model.hashing import group_equal, lookup
from netdash.model.protocols import TCP
from netdash.model.tables import SOCKET_ROW, UNKNOWN, empty, join, take


@dataclass(slots=True)
class SpliceTable:
    """Remembers, by socket, what could not be seen from the start (`base`) and what was found to be spliced."""

    rows: NDArray[np.void] = field(default_factory=lambda: empty(SOCKET_ROW))
    """As last seen."""
    base: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    spliced: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    lingering: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    """No listing has it any more, because both ends have ended it, but its process holds it and may still read."""
    started: bool = False

    def update(
        self,
        sockets: NDArray[np.void],
        closed: NDArray[np.void],
        traffic: NDArray[np.void],
        held: NDArray[np.void] | None = None,
    ) -> NDArray[np.void]:
        """MOVED_ROW that complete those of the receive calls; a row may take back what a call told of later.

        `sockets`, `closed`: SOCKET_ROW, and `held`: TASK_SOCKET_ROW, all read before `traffic`, the cumulative
        TRAFFIC_ROW: so a call between the two never looks like a splice. A receive call that waits for its last byte
        (MSG_WAITALL) does until it returns.
        """
        held = empty(TASK_SOCKET_ROW) if held is None else held
        open_rows = _counted(sockets)
        now = _taken_out(open_rows) - _received_by_calls(open_rows["cookie"], traffic)
        found = lookup(self.rows["cookie"], open_rows["cookie"])
        known = found >= 0
        fresh = np.zeros(len(now), np.int64) if self.started else now
        base = np.where(known, self.base[found], fresh) if len(self.base) else fresh
        before = np.where(known, self.spliced[found], 0) if len(self.spliced) else np.zeros(len(now), np.int64)
        spliced = np.maximum(now - base, 0)
        rows = _rows(open_rows, spliced - before)
        ends = self._ends(closed, traffic, held)
        listed = np.zeros(len(self.rows), np.bool_)
        listed[found[known]] = True
        self._remember(open_rows, base, spliced, closed, held, listed)
        self.started = True
        return np.concatenate([rows, ends])

    def _ends(self, closed: NDArray[np.void], traffic: NDArray[np.void], held: NDArray[np.void]) -> NDArray[np.void]:
        """The last bytes of sockets that were spliced from before. Of others, what was never read is no splice."""
        lingered = take(self.rows, self.lingering)
        let_go = take(lingered, lookup(held["cookie"], lingered["cookie"]) < 0)
        others = _counted(closed)
        ended = join(let_go, take(others, lookup(lingered["cookie"], others["cookie"]) < 0))
        found = lookup(self.rows["cookie"], ended["cookie"])
        known = np.flatnonzero(found >= 0)
        known = known[self.spliced[found[known]] > 0]
        rows, place = take(ended, known), found[known]
        now = rows["rx_payload_total"].astype(np.int64) - _received_by_calls(rows["cookie"], traffic)
        return _rows(rows, np.maximum(now - self.base[place] - self.spliced[place], 0))

    def _remember(
        self,
        open_rows: NDArray[np.void],
        base: NDArray[np.int64],
        spliced: NDArray[np.int64],
        closed: NDArray[np.void],
        held: NDArray[np.void],
        listed: NDArray[np.bool_],
    ) -> None:
        """`listed`: which of the remembered sockets are among `open_rows`."""
        left = np.flatnonzero(~listed)
        cookies = self.rows["cookie"][left]
        ended = (lookup(closed["cookie"], cookies) >= 0) & ~self.lingering[left]
        holding = lookup(held["cookie"], cookies)
        lingers = ~ended & (holding >= 0)
        stays = left[lingers]
        unlisted = take(self.rows, stays)
        # All of it has come: the other end's FIN is what took the socket out of the listing.
        unlisted["rx_payload_total"] = held["rx_payload_bytes"][holding[lingers]]
        self.rows = join(open_rows, unlisted)
        self.base = np.concatenate([base, self.base[stays]])
        self.spliced = np.concatenate([spliced, self.spliced[stays]])
        self.lingering = np.repeat([False, True], [len(open_rows), len(unlisted)])


def _counted(sockets: NDArray[np.void]) -> NDArray[np.void]:
    return take(sockets, (sockets["protocol"] == TCP) & (sockets["has_info"] != 0) & (sockets["pid"] != UNKNOWN))


def _taken_out(sockets: NDArray[np.void]) -> NDArray[np.int64]:
    taken: NDArray[np.int64] = sockets["rx_payload_total"].astype(np.int64) - sockets["rqueue"]
    return taken


def _received_by_calls(cookies: NDArray[np.uint64], traffic: NDArray[np.void]) -> NDArray[np.int64]:
    """For each cookie what all its processes received."""
    first, group = group_equal(traffic["cookie"])
    sums = np.zeros(len(first), np.int64)
    np.add.at(sums, group, traffic["rx_payload_bytes"].astype(np.int64))
    found = lookup(traffic["cookie"][first], cookies)
    return np.where(found >= 0, sums[found], 0) if len(sums) else np.zeros(len(cookies), np.int64)


def _rows(sockets: NDArray[np.void], extra: NDArray[np.int64]) -> NDArray[np.void]:
    chosen = extra != 0
    found = take(sockets, chosen)
    rows = np.zeros(len(found), MOVED_ROW)
    for name in ("cookie", "pid", "family", "protocol", "local", "remote", "local_port", "remote_port"):
        rows[name] = found[name]
    rows["rx_payload"] = extra[chosen]
    return rows
