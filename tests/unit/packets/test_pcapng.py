"""Capture files: read back block by block, and by the programs that will read them where they are installed."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netdash.errors import NetdashError
from netdash.model.packets import LINK_RAW_IP, WatchedPacket
from netdash.packets.pcapng import write_pcapng
from netdash.packets.process_comment import ProcessNote, parse_process_comment, process_comment
from tests.unit.packets.test_decode import SYN

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


def test_a_comment_in_its_documented_form() -> None:
    assert process_comment(ProcessNote(1, "a b=c%\n[x]", "")) == "pid=1 process=a%20b%3Dc%25%0A%5Bx%5D"
    assert parse_process_comment("note pid=12 process=kworker/0:1 user=root more=x") == ProcessNote(
        12, "kworker/0:1", "root"
    )
    assert parse_process_comment("captured by hand") is None


@given(
    pid=st.none() | st.integers(0, 2**31 - 1),
    name=st.text(st.characters(categories=("L", "N", "P", "Zs")), max_size=200),
)
def test_comments_come_back(pid: int | None, name: str) -> None:
    note = ProcessNote(pid, name)
    assert parse_process_comment(process_comment(note)) == (note if pid is not None or name else None)


@given(st.text(max_size=300))
def test_hostile_comments(text: str) -> None:
    found = parse_process_comment(text)
    assert found is None or found.process.isprintable() or "·" in found.process
