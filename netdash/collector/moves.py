"""What processes moved in an interval, whichever layer of the kernel's counters tells it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from netdash.collector.owners import Evidence
from netdash.collector.traffic import AF_PACKET, MOVED_ROW, SOCK_RAW
from netdash.kernel.process_files import SocketOwnership
from netdash.model.tables import SOCKET_ROW, empty, join, take


@dataclass(frozen=True, slots=True)
class Moves:
    """What processes moved in an interval."""

    everywhere: NDArray[np.void]
    """MOVED_ROW of all network namespaces."""
    evidence: Evidence
    """Of this network namespace."""
    elsewhere: frozenset[int]
    """Pids that moved something in other network namespaces: their packets are not counted here."""
    extra_sockets: NDArray[np.void]
    """SOCKET_ROW of sockets of this namespace that no listing showed."""
    holding: frozenset[int] = frozenset()
    """Pids that hold sockets of any network namespace."""
    namespaces: dict[int, int] = field(default_factory=dict)
    """Inode number of the network namespace by pid; of a process with sockets in several, the lowest socket's."""


class TrafficLayer(SocketOwnership, Protocol):
    """Counts bytes by process in the kernel: `refresh` and `owners` by inode, over all processes."""

    def moves(self, sockets: NDArray[np.void], closed: NDArray[np.void]) -> Moves:
        """What moved since the last call; `sockets` and `closed` (SOCKET_ROW) must have been read before it.

        Closed sockets that nobody was seen to hold get their process, in place.
        """

    def command(self, pid: int, start_ticks: int) -> str:
        """The command line of a process that may have ended; empty where it is not known."""

    def note(self) -> str | None:
        """What could not be told to a process since the last call, because the kernel's table was full."""

    def close(self) -> None:
        """Detaches everything; nothing stays in the kernel."""


@dataclass(slots=True)
class RecentMoves:
    """The last intervals' sockets that are gone.

    Packets are counted a moment before bytes are: those of a call in between are counted in the next interval, when
    their socket may have ended.
    """

    sockets: list[NDArray[np.void]] = field(default_factory=list)
    """SOCKET_ROW, newest first."""
    raw: NDArray[np.void] = field(default_factory=lambda: empty(MOVED_ROW))
    """MOVED_ROW of the last interval's raw and packet sockets."""

    def with_earlier(self, fresh: NDArray[np.void], ended: NDArray[np.void]) -> NDArray[np.void]:
        """`fresh` (SOCKET_ROW of sockets that no listing showed) and those of before; `ended` are remembered too."""
        unlisted = join(empty(SOCKET_ROW), fresh, *self.sockets)
        self.sockets = [join(fresh, ended), *self.sockets[:1]]
        return unlisted

    def late_raw(self, moved: NDArray[np.void]) -> NDArray[np.void]:
        """MOVED_ROW of the last interval's raw and packet sockets whose kind `moved` has none of."""
        raw = take(moved, (moved["type"] == SOCK_RAW) | (moved["family"] == AF_PACKET))
        late = take(self.raw, ~np.isin(_kinds(self.raw), _kinds(raw)))
        self.raw = raw
        return late


def namespaces_of(held: NDArray[np.void], moved: NDArray[np.void]) -> dict[int, int]:
    """By pid, from TASK_SOCKET_ROW and, of those that hold nothing any more, MOVED_ROW."""
    namespaces: dict[int, int] = {}
    for rows in (take(moved, moved["net_namespace"] != 0), held):
        pids, first = np.unique(rows["pid"], return_index=True)
        namespaces.update(zip(pids.tolist(), rows["net_namespace"][first].tolist(), strict=True))
    return namespaces


def _kinds(moved: NDArray[np.void]) -> NDArray[np.uint32]:
    """Family and protocol in one number."""
    kinds: NDArray[np.uint32] = moved["family"].astype(np.uint32) << np.uint32(16) | moved["protocol"]
    return kinds
