"""The process table of a snapshot: who owns sockets, what their flows moved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.collector.flows import connection_ids
from netdash.kernel.procfs import ProcessFacts
from netdash.model.protocols import ESTABLISHED, LISTEN, TCP, UDP
from netdash.model.sanitize import sanitize
from netdash.model.snapshot import Process
from netdash.model.tables import UNKNOWN, join, take

_REREAD_TICKS: Final = 16
"""A known process is read again once in so many intervals: exec(2) changes names, and reading all each time would cost
more than all else."""


@dataclass(frozen=True, slots=True)
class ProcessReader:
    """Where facts about processes come from."""

    read: Callable[[int], ProcessFacts | None]
    user_name: Callable[[int], str]
    start_seconds: Callable[[int], float]
    """Start ticks to seconds since the epoch."""


@dataclass(slots=True)
class ProcessTable:
    """Remembers the facts of every process with sockets; one that ended keeps its row for the interval of its end."""

    reader: ProcessReader
    known: dict[int, ProcessFacts] = field(default_factory=dict)
    tick: int = 0

    def update(
        self, flows: NDArray[np.void], sockets: NDArray[np.void], closed: NDArray[np.void], wire: bool
    ) -> tuple[Process, ...]:
        """Processes that own a socket (SOCKET_ROW) or a flow (FLOW_ROW, owners assigned); `wire`: packets are
        counted."""
        with_sockets = _pids(sockets)
        present = with_sockets | _pids(closed) | _pids(flows)
        exited = self._refresh(present, with_sockets)
        every = join(sockets, closed)
        wire_figures = _wire_by_pid(flows) if wire else {}
        payload = _payload_by_pid(flows, every)
        connections = _connections_by_pid(sockets)
        rows = []
        for pid, facts in sorted(self.known.items()):
            rx_bytes, tx_bytes, rx_packets, tx_packets = wire_figures.get(pid, (0, 0, 0, 0)) if wire else (None,) * 4
            rx_payload, tx_payload = payload.get(pid, (0, 0))
            rows.append(
                Process(
                    pid=pid,
                    start_ticks=facts.start_ticks,
                    start=self.reader.start_seconds(facts.start_ticks),
                    name=sanitize(facts.name, 64),
                    command=sanitize(facts.command),
                    user=sanitize(self.reader.user_name(facts.uid), 64),
                    unit=sanitize(facts.unit, 256) if facts.unit else None,
                    container=sanitize(facts.container, 64) if facts.container else None,
                    rx_bytes=rx_bytes,
                    tx_bytes=tx_bytes,
                    rx_packets=rx_packets,
                    tx_packets=tx_packets,
                    rx_payload=rx_payload,
                    tx_payload=tx_payload,
                    connections=connections.get(pid, 0),
                    exited=pid in exited,
                )
            )
        self.known = {pid: facts for pid, facts in self.known.items() if pid in present and pid not in exited}
        return tuple(rows)

    def _refresh(self, present: set[int], with_sockets: set[int]) -> set[int]:
        """Reads new processes and, now and then, known ones; returns those that have ended.

        Only a process that no longer holds a socket can have ended, so only those are asked each time.
        """
        self.tick += 1
        exited = set()
        for pid in present | self.known.keys():
            old = self.known.get(pid)
            if old is not None and pid in with_sockets and (pid + self.tick) % _REREAD_TICKS:
                continue
            new = self.reader.read(pid)
            if new is not None and (old is None or new.start_ticks == old.start_ticks):
                self.known[pid] = new
            elif old is not None:
                exited.add(pid)
        return exited


def _pids(rows: NDArray[np.void]) -> set[int]:
    return {int(pid) for pid in np.unique(rows["pid"])} - {UNKNOWN}


def _wire_by_pid(flows: NDArray[np.void]) -> dict[int, tuple[int, int, int, int]]:
    """Wire bytes and packets by pid. A connection that crosses several interfaces (bridge and port, VLAN and its
    parent) is one transfer: the largest figure of its interfaces counts."""
    owned = take(flows, flows["pid"] != UNKNOWN)
    if not len(owned):
        return {}
    _, first, group = np.unique(connection_ids(owned), return_index=True, return_inverse=True)
    figures = np.zeros((len(first), 4), np.int64)
    for column, name in enumerate(("rx_bytes", "tx_bytes", "rx_packets", "tx_packets")):
        np.maximum.at(figures[:, column], group, owned[name])
    pids, position = np.unique(owned["pid"][first], return_inverse=True)
    sums = np.zeros((len(pids), 4), np.int64)
    np.add.at(sums, position, figures)
    return {int(pid): (int(s[0]), int(s[1]), int(s[2]), int(s[3])) for pid, s in zip(pids, sums, strict=True)}


def _payload_by_pid(flows: NDArray[np.void], sockets: NDArray[np.void]) -> dict[int, tuple[int | None, int | None]]:
    """Payload by pid from the sockets' own counters; unknown for a process that also moved what has no counter."""
    counted = sockets[(sockets["pid"] != UNKNOWN) & (sockets["rx_payload"] != UNKNOWN)]
    pids, position = np.unique(counted["pid"], return_inverse=True)
    sums = np.zeros((len(pids), 2), np.int64)
    np.add.at(sums, position, np.stack([counted["rx_payload"], counted["tx_payload"]], axis=1))
    payload: dict[int, tuple[int | None, int | None]] = {
        int(pid): (int(s[0]), int(s[1])) for pid, s in zip(pids, sums, strict=True)
    }
    without = flows[(flows["pid"] != UNKNOWN) & (flows["rx_payload"] == UNKNOWN)]
    datagram = sockets[(sockets["pid"] != UNKNOWN) & (sockets["protocol"] != TCP)]
    for pid in np.unique(np.concatenate([without["pid"], datagram["pid"]])):
        payload[int(pid)] = (None, None)
    return payload


def _connections_by_pid(sockets: NDArray[np.void]) -> dict[int, int]:
    """Sockets with a peer: TCP beyond listening, connected UDP."""
    tcp = (sockets["protocol"] == TCP) & (sockets["state"] != LISTEN)
    udp = (sockets["protocol"] == UDP) & (sockets["state"] == ESTABLISHED)
    pids, counts = np.unique(sockets["pid"][(tcp | udp) & (sockets["pid"] != UNKNOWN)], return_counts=True)
    return {int(pid): int(n) for pid, n in zip(pids, counts, strict=True)}
