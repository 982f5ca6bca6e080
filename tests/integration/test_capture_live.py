"""The same traffic, counted live and read back from a capture file of it, gives the same flows to the byte."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from netdash.collector.flows import join_directions
from netdash.kernel.raw_flow import PACKET_OUTGOING
from netdash.sources.capture.counting import CaptureOptions
from tests.integration.counted_traffic import counting, udp_pair
from tests.namespaces import Lab, Port, set_offloads, socket_in
from tests.unit.sources.capture_files import Pcapng, all_flows, read_all

pytestmark = pytest.mark.root

ETH_P_ALL = 3
_CAPTURE_BUFFER_BYTES = 16 << 20
_SO_RCVBUFFORCE = 33
"""<asm-generic/socket.h>."""


@contextmanager
def capturing(port: Port, path: Path) -> Iterator[None]:
    """Writes what passes `port` to a pcapng file, with the direction of each packet; stops when all is read."""
    tap = socket_in(port.namespace, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    file = Pcapng()
    file.section()
    file.interface((2, port.interface.encode()), (9, b"\x09"))
    with tap:
        tap.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _CAPTURE_BUFFER_BYTES)
        tap.bind((port.interface, ETH_P_ALL))
        yield
        tap.setblocking(False)
        while True:
            try:
                data, address = tap.recvfrom(1 << 17)
            except BlockingIOError:
                break
            outgoing = address[2] == PACKET_OUTGOING
            file.packet(data, time.time_ns(), file.flags(2 if outgoing else 1))
    path.write_bytes(file.data)


def make_traffic(lab: Lab) -> None:
    """UDP of both families and a TCP connection, both ways, each datagram and answer awaited."""
    for version in (4, 6):
        sender, receiver = udp_pair(lab.a, lab.b, version)
        with sender, receiver:
            for size in range(0, 1400, 100):
                sender.send(bytes(size))
                _, source = receiver.recvfrom(2000)
                receiver.sendto(bytes(size // 2), source)
                sender.recv(2000)
    listener = socket_in(lab.b.namespace, socket.AF_INET, socket.SOCK_STREAM)
    client = socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_STREAM)
    with listener, client:
        listener.bind((lab.b.ipv4, 0))
        listener.listen()
        client.connect(listener.getsockname())
        served, _ = listener.accept()
        with served:
            for _ in range(20):
                client.sendall(bytes(10_000))
                received = 0
                while received < 10_000:
                    received += len(served.recv(1 << 16))
                served.sendall(bytes(500))
                received = 0
                while received < 500:
                    received += len(client.recv(1 << 16))


COLUMNS = ("protocol", "local_port", "remote_port", "rx_packets", "rx_bytes", "tx_packets", "tx_bytes", "tcp_flags")


def comparable(flows: NDArray[np.void]) -> list[tuple[object, ...]]:
    return sorted(
        (row["local"].tobytes(), row["remote"].tobytes(), *(int(row[name]) for name in COLUMNS)) for row in flows
    )


async def test_flows_are_the_same_as_live(lab: Lab, tmp_path: Path) -> None:
    for port in (lab.a, lab.b):
        set_offloads(port.namespace, port.interface, False)
    path = tmp_path / "file.pcapng"
    with counting(lab.a.namespace) as counter:
        counter.switch()
        await counter.drain()
        with capturing(lab.a, path):
            make_traffic(lab)
            # Both ends are in place: the switch comes with nothing under way.
            counter.switch()
        live = await counter.drain()
    flows = join_directions(live).rows
    flows = flows[flows["ifindex"] == lab.a.index]
    captured = all_flows(read_all(path, CaptureOptions(interval_seconds=3600)))
    assert len(flows) == 3
    assert comparable(captured) == comparable(flows)


@pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark to compare with")
def test_conversations_are_the_same_as_those_of_tshark(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "file.pcapng"
    with capturing(lab.a, path):
        make_traffic(lab)
    captured = all_flows(read_all(path, CaptureOptions(interval_seconds=3600)))
    ours = {_ports(int(row["local_port"]), int(row["remote_port"])): row for row in captured}
    conversations = _tshark(path, "-q", "-z", "conv,tcp", "-z", "conv,udp")
    assert {ports: int(row["rx_packets"] + row["tx_packets"]) for ports, row in ours.items()} == dict(
        _conversation(line) for line in conversations if "<->" in line
    )
    # The statistics round their bytes; these do not.
    sizes: Counter[tuple[int, int]] = Counter()
    fields = ("frame.len", "tcp.srcport", "tcp.dstport", "udp.srcport", "udp.dstport")
    for line in _tshark(path, "-T", "fields", *(word for name in fields for word in ("-e", name))):
        length, *ports = map(int, line.split())
        sizes[_ports(*ports)] += length
    assert {ports: int(row["rx_bytes"] + row["tx_bytes"]) for ports, row in ours.items()} == sizes


def _tshark(path: Path, *arguments: str) -> list[str]:
    command = ["tshark", "-n", "-r", str(path), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=50)
    return done.stdout.splitlines()


def _ports(one: int, other: int) -> tuple[int, int]:
    return min(one, other), max(one, other)


def _conversation(line: str) -> tuple[tuple[int, int], int]:
    """Both ports and the frames of a line such as "10.0.0.1:1000 <-> 10.0.0.2:53  3 120 bytes  4 160 bytes  7 …"."""
    words = line.split()
    ports = _ports(*(int(words[place].rpartition(":")[2]) for place in (0, 2)))
    counts = [int(word.replace(",", "")) for word in words[3:] if word.replace(",", "").isdigit()]
    # Frames and bytes towards each end, then both together; a unit stands behind every size.
    return ports, counts[4]
