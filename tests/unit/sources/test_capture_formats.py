"""Totals equal an independent count by scapy, for files of every format that scapy writes."""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path
from typing import Protocol

import pytest

from netdash.sources.capture.counting import CaptureOptions
from tests.unit.sources.capture_files import Ends, Total, all_flows, read_all, totals_by_ends

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from scapy.layers.inet import ICMP, IP, TCP, UDP
    from scapy.layers.inet6 import IPv6
    from scapy.layers.l2 import CookedLinux, Dot1Q, Ether, Loopback
    from scapy.packet import Packet
    from scapy.utils import PcapNgWriter, PcapWriter, RawPcapReader

ENDS = [("192.0.2.1", "198.51.100.7"), ("10.0.0.5", "203.0.113.9")]


class Layers(Protocol):
    """Puts a link-layer header before an IP packet."""

    def __call__(self, packet: Packet) -> Packet: ...


def ip_packets() -> list[Packet]:
    packets: list[Packet] = []
    for number, (one, other) in enumerate(ENDS):
        for size in (0, 10, 700, 1400):
            packets += [
                IP(src=one, dst=other) / TCP(sport=40_000 + number, dport=443, flags="A") / (b"x" * size),
                IP(src=other, dst=one) / TCP(sport=443, dport=40_000 + number, flags="PA") / (b"y" * size),
                IP(src=one, dst=other) / UDP(sport=5000, dport=53) / (b"z" * size),
                IPv6(src="2001:db8::1", dst="2001:db8::2") / TCP(sport=22, dport=50_000) / (b"v" * size),
            ]
    return packets


LINKS: dict[int, tuple[Layers, int, int]] = {
    1: (lambda packet: Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / packet, 0, 14),
    101: (lambda packet: packet, 0, 0),
    113: (lambda packet: CookedLinux(pkttype=4, lladdrtype=1, lladdrlen=6) / packet, 16, 14),
    0: (lambda packet: Loopback(type=2 if packet.haslayer(IP) else 28) / packet, 4, 0),
}
"""By link type: the header, its bytes that are none of the wire, and the bytes of the real header."""


def expected(path: Path, pseudo_bytes: int, link_bytes: int) -> dict[Ends, Total]:
    packets: Counter[Ends] = Counter()
    octets: Counter[Ends] = Counter()
    header_bytes = pseudo_bytes or link_bytes
    with RawPcapReader(str(path)) as reader:
        for data, meta in reader:
            layer = IP if data[header_bytes] >> 4 == 4 else IPv6
            network = layer(data[header_bytes:])
            transport = network[TCP] if network.haslayer(TCP) else network[UDP]
            ends: Ends = (
                "6" if network.haslayer(TCP) else "17",
                frozenset({(network.src, transport.sport), (network.dst, transport.dport)}),
            )
            packets[ends] += 1
            octets[ends] += len(data) - pseudo_bytes + (link_bytes if pseudo_bytes else 0)
            assert meta.wirelen == len(data)
    return {ends: Total(packets[ends], octets[ends]) for ends in packets}


@pytest.mark.parametrize("link_type", LINKS)
@pytest.mark.parametrize(("order", "nano", "packed"), [("<", False, False), (">", True, False), ("<", True, True)])
def test_classic_files(tmp_path: Path, link_type: int, order: str, nano: bool, packed: bool) -> None:
    layers, pseudo_bytes, link_bytes = LINKS[link_type]
    path = tmp_path / "file.pcap"
    writer = PcapWriter(str(path), linktype=link_type, endianness=order, nano=nano, gz=packed, sync=True)
    for number, packet in enumerate(ip_packets()):
        framed = layers(packet)
        framed.time = 1_700_000_000 + number * 0.25
        writer.write(framed)
    writer.close()
    snapshots = read_all(path)
    assert totals_by_ends(all_flows(snapshots)) == expected(path, pseudo_bytes, link_bytes)
    assert snapshots[0].interval == 0
    assert len(snapshots) - 1 == len(ip_packets()) * 0.25
    assert snapshots[-1].time == pytest.approx(1_700_000_000 + (len(ip_packets()) - 1) * 0.25, abs=1e-6)
    assert not any(snapshot.health.notes for snapshot in snapshots)


def test_a_pcapng_file(tmp_path: Path) -> None:
    path = tmp_path / "file.pcapng"
    writer = PcapNgWriter(str(path))
    for number, packet in enumerate(ip_packets()):
        framed = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / packet
        framed.time = 1_700_000_000 + number * 0.25
        writer.write(framed)
    writer.close()
    assert totals_by_ends(all_flows(read_all(path))) == expected(path, 0, 14)


def test_tags_and_cut_packets_count_with_their_whole_length(tmp_path: Path) -> None:
    path = tmp_path / "file.pcap"
    whole = bytes(Ether() / Dot1Q(vlan=7) / IP(src="192.0.2.1", dst="192.0.2.2") / UDP(sport=9, dport=7) / (b"x" * 900))
    writer = PcapWriter(str(path), linktype=1, sync=True)
    writer.write_header(None)
    writer.write_packet(whole[:60], sec=1, usec=0, caplen=60, wirelen=len(whole))
    writer.close()
    (flow,) = all_flows(read_all(path))
    assert (flow["vlan"], flow["tx_bytes"] + flow["rx_bytes"]) == (0x1007, len(whole))
    assert {int(flow["local_port"]), int(flow["remote_port"])} == {9, 7}


def test_sizes_and_protocols(tmp_path: Path) -> None:
    path = tmp_path / "file.pcap"
    writer = PcapWriter(str(path), linktype=1, sync=True)
    packets = [Ether(dst="ff:ff:ff:ff:ff:ff") / IP(src="192.0.2.1", dst="192.0.2.255") / UDP(sport=9, dport=7)]
    packets += [Ether(dst="02:00:00:00:00:02") / IP(src="192.0.2.1", dst="192.0.2.2") / ICMP()] * 3
    for packet in packets:
        packet.time = 1
        writer.write(packet)
    writer.close()
    protocols = read_all(path, CaptureOptions())[-1].protocols["capture"]
    assert protocols.broadcast.rx_packets == 1
    assert protocols.icmp.tx_packets == 3
    assert sum(bucket.rx_packets + bucket.tx_packets for bucket in protocols.sizes) == 4
