"""What the views are limited to: an interface, a process, flows with something in common, one connection."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netdash.ui.views.flow_groups import Joining


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
class Narrowing:
    """Flows with something in common that the views are limited to: a row of grouped flows, the port of a socket."""

    words: str
    """In the language of filters: "host:203.0.113.9"."""
    row: tuple[Joining, int] | None = None
    """How the flows were joined, and the id of their row, whose flows these are exactly; None: those that match."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What the views are limited to: drilling down adds, Esc takes away. None = no limit."""

    interface: InterfaceScope | None = None
    process: ProcessScope | None = None
    connection: ConnectionScope | None = None
    narrowings: tuple[Narrowing, ...] = ()
    """Each limits what those before it leave."""

    def outer(self) -> Scope:
        """The scope one step up."""
        if self.connection:
            return replace(self, connection=None)
        if self.narrowings:
            return replace(self, narrowings=self.narrowings[:-1])
        return replace(self, process=None) if self.process else Scope()

    def narrowed(self, narrowing: Narrowing) -> Scope:
        """The scope of some of its flows."""
        return replace(self, narrowings=(*self.narrowings, narrowing))

    @property
    def trail(self) -> str:
        """The steps down as one line: "eth0 › java (54321) › 203.0.113.9:443"; empty without a limit."""
        steps = []
        if self.interface:
            steps.append(self.interface.name)
        if self.process:
            steps.append(f"{self.process.name} ({self.process.pid})")
        steps += [narrowing.words for narrowing in self.narrowings]
        if self.connection:
            steps.append(self.connection.name)
        return " › ".join(steps)
