"""This host's addresses, from its links."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_interface

from netdash.kernel.link_message import Link


def interfaces_of_addresses(links: Iterable[Link]) -> tuple[dict[str, int], int]:
    """Address -> ifindex, and the ifindex of the loopback device (0: there is none)."""
    links = tuple(links)
    addresses = {a.partition("/")[0]: link.index for link in links for a in link.addresses}
    return addresses, next((link.index for link in links if link.kind == "loopback"), 0)


def local_addresses(links: Iterable[Link]) -> frozenset[str]:
    """All addresses and the broadcast addresses of their networks."""
    return frozenset(address for link in links for text in link.addresses for address in _with_broadcast(text))


@lru_cache(maxsize=4096)
def _with_broadcast(text: str) -> tuple[str, ...]:
    """An address with its prefix length -> the address and, for IPv4, its network's broadcast address."""
    interface = ip_interface(text)
    if interface.version == 4:
        return str(interface.ip), str(interface.network.broadcast_address)
    return (str(interface.ip),)
