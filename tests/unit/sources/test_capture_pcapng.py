"""pcapng beyond what scapy writes: sections, interfaces, clocks, options, and blocks that nobody knows."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from netdash.errors import NetdashError
from netdash.model.select import InterfaceSelection
from netdash.model.snapshot import Snapshot
from netdash.model.tables import Attribution, address_text
from netdash.sources.capture.counting import CaptureOptions
from tests.unit.sources.capture_files import START_SECONDS, Pcapng, all_flows, frame, read_all

CLIENT, SERVER = "192.0.2.1", "198.51.100.7"
TICKS = START_SECONDS * 10**6


def there(size: int = 100) -> bytes:
    return frame(CLIENT, 40_000, SERVER, 443, size=size)


def back(size: int = 100) -> bytes:
    return frame(SERVER, 443, CLIENT, 40_000, size=size)


def read(tmp_path: Path, file: Pcapng, options: CaptureOptions | None = None) -> list[Snapshot]:
    path = tmp_path / "file.pcapng"
    path.write_bytes(file.data)
    return read_all(path, options)


@pytest.mark.parametrize("order", ["<", ">"])
def test_interfaces_have_names_clocks_and_link_types_of_their_own(tmp_path: Path, order: str) -> None:
    file = Pcapng()
    file.section(order)
    file.interface((2, b"eth0"), (9, b"\x09"))
    file.interface((2, b"tun0"), (9, b"\x80\x00"[:1]), (14, struct.pack(f"{order}q", START_SECONDS)), link_type=101)
    file.packet(there(), START_SECONDS * 10**9)
    file.packet(back(), START_SECONDS * 10**9 + 500_000_000)
    file.packet(there(500)[14:], 3, interface=1)
    snapshots = read(tmp_path, file)
    assert [interface.name for interface in snapshots[0].interfaces] == ["eth0", "tun0"]
    assert [snapshot.time - START_SECONDS for snapshot in snapshots] == [0, 1, 2, 3, pytest.approx(3.1)]
    eth0, tun0 = snapshots[1].interfaces
    assert (eth0.tx_bytes, eth0.rx_bytes, tun0.tx_bytes) == (100, 100, 0)
    assert snapshots[4].interfaces[1].tx_bytes == 486


def test_sections_in_both_byte_orders_share_interfaces_of_one_name(tmp_path: Path) -> None:
    file = Pcapng()
    for order in "<><":
        file.section(order)
        file.interface((2, b"eth0"))
        file.packet(there(), TICKS)
    last = read(tmp_path, file)[-1]
    assert [interface.name for interface in last.interfaces] == ["eth0"]
    assert int(last.flows["tx_packets"].sum()) == 3


def test_interfaces_of_one_name_and_several_link_types_are_told_apart(tmp_path: Path) -> None:
    """Their protocols are found by name."""
    file = Pcapng()
    file.section()
    for name in (b"eth0", b"eth0#2", b"x" * 40):
        file.interface((2, name))
        file.interface((2, name), link_type=101)
    file.packet(there(), TICKS)
    file.packet(there()[14:], TICKS, interface=1)
    last = read(tmp_path, file)[-1]
    names = [interface.name for interface in last.interfaces]
    assert names == ["eth0", "eth0#2", "eth0#2#2", "eth0#2#3", "x" * 32, "x" * 27 + "#2"]
    assert len(set(names)) == 6
    assert [last.protocols[name].ipv4.tx_bytes for name in names[:3]] == [100, 86, 0]


def test_unknown_blocks_and_old_packet_blocks(tmp_path: Path) -> None:
    file = Pcapng()
    file.section()
    file.block(0x0BAD, b"whatever")
    file.interface()
    file.interface((2, b"second"))
    packet = there()
    file.block(2, struct.pack("<HHIIII", 1, 7, TICKS >> 32, TICKS & 0xFFFFFFFF, 100, 100) + packet)
    file.block(0x0A, b"\x00" * 8)
    last = read(tmp_path, file)[-1]
    assert [interface.tx_bytes for interface in last.interfaces] == [0, 100]


def test_simple_packets_are_cut_to_the_snap_length_and_have_the_time_of_the_one_before(tmp_path: Path) -> None:
    file = Pcapng()
    file.section()
    file.interface(snap_length=60)
    file.packet(there(60), TICKS + 5_000_000, length=100)
    file.block(3, struct.pack("<I", 1000) + there(60))
    last = read(tmp_path, file)[-1]
    assert last.flows["tx_bytes"].tolist() == [1100]
    assert last.time == pytest.approx(START_SECONDS + 5.1)


def test_flags_tell_the_direction_against_the_ports(tmp_path: Path) -> None:
    file = Pcapng()
    file.section()
    file.interface()
    file.packet(back(), TICKS, file.flags(2))
    file.packet(there(300), TICKS, file.flags(1))
    (flow,) = read(tmp_path, file)[-1].flows
    assert address_text(flow["local"].tobytes()) == SERVER
    assert (flow["tx_bytes"], flow["rx_bytes"]) == (100, 300)


def test_comments_of_netdash_name_the_process(tmp_path: Path) -> None:
    file = Pcapng()
    file.section()
    file.interface()
    file.packet(there(), TICKS, (1, b"pid=123 process=my%20curl\x1b[2J user=alice"))
    file.packet(back(), TICKS)
    file.packet(frame(CLIENT, 50_000, SERVER, 80), TICKS, (1, b"a remark of somebody"))
    last = read(tmp_path, file)[-1]
    owners = dict(zip(last.flows["remote_port"].tolist(), last.flows["pid"].tolist(), strict=True))
    assert owners == {443: 123, 80: -1}
    assert set(last.flows["attribution"].tolist()) == {Attribution.SOCKET, Attribution.NONE}
    (process,) = last.processes
    assert (process.name, process.user, process.rx_bytes, process.tx_bytes) == ("my curl·[2J", "alice", 100, 100)
    assert last.mode.processes == "exact"
    assert last.accounting["if0"].attributed_bytes == 200
    assert last.accounting["if0"].unattributed_bytes == 100
    assert last.accounting["if0"].kernel_bytes is None


def test_refused_link_types_are_named_and_the_others_go_on(tmp_path: Path) -> None:
    file = Pcapng()
    file.section()
    file.interface((2, b"wlan0"), link_type=127)
    file.interface((2, b"eth0"))
    file.packet(bytes(100), TICKS)
    file.packet(there(), TICKS, interface=1)
    last = read(tmp_path, file)[-1]
    assert [interface.name for interface in last.interfaces] == ["eth0"]
    assert last.health.notes == ("wlan0: 802.11 (radiotap) is not supported; its packets are left out",)
    assert int(last.flows["tx_packets"].sum()) == 1


def test_packets_that_the_capture_lost_are_told(tmp_path: Path) -> None:
    file = Pcapng()
    file.section()
    file.interface()
    for drops in (3, 5):
        file.packet(there(), TICKS)
        file.block(5, struct.pack("<III", 0, 0, 0) + file.options((5, struct.pack("<Q", drops))))
    assert sum(snapshot.health.lost_packets for snapshot in read(tmp_path, file)) == 5


def test_one_interface_alone_and_one_that_is_not_there(tmp_path: Path) -> None:
    file = Pcapng()
    file.section()
    for name in (b"eth0", b"eth1"):
        file.interface((2, name))
    file.packet(there(), TICKS)
    file.packet(there(200), TICKS, interface=1)
    last = read(tmp_path, file, CaptureOptions(selection=InterfaceSelection(("eth1",))))[-1]
    assert [interface.name for interface in last.interfaces] == ["eth1"]
    assert all_flows([last])["tx_bytes"].tolist() == [200]
    with pytest.raises(NetdashError, match=r"matches 'wlan0'; there are: eth0, eth1"):
        read(tmp_path, file, CaptureOptions(selection=InterfaceSelection(("wlan0",))))


def test_cooked_v2_packets_name_their_interfaces(tmp_path: Path) -> None:
    file = Pcapng()
    file.section()
    file.interface((2, b"any"), link_type=276)
    for ifindex, packet_type in ((2, 4), (3, 0)):
        cooked = struct.pack("!HHIHBB8s", 0x0800, 0, ifindex, 1, packet_type, 6, bytes(8))
        file.packet(cooked + there()[14:], TICKS)
    last = read(tmp_path, file)[-1]
    assert [(i.name, i.rx_bytes, i.tx_bytes) for i in last.interfaces] == [("if2", 0, 100), ("if3", 100, 0)]
