"""Which interfaces a sum is made of."""

from __future__ import annotations

from collections.abc import Iterable

from netdash.model.snapshot import Interface


def headline_interfaces(interfaces: Iterable[Interface]) -> list[Interface]:
    """The interfaces whose sum counts a transfer once: the physical ones.

    A packet that crosses a bridge, its port and a VLAN is a fact of each of them, but one transfer. Where there is no
    physical interface, as in a container, those that are not stacked on another and are not loopback; else all.
    """
    every = list(interfaces)
    physical = [i for i in every if i.kind == "physical"]
    plain = [i for i in every if i.kind != "loopback" and i.master is None]
    return physical or plain or every
