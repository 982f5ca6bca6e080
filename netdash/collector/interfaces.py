"""Interface counters as differences: a reset, a wrap or a new interface under an old name is a gap, never a spike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from netdash.kernel.link_message import Link
from netdash.kernel.net_dev import DeviceCounters
from netdash.model.sanitize import sanitize
from netdash.model.select import InterfaceSelection
from netdash.model.snapshot import Interface


@dataclass(slots=True)
class InterfaceTable:
    """Remembers the last counters of each interface, by index."""

    selection: InterfaceSelection
    last: dict[int, DeviceCounters] = field(default_factory=dict)

    def update(self, links: Mapping[int, Link], counters: Mapping[str, DeviceCounters]) -> tuple[Interface, ...]:
        """The selected interfaces in order of index, with their differences since the last call.

        `counters` are by name, `links` by index: an interface that is in one alone came or went between the two reads
        and is left out until both know it.
        """
        now = {i: counters[link.name] for i, link in links.items() if link.name in counters}
        names = {i: sanitize(link.name, 32) for i, link in links.items()}
        rows = tuple(
            _interface(links[index], names, self.last.get(index), now[index])
            for index in sorted(now)
            if self.selection.matches(links[index].name)
        )
        self.last = now
        return rows


def _interface(link: Link, names: Mapping[int, str], old: DeviceCounters | None, new: DeviceCounters) -> Interface:
    # One counter that fell means that the driver started all of them anew.
    whole = old is not None and old.rx_bytes <= new.rx_bytes and old.tx_bytes <= new.tx_bytes
    base = old if whole else None

    def difference(name: str) -> int | None:
        if base is None:
            return None
        delta: int = getattr(new, name) - getattr(base, name)
        return delta if delta >= 0 else None

    return Interface(
        name=names[link.index],
        index=link.index,
        kind=sanitize(link.kind, 32),
        state=sanitize(link.state, 32),
        speed_bps=link.speed_bps,
        mtu=link.mtu,
        mac=link.mac,
        addresses=link.addresses,
        master=names.get(link.master_index) if link.master_index is not None else None,
        rx_bytes=difference("rx_bytes"),
        tx_bytes=difference("tx_bytes"),
        rx_packets=difference("rx_packets"),
        tx_packets=difference("tx_packets"),
        rx_errors=difference("rx_errors"),
        tx_errors=difference("tx_errors"),
        rx_dropped=difference("rx_dropped"),
        tx_dropped=difference("tx_dropped"),
        rx_multicast=difference("rx_multicast"),
        collisions=difference("tx_collisions"),
        parent=_parent(link, names),
    )


def _parent(link: Link, names: Mapping[int, str]) -> str | None:
    """The name of the device below; one in another namespace is none of ours."""
    if link.parent_index is None or link.peer_netns_id is not None or link.parent_index == link.index:
        return None
    return names.get(link.parent_index)
