"""Stations of capture files: the address at the other end of each packet, where Ethernet headers were recorded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import ARP, CookedLinux, Ether
from scapy.packet import Packet
from scapy.utils import PcapWriter

from netdash.model.merge import merge
from netdash.model.stations import mac_text
from tests.unit.sources.capture_files import read_all

HERE, ROUTER, OTHER = "02:00:00:00:00:01", "02:00:00:00:00:fe", "02:00:00:00:00:03"
ASKED = IP(src="192.0.2.1", dst="203.0.113.9") / TCP(sport=40_000, dport=443, flags="A") / (b"x" * 46)
ANSWERED = IP(src="203.0.113.9", dst="192.0.2.1") / TCP(sport=443, dport=40_000, flags="A") / (b"x" * 946)


def stations(path: Path, packets: Sequence[Packet], link_type: int = 1) -> dict[str, tuple[int, ...]]:
    """Received packets, bytes and IP packets, then sent ones, by address."""
    writer = PcapWriter(str(path), linktype=link_type, sync=True)
    for number, packet in enumerate(packets):
        packet.time = 1_700_000_000 + number * 0.4
        writer.write(packet)
    writer.close()
    total, *others = read_all(path)[1:]
    for other in others:
        total = merge(total, other)
    figures = [f"{way}_{name}" for way in ("rx", "tx") for name in ("packets", "bytes", "ip_packets")]
    return {mac_text(row["mac"].tobytes()): tuple(int(row[name]) for name in figures) for row in total.stations}


def test_both_directions_and_what_is_not_ip(tmp_path: Path) -> None:
    packets = [
        Ether(src=HERE, dst=ROUTER) / ASKED,
        Ether(src=ROUTER, dst=HERE) / ANSWERED,
        Ether(src=ROUTER, dst=HERE) / ANSWERED,
        Ether(src=OTHER, dst="ff:ff:ff:ff:ff:ff") / ARP(),
        Ether(src=ROUTER, dst="ff:ff:ff:ff:ff:ff") / ARP(),
    ]
    assert stations(tmp_path / "file.pcap", packets) == {
        ROUTER: (3, 2 * 1000 + 42, 2, 1, 100, 1),
        OTHER: (1, 42, 0, 0, 0, 0),
    }


def test_cut_frames_have_no_station_but_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "file.pcap"
    writer = PcapWriter(str(path), linktype=1, sync=True)
    writer.write_header(None)
    for _ in range(2):
        writer.write_packet(bytes(Ether(src=OTHER, dst=HERE))[:10], sec=1, usec=0, caplen=10, wirelen=60)
    writer.close()
    (row,) = read_all(path)[-1].stations
    assert (row["mac"].any(), int(row["rx_packets"]), int(row["rx_bytes"])) == (False, 2, 120)


@pytest.mark.parametrize(("link_type", "layer"), [(113, CookedLinux()), (101, None)])
def test_without_ethernet_headers_there_are_none(tmp_path: Path, link_type: int, layer: Packet | None) -> None:
    packets = [ASKED if layer is None else layer / ASKED]
    assert stations(tmp_path / "file.pcap", packets, link_type) == {}
