"""Runs one packet watch at a time: tells the counter which packets to let through, fetches and delivers them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Final

import numpy as np

from netdash.errors import NetdashError
from netdash.kernel.raw_flow import PacketCounter
from netdash.kernel.watch_filter import WatchFilter, watch_filter
from netdash.model.packets import (
    MAX_WATCHED_FLOWS,
    PacketDelivery,
    PacketWatch,
    WatchedFlow,
    WatchedPacket,
    WatchedPort,
    watch_refusal,
    watched_flow,
)
from netdash.model.snapshot import Snapshot
from netdash.model.tables import FLOW_OVERFLOW, IPV4_PREFIX

_FETCH_SECONDS: Final = 0.05
_DELIVER_SECONDS: Final = 0.2

NEEDS_PRIVILEGE: Final = "packets need CAP_NET_RAW, which netdash was started without: run with sudo"


class PacketWatcher:
    """`ask` and `refresh` are called by the collector's loop, `run` is a task of its own."""

    def __init__(self, counter: PacketCounter | None, deliver: Callable[[PacketDelivery], None]) -> None:
        self._counter = counter
        self._deliver = deliver
        self._asked: tuple[int, PacketWatch | None] = (0, None)
        self._current: tuple[int, PacketWatch | None] = self._asked
        self._filter: WatchFilter | None = None
        """What the counter was told last."""
        self._snapshot: Snapshot | None = None
        self._changed = asyncio.Event()
        self._packets: list[WatchedPacket] = []
        self._skipped = 0
        self._note = ""
        self._delivered = 0.0

    def ask(self, number: int, watch: PacketWatch | None) -> None:
        """Another watch, or none, instead of the present one; with its number, the present one changed."""
        self._asked = number, watch
        self._changed.set()

    def refresh(self, snapshot: Snapshot) -> None:
        """What every process has now."""
        self._snapshot = snapshot
        watch = self._asked[1]
        if watch is not None and watch.pid is not None:
            self._changed.set()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            if self._filter is None:
                await self._changed.wait()
            else:
                # Not wait_for: until Python 3.12 it forgets a cancellation that comes together with the event.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_FETCH_SECONDS):
                        await self._changed.wait()
            if self._changed.is_set():
                self._changed.clear()
                await self._apply()
            if self._filter is not None:
                await self._fetch()

    async def _apply(self) -> None:
        is_asked, is_new = self._asked is not self._current, self._asked[0] != self._current[0]
        number, watch = self._current = self._asked
        if is_new:
            await self._tell(None)
            self._packets, self._skipped, self._note = [], 0, ""
        if watch is None:
            return
        refused = NEEDS_PRIVILEGE if self._counter is None else watch_refusal(watch)
        if refused is None:
            try:
                await self._tell(self._resolve(watch))
            except NetdashError as error:
                refused = str(error)
            except OSError as error:
                refused = f"packets cannot be watched: {error.strerror}"
        if refused is not None:
            await self._tell(None)
        if is_asked or refused is not None:
            self._deliver(PacketDelivery(number, note=self._note, refused=refused))

    async def _tell(self, wanted: WatchFilter | None) -> None:
        if self._counter is not None and wanted != self._filter:
            self._filter = None
            await asyncio.to_thread(self._counter.watch, wanted)
            self._filter = wanted

    async def _fetch(self) -> None:
        if self._counter is None:
            return
        packets, skipped = await asyncio.to_thread(self._counter.fetch_packets)
        self._packets += packets
        self._skipped += skipped
        now = time.monotonic()
        if (self._packets or self._skipped) and now - self._delivered >= _DELIVER_SECONDS:
            self._deliver(PacketDelivery(self._current[0], tuple(self._packets), self._skipped, self._note))
            self._packets, self._skipped, self._delivered = [], 0, now

    def _resolve(self, watch: PacketWatch) -> WatchFilter:
        if watch.pid is None or self._snapshot is None:
            return watch_filter(watch)
        flows, ports = flows_of_process(self._snapshot, watch.pid)
        room = MAX_WATCHED_FLOWS - len(watch.flows) - len(watch.ports)
        self._note = ""
        if len(flows) + len(ports) > room:
            self._note = f"{len(flows) + len(ports)} connections: {room} of them are watched"
        ports = ports[:room]
        return watch_filter(watch, flows[: room - len(ports)], ports)


def flows_of_process(snapshot: Snapshot, pid: int) -> tuple[list[WatchedFlow], list[WatchedPort]]:
    """What a process speaks with (its largest flows first) and the ports on which it waits."""
    rows = snapshot.flows[(snapshot.flows["pid"] == pid) & ((snapshot.flows["flags"] & FLOW_OVERFLOW) == 0)]
    order = np.argsort(-(rows["rx_bytes"] + rows["tx_bytes"]), kind="stable")
    flows = [flow for row in rows[order] if (flow := watched_flow(row)) is not None]
    ports = []
    for row in snapshot.sockets[snapshot.sockets["pid"] == pid]:
        if row["remote_port"]:
            local, remote = row["local"].tobytes(), row["remote"].tobytes()
            ethertype = 0x0800 if remote[:12] == IPV4_PREFIX else 0x86DD
            ends = int(row["local_port"]), remote, int(row["remote_port"])
            flows.append(WatchedFlow(ethertype, int(row["protocol"]), local, *ends))
        elif row["local_port"]:
            ports.append(WatchedPort(int(row["protocol"]), int(row["local_port"])))
    return list(dict.fromkeys(flows)), list(dict.fromkeys(ports))
