"""What the blocks of the text output share: aligned tables and names of addresses and ports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from netdash.model.sanitize import sanitize
from netdash.model.snapshot import Layer, Mode
from netdash.model.tables import address_text
from netdash.model.units import NOT_KNOWN, Units
from netdash.sources.resolver import Resolver

SHORT_ROWS: Final = 20
"""Processes and flows shown where all views are printed."""

LONG_ROWS: Final = 1000
"""Rows of a view that is printed alone; a line says how many more there are."""

_HOST_LIMIT: Final = 60


@dataclass(frozen=True, slots=True)
class Names:
    """Addresses and ports as text; without `resolver` in numbers."""

    resolver: Resolver | None

    def host(self, address: bytes) -> str:
        """Name or address; IPv6 addresses in brackets, as they stand before a port."""
        name = None if self.resolver is None else self.resolver.name(address)
        if name is not None:
            return name if len(name) <= _HOST_LIMIT else name[: _HOST_LIMIT - 1] + "…"
        text = "::" if not any(address) else address_text(address)
        return f"[{text}]" if ":" in text else text

    def bare_host(self, address: bytes) -> str:
        """As `host`, without brackets: where no port follows."""
        return self.host(address).strip("[]")

    def endpoint(self, address: bytes, port: int, protocol: int) -> str:
        """Host and port."""
        return f"{self.host(address)}:{self.port(port, protocol)}"

    def port(self, port: int, protocol: int) -> str:
        """Service name or number; "*" for none."""
        service = None if self.resolver is None else self.resolver.service(port, protocol)
        return service or (str(port) if port else "*")


def per_second(value: int | None, interval: float) -> str:
    """A count as sar writes rates: two decimals."""
    return NOT_KNOWN if value is None or interval <= 0 else f"{value / interval:.2f}"


def rate(units: Units, value: int | None, interval: float) -> str:
    """Bytes of an interval as a rate."""
    return units.rate(None if value is None or interval <= 0 else value / interval)


def layer_words(mode: Mode) -> str:
    """Which bytes flows and processes count."""
    return "payload bytes of TCP" if mode.layer is Layer.PAYLOAD else "wire bytes with link-layer headers"


def more(shown: int, total: int, what: str) -> list[str]:
    """A line that tells how many rows are not printed, or none."""
    return [f"  … {total - shown} more {what}"] if total > shown else []


def clean(text: str, limit: int = _HOST_LIMIT) -> str:
    """Text from outside, safe for a terminal and for a column."""
    return sanitize(text, limit)
