"""How fast capture files are read, beside tshark and tcpdump, each on one CPU."""

from __future__ import annotations

import gzip
import random
import shutil
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.processes import Cost, run_to_end
from bench.report import Section, Table, Verdict, count, mebibytes, ratio
from bench.setting import Setting

_FLOWS = 1000
_PACKETS_A_SECOND = 100_000
_ALLOWED_SECONDS = 1e-6
_SMALL, _MIXED = (100,), (66, 1514, 200, 583)


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
        files = {"100-byte packets": small, "66 to 1514 bytes": mixed, "100-byte packets, gzip": packed}
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
            ("file", "program", "packets/s", "CPU", "of netdash's", "peak memory"),
            rows,
        )
    )
    section.remarks.append(
        "netdash writes every interval and the totals of interfaces as JSON; tshark -z conv,ip and tcpdump -nq print "
        "to /dev/null. CPU: user and system, the whole program; packets/s: by that CPU."
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
    costs = {"netdash": ours}
    for program, arguments in (("tshark", ["-n", "-q", "-z", "conv,ip"]), ("tcpdump", ["-nq"])):
        if program == "tcpdump" and file.suffix == ".gz":
            # It reads no packed files.
            continue
        path = shutil.which(program)
        if path is not None:
            costs[program] = run_to_end([path, *arguments, "-r", str(file)], cpu)
    return [
        (
            name,
            program,
            count(packets / cost.cpu_seconds),
            f"{cost.cpu_seconds:.2f} s",
            ratio(cost.cpu_seconds, ours.cpu_seconds),
            mebibytes(cost.peak_bytes),
        )
        for program, cost in costs.items()
    ]


def _netdash(file: Path) -> list[str]:
    return [sys.executable, "-m", "netdash", "--json", "--view", "interfaces", "-r", str(file)]


def _write(path: Path, packets: int, sizes: Sequence[int]) -> Path:
    """TCP segments of `_FLOWS` connections in random order, frames of these sizes."""
    frames = [_frame(flow, size) for flow in range(_FLOWS) for size in sizes]
    chooser = random.Random(1)
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1))
        for number in range(packets):
            second, place = divmod(number, _PACKETS_A_SECOND)
            frame = frames[chooser.randrange(len(frames))]
            microsecond = place * (1_000_000 // _PACKETS_A_SECOND)
            file.write(struct.pack("<IIII", 1_700_000_000 + second, microsecond, len(frame), len(frame)) + frame)
    return path


def _frame(flow: int, size: int) -> bytes:
    client = bytes((10, 0, flow >> 8, flow & 0xFF))
    ip = struct.pack("!BBHHHBBH", 0x45, 0, size - 14, 0, 0x4000, 64, 6, 0) + client + bytes((192, 0, 2, 1))
    tcp = struct.pack("!HHIIBBHHH", 10_000 + flow, 443, 0, 0, 0x50, 0x10, 0, 0, 0)
    macs = bytes.fromhex("020000000001020000000002")
    return macs + b"\x08\x00" + ip + tcp + bytes(size - 54)
