"""The shared poller: reads everything once an interval and makes one snapshot of it."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import psutil
from numpy.typing import NDArray

from netdash.collector.accounting import AccountingTable
from netdash.collector.addresses import interfaces_of_addresses, local_addresses
from netdash.collector.counters import counter_differences, gauges_of
from netdash.collector.flows import CountedFlows, join_directions
from netdash.collector.health import HealthTable, unlisted_sockets
from netdash.collector.interfaces import InterfaceTable
from netdash.collector.layers import Layers, open_layers
from netdash.collector.moves import Moves
from netdash.collector.owners import OwnerTable, flows_of_sockets
from netdash.collector.processes import ProcessReader, ProcessTable
from netdash.collector.protocols import interface_protocols
from netdash.collector.sockets import SocketTable
from netdash.collector.stations import ethernet_indices, station_rows
from netdash.errors import NetdashError, NotPermittedError, NotSupportedError
from netdash.kernel.capture_filter import CaptureFilter
from netdash.kernel.container_names import ContainerNames
from netdash.kernel.links import LinkTable
from netdash.kernel.namespaces import current_namespace_inode
from netdash.kernel.net_dev import DeviceCounters, NetDevReader, parse_net_dev
from netdash.kernel.procfs import read_parents, read_process, user_name
from netdash.kernel.protocol_counters import read_protocol_counters
from netdash.kernel.raw_flow import RawCounts
from netdash.kernel.sock_diag import SOCKET_ROW as KERNEL_SOCKET_ROW
from netdash.kernel.sock_diag import SocketReader
from netdash.kernel.socket_events import SocketDestroyEvents, subtract_seen_fins
from netdash.model.sanitize import sanitize
from netdash.model.select import InterfaceSelection
from netdash.model.snapshot import Accounting, Health, Interface, Mode, Snapshot
from netdash.model.tables import STATION_ROW, UNKNOWN, empty, join, take

_EVENT_PAUSE_SECONDS: Final = 0.1
"""Destroy events are read in bursts: one wake-up an event would cost more than all else on a busy server."""


@dataclass(slots=True)
class _Instant:
    """Raw counters that must belong to one moment."""

    monotonic_ns: int
    devices: dict[str, DeviceCounters]
    protocol_counters: dict[str, int]


@dataclass(slots=True)
class Collector:
    """All readers and joins of one network namespace. Open, `snapshot` once an interval, `close`."""

    layers: Layers
    links: LinkTable
    devices: NetDevReader
    sockets: SocketReader
    events: SocketDestroyEvents | None
    interface_table: InterfaceTable
    process_table: ProcessTable
    net_namespace: int
    socket_table: SocketTable = field(default_factory=SocketTable)
    owner_table: OwnerTable = field(default_factory=OwnerTable)
    accounting_table: AccountingTable = field(default_factory=AccountingTable)
    capture: CaptureFilter | None = None
    last: _Instant | None = None
    last_dump: NDArray[np.void] = field(default_factory=lambda: empty(KERNEL_SOCKET_ROW))
    closed: list[NDArray[np.void]] = field(default_factory=list)
    health_table: HealthTable = field(default_factory=HealthTable)

    @classmethod
    async def open(
        cls,
        selection: InterfaceSelection,
        max_flows: int,
        refused: frozenset[str] = frozenset(),
        capture: CaptureFilter | None = None,
    ) -> Collector:
        """Opens everything that this process may. Raises NetdashError when no interface is meant."""
        links = LinkTable()
        await links.open()
        sockets = SocketReader()
        try:
            _check_selection(selection, links)
            sockets.open()
            layers = open_layers(max_flows, refused, capture)
            if capture is not None and layers.counter is None:
                raise NotPermittedError(f"--capture-filter: packets cannot be counted here; {layers.notes[0]}")
        except NetdashError:
            sockets.close()
            await links.close()
            raise
        collector = cls(
            layers=layers,
            capture=capture,
            links=links,
            devices=NetDevReader(),
            sockets=sockets,
            events=_open_events(),
            interface_table=InterfaceTable(selection),
            process_table=ProcessTable(
                ProcessReader(
                    read_process,
                    user_name,
                    _start_clock(),
                    layers.traffic.command if layers.traffic is not None else lambda pid, start_ticks: "",
                    ContainerNames().name,
                    read_parents,
                )
            ),
            net_namespace=current_namespace_inode(),
        )
        collector._watch_events()
        return collector

    async def snapshot(self) -> Snapshot:
        """What happened since the last call; the first call gives the baseline: names and states, no figures yet."""
        instant, raw = await self._count()
        return self._assemble(instant, raw)

    def device_counters(self) -> dict[str, DeviceCounters]:
        """The interfaces' own counters at the last snapshot, by name."""
        return self.last.devices if self.last is not None else {}

    async def close(self) -> None:
        """Closes every reader."""
        if self.events is not None:
            asyncio.get_running_loop().remove_reader(self.events.fileno())
            self.events.close()
        if self.layers.counter is not None:
            self.layers.counter.close()
        if self.layers.traffic is not None:
            self.layers.traffic.close()
        self.sockets.close()
        self.devices.close()
        await self.links.close()

    async def _count(self) -> tuple[_Instant, RawCounts | None]:
        """Switches the counter and reads the interfaces' own counters at that very moment, then drains."""
        counter = self.layers.counter
        moment = counter.switch() if counter is not None else time.monotonic_ns()
        devices = self.devices.read()
        instant = _Instant(moment, parse_net_dev(devices), read_protocol_counters())
        return instant, await counter.drain() if counter is not None else None

    def _assemble(self, instant: _Instant, raw: RawCounts | None) -> Snapshot:
        interfaces = self.interface_table.update(self.links.links, instant.devices)
        names = {i.index: i.name for i in interfaces}
        sockets, closed = self._read_sockets()
        traffic = self.layers.traffic
        moves = traffic.moves(sockets, closed) if traffic is not None else None
        every = join(sockets, closed) if moves is None else join(sockets, closed, moves.extra_sockets)
        # What is left of a connection (FIN_WAIT2, SYN_RECV) has its ports and no holder: the socket proper goes first.
        every = take(every, np.argsort(every["pid"] == UNKNOWN, kind="stable"))
        chosen = np.array(sorted(names), np.uint32)
        if raw is None:
            flows = flows_of_sockets(every, *interfaces_of_addresses(self.links.links.values()))
            flows = take(flows, np.isin(flows["ifindex"], chosen))
            counted = None
        else:
            counted = _only(join_directions(raw), chosen)
            flows = counted.rows
        by_process = self.owner_table.assign(
            flows,
            every,
            local_addresses(self.links.links.values()),
            instant.monotonic_ns,
            moves.evidence if moves is not None else None,
        )
        baseline = self.last is None
        snapshot = Snapshot(
            time=time.time(),
            monotonic_ns=instant.monotonic_ns,
            interval=0.0 if self.last is None else (instant.monotonic_ns - self.last.monotonic_ns) / 1e9,
            host=sanitize(socket.gethostname(), 64),
            mode=Mode(self.layers.flows, self.layers.processes),
            health=self._health(raw, flows),
            accounting={} if baseline or counted is None else self._accounting(interfaces, counted),
            interfaces=interfaces,
            processes=self.process_table.update(
                by_process,
                sockets,
                closed,
                wire=raw is not None,
                moved=moves.everywhere if moves is not None else None,
                elsewhere=moves.elsewhere if moves is not None else frozenset(),
                holding=moves.holding if moves is not None else frozenset(),
                namespaces=self._namespaces(sockets, moves),
            ),
            flows=empty(flows.dtype) if baseline else flows,
            sockets=sockets,
            protocols={} if baseline or raw is None else interface_protocols(raw, names),
            stations=empty(STATION_ROW) if baseline or raw is None else station_rows(raw, ethernet_indices(interfaces)),
            counters=counter_differences(self.last.protocol_counters if self.last else {}, instant.protocol_counters),
            gauges=gauges_of(instant.protocol_counters),
        )
        self.last = instant
        return snapshot

    def _read_sockets(self) -> tuple[NDArray[np.void], NDArray[np.void]]:
        dump = self.sockets.dump()
        owners = self.layers.owners
        owners.refresh(dump["inode"])
        self._read_events()
        closed = join(*self.closed) if self.closed else empty(KERNEL_SOCKET_ROW)
        self.closed = []
        subtract_seen_fins(closed, self.last_dump)
        self.last_dump = dump
        return self.socket_table.update(dump, owners.owners(dump["inode"]), closed)

    def _namespaces(self, sockets: NDArray[np.void], moves: Moves | None) -> dict[int, int]:
        """Network namespace by pid, for processes with sockets."""
        own = self.net_namespace
        return dict.fromkeys(set(sockets["pid"].tolist()), own) | (moves.namespaces if moves is not None else {})

    def _accounting(self, interfaces: tuple[Interface, ...], counted: CountedFlows) -> dict[str, Accounting]:
        if self.capture is not None:
            # The interfaces' counters are of all packets: what they say is no measure of the filtered ones.
            interfaces = tuple(replace(interface, rx_bytes=None, tx_bytes=None) for interface in interfaces)
        return self.accounting_table.update(interfaces, counted)

    def _health(self, raw: RawCounts | None, flows: NDArray[np.void]) -> Health:
        table, traffic = self.health_table, self.layers.traffic
        for change in self.links.take_changes():
            if change.kind == "gone" and self.interface_table.selection.matches(change.link.name):
                table.interface_vanished(change.link.name)
        if self.events is not None and self.events.overflowed:
            self.events.overflowed = False
            table.note("more connections closed at once than the kernel could report: totals miss some")
        if traffic is not None and (note := traffic.note()) is not None:
            table.note(note)
        lost_packets = raw.lost_packets if raw is not None else 0
        lasting = (*self.layers.notes, *unlisted_sockets(self.sockets))
        return table.health(lost_packets, flows, lasting, self.capture)

    def _watch_events(self) -> None:
        if self.events is not None:
            asyncio.get_running_loop().add_reader(self.events.fileno(), self._on_event)

    def _on_event(self) -> None:
        self._read_events()
        if self.events is not None:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self.events.fileno())
            loop.call_later(_EVENT_PAUSE_SECONDS, self._resume_events)

    def _resume_events(self) -> None:
        if self.events is not None and self.events.fileno() >= 0:
            self._watch_events()

    def _read_events(self) -> None:
        if self.events is not None:
            rows = self.events.read()
            if len(rows):
                self.closed.append(rows)


def _check_selection(selection: InterfaceSelection, links: LinkTable) -> None:
    names = [link.name for link in links.links.values()]
    missing = selection.missing(names)
    if missing:
        raise NetdashError(
            f"no interface matches '{sanitize(missing[0], 64)}'; there are: {', '.join(sanitize(n, 32) for n in names)}"
        )


def _open_events() -> SocketDestroyEvents | None:
    events = SocketDestroyEvents()
    try:
        events.open()
    except (NotPermittedError, NotSupportedError):
        # Short connections are then missed, as by any poll.
        return None
    return events


def _start_clock() -> Callable[[int], float]:
    """From clock ticks since boot to seconds since the epoch, as ps(1) has it."""
    boot = psutil.boot_time()
    ticks_a_second = os.sysconf("SC_CLK_TCK")
    return lambda ticks: round(boot + ticks / ticks_a_second, 2)


def _only(counted: CountedFlows, chosen: NDArray[np.uint32]) -> CountedFlows:
    keep = np.isin(counted.rows["ifindex"], chosen)
    if keep.all():
        return counted
    return CountedFlows(
        take(counted.rows, keep),
        counted.rx_skb_bytes[keep],
        counted.tx_skb_bytes[keep],
        counted.rx_skb_packets[keep],
        counted.tx_skb_packets[keep],
    )
