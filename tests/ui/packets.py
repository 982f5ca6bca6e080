"""Packets for the tests of the dashboard, and a source that delivers them on demand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from netdash.model.packets import PacketDelivery, PacketWatch, WatchedPacket
from tests.ui.fixtures import START_TIME, FakeSource
from tests.unit.kernel.flow_frames import ipv4, tcp


def packet(number: int, data: bytes | None = None, *, outgoing: bool = False, ifindex: int = 2) -> WatchedPacket:
    """The `number`th packet, one a millisecond; without `data` a TCP segment whose payload tells its number."""
    data = ipv4(6, tcp(0x18, payload=b"packet %d" % number)) if data is None else data
    time_ns = int(START_TIME) * 10**9 + number * 10**6
    return WatchedPacket(time_ns, ifindex, 4 if outgoing else 0, len(data), data)


class FakePacketSource(FakeSource):
    """A PacketSource too: `deliver` gives the packets of the watch that was asked for last."""

    def __init__(self) -> None:
        super().__init__()
        self.watches: list[PacketWatch | None] = []
        """What `watch_packets` was asked for."""
        self.refused: str | None = None
        """Why every watch is refused."""
        self._deliveries: asyncio.Queue[PacketDelivery] = asyncio.Queue()

    @property
    def watch(self) -> PacketWatch | None:
        """The present watch."""
        return self.watches[-1] if self.watches else None

    async def watch_packets(self, watch: PacketWatch | None) -> None:
        """Notes the wish; the first delivery comes at once."""
        self.watches.append(watch)
        self._deliveries = asyncio.Queue()
        if watch is not None:
            self._deliveries.put_nowait(PacketDelivery(len(self.watches), refused=self.refused))

    async def packets(self) -> AsyncIterator[PacketDelivery]:
        """Deliveries of the present watch, then of the next."""
        while True:
            yield await self._deliveries.get()

    def deliver(self, *packets: WatchedPacket, skipped: int = 0, note: str = "") -> None:
        """One more delivery."""
        self._deliveries.put_nowait(PacketDelivery(len(self.watches), packets, skipped, note))
