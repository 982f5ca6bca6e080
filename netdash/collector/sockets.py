"""The socket table with what each socket moved since the last look, closed ones included."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.kernel.sock_diag import SOCKET_ROW as KERNEL_ROW
from netdash.model.hashing import lookup
from netdash.model.tables import SOCKET_ROW, UNKNOWN, empty, take

_SAME: Final = tuple(name for name in SOCKET_ROW.names or () if name in (KERNEL_ROW.names or ()))
"""Columns that both tables have under one name."""


@dataclass(slots=True)
class SocketTable:
    """Remembers the byte counters and owners of the last look, by cookie."""

    previous: NDArray[np.void] = field(default_factory=lambda: empty(SOCKET_ROW))
    started: bool = False

    def update(
        self, dump: NDArray[np.void], pids: NDArray[np.int32], closed: NDArray[np.void]
    ) -> tuple[NDArray[np.void], NDArray[np.void]]:
        """The open and the closed sockets (SOCKET_ROW) with the payload of the interval.

        `dump`: kernel rows, `pids`: owners beside them; `closed`: kernel rows of destroy events since the last call,
        whose owners come from the last look. A socket that appeared since then counted from 0.
        """
        rows = _convert(dump)
        rows["pid"] = pids
        ended = _convert(_newest(closed))
        self._difference(rows)
        self._difference(ended, owners=True)
        # A socket that closed between the dump and the reading of events stands in both: the event has the last word.
        if len(ended):
            rows = take(rows, lookup(ended["cookie"], rows["cookie"]) < 0)
        self.previous, self.started = rows, True
        return rows, ended

    def _difference(self, rows: NDArray[np.void], owners: bool = False) -> None:
        rows["rx_payload"] = rows["tx_payload"] = UNKNOWN
        counted = rows["has_info"] != 0
        if self.started:
            for name in ("rx_payload", "tx_payload"):
                rows[name][counted] = rows[f"{name}_total"][counted].astype(np.int64)
        found = lookup(self.previous["cookie"], rows["cookie"])
        known = np.flatnonzero(found >= 0)
        before = take(self.previous, found[known])
        if owners:
            rows["pid"] = UNKNOWN
            rows["pid"][known] = before["pid"]
            rows["inode"][known] = before["inode"]
            rows["uid"][known] = before["uid"]
        with_counters = counted[known] & (before["has_info"] != 0)
        index = known[with_counters]
        for name in ("rx_payload", "tx_payload"):
            delta = rows[f"{name}_total"][index].astype(np.int64) - before[f"{name}_total"][with_counters].astype(
                np.int64
            )
            # The FIN that counts as a byte until its state tells of it can let a total fall by one.
            rows[name][index] = np.maximum(delta, 0)


def _convert(kernel: NDArray[np.void]) -> NDArray[np.void]:
    rows = np.zeros(len(kernel), SOCKET_ROW)
    for name in _SAME:
        rows[name] = kernel[name]
    rows["rx_payload_total"] = kernel["rx_payload_bytes"]
    rows["tx_payload_total"] = kernel["tx_payload_bytes"]
    return rows


def _newest(rows: NDArray[np.void]) -> NDArray[np.void]:
    """One row a cookie, the last."""
    _, first = np.unique(rows["cookie"][::-1], return_index=True)
    return take(rows[::-1], first)
