"""The hooks layer: the kernel counts each socket's bytes and notes who made it; for kernels before 6.3, or without BTF.

Its payload is what sockets handed to the network and took in, not what calls moved. A socket has one process: who
holds it, and of several holders who made it or sent by it last.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from netdash.collector.holders import Holders, IteratedHolders, ScannedHolders
from netdash.collector.hook_table import HookTable, StartTimes, listeners_of, noted_pids, now_ticks, pids_of_listeners
from netdash.collector.moves import Moves, RecentMoves, namespaces_of
from netdash.collector.owners import Evidence
from netdash.collector.traffic import MOVED_ROW, sockets_of
from netdash.errors import NetdashError, NotPermittedError, NotSupportedError
from netdash.kernel.exec_trace import ExecTrace
from netdash.kernel.procfs import read_start_ticks
from netdash.kernel.socket_hooks import SocketHooks
from netdash.kernel.task_sockets import TaskSockets
from netdash.model.hashing import lookup
from netdash.model.protocols import TCP
from netdash.model.tables import UNKNOWN, empty, join, take


@dataclass(slots=True)
class HooksLayer:
    """A `TrafficLayer` over all sockets of all namespaces."""

    hooks: SocketHooks
    holders: Holders
    commands: ExecTrace | None
    net_namespace: int
    """Inode number."""
    net_namespace_cookie: int
    starts: StartTimes
    table: HookTable = field(default_factory=HookTable)
    recent: RecentMoves = field(default_factory=RecentMoves)
    nobodys: NDArray[np.void] = field(default_factory=lambda: empty(MOVED_ROW))
    """MOVED_ROW of the last look whose process was not known: what is known of a socket that came and went after
    everything else had been read, the next look tells."""
    refused_count: int = 0

    @classmethod
    def open(cls, net_namespace: int, notes: list[str]) -> HooksLayer:
        """Loads and attaches the hooks. Raises NotPermittedError, NotSupportedError, NetdashError; nothing stays open.

        What BTF adds, where there is any, is an extra: holders by the kernel's iterator, command lines of short-lived
        processes. Without it holders are found in /proc.
        """
        hooks = SocketHooks.open()
        try:
            cookie = hooks.own_namespace_cookie()
        except NetdashError:
            hooks.close()
            raise
        holders: Holders
        try:
            holders = IteratedHolders(TaskSockets.open())
        except (NotPermittedError, NotSupportedError):
            holders = ScannedHolders()
        commands = None
        try:
            commands = ExecTrace.open()
        except (NotPermittedError, NotSupportedError):
            notes.append("short-lived processes have no command line: that needs Linux 5.5 with BTF")
        programs = commands.processes if commands is not None else ExecTrace.no_processes
        return cls(hooks, holders, commands, net_namespace, cookie, StartTimes(read_start_ticks, programs))

    @property
    def scans(self) -> bool:
        """Holders are looked for in /proc, which takes capabilities at each look."""
        return isinstance(self.holders, ScannedHolders)

    def refresh(self, inodes: NDArray[np.uint32]) -> None:
        """Finds out who holds which socket now."""
        self.holders.refresh(inodes)

    def owners(self, inodes: NDArray[np.uint32]) -> NDArray[np.int32]:
        """The pid beside each inode, -1 where no process is known to hold it."""
        return self.holders.owners(inodes)

    def moves(self, sockets: NDArray[np.void], closed: NDArray[np.void]) -> Moves:
        """See TrafficLayer."""
        rows = self.hooks.read()
        noted = noted_pids(rows)
        self._prefer_noted(sockets, rows["cookie"], noted)
        _name(closed, rows["cookie"], noted)
        listed = join(sockets, closed)
        fresh = self.table.update(rows, self._pids(rows, noted, listed), self.starts)
        moved = join(fresh, self.table.again(self.nobodys))
        self.hooks.forget(self.table.to_forget())
        here = self._here(moved, rows, listed["cookie"])
        moved["net_namespace"][here] = self.net_namespace
        mine = take(moved, here & (moved["pid"] != UNKNOWN))
        moved["pid"] = self._with_listeners(moved, here, sockets)
        unknown = moved["pid"] == UNKNOWN
        self.nobodys = take(moved, unknown & (np.arange(len(moved)) < len(fresh)))
        moved = self._started(take(moved, ~unknown))
        ended = closed.copy()
        ended["rx_payload"] = ended["tx_payload"] = UNKNOWN
        datagram = take(rows, (rows["protocol"] != TCP) | (rows["remote_port"] != 0))
        return Moves(
            moved,
            Evidence(
                join(mine, self.recent.late_raw(mine)),
                datagram["cookie"].copy(),
                self.holders.kernel_cookies(sockets),
                by_call=False,
            ),
            frozenset(moved["pid"][moved["net_namespace"] != self.net_namespace].tolist()),
            self.recent.with_earlier(sockets_of(mine, listed["cookie"], self.net_namespace), ended),
            frozenset(np.unique(self.holders.rows["pid"]).tolist()),
            namespaces_of(self.holders.rows, moved),
        )

    def command(self, pid: int, start_ticks: int) -> str:
        """The command line of a process that may have ended; empty where it is not known."""
        return (self.commands.command(pid, start_ticks) or "") if self.commands is not None else ""

    def note(self) -> str | None:
        """See TrafficLayer."""
        count = self.hooks.refused_count()
        new, self.refused_count = count - self.refused_count, count
        return f"{new} packets have no process: the table of sockets is full" if new > 0 else None

    def close(self) -> None:
        """Detaches everything; nothing stays in the kernel."""
        if self.commands is not None:
            self.commands.close()
        self.holders.close()
        self.hooks.close()

    def _prefer_noted(self, sockets: NDArray[np.void], cookies: NDArray[np.uint64], noted: NDArray[np.int32]) -> None:
        """Of several holders the one that the hooks noted (beside its cookie); where no holder is known, that too."""
        found = lookup(cookies, sockets["cookie"])
        rows = np.flatnonzero(found >= 0)
        pids = noted[found[rows]]
        differs = (pids != UNKNOWN) & (pids != sockets["pid"][rows])
        rows, pids = rows[differs], pids[differs]
        right = (sockets["pid"][rows] == UNKNOWN) | self.holders.holds(pids, sockets["inode"][rows])
        sockets["pid"][rows[right]] = pids[right]

    def _pids(self, rows: NDArray[np.void], noted: NDArray[np.int32], listed: NDArray[np.void]) -> NDArray[np.int32]:
        """Who has the socket of each HOOKED_ROW: as listed here; as noted; who holds it in another namespace."""
        pids = np.full(len(rows), UNKNOWN, np.int32)
        held = self.holders.rows
        for cookies, theirs in (
            (listed["cookie"], listed["pid"]),
            (rows["cookie"], noted),
            (held["cookie"], held["pid"].astype(np.int32)),
        ):
            found = lookup(cookies, rows["cookie"])
            open_rows = np.flatnonzero((pids == UNKNOWN) & (found >= 0))
            pids[open_rows] = theirs[found[open_rows]]
        return pids

    def _here(self, moved: NDArray[np.void], rows: NDArray[np.void], listed: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Which MOVED_ROW are of this network namespace, as far as it is known."""
        place = lookup(rows["cookie"], moved["cookie"])
        ours: NDArray[np.bool_] = rows["net_namespace_cookie"][place] == self.net_namespace_cookie
        return ours | (lookup(listed, moved["cookie"]) >= 0)

    def _with_listeners(
        self, moved: NDArray[np.void], here: NDArray[np.bool_], sockets: NDArray[np.void]
    ) -> NDArray[np.int32]:
        """The pid of each MOVED_ROW; short connections have that of the socket that accepted them."""
        held = self.holders.rows
        elsewhere = take(held, held["net_namespace"] != self.net_namespace)
        pids = moved["pid"].copy()
        for rows, listeners in ((here, sockets), (~here, elsewhere)):
            pids[rows] = pids_of_listeners(take(moved, rows), listeners_of(listeners))
        return pids

    def _started(self, moved: NDArray[np.void]) -> NDArray[np.void]:
        """MOVED_ROW, all with start ticks."""
        late = np.flatnonzero(moved["start_ticks"] == 0)
        now = np.full(len(late), now_ticks())
        moved["start_ticks"][late] = self.starts.resolve(moved["pid"][late], now)
        return moved


def _name(sockets: NDArray[np.void], cookies: NDArray[np.uint64], pids: NDArray[np.int32]) -> None:
    """Gives sockets whose process is not known that of their cookie."""
    found = lookup(cookies, sockets["cookie"])
    rows = np.flatnonzero((found >= 0) & (sockets["pid"] == UNKNOWN))
    sockets["pid"][rows] = pids[found[rows]]
