"""Small tables for the tests of filters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from netdash.model.filter.context import FilterContext
from netdash.model.protocols import ESTABLISHED, ETHERTYPE_IPV4, ETHERTYPE_IPV6, LISTEN, TCP, UDP
from netdash.model.snapshot import Interface, Process
from netdash.model.tables import FLOW_ROW, SOCKET_ROW, UNKNOWN, pack_address

NAMED_HOST = pack_address("203.0.113.9")


def process(pid: int, name: str, user: str = "root", unit: str | None = None, container: str | None = None) -> Process:
    """A process that moved `pid` kilobytes each way."""
    moved = pid * 1000
    return Process(
        pid, 1, 0.0, name, f"/usr/bin/{name} --serve", user, unit, container, moved, moved, 1, 1, None, None, 1, False
    )


def interface(index: int, name: str, address: str) -> Interface:
    """An interface that received a megabyte."""
    return Interface(
        name, index, "physical", "up", None, 1500, None, (address,), None, 1_000_000, 0, 1, 0, 0, 0, 0, 0, 0, 0
    )


def flow(
    local: str,
    local_port: int,
    remote: str,
    remote_port: int,
    *,
    pid: int = UNKNOWN,
    protocol: int = TCP,
    ifindex: int = 1,
    state: int = ESTABLISHED,
    rx_bytes: int = 1000,
) -> NDArray[np.void]:
    """One FLOW_ROW."""
    row = np.zeros(1, FLOW_ROW)
    row["ethertype"] = ETHERTYPE_IPV6 if ":" in local else ETHERTYPE_IPV4
    row["local"] = np.frombuffer(pack_address(local), np.uint8)
    row["remote"] = np.frombuffer(pack_address(remote), np.uint8)
    row["local_port"], row["remote_port"], row["pid"] = local_port, remote_port, pid
    row["protocol"], row["ifindex"], row["state"], row["rx_bytes"] = protocol, ifindex, state, rx_bytes
    return row


FLOWS = np.concatenate(
    [
        flow("10.0.0.1", 443, "203.0.113.9", 50_000, pid=10),
        flow("10.0.0.1", 50_001, "10.0.0.10", 80, pid=20, rx_bytes=5_000_000),
        flow("2001:db8::1", 8080, "2001:db8::beef", 53, protocol=UDP, ifindex=2, state=0),
        flow("127.0.0.1", 22, "127.0.0.1", 50_002, pid=30, ifindex=3),
    ]
)
FLOWS["id"] = (1, 2, 3, 4)
"""Row 0: https from a named host to nginx; 1: curl, 5 MB; 2: IPv6 UDP without a process; 3: ssh on lo."""

SOCKETS = np.zeros(3, SOCKET_ROW)
"""0: nginx listens on any address; 1: curl's connection, 8 kB so far; 2: UDP of user 1000, no process known."""
SOCKETS["pid"] = (10, 20, UNKNOWN)
SOCKETS["uid"] = (0, 0, 1000)
SOCKETS["protocol"] = (TCP, TCP, UDP)
SOCKETS["family"] = (4, 4, 6)
SOCKETS["state"] = (LISTEN, ESTABLISHED, 7)
SOCKETS["local_port"] = (443, 50_001, 123)
SOCKETS["remote_port"] = (0, 80, 0)
SOCKETS["local"][1] = np.frombuffer(pack_address("10.0.0.1"), np.uint8)
SOCKETS["remote"][1] = np.frombuffer(pack_address("10.0.0.10"), np.uint8)
SOCKETS["has_info"] = (0, 1, 0)
SOCKETS["rx_payload"] = (UNKNOWN, 2000, UNKNOWN)
SOCKETS["tx_payload"] = (UNKNOWN, UNKNOWN, UNKNOWN)
SOCKETS["rx_payload_total"] = (0, 8000, 0)

PROCESSES = (
    process(10, "nginx", "www-data", unit="nginx.service"),
    process(20, "curl", container="job-7"),
    process(30, "sshd", unit="ssh.service"),
)

INTERFACES = (
    interface(1, "eth0", "10.0.0.1/24"),
    interface(2, "eth1", "2001:db8::1/64"),
    interface(3, "lo", "127.0.0.1/8"),
)

CONTEXT = FilterContext(
    processes={p.pid: p for p in PROCESSES},
    interfaces=INTERFACES,
    flows=FLOWS,
    sockets=SOCKETS,
    interval=2.0,
    host_names=lambda: {NAMED_HOST: "www.example.org"},
)
