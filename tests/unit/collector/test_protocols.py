from __future__ import annotations

from dataclasses import fields

import numpy as np

from netdash.collector.protocols import EMPTY_SIZES, interface_protocols
from netdash.kernel.raw_flow import PACKET_BROADCAST, PACKET_MULTICAST, SIZE_COUNTS, RawCounts
from netdash.model.snapshot import InterfaceProtocols, Traffic
from tests.unit.collector.test_flows import incoming, outgoing, raw


def of_eth0(counts: RawCounts) -> InterfaceProtocols:
    return interface_protocols(counts, {2: "eth0"})["eth0"]


def test_each_packet_counts_in_its_family_and_its_protocol() -> None:
    found = of_eth0(
        raw(
            outgoing(bytes=100),
            incoming(bytes=60, wire_packets=3),
            incoming(bytes=50, protocol=17, ethertype=0x86DD),
            incoming(bytes=40, protocol=58, ethertype=0x86DD),
            incoming(bytes=30, protocol=132),
            incoming(bytes=20, protocol=0, ethertype=0x0806, packet_type=PACKET_BROADCAST),
        )
    )
    assert found.ipv4 == Traffic(4, 90, 1, 100)
    assert found.ipv6 == Traffic(2, 90, 0, 0)
    assert found.tcp == Traffic(3, 60, 1, 100)
    assert found.udp == Traffic(1, 50, 0, 0)
    assert found.icmp == Traffic(1, 40, 0, 0)
    assert found.other_ip == Traffic(1, 30, 0, 0)
    assert found.non_ip == found.broadcast == Traffic(1, 20, 0, 0)


def test_sent_broadcast_and_multicast_are_told_by_their_address() -> None:
    found = of_eth0(
        raw(
            outgoing(bytes=1, destination="255.255.255.255"),
            outgoing(bytes=2, destination="224.0.0.251"),
            outgoing(bytes=4, destination="ff02::1", ethertype=0x86DD),
            incoming(bytes=8, packet_type=PACKET_MULTICAST),
            outgoing(bytes=16, destination="10.0.0.9"),
        )
    )
    assert found.broadcast == Traffic(0, 0, 1, 1)
    assert found.multicast == Traffic(1, 8, 2, 6)


def test_interfaces_are_kept_apart_and_idle_ones_are_there() -> None:
    found = interface_protocols(
        raw(outgoing(bytes=1, ifindex=3), outgoing(bytes=2, ifindex=99)), {2: "eth0", 3: "eth1"}
    )
    assert found["eth0"] == InterfaceProtocols(sizes=EMPTY_SIZES)
    assert found["eth1"].tcp == Traffic(0, 0, 1, 1)
    assert set(found) == {"eth0", "eth1"}


def test_sizes_by_direction() -> None:
    sizes = np.zeros(2, SIZE_COUNTS)
    sizes["ifindex"], sizes["outgoing"] = 2, (0, 1)
    sizes["packets"][0][0], sizes["packets"][1][20] = 5, 7
    counts = raw()
    found = of_eth0(RawCounts(counts.keys, counts.values, sizes, 0)).sizes
    assert (found[0].first, found[0].last, found[0].rx_packets, found[0].tx_packets) == (1, 75, 5, 0)
    assert (found[20].first, found[20].last, found[20].tx_packets) == (1501, 1518, 7)
    assert (found[-1].first, found[-1].last) == (9019, None)
    assert sum(b.rx_packets + b.tx_packets for b in found) == 12


def test_without_interfaces_there_is_nothing() -> None:
    assert interface_protocols(raw(outgoing()), {}) == {}
    assert {f.name for f in fields(InterfaceProtocols)} >= {"ipv4", "sizes"}
