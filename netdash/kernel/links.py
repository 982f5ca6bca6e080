"""Network interfaces of one network namespace, kept current by rtnetlink events (rtnetlink(7)).

The one module that calls pyroute2, which has no type information. Attributes of addresses are those of
<linux/if_addr.h>.

Two sockets are used on purpose. pyroute2 hands a message to the request with the same sequence number, and an
event carries the number of whoever caused it: on a shared socket another program's change could land in a dump.
"""

from __future__ import annotations

import asyncio
import logging
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
from netdash.kernel.link_message import Link, is_complete, link_of

logging.getLogger("pyroute2").addHandler(logging.NullHandler())
"""pyroute2 logs a traceback for an attribute that it cannot decode; unheard, that would go to the terminal."""

_KINDS_WITH_SPEED = frozenset({"physical", "bond", "team"})
_NLM_F_DUMP_INTR = 0x10
_DUMP_ATTEMPTS = 5
_MAX_CHANGES = 65536

_NETLINK_ERRORS = (OSError, NetlinkError, struct.error)
"""struct.error: a message shorter than its own header says."""


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
            if is_complete(message):
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
        elif kind == RTM_NEWLINK and is_complete(message):
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
        link = link_of(message, self._addresses_of(message["index"]))
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
