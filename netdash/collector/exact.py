"""The exact layer: the kernel counts each process's bytes, and tells who holds which socket."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from netdash.collector.holders import IteratedHolders
from netdash.collector.moves import Moves, RecentMoves, namespaces_of
from netdash.collector.owners import Evidence
from netdash.collector.splice import SpliceTable
from netdash.collector.traffic import AF_PACKET, TrafficTable, sockets_of
from netdash.errors import NotPermittedError, NotSupportedError
from netdash.kernel.btf import Btf
from netdash.kernel.exec_trace import ExecTrace
from netdash.kernel.socket_traffic import SocketTraffic
from netdash.kernel.task_sockets import TaskSockets
from netdash.kernel.tracing import explained
from netdash.model.hashing import lookup
from netdash.model.tables import UNKNOWN, join, take


@dataclass(slots=True)
class ExactLayer:
    """A `TrafficLayer` over all processes of all namespaces."""

    traffic: SocketTraffic
    holders: IteratedHolders
    commands: ExecTrace | None
    net_namespace: int
    table: TrafficTable = field(default_factory=TrafficTable)
    splices: SpliceTable = field(default_factory=SpliceTable)
    recent: RecentMoves = field(default_factory=RecentMoves)
    overflow_bytes: int = 0
    missed_calls: int = 0

    @classmethod
    def open(cls, net_namespace: int, notes: list[str]) -> ExactLayer:
        """Loads and attaches all programs. Raises NotPermittedError or NotSupportedError; nothing stays open then.

        Command lines of short-lived processes are an extra: what refuses it goes to `notes`.
        """
        with explained("exact bytes per process"):
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
        return cls(traffic, IteratedHolders(tasks), commands, net_namespace)

    def refresh(self, inodes: NDArray[np.uint32]) -> None:
        """Reads who holds which socket now."""
        self.holders.refresh(inodes)

    def owners(self, inodes: NDArray[np.uint32]) -> NDArray[np.int32]:
        """The pid beside each inode, -1 where no process holds it."""
        return self.holders.owners(inodes)

    def moves(self, sockets: NDArray[np.void], closed: NDArray[np.void]) -> Moves:
        """See TrafficLayer."""
        cumulative = self.traffic.read()
        moved = self.table.update(cumulative)
        held = self.holders.rows
        spliced = self.splices.update(sockets, closed, cumulative, held)
        self.traffic.forget(self.table.to_forget(held["cookie"]))
        known = np.concatenate([sockets["cookie"], closed["cookie"]])
        here = (moved["net_namespace"] == self.net_namespace) & np.isin(moved["family"], (4, 6, AF_PACKET))
        kernel = self.holders.kernel_cookies(sockets)
        fresh = sockets_of(moved, known, self.net_namespace)
        _name_movers(closed, moved)
        # Listed, but its process had ended before the holders were read.
        left = take(sockets, sockets["pid"] == UNKNOWN)
        _name_movers(left, moved)
        ended = join(closed, take(left, left["pid"] != UNKNOWN))
        ended["rx_payload"] = ended["tx_payload"] = UNKNOWN
        moved_here = take(moved, here)
        late = self.recent.late_raw(moved_here)
        return Moves(
            join(moved, spliced),
            Evidence(join(moved_here, late, spliced), self.table.rows["cookie"].copy(), kernel),
            frozenset(moved["pid"][moved["net_namespace"] != self.net_namespace].tolist()),
            self.recent.with_earlier(fresh, ended),
            frozenset(np.unique(held["pid"]).tolist()),
            namespaces_of(held, moved),
        )

    def command(self, pid: int, start_ticks: int) -> str:
        """The command line of a process that may have ended; empty where it is not known."""
        return (self.commands.command(pid, start_ticks) or "") if self.commands is not None else ""

    def note(self) -> str | None:
        """What could not be told to a process since the last call: the kernel's table was full, or missed calls."""
        overflow = self.traffic.overflow()
        lost_bytes = overflow.rx_payload_bytes + overflow.tx_payload_bytes
        new, self.overflow_bytes = lost_bytes - self.overflow_bytes, lost_bytes
        missed, self.missed_calls = overflow.missed_calls - self.missed_calls, overflow.missed_calls
        if new > 0:
            return f"{new} bytes of payload have no process: the table of sockets is full"
        return f"{missed} sends and receives were not seen by the kernel's programs" if missed > 0 else None

    def close(self) -> None:
        """Detaches everything; nothing stays in the kernel."""
        if self.commands is not None:
            self.commands.close()
        self.holders.close()
        self.traffic.close()


def _name_movers(sockets: NDArray[np.void], moved: NDArray[np.void]) -> None:
    found = lookup(moved["cookie"], sockets["cookie"])
    rows = np.flatnonzero((found >= 0) & (sockets["pid"] == UNKNOWN))
    sockets["pid"][rows] = moved["pid"][found[rows]]
