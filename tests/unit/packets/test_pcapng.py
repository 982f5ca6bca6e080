"""Capture files: read back block by block, and by the programs that will read them where they are installed."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from netdash.errors import NetdashError
from netdash.model.packet_comment import ProcessNote
from netdash.model.packets import LINK_RAW_IP, WatchedPacket
from netdash.packets.pcapng import write_pcapng
from tests.unit.packets.test_decode import SYN
from tests.unit.sources.capture_files import frame, read_all

TIME_NS = 1_700_000_000_123_456_789
CURL = ProcessNote(4711, "curl", "www-data")
PACKETS = (
    WatchedPacket(TIME_NS, 2, 0, 1514, SYN, 0x1000 | 5),
    WatchedPacket(TIME_NS + 1, 2, 4, len(SYN), SYN),
    WatchedPacket(TIME_NS + 2_000_000_000, 7, 3, len(SYN) - 14, SYN[14:], 0, LINK_RAW_IP),
)


def write(path: Path) -> None:
    assert write_pcapng(path, PACKETS, {2: "eth0"}, lambda p: CURL if p.outgoing else None) == 3


def blocks(data: bytes) -> Iterator[tuple[int, bytes]]:
    place = 0
    while place < len(data):
        kind, size = struct.unpack_from("<II", data, place)
        assert size % 4 == 0
        assert struct.unpack_from("<I", data, place + size - 4) == (size,)
        yield kind, data[place + 8 : place + size - 4]
        place += size
    assert place == len(data)


def options(data: bytes) -> dict[int, bytes]:
    found = {}
    place = 0
    while (head := struct.unpack_from("<HH", data, place)) != (0, 0):
        found[head[0]] = data[place + 4 : place + 4 + head[1]]
        place += 4 + -(-head[1] // 4) * 4
    assert place + 4 == len(data)
    return found


def test_every_block(tmp_path: Path) -> None:
    path = tmp_path / "out.pcapng"
    write(path)
    assert path.stat().st_mode & 0o777 == 0o600
    section, eth0, first, second, other, third = blocks(path.read_bytes())
    assert (section[0], section[1][:8]) == (0x0A0D0D0A, struct.pack("<IHH", 0x1A2B3C4D, 1, 0))
    assert (eth0[0], struct.unpack_from("<H", eth0[1])[0], options(eth0[1][8:])) == (1, 1, {2: b"eth0", 9: b"\x09"})
    assert (struct.unpack_from("<H", other[1])[0], options(other[1][8:])[2]) == (101, b"if7")
    wanted = (
        (0, 1518, 4, 5, None),
        (0, len(SYN), 0, 2, b"pid=4711 process=curl user=www-data"),
        (1, len(SYN) - 14, 0, 17, None),
    )
    for (kind, body), packet, (interface, length, tag, flags, comment) in zip(
        (first, second, third), PACKETS, wanted, strict=True
    ):
        number, high, low, kept, original = struct.unpack_from("<5I", body)
        assert (kind, number, high << 32 | low, original) == (6, interface, packet.time_ns, length)
        assert kept == len(packet.data) + tag
        found = options(body[20 + -(-kept // 4) * 4 :])
        assert (struct.unpack("<I", found[2])[0], found.get(1)) == (flags, comment)
    assert first[1][20 + 12 : 20 + 16] == b"\x81\x00\x00\x05"


@pytest.mark.parametrize("program", ["tshark", "capinfos", "tcpdump"])
def test_other_programs_open_it(tmp_path: Path, program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    path = tmp_path / "out.pcapng"
    # tcpdump takes files of one link type only.
    write_pcapng(path, PACKETS[:2], {2: "eth0"}, lambda p: CURL)
    fields = ["-T", "fields", "-e", "frame.time_epoch", "-e", "frame.comment", "-e", "frame.interface_name"]
    arguments = {
        "tshark": ["-n", "-r", str(path), *fields],
        "capinfos": ["-c", "-M", str(path)],
        "tcpdump": ["-n", "-tt", "--nano", "-r", str(path)],
    }[program]
    done = subprocess.run([program, *arguments], check=True, capture_output=True, text=True)
    assert ("1700000000.123456789" in done.stdout) == (program != "capinfos")
    if program == "tshark":
        assert done.stdout.count("pid=4711 process=curl user=www-data\teth0") == 2


def test_an_error_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "out.pcapng"
    path.write_bytes(b"old")

    def broken() -> Iterator[WatchedPacket]:
        yield PACKETS[0]
        raise OSError(28, "No space left on device")

    with pytest.raises(NetdashError, match="No space left on device"):
        write_pcapng(path, broken(), {})
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(NetdashError, match="choose another directory"):
        write_pcapng(tmp_path / "missing" / "x.pcapng", PACKETS, {})


def test_not_to_replace_a_file_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    for name in ("links", "no links"):
        if name == "no links":
            monkeypatch.setattr("os.link", no_links)
        path = tmp_path / name
        assert write_pcapng(path, PACKETS, {}, replace=False) == 3
        written = path.read_bytes()
        with pytest.raises(NetdashError, match="there is such a file by now"):
            write_pcapng(path, PACKETS[:1], {}, replace=False)
        assert path.read_bytes() == written
    assert sorted(each.name for each in tmp_path.iterdir()) == ["links", "no links"]


def test_names_of_processes_come_back_from_the_file(tmp_path: Path) -> None:
    """Written here, read as a capture file: direction and process of every flow."""
    path = tmp_path / "out.pcapng"
    notes = [ProcessNote(4711, "Web Content [1] \N{SNOWMAN}", "www-data"), ProcessNote(12, "x" * 64), None]
    notes.append(ProcessNote(None, "kernel"))
    packets = [
        WatchedPacket(
            TIME_NS + number, 2, 4 if number % 2 else 0, 100, frame("192.0.2.1", 40_000 + number, "198.51.100.7", 443)
        )
        for number in range(len(notes))
    ]
    by_time = {packet.time_ns: note for packet, note in zip(packets, notes, strict=True)}
    write_pcapng(path, packets, {2: "eth0"}, lambda packet: by_time[packet.time_ns])
    (last,) = (snapshot for snapshot in read_all(path) if snapshot.interval > 0)
    assert [interface.name for interface in last.interfaces] == ["eth0"]
    names = {process.pid: (process.name, process.user) for process in last.processes}
    assert names == {note.pid: (note.process, note.user) for note in notes if note is not None and note.pid}
    # A received packet comes from the remote end.
    for number, note in enumerate(notes):
        sender = "local_port" if number % 2 else "remote_port"
        (row,) = last.flows[last.flows[sender] == 40_000 + number]
        assert int(row["pid"]) == (note.pid if note is not None and note.pid else -1)
        assert (int(row["tx_packets"]), int(row["rx_packets"])) == ((1, 0) if number % 2 else (0, 1))
