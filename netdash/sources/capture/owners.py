"""Processes of a capture file's flows, from the comments that netdash wrote with the packets."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netdash.model.hashing import hash_columns, lookup
from netdash.model.packet_comment import parse_process_comment
from netdash.model.snapshot import Process
from netdash.model.tables import Attribution
from netdash.sources.capture.pairs import flow_pair_ids, pair_ids
from netdash.sources.capture.records import NO_COMMENT

_MAX_FLOWS: Final = 262_144
"""Flows whose process is remembered; further ones stay without."""


class PacketProcess(NamedTuple):
    """Whose packet it was; a comment without a pid names nobody."""

    pid: int
    name: str
    user: str
    """Empty where not known."""


class CommentOwners:
    """Remembers each flow's last process."""

    def __init__(self) -> None:
        self._processes: dict[int, PacketProcess | None] = {}
        """By the comment's number."""
        self._owners: dict[int, PacketProcess] = {}
        """By pair of ends."""

    def __bool__(self) -> bool:
        """Whether any packet told its process."""
        return bool(self._owners)

    def note(self, keys: NDArray[np.void], comments: NDArray[np.int64], texts: list[str]) -> None:
        """FLOW_KEY rows and the number of each one's comment, NO_COMMENT where none."""
        rows = np.flatnonzero(comments != NO_COMMENT)
        if not len(rows):
            return
        pairs, numbers = pair_ids(keys[rows]), comments[rows]
        _, first = np.unique(hash_columns(pairs, numbers.astype(np.uint64)), return_index=True)
        for pair, number in zip(pairs[first].tolist(), numbers[first].tolist(), strict=True):
            if number not in self._processes:
                self._processes[number] = _process_of(texts[number])
            process = self._processes[number]
            if process is not None and (pair in self._owners or len(self._owners) < _MAX_FLOWS):
                self._owners[pair] = process

    def assign(self, flows: NDArray[np.void]) -> tuple[Process, ...]:
        """Sets `pid` and `attribution` of FLOW_ROW rows; returns the processes with their traffic."""
        if not self._owners or not len(flows):
            return ()
        known = np.fromiter(self._owners, np.uint64, len(self._owners))
        found = lookup(known, flow_pair_ids(flows))
        owned = np.flatnonzero(found >= 0)
        processes = list(self._owners.values())
        owners = [processes[index] for index in found[owned].tolist()]
        flows["pid"][owned] = [owner.pid for owner in owners]
        flows["attribution"][owned] = Attribution.SOCKET
        members: dict[PacketProcess, list[int]] = {}
        for row, owner in zip(owned.tolist(), owners, strict=True):
            members.setdefault(owner, []).append(row)
        return tuple(_process(owner, flows[rows]) for owner, rows in members.items())


def _process_of(comment: str) -> PacketProcess | None:
    note = parse_process_comment(comment)
    return None if note is None or note.pid is None else PacketProcess(note.pid, note.process, note.user)


def _process(owner: PacketProcess, flows: NDArray[np.void]) -> Process:
    return Process(
        pid=owner.pid,
        start_ticks=0,
        start=0.0,
        name=owner.name,
        command=owner.name,
        user=owner.user,
        unit=None,
        container=None,
        rx_bytes=int(flows["rx_bytes"].sum()),
        tx_bytes=int(flows["tx_bytes"].sum()),
        rx_packets=int(flows["rx_packets"].sum()),
        tx_packets=int(flows["tx_packets"].sum()),
        rx_payload=None,
        tx_payload=None,
        connections=len(flows),
        exited=False,
    )
