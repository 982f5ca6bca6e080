"""Which process holds which socket, from the links in /proc/PID/fd (proc(5)): `3 -> socket:[INODE]`.

Reading all links of all processes costs hundreds of milliseconds on a large host, so it is done bit by bit: nothing
while all sockets of a dump are known, else first the processes whose number of descriptors changed, then those that
opened sockets lately, then all. Threads with a descriptor table of their own are not seen.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from netdash.kernel.capabilities import effective_capabilities
from netdash.kernel.procfs import read_start_ticks

MAX_READLINKS: Final = 400_000
"""Most links that one refresh reads (about 0.6 s); the rest follows with the next ones."""

_FIRST_RETRY_S, _LAST_RETRY_S = 1.0, 30.0
"""A socket that nobody seems to hold is looked for again after these times, doubling."""
_LAST_THOROUGH_RETRY_S = 4.0
"""Below this delay all links are read again, those that seem known too; a kernel socket is not worth it for ever."""
_LAST_FULL_SCAN_DELAY_S = 8.0
"""Longest pause between scans of all processes while such scans find nothing."""
_RECENT_S = 30.0
"""How long a process that opened a socket counts as one that opens sockets."""

_MANY_SOCKETS = 128
"""From here on a descriptor is taken to be the socket that it was, as long as that socket exists. That is wrong where
the process passed the socket on, or shares it, and closed and used the number again; a thorough scan finds out."""

_PID = re.compile(r"[0-9]{1,9}")
_SOCKET_LINK = re.compile(r"socket:\[([0-9]{1,10})\]")

_CAPABILITIES = frozenset({"CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE"})
"""What it takes to read other users' descriptors (fs/proc/fd.c, proc_fd_permission; fs/proc/base.c)."""


class SocketOwnership(Protocol):
    """Tells which process a socket belongs to."""

    def refresh(self, inodes: NDArray[np.uint32]) -> None:
        """Takes note of the sockets that exist now (inode numbers of a dump, 0 is ignored) and finds their owners."""

    def owners(self, inodes: NDArray[np.uint32]) -> NDArray[np.int32]:
        """The pid for each inode as of the last refresh, -1 = not known; same length and order as `inodes`."""


@dataclass(slots=True)
class _Process:
    start_ticks: int | None
    signature: tuple[int, int] | None
    """Inode number and size of the fd directory; the size is the number of descriptors (Linux 6.2)."""
    sockets: dict[str, int] = field(default_factory=dict)
    """Descriptor -> inode, of the sockets of the last dump."""
    recent_until: float = 0.0


@dataclass(slots=True)
class _Retry:
    at: float
    delay_s: float


class SocketOwners:
    """SocketOwnership by scanning /proc: all processes with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, else one's own.

    Two things it learns late, when it next reads the process: that a new process shares a known socket, and that a
    process gave a socket to another and opened something else since (its number of descriptors did not change).
    """

    def __init__(self, proc: str = "/proc", clock: Callable[[], float] = time.monotonic) -> None:
        """`proc`: where procfs is mounted; `clock`: monotonic seconds."""
        self._proc = proc
        self._clock = clock
        self._processes: dict[int, _Process] = {}
        self._holders: dict[int, tuple[int, ...]] = {}
        self._inodes = np.zeros(0, np.uint32)
        self._pids = np.zeros(0, np.int32)
        self._changed: set[int] = set()
        self._unknown: set[int] = set()
        self._retries: dict[int, _Retry] = {}
        self._full_scan_at, self._full_scan_delay_s = 0.0, 0.0
        self._resume_after_pid = -1
        self._readlinks_left = 0

    @property
    def readable_all(self) -> bool:
        """Whether other users' processes can be read too. Tried on the first such process at each call.

        Where there is none to try, the two capabilities decide.
        """
        for pid in self._list_pids():
            readable = self._try_foreign(pid)
            if readable is not None:
                return readable
        return effective_capabilities() >= _CAPABILITIES

    def refresh(self, inodes: NDArray[np.uint32]) -> None:
        """See SocketOwnership. Reads processes only as far as unknown inodes or changed owners ask for it."""
        now = self._clock()
        live = np.unique(inodes)
        live = live[live != 0].astype(np.uint32, copy=False)
        self._readlinks_left = MAX_READLINKS
        self._forget_absent(live)
        _, known = _find(self._inodes, live)
        self._unknown = set(live[~known].tolist())
        self._check_owners(now)
        due = {inode for inode in self._unknown if inode not in self._retries or self._retries[inode].at <= now}
        if due:
            self._search(due, now)
        self._retries = {inode: retry for inode, retry in self._retries.items() if inode in self._unknown}
        self._apply_changes()

    def owners(self, inodes: NDArray[np.uint32]) -> NDArray[np.int32]:
        """See SocketOwnership. Of several holders it is the first that was found, the lowest pid, while it holds it."""
        positions, known = _find(self._inodes, inodes)
        if not len(self._pids):
            return np.full(len(inodes), -1, np.int32)
        return np.where(known, self._pids[positions], np.int32(-1))

    def shared(self, inode: int) -> tuple[int, ...]:
        """All pids that were seen to hold the socket when they were last read, its owner first; empty if not known."""
        return self._holders.get(inode, ())

    def start_ticks(self, pid: int) -> int | None:
        """When the owner `pid` started (ticks since boot): with the pid it names the process that was read."""
        process = self._processes.get(pid)
        return None if process is None else process.start_ticks

    def _search(self, due: set[int], now: float) -> None:
        """The stages: changed processes, those that opened sockets lately, all."""
        pids = self._list_pids()
        for pid in self._processes.keys() - set(pids):
            self._drop(pid)
        signatures = {pid: self._signature(pid) for pid in pids}
        changed = [pid for pid in pids if not self._is_unchanged(pid, signatures[pid])]
        self._scan(changed, now)
        if due & self._unknown:
            done = set(changed)
            recent = [pid for pid in pids if pid not in done and self._processes[pid].recent_until > now]
            self._scan(recent, now)
        missing = due & self._unknown
        if missing and now >= self._full_scan_at:
            # An unknown inode behind a descriptor that seems known: the number was closed and used again.
            thorough = any(
                inode in self._retries and self._retries[inode].delay_s < _LAST_THOROUGH_RETRY_S for inode in missing
            )
            self._scan_all(pids, now, thorough=thorough)
            found = missing - self._unknown
            self._full_scan_delay_s = (
                0.0 if found else min(max(_FIRST_RETRY_S, 2 * self._full_scan_delay_s), _LAST_FULL_SCAN_DELAY_S)
            )
            self._full_scan_at = now + self._full_scan_delay_s
            for inode in missing & self._unknown:
                retry = self._retries.get(inode)
                delay_s = _FIRST_RETRY_S if retry is None else min(2 * retry.delay_s, _LAST_RETRY_S)
                self._retries[inode] = _Retry(now + delay_s, delay_s)

    def _scan_all(self, pids: list[int], now: float, *, thorough: bool) -> None:
        """Reads all processes, beginning where the last full scan ran out of links to read."""
        later = [pid for pid in pids if pid > self._resume_after_pid]
        earlier = [pid for pid in pids if pid <= self._resume_after_pid]
        self._resume_after_pid = self._scan(later + earlier, now, thorough=thorough)

    def _scan(self, pids: Iterable[int], now: float, *, thorough: bool = False) -> int:
        """Reads processes until the links run out; gives the last pid read then, or -1 if all were read."""
        for pid in pids:
            self._read_process(pid, now, thorough=thorough)
            if self._readlinks_left <= 0:
                return pid
        return -1

    def _read_process(self, pid: int, now: float, *, thorough: bool) -> None:
        """Brings one process up to date.

        Of a process with many sockets only the links are read that are new or held no socket of this dump.
        """
        signature = self._signature(pid)
        start_ticks = read_start_ticks(pid, self._proc)
        process = self._processes.get(pid)
        if process is not None and process.start_ticks != start_ticks:
            self._drop(pid)
            process = None
        if start_ticks is None or signature is None:
            return
        is_new = process is None
        if process is None:
            process = self._processes[pid] = _Process(start_ticks, signature)
        process.signature = signature
        before = {} if thorough or len(process.sockets) < _MANY_SOCKETS else process.sockets
        sockets = {}
        for name in self._list_descriptors(pid):
            inode = before.get(name, 0)
            if not self._is_live(inode):
                inode = self._socket_inode(f"{self._proc}/{pid}/fd/{name}")
                if not self._is_live(inode):
                    continue
            sockets[name] = inode
        held, holds = set(process.sockets.values()), set(sockets.values())
        process.sockets = sockets
        for inode in held - holds:
            self._release(inode, pid)
        for inode in holds:
            if pid not in self._holders.get(inode, ()):
                self._hold(inode, pid)
                process.recent_until = 0.0 if is_new else now + _RECENT_S

    def _check_owners(self, now: float) -> None:
        """Notices owners that ended, closed or passed on a descriptor, by one stat(2) each."""
        for pid, process in list(self._processes.items()):
            if not process.sockets:
                continue
            if not self._is_unchanged(pid, self._signature(pid)):
                self._read_process(pid, now, thorough=False)

    def _forget_absent(self, live: NDArray[np.uint32]) -> None:
        _, still_there = _find(live, self._inodes)
        for inode in self._inodes[~still_there].tolist():
            self._holders.pop(inode, None)
            self._changed.add(inode)
        self._apply_changes()

    def _apply_changes(self) -> None:
        """Brings the sorted arrays behind `owners` up to `_holders`."""
        if not self._changed:
            return
        changed = np.array(sorted(self._changed), np.uint32)
        self._changed = set()
        _, stale = _find(changed, self._inodes)
        new = [(inode, holders[0]) for inode in changed.tolist() if (holders := self._holders.get(inode))]
        inodes = np.concatenate([self._inodes[~stale], np.array([inode for inode, _ in new], np.uint32)])
        pids = np.concatenate([self._pids[~stale], np.array([pid for _, pid in new], np.int32)])
        order = np.argsort(inodes, kind="stable")
        self._inodes, self._pids = inodes[order], pids[order]

    def _is_live(self, inode: int) -> bool:
        return inode in self._holders or inode in self._unknown

    def _hold(self, inode: int, pid: int) -> None:
        self._holders[inode] = (*self._holders.get(inode, ()), pid)
        self._unknown.discard(inode)
        self._changed.add(inode)

    def _release(self, inode: int, pid: int) -> None:
        holders = self._holders.get(inode)
        if holders is None:
            return
        rest = tuple(holder for holder in holders if holder != pid)
        if rest:
            self._holders[inode] = rest
        else:
            del self._holders[inode]
            self._unknown.add(inode)
        self._changed.add(inode)

    def _drop(self, pid: int) -> None:
        process = self._processes.pop(pid)
        for inode in set(process.sockets.values()):
            self._release(inode, pid)

    def _is_unchanged(self, pid: int, signature: tuple[int, int] | None) -> bool:
        process = self._processes.get(pid)
        return process is not None and process.signature == signature

    def _signature(self, pid: int) -> tuple[int, int] | None:
        try:
            status = os.stat(f"{self._proc}/{pid}/fd")
        except OSError:
            return None
        return status.st_ino, status.st_size

    def _list_pids(self) -> list[int]:
        try:
            return sorted(int(name) for name in os.listdir(self._proc) if _PID.fullmatch(name))
        except OSError:
            return []

    def _list_descriptors(self, pid: int) -> list[str]:
        try:
            return os.listdir(f"{self._proc}/{pid}/fd")
        except OSError:
            return []

    def _socket_inode(self, path: str) -> int:
        """The inode number of the socket that a descriptor link names; 0 if it is something else."""
        self._readlinks_left -= 1
        try:
            target = os.readlink(path)
        except OSError:
            return 0
        match = _SOCKET_LINK.fullmatch(target)
        return int(match[1]) if match else 0

    def _try_foreign(self, pid: int) -> bool | None:
        """Whether another user's process can be read; None if this one cannot tell."""
        try:
            if os.stat(f"{self._proc}/{pid}").st_uid == os.geteuid():
                return None
            names = os.listdir(f"{self._proc}/{pid}/fd")
            if not names:
                return None
            os.readlink(f"{self._proc}/{pid}/fd/{names[0]}")
        except PermissionError:
            return False
        except OSError:
            return None
        return True


def _find(ordered: NDArray[np.uint32], wanted: NDArray[np.uint32]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Where each wanted number is in an ascending array without repeats, and whether it is there at all."""
    if not len(ordered):
        return np.zeros(len(wanted), np.intp), np.zeros(len(wanted), np.bool_)
    positions = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    return positions, ordered[positions] == wanted
