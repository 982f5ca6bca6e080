"""What all views of the dashboard share: the newest snapshot, the histories, the user's settings and the scope."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from netdash.options import Options
from netdash.ui.keymap import Keymap

if TYPE_CHECKING:
    from netdash.model.filter import Filter
    from netdash.model.own_session import OwnSession
    from netdash.model.snapshot import Interface, Layer, Snapshot
    from netdash.model.units import Units
    from netdash.ui.histories import Histories


class Resolver(Protocol):
    """Host names of addresses. Never waits: what is not known yet is looked up in the background."""

    def name(self, address: bytes) -> str | None:
        """The name of an address of 16 bytes; None while it is not known, or when it has none."""


@dataclass(frozen=True, slots=True)
class InterfaceScope:
    """One interface that the views are limited to."""

    index: int
    name: str


@dataclass(frozen=True, slots=True)
class ProcessScope:
    """One process that the views are limited to."""

    pid: int
    start_ticks: int
    name: str


@dataclass(frozen=True, slots=True)
class ConnectionScope:
    """One flow that the views are limited to: a five-tuple on one interface."""

    flow_id: int
    """As in FLOW_ROW."""
    interface: str
    vlan: int
    """As in FLOW_ROW."""
    protocol: int
    local: bytes
    """16 bytes, as in FLOW_ROW."""
    local_port: int
    remote: bytes
    remote_port: int
    name: str
    """The remote end as text: "203.0.113.9:443"."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What the views are limited to: drilling down adds, Esc takes away. None = no limit."""

    interface: InterfaceScope | None = None
    process: ProcessScope | None = None
    connection: ConnectionScope | None = None

    def outer(self) -> Scope:
        """The scope one step up."""
        if self.connection:
            return replace(self, connection=None)
        return replace(self, process=None) if self.process else Scope()

    @property
    def trail(self) -> str:
        """The steps down as one line: "eth0 › java (54321) › 203.0.113.9:443"; empty without a limit."""
        steps = []
        if self.interface:
            steps.append(self.interface.name)
        if self.process:
            steps.append(f"{self.process.name} ({self.process.pid})")
        if self.connection:
            steps.append(self.connection.name)
        return " › ".join(steps)


@dataclass(frozen=True, slots=True)
class InterfaceFaults:
    """Packets of one interface that were in error or dropped since the start, both directions."""

    errors: int = 0
    dropped: int = 0

    def after(self, interface: Interface) -> InterfaceFaults:
        """The same with one more interval; what is not known counts nothing."""
        return InterfaceFaults(
            self.errors + (interface.rx_errors or 0) + (interface.tx_errors or 0),
            self.dropped + (interface.rx_dropped or 0) + (interface.tx_dropped or 0),
        )


class DashboardState:
    """Owned by the dashboard; views read it. Only `advance` and the dashboard's actions change it.

    The histories take every snapshot, whether the view is paused or not.
    """

    def __init__(self, options: Options, make_resolver: Callable[[], Resolver] | None = None) -> None:
        """`make_resolver` is called in a thread with the first snapshot: what it imports must not delay the paint."""
        self.options = options
        self.units: Units = options.units
        self.interval_seconds = options.delay_seconds
        self.paused = False
        self.keymap = Keymap()
        self.hidden_columns: dict[str, tuple[str, ...]] = dict(options.settings.hidden_columns)
        """Keys of columns that are not shown, by the name of their view."""
        self.names = not options.numeric
        """Host names (where known) instead of addresses."""
        self.services = options.settings.services
        """Service names instead of port numbers."""
        self.scope = Scope()
        self.row_filter: Filter | None = options.row_filter
        """What rows must match to be shown; None = all are."""
        self.filter_scope = Scope()
        """The scope in which the filter was set: Esc goes back to it before it takes the filter away."""
        self.hidden_rows: int | None = None
        """Rows of the visible view that the filter hides; None where it does not apply to them."""
        self.hidden_session: OwnSession | None = None
        """The user's own SSH connection while it is hidden; None = it is shown."""
        self.resolver: Resolver | None = None
        self.snapshot: Snapshot | None = None
        """The newest; None before the first."""
        self.lost_packets = 0
        """Packets that the counting missed since the start."""
        self.faults: dict[tuple[int, str], InterfaceFaults] = {}
        """By index and name: what went wrong on the interfaces of the newest snapshot."""
        self._histories: Histories | None = None
        self._make_resolver = make_resolver

    def set_filter(self, chosen: Filter | None) -> None:
        """Another filter, or none."""
        self.row_filter, self.filter_scope = chosen, self.scope

    @property
    def layer(self) -> Layer | None:
        """Which bytes flows and processes count now; None before the first snapshot."""
        return self.snapshot.mode.layer if self.snapshot else None

    @property
    def histories(self) -> Histories:
        """What was counted so far. Raises RuntimeError before the first snapshot."""
        if self._histories is None:
            raise RuntimeError("no snapshot has come yet")
        return self._histories

    async def advance(self, snapshot: Snapshot) -> tuple[str, ...]:
        """Takes a new snapshot into the histories, in a thread: with many flows that takes longer than a key may wait.

        The histories swap whole tables, so what a view reads meanwhile is the state before or after. Returns the names
        of interfaces that are there no more.
        """
        if self._histories is None:
            self._histories = await asyncio.to_thread(_new_histories, self.options)
            if self._make_resolver is not None:
                self.resolver = await asyncio.to_thread(self._make_resolver)
        await asyncio.to_thread(self._histories.update, snapshot)
        before = self.snapshot.interfaces if self.snapshot else ()
        self.faults = {
            (i.index, i.name): self.faults.get((i.index, i.name), InterfaceFaults()).after(i)
            for i in snapshot.interfaces
        }
        self.lost_packets += snapshot.health.lost_packets
        self.snapshot = snapshot
        return tuple(i.name for i in before if (i.index, i.name) not in self.faults)


def _new_histories(options: Options) -> Histories:
    # NumPy comes with it, whose import takes longer than the first paint may wait.
    from netdash.ui.histories import Histories

    return Histories(max_flows=options.max_flows)
