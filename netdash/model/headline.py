"""Which interfaces a sum is made of."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final, NamedTuple

from netdash.model.merge import add_accounting
from netdash.model.snapshot import Accounting, Interface, Snapshot

TOTAL_INDEX: Final = -1
"""Stands for the sum where an interface's index could stand."""

_COUNTS: Final = (
    "rx_bytes",
    "tx_bytes",
    "rx_packets",
    "tx_packets",
    "rx_errors",
    "tx_errors",
    "rx_dropped",
    "tx_dropped",
    "rx_multicast",
    "collisions",
)


def headline_interfaces(interfaces: Iterable[Interface]) -> list[Interface]:
    """The interfaces whose sum counts a transfer once: the physical ones.

    A packet that crosses a bridge, its port and a VLAN is a fact of each of them, but one transfer. Where there is no
    physical interface, as in a container, those that are not stacked on another and are not loopback; else all.
    """
    every = list(interfaces)
    physical = [i for i in every if i.kind == "physical"]
    plain = [i for i in every if i.kind != "loopback" and i.master is None]
    return physical or plain or every


def most_wanted_last(interfaces: Iterable[Interface]) -> list[Interface]:
    """In the order in which a bounded history may forget them: those of the headline stay longest, of the others those
    that were there first, which a host full of containers does not push out."""
    every = list(interfaces)
    wanted = headline_interfaces(every)
    names = {(i.index, i.name) for i in wanted}
    return [*(i for i in reversed(every) if (i.index, i.name) not in names), *reversed(wanted)]


def headline_rate(snapshot: Snapshot) -> float:
    """Bytes per second in and out of the headline's interfaces together; NaN where nothing is known of it."""
    counts = [
        count
        for interface in headline_interfaces(snapshot.interfaces)
        for count in (interface.rx_bytes, interface.tx_bytes)
        if count is not None
    ]
    return sum(counts) / snapshot.interval if counts and snapshot.interval > 0 else math.nan


def headline_accounting(snapshot: Snapshot) -> Accounting | None:
    """Where the bytes of the headline's interfaces went, each in the measure of its own counter; None where nothing is
    known of it. What is not known of one is not known of the sum."""
    names = [interface.name for interface in headline_interfaces(snapshot.interfaces)]
    parts = [snapshot.accounting[name] for name in names if name in snapshot.accounting]
    if not parts or len(parts) < len(names):
        return None
    total = parts[0]
    for part in parts[1:]:
        total = add_accounting(total, part)
    return total


class InterfaceTotal(NamedTuple):
    """A sum of interfaces that counts each transfer once, in the shape of an interface."""

    sum: Interface
    members: tuple[Interface, ...]


def total_interface(interfaces: Iterable[Interface]) -> InterfaceTotal | None:
    """The sum of `headline_interfaces`; None for fewer than two, whose sum says nothing new.

    What is not known of one is left out; a speed that is not known of one that is up makes the sum's not known.
    """
    members = headline_interfaces(interfaces)
    if len(members) < 2:
        return None

    def added(name: str) -> int | None:
        counts = [count for i in members if (count := getattr(i, name)) is not None]
        return sum(counts) if counts else None

    speeds = [i.speed_bps for i in members if i.state == "up"]
    known = [speed for speed in speeds if speed is not None]
    total = Interface(
        name="Σ physical" if members[0].kind == "physical" else "Σ total",
        index=TOTAL_INDEX,
        kind=f"{len(members)} links",
        state="up" if any(i.state in ("up", "unknown") for i in members) else "down",
        speed_bps=sum(known) if known and len(known) == len(speeds) else None,
        mtu=0,
        mac=None,
        addresses=(),
        master=None,
        parent=None,
        **{name: added(name) for name in _COUNTS},
    )
    return InterfaceTotal(total, tuple(members))
