"""Where the dashboard's packets come from: the collector, a capture file, or nowhere, with the reason."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Final, Protocol

from netdash.errors import NetdashError
from netdash.model.packets import PacketDelivery, PacketWatch, StoredPackets
from netdash.sources.source import PacketSource, PacketStore

if TYPE_CHECKING:
    from netdash.model.snapshot_store import SnapshotStore
    from netdash.sources.source import SnapshotSource

NO_PACKETS_IN_RECORDING: Final = "a recording holds no packets, only what they add up to; look at them live with sudo"
NO_PACKETS_LIVE: Final = "this source has no packets"


class PacketFeed(Protocol):
    """Gives the packets of one watch at a time."""

    @property
    def live(self) -> bool:
        """Whether packets come as they pass; else they are all there."""

    def deliveries(self, watch: PacketWatch, moment_ns: int) -> AsyncIterator[PacketDelivery]:
        """The packets of this watch instead of those of another, until `end` or, where no more can come, by itself.
        The first delivery comes at once. For one reader. `moment_ns`: what is looked at, nanoseconds since the epoch:
        of too many packets those from there on."""

    async def change(self, watch: PacketWatch) -> None:
        """The deliveries under way are of other packets from now on; where packets pass, without a gap."""

    def holds(self, moment_ns: int) -> bool:
        """Whether those that were delivered are all of that moment; else they have to be asked for anew."""

    async def end(self) -> None:
        """Nobody wants packets any more."""


class LiveFeed:
    """Packets from the collector."""

    live = True

    def __init__(self, source: PacketSource) -> None:
        self._source = source

    async def deliveries(self, watch: PacketWatch, moment_ns: int) -> AsyncIterator[PacketDelivery]:
        """As PacketFeed; ends with the source's snapshots."""
        await self._source.watch_packets(watch)
        async for delivery in self._source.packets():
            yield delivery

    async def change(self, watch: PacketWatch) -> None:
        """Tells the collector, which keeps what it has."""
        await self._source.change_watch(watch)

    def holds(self, moment_ns: int) -> bool:
        """There are no other moments than now."""
        return True

    async def end(self) -> None:
        """Tells the collector, which then lets no packet through."""
        await self._source.watch_packets(None)


class FileFeed:
    """Packets of a capture file: all of a watch, or as many as are held, from the moment on that is looked at."""

    live = False

    def __init__(self, store: PacketStore) -> None:
        self._store = store
        self._from_ns: int | None = None
        self._last_ns: int | None = None
        """Of the packets that were delivered; None: nothing is known to be before or behind them."""

    async def deliveries(self, watch: PacketWatch, moment_ns: int) -> AsyncIterator[PacketDelivery]:
        """An empty one, then all there are."""
        self._from_ns = self._last_ns = None
        yield PacketDelivery(0, note="reading the file")
        over = threading.Event()
        try:
            found = await asyncio.to_thread(self._find, watch, moment_ns, over.is_set)
        except NetdashError as error:
            yield PacketDelivery(0, refused=str(error))
            return
        finally:
            over.set()
        yield PacketDelivery(0, found.packets, note=self._note(found))

    def _find(self, watch: PacketWatch, moment_ns: int, is_over: Callable[[], bool]) -> StoredPackets:
        from_ns, found = None, self._store.packets_of(watch, is_over=is_over)
        if found.more and found.packets[-1].time_ns < moment_ns:
            from_ns, found = moment_ns, self._store.packets_of(watch, from_ns=moment_ns, is_over=is_over)
        if not is_over():
            self._from_ns = from_ns
            self._last_ns = found.packets[-1].time_ns if found.more else None
        return found

    def _note(self, found: StoredPackets) -> str:
        since = "" if self._from_ns is None else time.strftime(" from %H:%M:%S on", time.localtime(self._from_ns / 1e9))
        if not found.packets:
            return f"the file has no packet of it{since}"
        return f"the file has more than these{since}" if found.more or since else ""

    async def change(self, watch: PacketWatch) -> None:
        """Nothing passes: what was found was all."""

    def holds(self, moment_ns: int) -> bool:
        """Whether the moment is not before the first or behind the last of them."""
        return (self._from_ns is None or moment_ns >= self._from_ns) and (
            self._last_ns is None or moment_ns <= self._last_ns
        )

    async def end(self) -> None:
        """The reading is given up with its iterator."""


class NoFeed:
    """No packets, and why."""

    live = True

    def __init__(self, reason: str) -> None:
        self._reason = reason

    async def deliveries(self, watch: PacketWatch, moment_ns: int) -> AsyncIterator[PacketDelivery]:
        """One that refuses."""
        yield PacketDelivery(0, refused=self._reason)

    async def change(self, watch: PacketWatch) -> None:
        """Nothing to change."""

    def holds(self, moment_ns: int) -> bool:
        """There is nothing to ask for."""
        return True

    async def end(self) -> None:
        """Nothing to end."""


def packet_feed(source: SnapshotSource | None, store: SnapshotStore | None) -> PacketFeed:
    """The packets that belong to what the dashboard shows."""
    if store is not None:
        return FileFeed(store) if isinstance(store, PacketStore) else NoFeed(NO_PACKETS_IN_RECORDING)
    return LiveFeed(source) if isinstance(source, PacketSource) else NoFeed(NO_PACKETS_LIVE)
