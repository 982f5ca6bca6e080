"""Packets for the tests of the dashboard, and a source that delivers them on demand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from textual.pilot import Pilot

import netdash.packets.dissection  # noqa: F401  # takes seconds on a busy machine: no test has to wait for it
from netdash.model.packets import PacketDelivery, PacketWatch, WatchedFlow, WatchedPacket
from netdash.model.protocols import LISTEN
from netdash.model.snapshot import Snapshot
from netdash.model.tables import pack_address
from netdash.ui.app import Dashboard
from netdash.ui.views.packet_list import PacketList
from netdash.ui.views.packets import PacketsView
from netdash.ui.widgets.text_line import TextLine
from tests.ui.apps import settle, take
from tests.ui.fixtures import START_TIME, FakeSource, flow, interface, process, snapshot, socket
from tests.unit.kernel.flow_frames import ipv4, tcp

FLOW = WatchedFlow(0x0800, 6, pack_address("10.0.0.1"), 41822, pack_address("203.0.113.9"), 443)
"""The watch of the first flow of `packets_snapshot`."""


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

    async def change_watch(self, watch: PacketWatch) -> None:
        """Notes the wish."""
        self.watches.append(watch)

    async def packets(self) -> AsyncIterator[PacketDelivery]:
        """Deliveries of the present watch, then of the next."""
        while True:
            yield await self._deliveries.get()

    def deliver(self, *packets: WatchedPacket, skipped: int = 0, note: str = "") -> None:
        """One more delivery."""
        self._deliveries.put_nowait(PacketDelivery(len(self.watches), packets, skipped, note))


def packets_snapshot(tick: int) -> Snapshot:
    """Two flows on two interfaces, one of them of curl."""
    flows = [
        flow(pid=4321, attribution=1, rx_bytes=125_000 * tick),
        flow("10.0.0.1", 53000, "198.51.100.7", 53, ifindex=4, rx_bytes=10, tx_bytes=20),
    ]
    return snapshot(
        tick,
        interfaces=[interface("eth0", 2), interface("wan", 4)],
        processes=[process(4321, "curl", user="alice")],
        flows=flows,
        sockets=[socket(pid=4321), socket(local_port=53000, cookie=2, state=LISTEN, wildcard=True)],
    )


def packets_page(app: Dashboard) -> PacketsView:
    """The page, which must be shown."""
    view = app.main_screen.view
    assert isinstance(view, PacketsView)
    return view


def packet_line(app: Dashboard, name: str) -> str:
    """One of the lines above the list: "choice", "counts"."""
    return packets_page(app).query_one(f"#packet-{name}", TextLine).text


def packet_list(app: Dashboard) -> PacketList:
    """The list of the page."""
    return packets_page(app).query_one(PacketList)


async def open_page(app: Dashboard, pilot: Pilot[int], *keys: str, snapshots: int = 3) -> FakePacketSource:
    """Presses the keys that lead to the page, after so many snapshots; the watch has begun then."""
    if snapshots:
        await take(app, pilot, *map(packets_snapshot, range(snapshots)))
    await pilot.press(*keys)
    await settle(pilot, lambda: isinstance(app.main_screen.view, PacketsView))
    source = app.source
    assert isinstance(source, FakePacketSource)
    await settle(pilot, lambda: source.watch is not None)
    return source
