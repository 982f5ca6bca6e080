"""The process table of a snapshot: who owns sockets, what their flows moved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from netdash.collector.traffic import Mover, payload_by_process
from netdash.kernel.procfs import ProcessFacts
from netdash.model.hashing import connection_ids, group_equal, hash_columns
from netdash.model.protocols import ESTABLISHED, LISTEN, TCP, UDP
from netdash.model.sanitize import sanitize
from netdash.model.snapshot import Process
from netdash.model.tables import UNKNOWN, Attribution, join, take

_REREAD_TICKS: Final = 16
"""A known process is read again once in so many intervals: exec(2) changes names, and reading all each time would cost
more than all else."""


_PAST_TICKS: Final = 3

ProcessKey: TypeAlias = tuple[int, int]
"""Pid and start ticks."""
Movers: TypeAlias = dict[ProcessKey, Mover]


@dataclass(frozen=True, slots=True)
class ProcessReader:
    """Where facts about processes come from."""

    read: Callable[[int], ProcessFacts | None]
    user_name: Callable[[int], str]
    start_seconds: Callable[[int], float]
    """Start ticks to seconds since the epoch."""
    past_command: Callable[[int, int], str]
    """Command line by pid and start ticks, of a process that may be gone; empty if not known."""
    container_name: Callable[[str], str | None]
    """Name of a container by its id."""
    parents: Callable[[int], tuple[tuple[int, str], ...]]
    """Pid and name of a parent and its ancestors, by the parent's pid."""


@dataclass(slots=True)
class ProcessTable:
    """Remembers the facts of every process with sockets; one that ended keeps its row for the interval of its end."""

    reader: ProcessReader
    known: dict[ProcessKey, ProcessFacts] = field(default_factory=dict)
    past: dict[int, tuple[ProcessFacts, int]] = field(default_factory=dict)
    """By pid, processes that ended of late, and at which tick."""
    tick: int = 0
    parents: dict[ProcessKey, tuple[tuple[int, str], ...]] = field(default_factory=dict)
    """Of `known`, sanitised."""

    def update(
        self,
        flows: NDArray[np.void],
        sockets: NDArray[np.void],
        closed: NDArray[np.void],
        wire: bool,
        moved: NDArray[np.void] | None = None,
        elsewhere: frozenset[int] = frozenset(),
        holding: frozenset[int] = frozenset(),
        namespaces: Mapping[int, int] | None = None,
    ) -> tuple[Process, ...]:
        """Processes that own a socket (SOCKET_ROW) or a flow (FLOW_ROW, owners assigned, a shared one once for each).

        `wire`: packets are counted; `moved`: MOVED_ROW of the interval where the kernel counts payload by process;
        `elsewhere`: pids whose packets pass other network namespaces; `holding`: pids with sockets of
        any namespace, besides those in `sockets`; `namespaces`: inode number by pid.
        """
        movers = payload_by_process(moved) if moved is not None else {}
        with_sockets = _pids(sockets)
        present = with_sockets | _pids(closed) | _pids(flows) | {pid for pid, _ in movers}
        exited = self._refresh(present, with_sockets | holding, movers)
        every = join(sockets, closed)
        figures = Figures(
            wire=_wire_by_pid(flows) if wire else None,
            payload=_payload_by_pid(flows, every) if moved is None else None,
            moved=movers,
            elsewhere=elsewhere,
            connections=_connections_by_pid(sockets),
            namespaces=namespaces or {},
        )
        living = {pid for pid, start_ticks in self.known if (pid, start_ticks) not in exited}
        rows = [
            self._row(facts, figures, key in exited, key in exited and key[0] in living)
            for key, facts in sorted(self.known.items(), key=lambda item: item[0])
        ]
        self.past = {pid: entry for pid, entry in self.past.items() if self.tick - entry[1] < _PAST_TICKS}
        self.past |= {pid: (self.known[pid, start], self.tick) for pid, start in exited}
        self.known = {key: facts for key, facts in self.known.items() if key[0] in present and key not in exited}
        self.parents = {key: self.parents.get(key, ()) for key in (*self.known, *self._past_keys())}
        return tuple(rows)

    def _row(self, facts: ProcessFacts, figures: Figures, exited: bool, pid_reused: bool) -> Process:
        # Flows are told by pid alone: they go to the process that has it now.
        rx_bytes, tx_bytes, rx_packets, tx_packets = figures.wire_of(-1 if pid_reused else facts.pid)
        rx_payload, tx_payload = figures.payload_of(facts)
        return Process(
            pid=facts.pid,
            start_ticks=facts.start_ticks,
            start=self.reader.start_seconds(facts.start_ticks),
            name=sanitize(facts.name, 64),
            command=sanitize(facts.command),
            user=sanitize(self.reader.user_name(facts.uid), 64),
            unit=sanitize(facts.unit, 256) if facts.unit else None,
            container=self._container(facts.container),
            rx_bytes=rx_bytes,
            tx_bytes=tx_bytes,
            rx_packets=rx_packets,
            tx_packets=tx_packets,
            rx_payload=rx_payload,
            tx_payload=tx_payload,
            connections=figures.connections.get(facts.pid, 0),
            exited=exited,
            container_id=facts.container,
            parents=self.parents.get((facts.pid, facts.start_ticks), ()),
            net_namespace=figures.namespaces.get(facts.pid),
        )

    def _past_keys(self) -> list[ProcessKey]:
        return [(pid, facts.start_ticks) for pid, (facts, _) in self.past.items()]

    def _container(self, container_id: str | None) -> str | None:
        if container_id is None:
            return None
        return sanitize(self.reader.container_name(container_id) or container_id, 64)

    def _refresh(self, present: set[int], with_sockets: set[int], movers: Movers) -> set[ProcessKey]:
        """Reads new processes and, now and then, known ones; returns those that have ended.

        Only a process that no longer holds a socket can have ended, so only those are asked each time.
        """
        self.tick += 1
        exited: set[ProcessKey] = set()
        known = {pid: facts for (pid, _), facts in self.known.items()}
        for pid in present | known.keys():
            old = known.get(pid)
            if old is not None and pid in with_sockets and (pid + self.tick) % _REREAD_TICKS:
                continue
            new = self.reader.read(pid)
            if new is not None:
                key = pid, new.start_ticks
                if key not in self.known or self.known[key].parent_pid != new.parent_pid:
                    ancestors = self.reader.parents(new.parent_pid)
                    self.parents[key] = tuple((parent, sanitize(name, 64)) for parent, name in ancestors)
                self.known[key] = new
            elif old is None and pid in self.past:
                # Its last packets are counted in the interval after its end.
                facts, _ = self.past[pid]
                self.known[pid, facts.start_ticks] = facts
                exited.add((pid, facts.start_ticks))
            if old is not None and (new is None or new.start_ticks != old.start_ticks):
                exited.add((pid, old.start_ticks))
        for (pid, start_ticks), mover in movers.items():
            if start_ticks and (pid, start_ticks) not in self.known:
                # It came and went within the interval: what the kernel noted is all there is.
                command = self.reader.past_command(pid, start_ticks)
                self.known[pid, start_ticks] = ProcessFacts(
                    pid, start_ticks, 0, mover.process_name, command, mover.uid, None, None
                )
                exited.add((pid, start_ticks))
        return exited


@dataclass(frozen=True, slots=True)
class Figures:
    """What processes moved in the interval, by pid or, where the kernel told it, by process."""

    wire: dict[int, tuple[int, int, int, int]] | None
    payload: dict[int, tuple[int | None, int | None]] | None
    moved: Movers
    elsewhere: frozenset[int]
    connections: dict[int, int]
    namespaces: Mapping[int, int]

    def wire_of(self, pid: int) -> tuple[int, int, int, int] | tuple[None, None, None, None]:
        """Wire bytes received and sent, packets received and sent; None where packets are not counted."""
        if self.wire is None or (pid in self.elsewhere and pid not in self.wire):
            return None, None, None, None
        return self.wire.get(pid, (0, 0, 0, 0))

    def payload_of(self, facts: ProcessFacts) -> tuple[int | None, int | None]:
        """Payload received and sent."""
        if self.payload is not None:
            return self.payload.get(facts.pid, (0, 0))
        # A splice is known by its socket's holder, whose start time is not told with it.
        parts = [self.moved.get((facts.pid, start)) for start in (facts.start_ticks, 0)]
        return sum(p.rx_payload for p in parts if p), sum(p.tx_payload for p in parts if p)


def _pids(rows: NDArray[np.void]) -> set[int]:
    return {int(pid) for pid in np.unique(rows["pid"])} - {UNKNOWN}


def _wire_by_pid(flows: NDArray[np.void]) -> dict[int, tuple[int, int, int, int]]:
    """Wire bytes and packets by pid. A connection that crosses several interfaces (bridge and port, VLAN and its
    parent) is one transfer: the largest figure of its interfaces counts. One that processes share is in parts."""
    owned = take(flows, flows["pid"] != UNKNOWN)
    if not len(owned):
        return {}
    ids = hash_columns(connection_ids(owned), owned["pid"].astype(np.uint64))
    first, group = group_equal(ids)
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
    # A TCP connection known from before whose socket is gone: its last packets, whose payload the socket's end told.
    told = (flows["protocol"] == TCP) & (flows["attribution"] == Attribution.SOCKET)
    without = flows[(flows["pid"] != UNKNOWN) & (flows["rx_payload"] == UNKNOWN) & ~told]
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
