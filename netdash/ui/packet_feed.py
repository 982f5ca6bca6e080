"""Where the dashboard's packets come from: the collector, or nowhere, with the reason."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final, Protocol

from netdash.model.packets import PacketDelivery, PacketWatch
from netdash.sources.source import PacketSource

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

    def deliveries(self, watch: PacketWatch) -> AsyncIterator[PacketDelivery]:
        """The packets of this watch instead of those of another, until `end` or, where no more can come, by itself.
        The first delivery comes at once. For one reader."""

    async def end(self) -> None:
        """Nobody wants packets any more."""


class LiveFeed:
    """Packets from the collector."""

    live = True

    def __init__(self, source: PacketSource) -> None:
        self._source = source

    async def deliveries(self, watch: PacketWatch) -> AsyncIterator[PacketDelivery]:
        """As PacketFeed; ends with the source's snapshots."""
        await self._source.watch_packets(watch)
        async for delivery in self._source.packets():
            yield delivery

    async def end(self) -> None:
        """Tells the collector, which then lets no packet through."""
        await self._source.watch_packets(None)


class NoFeed:
    """No packets, and why."""

    live = True

    def __init__(self, reason: str) -> None:
        self._reason = reason

    async def deliveries(self, watch: PacketWatch) -> AsyncIterator[PacketDelivery]:
        """One that refuses."""
        yield PacketDelivery(0, refused=self._reason)

    async def end(self) -> None:
        """Nothing to end."""


def packet_feed(source: SnapshotSource | None, store: SnapshotStore | None) -> PacketFeed:
    """The packets that belong to what the dashboard shows."""
    if store is not None:
        return NoFeed(NO_PACKETS_IN_RECORDING)
    return LiveFeed(source) if isinstance(source, PacketSource) else NoFeed(NO_PACKETS_LIVE)
