"""The exact layer: the kernel counts each process's bytes, and tells who holds which socket."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from netdash.collector.owners import Evidence
from netdash.collector.splice import SpliceTable
from netdash.collector.traffic import AF_PACKET, MOVED_ROW, SOCK_RAW, TrafficTable, sockets_of
from netdash.errors import NotPermittedError, NotSupportedError
from netdash.kernel.btf import Btf
from netdash.kernel.exec_trace import ExecTrace
from netdash.kernel.socket_traffic import SocketTraffic
from netdash.kernel.task_sockets import TASK_SOCKET_ROW, TaskSockets
from netdash.model.hashing import lookup
from netdash.model.tables import UNKNOWN, empty, join, take


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


@dataclass(slots=True)
class ExactLayer:
    """Also a `SocketOwnership`: `refresh` and `owners` by inode, over all processes of all namespaces."""

    traffic: SocketTraffic
    tasks: TaskSockets
    commands: ExecTrace | None
    net_namespace: int
    table: TrafficTable = field(default_factory=TrafficTable)
    splices: SpliceTable = field(default_factory=SpliceTable)
    task_rows: NDArray[np.void] = field(default_factory=lambda: empty(TASK_SOCKET_ROW))
    orphans: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    """Cookies that nobody held at the last look."""
    recent_sockets: list[NDArray[np.void]] = field(default_factory=list)
    """SOCKET_ROW of the last intervals' sockets that have ended since, newest first."""
    recent_raw: NDArray[np.void] = field(default_factory=lambda: empty(MOVED_ROW))
    """MOVED_ROW of the last interval's raw and packet sockets."""
    overflow_bytes: int = 0

    @classmethod
    def open(cls, net_namespace: int, notes: list[str]) -> ExactLayer:
        """Loads and attaches all programs. Raises NotPermittedError or NotSupportedError; nothing stays open then.

        Command lines of short-lived processes are an extra: what refuses it goes to `notes`.
        """
        btf = Btf.of_kernel()
        traffic = SocketTraffic.open(btf=btf)
        try:
            tasks = TaskSockets.open(btf=btf)
        except (NotPermittedError, NotSupportedError):
            traffic.close()
            raise
        commands = None
        try:
            commands = ExecTrace.open(btf=btf)
        except (NotPermittedError, NotSupportedError) as error:
            notes.append(str(error))
        return cls(traffic, tasks, commands, net_namespace)

    def refresh(self, inodes: NDArray[np.uint32]) -> None:
        """Reads who holds which socket now."""
        rows = self.tasks.read()
        # Of several holders the lowest pid, which is the one that opened it as a rule.
        self.task_rows = take(rows, np.lexsort((rows["pid"], rows["inode"])))

    def owners(self, inodes: NDArray[np.uint32]) -> NDArray[np.int32]:
        """The pid beside each inode, -1 where no process holds it."""
        held = self.task_rows["inode"]
        if not len(held):
            return np.full(len(inodes), UNKNOWN, np.int32)
        place = np.searchsorted(held, inodes).clip(0, len(held) - 1)
        return np.where((held[place] == inodes) & (inodes != 0), self.task_rows["pid"][place], UNKNOWN).astype(np.int32)

    def moves(self, sockets: NDArray[np.void], closed: NDArray[np.void]) -> Moves:
        """What moved since the last call; `sockets` and `closed` (SOCKET_ROW) must have been read before it.

        Closed sockets that nobody was seen to hold get their process.
        """
        cumulative = self.traffic.read()
        moved = self.table.update(cumulative)
        spliced = self.splices.update(sockets, closed, cumulative, self.task_rows)
        self.traffic.forget(self.table.to_forget(self.task_rows["cookie"]))
        listed = join(sockets, closed)
        here = (moved["net_namespace"] == self.net_namespace) & np.isin(moved["family"], (4, 6, AF_PACKET))
        nobody = take(sockets, (sockets["pid"] == UNKNOWN) & (sockets["inode"] != 0))["cookie"].copy()
        # Twice seen without a holder: one look may fall between the opening of a socket and its descriptor.
        kernel = nobody[lookup(self.orphans, nobody) >= 0]
        self.orphans = nobody
        fresh = sockets_of(moved, listed["cookie"], self.net_namespace)
        _name_movers(closed, moved)
        # Listed, but its process had ended before the holders were read.
        left = take(sockets, sockets["pid"] == UNKNOWN)
        _name_movers(left, moved)
        ended = join(closed, take(left, left["pid"] != UNKNOWN))
        ended["rx_payload"] = ended["tx_payload"] = UNKNOWN
        # Packets are counted a moment before calls are: those of a call in between are counted in the next interval.
        unlisted = join(fresh, *self.recent_sockets)
        self.recent_sockets = [join(fresh, ended), *self.recent_sockets[:1]]
        raw = take(moved, here & ((moved["type"] == SOCK_RAW) | (moved["family"] == AF_PACKET)))
        late = take(self.recent_raw, ~np.isin(_kinds(self.recent_raw), _kinds(raw)))
        self.recent_raw = raw
        return Moves(
            join(moved, spliced),
            Evidence(join(take(moved, here), late, spliced), self.table.rows["cookie"].copy(), kernel),
            frozenset(moved["pid"][moved["net_namespace"] != self.net_namespace].tolist()),
            unlisted,
        )

    def command(self, pid: int, start_ticks: int) -> str:
        """The command line of a process that may have ended; empty where it is not known."""
        return (self.commands.command(pid, start_ticks) or "") if self.commands is not None else ""

    def note(self) -> str | None:
        """What could not be told to a process because the kernel's table was full, since the last call."""
        overflow = self.traffic.overflow()
        lost_bytes = overflow.rx_payload_bytes + overflow.tx_payload_bytes
        new, self.overflow_bytes = lost_bytes - self.overflow_bytes, lost_bytes
        return f"{new} bytes of payload have no process: the table of sockets is full" if new > 0 else None

    def close(self) -> None:
        """Detaches everything; nothing stays in the kernel."""
        if self.commands is not None:
            self.commands.close()
        self.tasks.close()
        self.traffic.close()


def _kinds(moved: NDArray[np.void]) -> NDArray[np.uint32]:
    """Family and protocol in one number."""
    kinds: NDArray[np.uint32] = moved["family"].astype(np.uint32) << np.uint32(16) | moved["protocol"]
    return kinds


def _name_movers(sockets: NDArray[np.void], moved: NDArray[np.void]) -> None:
    found = lookup(moved["cookie"], sockets["cookie"])
    rows = np.flatnonzero((found >= 0) & (sockets["pid"] == UNKNOWN))
    sockets["pid"][rows] = moved["pid"][found[rows]]
