"""Network interfaces of one network namespace, kept current by rtnetlink events (rtnetlink(7)).

The one module that touches pyroute2, which has no type information: its messages are looked into here and leave
as `Link`. Attributes are those of <linux/if_link.h> and <linux/if_addr.h>.

Two sockets are used on purpose. pyroute2 hands a message to the request with the same sequence number, and an
event carries the number of whoever caused it: on a shared socket another program's change could land in a dump.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
from collections import deque
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

from pyroute2 import AsyncIPRoute
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.rtnl import (
    RTM_DELADDR,
    RTM_DELLINK,
    RTM_NEWADDR,
    RTM_NEWLINK,
    RTMGRP_IPV4_IFADDR,
    RTMGRP_IPV6_IFADDR,
    RTMGRP_LINK,
)

from netdash.errors import NetdashError
from netdash.kernel.ethtool import link_speed_bps

logging.getLogger("pyroute2").addHandler(logging.NullHandler())
"""pyroute2 logs a traceback for an attribute that it cannot decode; unheard, that would go to the terminal."""

_IFF_UP = 0x1
_ARPHRD_LOOPBACK = 772
_ARPHRD_WITH_MAC = frozenset({1, 801, 802, 803})
"""Ethernet and the 802.11 types, <linux/if_arp.h>. Others have no address, or one that is not six bytes long."""

_PAIRED_KINDS = frozenset({"veth", "netkit"})
_KINDS_WITH_SPEED = frozenset({"physical", "bond", "team"})
_STATES = {
    "UP": "up",
    "DOWN": "down",
    "LOWERLAYERDOWN": "lower-layer-down",
    "DORMANT": "dormant",
    "TESTING": "testing",
    "NOTPRESENT": "not-present",
}
_NLM_F_DUMP_INTR = 0x10
_DUMP_ATTEMPTS = 5
_MAX_CHANGES = 65536

_NETLINK_ERRORS = (OSError, NetlinkError, struct.error)
"""struct.error: a message shorter than its own header says."""


@dataclass(frozen=True, slots=True)
class Link:
    """One network interface."""

    index: int
    name: str
    """Bytes that are not UTF-8 stand as \\xNN, as in `net_dev`."""
    alternative_names: tuple[str, ...]
    alias: str | None
    kind: str
    """physical, loopback, virtual, or the kernel's name for the driver: veth, bridge, bond, vlan, tun, …"""
    state: str
    """RFC 2863: up, down, lower-layer-down, dormant, testing, not-present, or unknown (loopback, some tunnels)."""
    is_up: bool
    """Switched on by the administrator (IFF_UP)."""
    mtu: int
    mac: str | None
    speed_bps: int | None
    """None if not known, and for virtual kinds: what veth, bridge or tun report is made up."""
    master_index: int | None
    """The bridge, bond or VRF that this interface belongs to."""
    peer_index: int | None
    """The other end of a veth pair."""
    peer_netns_id: int | None
    """The namespace (id, not inode) that peer_index or parent_index counts in; None: this one."""
    parent_index: int | None
    """What a VLAN, macvlan or tunnel sits on."""
    arphrd_type: int
    addresses: tuple[str, ...]
    """With prefix length, `192.0.2.1/24`, in the order in which they came."""


@dataclass(frozen=True, slots=True)
class LinkChange:
    """One thing that happened to an interface."""

    kind: Literal["new", "gone", "renamed", "changed"]
    link: Link
    """As it is now; for `gone` as it was last."""
    previous: Link | None
    """As it was before; None for `new`."""


class LinkTable:
    """All interfaces of the network namespace in which `open` is called; used from one running event loop.

    When events were lost (ENOBUFS) or damaged, everything is read anew and the differences are reported as changes.
    """

    def __init__(self) -> None:
        self._links: dict[int, Link] = {}
        self._addresses: dict[int, list[str]] = {}
        self._changes: deque[LinkChange] = deque(maxlen=_MAX_CHANGES)
        self._events: AsyncIPRoute | None = None
        self._control: socket.socket | None = None
        self._follower: asyncio.Task[None] | None = None

    @property
    def links(self) -> Mapping[int, Link]:
        """By interface index; always the present state."""
        return MappingProxyType(self._links)

    async def open(self) -> None:
        """Reads all interfaces and follows their events from then on. Raises NetdashError if netlink is refused."""
        try:
            self._control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            await self._subscribe()
            await self._read_everything()
        except _NETLINK_ERRORS as error:
            await self.close()
            raise _refused(error) from error
        self._changes.clear()
        self._follower = asyncio.create_task(self._follow(), name="rtnetlink events")

    def take_changes(self) -> list[LinkChange]:
        """Changes since the last call, oldest first; of more than 65536 the oldest are forgotten.

        Raises NetdashError if the events were lost for good: no socket could be had after an overrun.
        """
        if self._follower is not None and self._follower.done():
            self._follower.result()
        changes = list(self._changes)
        self._changes.clear()
        return changes

    async def close(self) -> None:
        """Stops following and closes every socket."""
        if self._follower is not None:
            self._follower.cancel()
            await asyncio.gather(self._follower, return_exceptions=True)
            self._follower = None
        await self._unsubscribe()
        if self._control is not None:
            self._control.close()
            self._control = None

    async def _subscribe(self) -> None:
        self._events = AsyncIPRoute(groups=RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR)
        await self._events.bind()

    async def _unsubscribe(self) -> None:
        if self._events is not None:
            self._events.close()
            self._events = None
            # The transport gives its socket back in the loop's next round.
            await asyncio.sleep(0)

    async def _follow(self) -> None:
        while (events := self._events) is not None:
            try:
                async with aclosing(events.get()) as messages:
                    async for message in messages:
                        self._apply(message)
            except _NETLINK_ERRORS:
                await self._recover()
            # `get` does not suspend while messages are waiting; a storm of events must not hold up the loop.
            await asyncio.sleep(0)

    async def _recover(self) -> None:
        # Events were lost or could not be read. pyroute2's socket object is of no use after an overrun.
        await self._unsubscribe()
        try:
            await self._subscribe()
            await self._read_everything()
        except _NETLINK_ERRORS as error:
            raise _refused(error) from error

    async def _read_everything(self) -> None:
        links, addresses = await _dump()
        self._addresses.clear()
        for message in addresses:
            self._note_address(message, present=True)
        seen = set()
        for message in links:
            if _is_complete(message):
                seen.add(message["index"])
                self._put(message)
        for index in self._links.keys() - seen:
            self._remove(index)

    def _apply(self, message: Any) -> None:
        kind = message["header"]["type"]
        if kind in (RTM_NEWADDR, RTM_DELADDR):
            self._note_address(message, present=kind == RTM_NEWADDR)
            if (link := self._links.get(message["index"])) is not None:
                self._store(replace(link, addresses=self._addresses_of(link.index)))
        elif kind == RTM_NEWLINK and _is_complete(message):
            self._put(message)
        elif kind == RTM_DELLINK and message["family"] == socket.AF_UNSPEC:
            self._addresses.pop(message["index"], None)
            self._remove(message["index"])

    def _note_address(self, message: Any, *, present: bool) -> None:
        address = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
        if not isinstance(address, str):
            return
        text = f"{address}/{message['prefixlen']}"
        known = self._addresses.setdefault(message["index"], [])
        if present and text not in known:
            known.append(text)
        elif not present and text in known:
            known.remove(text)

    def _addresses_of(self, index: int) -> tuple[str, ...]:
        return tuple(self._addresses.get(index, ()))

    def _put(self, message: Any) -> None:
        link = _link_of(message, self._addresses_of(message["index"]))
        if self._control is not None and link.kind in _KINDS_WITH_SPEED:
            link = replace(link, speed_bps=link_speed_bps(self._control, link.name))
        self._store(link)
        # Of a new pair the first end is announced before the second exists, and not again when it does.
        if link.peer_index is not None and link.peer_netns_id is None:
            peer = self._links.get(link.peer_index)
            if peer is not None and peer.kind == link.kind and peer.peer_index is None:
                self._store(replace(peer, peer_index=link.index))

    def _store(self, link: Link) -> None:
        previous = self._links.get(link.index)
        if link == previous:
            return
        self._links[link.index] = link
        if previous is None:
            self._changes.append(LinkChange("new", link, None))
        elif previous.name != link.name:
            self._changes.append(LinkChange("renamed", link, previous))
        else:
            self._changes.append(LinkChange("changed", link, previous))

    def _remove(self, index: int) -> None:
        if (link := self._links.pop(index, None)) is not None:
            self._changes.append(LinkChange("gone", link, link))


async def _dump() -> tuple[list[Any], list[Any]]:
    """All links and all addresses. A dump that the kernel could not keep consistent is repeated a few times."""
    async with AsyncIPRoute(groups=0) as route:
        for _ in range(_DUMP_ATTEMPTS):
            async with aclosing(await route.link("dump")) as messages:
                links = [message async for message in messages]
            async with aclosing(await route.addr("dump")) as messages:
                addresses = [message async for message in messages]
            if not any(m["header"]["flags"] & _NLM_F_DUMP_INTR for m in (*links, *addresses)):
                break
    await asyncio.sleep(0)
    return links, addresses


def _refused(error: Exception) -> NetdashError:
    return NetdashError(f"cannot read network interfaces through rtnetlink: {error}")


def _is_complete(message: Any) -> bool:
    """Not a bridge's word about one of its ports (AF_BRIDGE), not a wireless event: those lack most attributes."""
    return (
        message["family"] == socket.AF_UNSPEC
        and message.get_attr("IFLA_IFNAME") is not None
        and message.get_attr("IFLA_MTU") is not None
    )


def _link_of(message: Any, addresses: tuple[str, ...]) -> Link:
    index = int(message["index"])
    name = _text(message.get_attr("IFLA_IFNAME")) or f"#{index}"
    arphrd_type = int(message["ifi_type"])
    kind = _kind(message, name, index, arphrd_type)
    netns_id = _number(message.get_attr("IFLA_LINK_NETNSID"))
    lower_index = _number(message.get_attr("IFLA_LINK"))
    if lower_index == 0 or (lower_index == index and netns_id is None):
        lower_index = None
    is_paired = kind in _PAIRED_KINDS
    return Link(
        index=index,
        name=name,
        alternative_names=_alternative_names(message),
        alias=_text(message.get_attr("IFLA_IFALIAS")),
        kind=kind,
        state=_STATES.get(_text(message.get_attr("IFLA_OPERSTATE")) or "", "unknown"),
        is_up=bool(message["flags"] & _IFF_UP),
        mtu=_number(message.get_attr("IFLA_MTU")) or 0,
        mac=_text(message.get_attr("IFLA_ADDRESS")) if arphrd_type in _ARPHRD_WITH_MAC else None,
        speed_bps=None,
        master_index=_number(message.get_attr("IFLA_MASTER")),
        peer_index=lower_index if is_paired else None,
        peer_netns_id=netns_id,
        parent_index=None if is_paired else lower_index,
        arphrd_type=arphrd_type,
        addresses=addresses,
    )


def _kind(message: Any, name: str, index: int, arphrd_type: int) -> str:
    information = message.get_attr("IFLA_LINKINFO")
    if hasattr(information, "get_attr") and (kind := _text(information.get_attr("IFLA_INFO_KIND"))):
        return kind
    if arphrd_type == _ARPHRD_LOOPBACK:
        return "loopback"
    if message.get_attr("IFLA_PARENT_DEV_NAME") is not None or _has_device_in_sysfs(name, index):
        return "physical"
    return "virtual"


def _has_device_in_sysfs(name: str, index: int) -> bool:
    """For kernels before 5.14, which do not tell the parent device. /sys may show another namespace: compare."""
    directory = f"/sys/class/net/{name}"
    try:
        with open(f"{directory}/ifindex", encoding="ascii") as file:
            return int(file.read()) == index and os.path.exists(f"{directory}/device")
    except (OSError, ValueError):
        return False


def _alternative_names(message: Any) -> tuple[str, ...]:
    properties = message.get_attr("IFLA_PROP_LIST")
    if not hasattr(properties, "get_attrs"):
        return ()
    names = (_text(name) for name in properties.get_attrs("IFLA_ALT_IFNAME"))
    return tuple(name for name in names if name)


def _text(value: object) -> str | None:
    """An attribute as text; pyroute2 leaves bytes where they are not UTF-8."""
    if isinstance(value, bytes):
        return value.rstrip(b"\0").decode("utf-8", "backslashreplace")
    return value if isinstance(value, str) else None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None
