"""Whatever a file holds, reading it ends with snapshots or with one line."""

from __future__ import annotations

import gzip
import struct
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netdash.errors import NetdashError
from netdash.model.snapshot import Snapshot
from netdash.sources.capture.counting import CaptureOptions
from netdash.sources.capture.interval_clock import SILENT_INTERVALS
from netdash.sources.capture.link_layer import SUPPORTED
from tests.unit.sources.capture_files import START_SECONDS, Pcapng, all_flows, frame, pcap, read_all

PACKETS = [(number * 0.1, frame("192.0.2.1", 40_000, "198.51.100.7", 443, size=60 + number)) for number in range(30)]


def valid_pcapng() -> bytes:
    file = Pcapng()
    for order in "<>":
        file.section(order)
        file.interface((2, b"eth0"), (9, b"\x09"))
        file.interface(link_type=101)
        for seconds, packet in PACKETS[:8]:
            ticks = START_SECONDS * 10**9 + round(seconds * 10**9)
            file.packet(packet, ticks, file.flags(1), (1, b"pid=1 process=x user=y"))
            file.packet(packet[14:], ticks // 1000, interface=1)
        file.block(5, bytes(12) + file.options((5, bytes(8))))
    return bytes(file.data)


VALID = {"pcap": pcap(PACKETS), "big-endian pcap": pcap(PACKETS, order=">", nano=True), "pcapng": valid_pcapng()}


def read_bytes(content: bytes) -> list[Snapshot]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "file"
        path.write_bytes(content)
        message = ""
        try:
            return read_all(path, CaptureOptions(max_flows=1024))
        except NetdashError as error:
            message = str(error)
        assert "\n" not in message
        return []


def packet_count(snapshots: list[Snapshot]) -> int:
    return sum(int(s.flows["rx_packets"].sum() + s.flows["tx_packets"].sum()) for s in snapshots)


@pytest.mark.parametrize("name", VALID)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_changed_bytes(name: str, data: st.DataObject) -> None:
    content = bytearray(VALID[name])
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    snapshots = read_bytes(bytes(content))
    # Each silence of up to 60 intervals is told interval by interval; damage does not make endless ones.
    assert len(snapshots) <= (len(PACKETS) + 8) * (SILENT_INTERVALS + 2)


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_changed_bytes_of_a_packed_file(data: st.DataObject) -> None:
    content = bytearray(gzip.compress(VALID["pcap"]))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    assert packet_count(read_bytes(bytes(content))) <= 2 * len(PACKETS)


@given(content=st.binary(max_size=600), link_type=st.sampled_from(SUPPORTED))
@settings(max_examples=40, deadline=None)
def test_any_bytes_as_packets(content: bytes, link_type: int) -> None:
    pieces = [(0.0, content[start : start + 64]) for start in range(0, len(content), 64)]
    assert packet_count(read_bytes(pcap(pieces, link_type=link_type))) == len(pieces)


@given(content=st.binary(max_size=400), order=st.sampled_from("<>"))
@settings(max_examples=40, deadline=None)
def test_any_bytes_behind_a_section(content: bytes, order: str) -> None:
    file = Pcapng()
    file.section(order)
    file.interface()
    read_bytes(bytes(file.data) + content)


@pytest.mark.parametrize("name", VALID)
def test_a_cut_file_is_read_up_to_the_cut(name: str) -> None:
    whole = read_bytes(VALID[name])
    counted = 0
    for cut in range(len(VALID[name]) - 1, 0, -97):
        snapshots = read_bytes(VALID[name][:cut])
        counted = packet_count(snapshots)
        assert counted <= packet_count(whole)
        if counted:
            assert all(0 <= s.interval < 100 for s in snapshots)
    snapshots = read_bytes(VALID[name][:-5])
    assert packet_count(snapshots) in (packet_count(whole) - 1, packet_count(whole))
    assert any("cut" in note for note in snapshots[-1].health.notes)


def test_a_cut_packed_file_is_read_up_to_the_cut() -> None:
    packed = gzip.compress(VALID["pcap"])
    assert packet_count(read_bytes(packed)) == len(PACKETS)
    snapshots = read_bytes(packed[:-12])
    assert packet_count(snapshots) > 0
    assert any("it is cut" in note for note in snapshots[-1].health.notes)
    # Packed files that follow each other are one, and padding behind them is nothing.
    half = len(VALID["pcap"]) // 2
    members = gzip.compress(VALID["pcap"][:half]) + gzip.compress(VALID["pcap"][half:]) + bytes(100)
    snapshots = read_bytes(members)
    assert packet_count(snapshots) == len(PACKETS)
    assert not snapshots[-1].health.notes


def test_damage_is_told_with_its_place() -> None:
    content = VALID["pcap"] + struct.pack("<IIII", START_SECONDS, 0, 0xFFFFFFF0, 60)
    snapshots = read_bytes(content)
    assert packet_count(snapshots) == len(PACKETS)
    assert f"damaged at byte {len(VALID['pcap'])}" in snapshots[-1].health.notes[0]


def test_a_wild_clock_makes_no_million_intervals() -> None:
    packet = PACKETS[0][1]
    times = [0.0, 3600.0 * 24 * 365 * 20, 1.0, 2.0]
    snapshots = read_bytes(pcap([(time, packet) for time in times]))
    assert packet_count(snapshots) == 4
    assert len(snapshots) < 10
    assert any("out of the order of time" in note for note in snapshots[-1].health.notes)


def test_a_packet_longer_than_the_reader_takes_at_a_time() -> None:
    long = frame("192.0.2.1", 40_000, "198.51.100.7", 443) + bytes(9 << 20)
    snapshots = read_bytes(pcap([(0.0, long), (0.5, PACKETS[0][1])]))
    assert packet_count(snapshots) == 2
    assert int(all_flows(snapshots)["tx_bytes"].sum()) == len(long) + len(PACKETS[0][1])
    assert any("longer than any Ethernet frame" in note for note in snapshots[-1].health.notes)


@pytest.mark.parametrize("head", [4, 20, 23])
def test_a_file_that_ends_in_its_header(head: int, tmp_path: Path) -> None:
    path = tmp_path / "file.pcap"
    path.write_bytes(VALID["pcap"][:head])
    with pytest.raises(NetdashError, match="cut within its first 24 bytes"):
        read_all(path)


def test_a_file_without_packets_is_told(tmp_path: Path) -> None:
    path = tmp_path / "file.pcap"
    path.write_bytes(pcap([]))
    with pytest.raises(NetdashError, match="has no packets"):
        read_all(path)
    path.write_bytes(pcap([(0.0, bytes(60))], link_type=105))
    with pytest.raises(NetdashError, match=r"only packets of 802\.11"):
        read_all(path)
