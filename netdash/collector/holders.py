"""Who holds which socket now: by the kernel's iterator where it loads, else by a scan of /proc."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from netdash.kernel.process_files import SocketOwners, SocketOwnership
from netdash.kernel.task_sockets import TASK_SOCKET_ROW, TaskSockets
from netdash.model.hashing import hash_columns, lookup
from netdash.model.tables import UNKNOWN, empty, take


class Holders(SocketOwnership, Protocol):
    """A `SocketOwnership` that also knows the other holders of a shared socket."""

    @property
    def rows(self) -> NDArray[np.void]:
        """TASK_SOCKET_ROW of all network namespaces; empty where only sockets of this one are looked for."""

    def holds(self, pids: NDArray[np.int32], inodes: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """Whether each process holds the socket beside it."""

    def kernel_cookies(self, sockets: NDArray[np.void]) -> NDArray[np.uint64]:
        """Of `sockets` (SOCKET_ROW) those that no process of any namespace holds; once an interval."""

    def close(self) -> None:
        """Frees everything."""


@dataclass(slots=True)
class IteratedHolders:
    """Holders over all processes of all namespaces."""

    tasks: TaskSockets
    rows: NDArray[np.void] = field(default_factory=lambda: empty(TASK_SOCKET_ROW))
    orphans: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    """Cookies that nobody held at the last look."""

    def refresh(self, inodes: NDArray[np.uint32]) -> None:
        """Reads who holds which socket now."""
        rows = self.tasks.read()
        # Of several holders the lowest pid, which is the one that opened it as a rule.
        self.rows = take(rows, np.lexsort((rows["pid"], rows["inode"])))

    def owners(self, inodes: NDArray[np.uint32]) -> NDArray[np.int32]:
        """The pid beside each inode, -1 where no process holds it."""
        held = self.rows["inode"]
        if not len(held):
            return np.full(len(inodes), UNKNOWN, np.int32)
        place = np.searchsorted(held, inodes).clip(0, len(held) - 1)
        return np.where((held[place] == inodes) & (inodes != 0), self.rows["pid"][place], UNKNOWN).astype(np.int32)

    def holds(self, pids: NDArray[np.int32], inodes: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """See Holders."""
        pairs = hash_columns(self.rows["pid"].astype(np.uint64), self.rows["inode"].astype(np.uint64))
        return lookup(pairs, hash_columns(pids.astype(np.uint64), inodes.astype(np.uint64))) >= 0

    def kernel_cookies(self, sockets: NDArray[np.void]) -> NDArray[np.uint64]:
        """See Holders."""
        nobody = take(sockets, (sockets["pid"] == UNKNOWN) & (sockets["inode"] != 0))["cookie"].copy()
        # Twice seen without a holder: one look may fall between the opening of a socket and its descriptor.
        kernel = nobody[lookup(self.orphans, nobody) >= 0]
        self.orphans = nobody
        return kernel

    def close(self) -> None:
        """See Holders."""
        self.tasks.close()


@dataclass(slots=True)
class ScannedHolders:
    """Holders of the sockets of this network namespace, as far as /proc can be read."""

    scan: SocketOwners = field(default_factory=SocketOwners)
    rows: NDArray[np.void] = field(default_factory=lambda: empty(TASK_SOCKET_ROW))

    def refresh(self, inodes: NDArray[np.uint32]) -> None:
        """See SocketOwnership."""
        self.scan.refresh(inodes)

    def owners(self, inodes: NDArray[np.uint32]) -> NDArray[np.int32]:
        """See SocketOwnership."""
        return self.scan.owners(inodes)

    def holds(self, pids: NDArray[np.int32], inodes: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """See Holders."""
        pairs = zip(pids.tolist(), inodes.tolist(), strict=True)
        return np.array([pid in self.scan.shared(inode) for pid, inode in pairs], np.bool_)

    def kernel_cookies(self, sockets: NDArray[np.void]) -> NDArray[np.uint64]:
        """None: a scan may not have found a holder yet."""
        return np.zeros(0, np.uint64)

    def close(self) -> None:
        """Holds nothing open."""
