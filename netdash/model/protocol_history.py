"""Protocols of interfaces and the kernel's protocol counters: of the last interval and since the start."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from netdash.model.headline import most_wanted_last
from netdash.model.merge import add_protocols
from netdash.model.snapshot import InterfaceProtocols, Snapshot

MAX_INTERFACES: Final = 1024
"""Interfaces that are kept; those seen longest ago go first, then the least wanted."""

_NOTHING: Final = InterfaceProtocols()


@dataclass(frozen=True, slots=True)
class InterfaceProtocolFigures:
    """What an interface carried: in the last interval, and since the start."""

    last: InterfaceProtocols = _NOTHING
    total: InterfaceProtocols = _NOTHING


@dataclass(frozen=True, slots=True)
class ProtocolFigures:
    """All figures at one moment; immutable."""

    interval: float = 0.0
    """Seconds of the last interval; 0.0 before the first."""
    interfaces: Mapping[str, InterfaceProtocolFigures] = field(default_factory=dict)
    counters: Mapping[str, int] = field(default_factory=dict)
    """Kernel counters of the last interval."""
    counter_totals: Mapping[str, int] = field(default_factory=dict)
    """Kernel counters since the start."""
    gauges: Mapping[str, int] = field(default_factory=dict)

    def combined(self, names: Collection[str]) -> InterfaceProtocolFigures:
        """The sum of the interfaces `names`; those without figures add nothing."""
        figures = [self.interfaces[name] for name in names if name in self.interfaces]
        result = InterfaceProtocolFigures()
        for each in figures:
            result = InterfaceProtocolFigures(
                add_protocols(result.last, each.last), add_protocols(result.total, each.total)
            )
        return result


class ProtocolHistory:
    """Adds up the protocol tables of snapshots."""

    def __init__(self) -> None:
        self.figures = ProtocolFigures()

    def copy(self) -> ProtocolHistory:
        """One that goes on from here by itself."""
        twin = ProtocolHistory()
        twin.figures = self.figures
        return twin

    def update(self, snapshot: Snapshot) -> None:
        """Takes one interval; of a baseline only the gauges."""
        before = self.figures
        if snapshot.interval <= 0.0:
            self.figures = ProtocolFigures(
                before.interval, before.interfaces, before.counters, before.counter_totals, snapshot.gauges
            )
            return
        interfaces = dict(before.interfaces)
        known = [each.name for each in most_wanted_last(snapshot.interfaces) if each.name in snapshot.protocols]
        others = snapshot.protocols.keys() - set(known)
        for name in (*sorted(others), *known):
            last = snapshot.protocols[name]
            old = interfaces.pop(name, InterfaceProtocolFigures())
            interfaces[name] = InterfaceProtocolFigures(last, add_protocols(old.total, last))
        silent = interfaces.keys() - snapshot.protocols.keys()
        for name in silent:
            interfaces[name] = InterfaceProtocolFigures(_NOTHING, interfaces[name].total)
        for name in list(interfaces)[: max(0, len(interfaces) - MAX_INTERFACES)]:
            del interfaces[name]
        totals = dict(before.counter_totals)
        for name, count in snapshot.counters.items():
            totals[name] = totals.get(name, 0) + count
        self.figures = ProtocolFigures(snapshot.interval, interfaces, snapshot.counters, totals, snapshot.gauges)
