"""Which interfaces a sum is made of."""

from __future__ import annotations

import math
from collections.abc import Iterable

from netdash.model.snapshot import Interface, Snapshot


def headline_interfaces(interfaces: Iterable[Interface]) -> list[Interface]:
    """The interfaces whose sum counts a transfer once: the physical ones.

    A packet that crosses a bridge, its port and a VLAN is a fact of each of them, but one transfer. Where there is no
    physical interface, as in a container, those that are not stacked on another and are not loopback; else all.
    """
    every = list(interfaces)
    physical = [i for i in every if i.kind == "physical"]
    plain = [i for i in every if i.kind != "loopback" and i.master is None]
    return physical or plain or every


def headline_rate(snapshot: Snapshot) -> float:
    """Bytes per second in and out of the headline's interfaces together; NaN where nothing is known of it."""
    counts = [
        count
        for interface in headline_interfaces(snapshot.interfaces)
        for count in (interface.rx_bytes, interface.tx_bytes)
        if count is not None
    ]
    return sum(counts) / snapshot.interval if counts and snapshot.interval > 0 else math.nan
