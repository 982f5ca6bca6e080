"""How fast capture files are read, beside tshark and tcpdump, each on one CPU."""

from __future__ import annotations

import gzip
import random
import shutil
import struct
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.processes import Cost, run_to_end
from bench.report import Section, Table, Verdict, count, mebibytes, ratio
from bench.setting import Setting

_FLOWS = 1000
_PACKETS_A_SECOND = 100_000
_ALLOWED_SECONDS = 1e-6
_SMALL, _MIXED = (100,), (66, 1514, 200, 583)
_TSHARK_PACKETS = 200_000
"""It keeps every packet: two million take gigabytes of memory and minutes."""


def measure(setting: Setting) -> Section:
    """CPU seconds of whole programs, from their start to their end, over the same files."""
    packets = setting.pick(2_000_000, 300_000)
    section = Section("Capture files")
    with TemporaryDirectory(prefix="netdash-bench-") as directory:
        small = _write(Path(directory) / "small.pcap", packets, _SMALL)
        mixed = _write(Path(directory) / "mixed.pcap", packets, _MIXED)
        packed = small.with_suffix(".pcap.gz")
        with small.open("rb") as source, gzip.open(packed, "wb", compresslevel=1) as target:
            shutil.copyfileobj(source, target)
        files = {
            "100-byte packets": small,
            "66 to 1514 bytes": mixed,
            "100-byte packets, gzip": packed,
            "100-byte packets, pcapng": _write_pcapng(Path(directory) / "small.pcapng", packets, _SMALL),
        }
        empty = _write(Path(directory) / "one.pcap", 1, _SMALL)
        rows, rate = [], 0.0
        start = run_to_end(_netdash(empty), setting.cpu).cpu_seconds
        for name, file in files.items():
            ours = run_to_end(_netdash(file), setting.cpu)
            rows += _rows(name, file, packets, ours, setting.cpu)
            if file is small:
                rate = packets / (ours.cpu_seconds - start)
    section.tables.append(
        Table(
            f"{count(packets)} packets of {_FLOWS} flows, one interval a second",
            ("file", "program", "packets", "packets/s", "CPU", "a packet, of netdash's", "peak memory"),
            rows,
        )
    )
    section.remarks.append(
        "netdash writes every interval and the totals of interfaces as JSON; all print to /dev/null. CPU: user and "
        "system, the whole program; packets/s: by that CPU. tshark reads the first packets only: it keeps them all."
    )
    section.remarks.append(f"netdash's start alone (a file of one packet): {start:.2f} s of CPU, part of each figure.")
    section.verdicts.append(
        Verdict(
            "reading a capture file, 100-byte packets, without the start",
            "1,000,000 packets/s on one core",
            f"{count(rate)} packets/s",
            rate >= 1 / _ALLOWED_SECONDS,
        )
    )
    return section


def _rows(name: str, file: Path, packets: int, ours: Cost, cpu: int) -> list[tuple[str, ...]]:
    few = min(packets, _TSHARK_PACKETS)
    peers = {
        "tshark -z conv,ip": (["tshark", "-n", "-q", "-z", "conv,ip", "-c", str(few)], few),
        "tcpdump -nq": (["tcpdump", "-nq"], packets),
    }
    rows = [_row(name, "netdash --json", ours, packets, ours.cpu_seconds / packets)]
    for program, (command, count_of) in peers.items():
        if command[0] == "tcpdump" and file.suffix == ".gz":
            # It reads no packed files.
            continue
        if (path := shutil.which(command[0])) is not None:
            cost = run_to_end([path, *command[1:], "-r", str(file)], cpu)
            rows.append(_row(name, program, cost, count_of, ours.cpu_seconds / packets))
    return rows


def _row(name: str, program: str, cost: Cost, packets: int, ours_a_packet: float) -> tuple[str, ...]:
    a_packet = cost.cpu_seconds / packets
    return (
        name,
        program,
        count(packets),
        count(1 / a_packet),
        f"{cost.cpu_seconds:.2f} s",
        ratio(a_packet, ours_a_packet),
        mebibytes(cost.peak_bytes),
    )


def _netdash(file: Path) -> list[str]:
    return [sys.executable, "-m", "netdash", "--json", "--view", "interfaces", "-r", str(file)]


def _write(path: Path, packets: int, sizes: Sequence[int]) -> Path:
    """TCP segments of `_FLOWS` connections in random order, frames of these sizes."""
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1))
        for microseconds, frame in _packets(packets, sizes):
            second, fraction = divmod(microseconds, 1_000_000)
            file.write(struct.pack("<IIII", second, fraction, len(frame), len(frame)) + frame)
    return path


def _write_pcapng(path: Path, packets: int, sizes: Sequence[int]) -> Path:
    """The same in the other format."""
    with path.open("wb") as file:
        file.write(struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28))
        file.write(struct.pack("<IIHHII", 1, 20, 1, 0, 262_144, 20))
        for microseconds, frame in _packets(packets, sizes):
            padding = bytes(-len(frame) % 4)
            length = 32 + len(frame) + len(padding)
            ticks = (microseconds >> 32, microseconds & 0xFFFFFFFF)
            head = struct.pack("<7I", 6, length, 0, *ticks, len(frame), len(frame))
            file.write(head + frame + padding + struct.pack("<I", length))
    return path


def _packets(packets: int, sizes: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    """Microseconds since the epoch and frame."""
    frames = [_frame(flow, size) for flow in range(_FLOWS) for size in sizes]
    chooser = random.Random(1)
    for number in range(packets):
        moment = 1_700_000_000_000_000 + number * (1_000_000 // _PACKETS_A_SECOND)
        yield moment, frames[chooser.randrange(len(frames))]


def _frame(flow: int, size: int) -> bytes:
    client = bytes((10, 0, flow >> 8, flow & 0xFF))
    ip = struct.pack("!BBHHHBBH", 0x45, 0, size - 14, 0, 0x4000, 64, 6, 0) + client + bytes((192, 0, 2, 1))
    tcp = struct.pack("!HHIIBBHHH", 10_000 + flow, 443, 0, 0, 0x50, 0x10, 0, 0, 0)
    macs = bytes.fromhex("020000000001020000000002")
    return macs + b"\x08\x00" + ip + tcp + bytes(size - 54)
