"""What the user asked for on the command line, after checking."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from netdash.model.select import InterfaceSelection
from netdash.model.units import Units
from netdash.settings import Settings

if TYPE_CHECKING:
    from netdash.model.filter import Filter

View = Literal["interfaces", "flows", "processes", "sockets", "protocols"]
VIEWS: tuple[View, ...] = ("interfaces", "flows", "processes", "sockets", "protocols")

MIN_DELAY_SECONDS = 0.1
MAX_DELAY_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where metrics are served."""

    address: str
    """IPv4 or IPv6."""
    port: int
    """0 = any that is free."""

    def refused(self, error: OSError) -> str:
        """What to tell where it cannot be had."""
        return (
            f"cannot serve metrics on {self}: {error.strerror or error}; "
            "name an address of this host and a free port from 1024 on with --prometheus ADDRESS:PORT"
        )

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class Options:
    """Everything that the dashboard, the sinks and the collector are told."""

    interfaces: InterfaceSelection = field(default_factory=InterfaceSelection)
    delay_seconds: float = 1.0
    count: int | None = None
    """Intervals of headless output; None = until interrupted."""
    view: View | None = None
    """Headless: one view alone; None = all."""
    numeric: bool = False
    units: Units = field(default_factory=Units)
    network_namespace: str | None = None
    read_file: str | None = None
    """A capture file or a recording instead of the live system."""
    from_moment: str | None = None
    """Of a file: what is before is left out; as `netdash.model.moments` reads it."""
    to_moment: str | None = None
    follow: bool = False
    """Of a recording that is being made: what comes is shown too."""
    log_path: str | None = None
    """A recording from the start on; "" = a dated file; None = none before it is asked for."""
    log_max_bytes: int = 10**9
    log_max_age_seconds: float = 30 * 86_400.0
    prometheus: Endpoint | None = None
    """Metrics are served there."""
    local_nets: tuple[str, ...] = ()
    """Networks whose addresses are local in a capture file; checked."""
    max_flows: int = 131_072
    row_filter: Filter | None = None
    """Only what matches is shown; None = all."""
    capture_filter: str | None = None
    """A pcap expression: only packets that match are counted; None = all."""
    ascii_only: bool = False
    mouse: bool = True
    settings: Settings = field(default_factory=Settings)
    """What the dashboard takes from netdash.toml and from `--keys` and `--theme`."""

    @property
    def works_without_output(self) -> bool:
        """Whether there is something to do where nothing is shown: to record, or to serve metrics."""
        return self.log_path is not None or self.prometheus is not None
