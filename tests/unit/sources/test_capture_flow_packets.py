"""Packets of a watch, taken out of a capture file for a closer look."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from netdash.model.local_nets import LocalNets
from netdash.model.packets import LINK_ETHERNET, LINK_RAW_IP, PacketWatch, WatchedPort, watched_flow
from netdash.sources.capture.counting import CaptureOptions
from netdash.sources.capture.file import CaptureFile
from netdash.sources.capture.flow_packets import packets_of
from netdash.sources.open_file import open_file
from tests.unit.sources.capture_files import START_SECONDS, all_flows, frame, pcap, read_all

CLIENT, SERVER, OTHER = ("192.0.2.1", 40_000), ("198.51.100.7", 443), ("192.0.2.1", 40_001)


@contextmanager
def opened(path: Path) -> Iterator[CaptureFile]:
    with closing(CaptureFile(open_file(str(path)))) as file:
        yield file


def write(tmp_path: Path, packets: list[tuple[float, bytes]], link_type: int = 1) -> Path:
    path = tmp_path / "trace.pcap"
    path.write_bytes(pcap(packets, link_type=link_type))
    return path


def test_both_directions_with_time_and_bytes(tmp_path: Path) -> None:
    there, back = frame(*CLIENT, *SERVER, size=100), frame(*SERVER, *CLIENT, size=1000)
    path = write(tmp_path, [(0, there), (0.5, frame(*OTHER, *SERVER)), (1, back), (2, there)])
    flow = next(row for row in all_flows(read_all(path)) if row["local_port"] == CLIENT[1])
    watched = watched_flow(flow)
    assert watched is not None
    watch = PacketWatch(flows=(watched,))
    with opened(path) as file:
        found = packets_of(file, watch)
        assert [packet.data for packet in found.packets] == [there, back, there]
        assert [packet.time_ns - START_SECONDS * 10**9 for packet in found.packets] == [0, 10**9, 2 * 10**9]
        assert [packet.outgoing for packet in found.packets] == [True, False, True]
        assert {packet.link for packet in found.packets} == {LINK_ETHERNET}
        assert not found.more
        part = packets_of(file, watch, 1, from_ns=(START_SECONDS + 1) * 10**9)
        assert [packet.data for packet in part.packets] == [back]
        assert part.more
        turned = packets_of(file, watch, local_nets=LocalNets.parse(("198.51.100.0/24",)))
        assert [packet.outgoing for packet in turned.packets] == [False, True, False]


def test_an_echo_and_its_answer(tmp_path: Path) -> None:
    def echo(source: str, destination: str, kind: int, identifier: int) -> bytes:
        head = frame(source, 0, destination, 0, size=54)[:34]
        return head[:23] + b"\x01" + head[24:] + struct.pack("!BBHHH", kind, 0, 0, identifier, 1)

    request, reply = echo(CLIENT[0], SERVER[0], 8, 77), echo(SERVER[0], CLIENT[0], 0, 77)
    path = write(tmp_path, [(0, request), (0, reply), (0, echo(CLIENT[0], SERVER[0], 8, 78))])
    flow = next(row for row in all_flows(read_all(path, CaptureOptions())) if row["local_port"] == 77)
    watched = watched_flow(flow)
    assert watched is not None
    watch = PacketWatch(flows=(watched,))
    with opened(path) as file:
        assert [packet.data for packet in packets_of(file, watch).packets] == [request, reply]


def test_headers_that_were_never_on_the_wire_are_left_out(tmp_path: Path) -> None:
    packet = frame(*CLIENT, *SERVER)[14:]
    cooked = struct.pack("!HHH8sH", 4, 1, 6, bytes(8), 0x0800) + packet
    path = write(tmp_path, [(0, cooked)], link_type=113)
    watched = watched_flow(all_flows(read_all(path))[0])
    assert watched is not None
    watch = PacketWatch(flows=(watched,))
    with opened(path) as file:
        (found,) = packets_of(file, watch).packets
    assert (found.data, found.length, found.link, found.outgoing) == (packet, len(packet), LINK_RAW_IP, True)


def test_of_several_flows_of_a_port_of_an_interface_and_all(tmp_path: Path) -> None:
    there, back = frame(*CLIENT, *SERVER, size=100), frame(*SERVER, *CLIENT, size=1000)
    others = frame(*OTHER, *SERVER)
    path = write(tmp_path, [(0, there), (0.5, others), (1, back)])
    flows = tuple(flow for row in all_flows(read_all(path)) if (flow := watched_flow(row)) is not None)

    def data_of(watch: PacketWatch, limit: int = 10) -> list[bytes]:
        return [packet.data for packet in packets_of(file, watch, limit).packets]

    with opened(path) as file:
        assert data_of(PacketWatch(flows=flows)) == [there, others, back]
        assert data_of(PacketWatch(ports=(WatchedPort(6, OTHER[1]),))) == [others]
        assert data_of(PacketWatch(ports=(WatchedPort(17, OTHER[1]),))) == []
        assert data_of(PacketWatch(everything=True, ifindex=1)) == [there, others, back]
        assert data_of(PacketWatch(everything=True, ifindex=2)) == []
        assert data_of(PacketWatch(everything=True), 2) == [there, others]


def test_bytes_are_bounded_and_a_reader_may_give_up(tmp_path: Path) -> None:
    large = frame(*CLIENT, *SERVER, size=60_000)
    path = write(tmp_path, [(number / 1000, large) for number in range(400)])
    everything = PacketWatch(everything=True)
    with opened(path) as file:
        found = packets_of(file, everything)
        assert found.more
        assert len(found.packets) == (16 << 20) // 60_000
        assert packets_of(file, everything, is_over=lambda: True).packets == ()
