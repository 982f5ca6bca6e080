"""Traffic by MAC address, to the byte, from both packet counters."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time

import pytest

from netdash.collector.stations import ethernet_indices, station_rows
from netdash.kernel.raw_flow import PacketCounter
from tests.integration.counted_traffic import endpoint, ethernet, raw_sender, udp_pair
from tests.integration.test_packet_watch import LAYERS
from tests.namespaces import Lab, Port, run_in
from tests.unit.model.builders import interface

pytestmark = pytest.mark.root

_UDP_HEADERS = 14 + 20 + 8
_ARP = 0x0806
_OTHERS = [f"02:00:00:00:01:{n:02x}" for n in range(3)]

Totals = dict[str, tuple[int, ...]]
_FIGURES = ("rx_packets", "rx_bytes", "tx_packets", "tx_bytes", "rx_ip_packets", "tx_ip_packets")
_NOTHING = (0,) * len(_FIGURES)


async def stations(counter: PacketCounter, port: Port, packets: int) -> Totals:
    """_FIGURES by address, when so many packets have been counted."""
    interfaces = [
        dataclasses.replace(interface("lo", 1), kind="loopback", mac="00:00:00:00:00:00"),
        dataclasses.replace(interface(port.interface, port.index), mac=port.mac),
    ]
    totals: Totals = {}
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and sum(t[0] + t[2] for t in totals.values()) < packets:
        counter.switch()
        for row in station_rows(await counter.drain(), ethernet_indices(interfaces)):
            mac = row["mac"].tobytes().hex(":")
            old = totals.get(mac, _NOTHING)
            totals[mac] = tuple(int(row[name]) + before for name, before in zip(_FIGURES, old, strict=True))
        await asyncio.sleep(0.01)
    return totals


@pytest.mark.parametrize("layer", sorted(LAYERS))
async def test_ip_and_other_frames_of_several_stations(lab: Lab, layer: str) -> None:
    with contextlib.closing(run_in(lab.b.namespace, LAYERS[layer])) as counter:
        client, server = udp_pair(lab.a, lab.b)
        with client, server, raw_sender(lab.a) as sender:
            for _ in range(7):
                client.send(bytes(100))
                server.sendto(bytes(500), endpoint(client))
            for size, mac in enumerate(_OTHERS):
                frame = ethernet(dataclasses.replace(lab.a, mac=mac), lab.b, _ARP, bytes(46 + size))
                sender.send(frame)
                sender.send(frame)
        here = Port(lab.b.namespace, "lo", 1, "", "127.0.0.1", "::1")
        local, other = udp_pair(here, here)
        with local, other:
            local.send(b"on the loopback device")
        totals = await stations(counter, lab.b, 20)
    expected: Totals = {mac: (2, 2 * (60 + size), 0, 0, 0, 0) for size, mac in enumerate(_OTHERS)}
    expected[lab.a.mac] = (7, 7 * (_UDP_HEADERS + 100), 7, 7 * (_UDP_HEADERS + 500), 7, 7)
    assert totals == expected


@pytest.mark.parametrize("layer", sorted(LAYERS))
async def test_more_stations_than_there_is_room_for(lab: Lab, layer: str) -> None:
    """What finds no row of its own counts for the address zero."""
    count = 5000
    with contextlib.closing(run_in(lab.b.namespace, LAYERS[layer])) as counter, raw_sender(lab.a) as sender:
        for number in range(count):
            mac = (0x02_00_01_00_00_00 + number).to_bytes(6, "big").hex(":")
            sender.send(ethernet(dataclasses.replace(lab.a, mac=mac), lab.b, _ARP, bytes(46)))
        totals = await stations(counter, lab.b, count)
    assert sum(t[0] for t in totals.values()) == count
    assert sum(t[1] for t in totals.values()) == count * 60
    assert set(totals) <= {
        "00:00:00:00:00:00",
        *((0x02_00_01_00_00_00 + n).to_bytes(6, "big").hex(":") for n in range(count)),
    }
