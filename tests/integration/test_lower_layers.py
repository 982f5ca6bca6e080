"""Every layer below the best one: it works, says what it is and why, and its limits are the known ones.

And what no layer may do: leave something in the kernel when all of it is killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.e2e.nobody import as_nobody
from tests.integration.running import JsonObject, process_of
from tests.integration.scenarios.common import Moved
from tests.integration.scenarios.watching import NETDASH, Observed, observe_scenarios
from tests.integration.test_tracing import exists
from tests.namespaces import Lab, popen_in

pytestmark = pytest.mark.root

_SECONDS = 20


def only(observed: Observed, name: str) -> Moved:
    result = observed.results[name]
    assert (result.skipped, result.failed) == (None, None)
    (one,) = result.moved
    return one


def payload_flow(observed: Observed, sent: int) -> JsonObject:
    """The TCP flow that sent so much payload."""
    (row,) = (f for f in observed.summary["flows"] if f["protocol"] == "tcp" and f["tx_payload"] == sent)
    found: JsonObject = row
    return found


def notes_about(observed: Observed, *words: str) -> int:
    return sum(all(word in note for word in words) for note in observed.summary["health"]["notes"])


def received_within_fin(told: int, received: int) -> bool:
    """Of a connection that ended between two looks, the counter may count the FIN as a byte."""
    return received <= told <= received + 1


EXACT_BY_HOOKS = (
    *("tcp_up", "tcp_down", "tcp_both", "tcp_ipv6", "splice", "sendfile", "io_uring", "many_messages"),
    *("udp_connected", "udp_unconnected", "udp_ipv6", "udp_ipv6_unconnected", "dns", "icmp_echo", "raw_protocol"),
    *("sixty_connections", "thirty_at_once", "twenty_processes", "thousand_processes", "container", "reuse_port_udp"),
)
LIMITS_OF_HOOKS = ("forked", "passed", "frames", "loopback", "reuse_port_tcp")


def test_hooks(lab: Lab) -> None:
    """Who made a socket has its bytes, short-lived or not; who got it from another process has none of them."""
    observed = observe_scenarios(lab, [*EXACT_BY_HOOKS, *LIMITS_OF_HOOKS], refuse="exact")
    assert observed.summary["mode"] == {"flows": "ebpf", "processes": "hooks"}
    assert observed.summary["health"]["notes"] == ["counting by process (exact) is switched off"]
    for name in EXACT_BY_HOOKS:
        result = observed.results[name]
        assert result.failed is None
        wrong = [(one, rows) for one in result.moved if not told_exactly(rows := observed.rows(one), one)]
        assert (name, wrong) == (name, [])
    assert_limits_of_hooks(observed)
    served = process_of(observed.summary, os.getpid())
    assert (served["tx_payload"], served["rx_payload"]) == (observed.served.sent, observed.served.received)
    kinds = {flow["attribution"] for flow in observed.summary["flows"]}
    assert "socket" in kinds
    assert "exact" not in kinds
    for accounting in observed.summary["accounting"].values():
        assert accounting["counted_bytes"] == accounting["kernel_bytes"]


def told_exactly(rows: list[JsonObject], one: Moved) -> bool:
    return [(row["tx_payload"], row["rx_payload"]) for row in rows] == [(one.sent, one.received)]


def assert_limits_of_hooks(observed: Observed) -> None:
    """README, Limits."""
    # A child that uses its parent's socket, or got one passed: its bytes are of who made the socket.
    for name in ("forked", "passed"):
        moved = observed.results[name].moved
        told = [observed.rows(one) for one in moved]
        (maker,) = (rows[0] for rows in told if rows)
        assert maker["tx_payload"] == sum(one.sent for one in moved)
        assert maker["rx_payload"] == sum(one.received for one in moved)
        assert sum(not rows for rows in told) == 1
    # Packet sockets pass no cgroup hook.
    assert observed.rows(only(observed, "frames")) == []
    # A short connection that a child of the listening process accepted is the listening one's.
    client, _ = observed.results["loopback"].moved
    (row,) = observed.rows(client)
    assert row["tx_payload"] - client.sent in (0, 70_000)
    *servers, asker = observed.results["reuse_port_tcp"].moved
    assert told_exactly(observed.rows(asker), asker)
    assert sum(row["tx_payload"] for one in servers for row in observed.rows(one)) <= sum(one.sent for one in servers)


def test_scan_of_proc(lab: Lab) -> None:
    """Without the exact layer: who holds a socket at a look has its bytes; who came and went has none."""
    observed = observe_scenarios(lab, ["long_lived", "drip", "thousand_processes"], refuse="exact,hooks")
    assert observed.summary["mode"] == {"flows": "ebpf", "processes": "scan"}
    assert notes_about(observed, "counting by process", "switched off") == 2 == len(observed.summary["health"]["notes"])
    one = only(observed, "long_lived")
    (row,) = observed.rows(one)
    assert row["tx_payload"] == one.sent
    assert received_within_fin(row["rx_payload"], one.received)
    assert row["tx_bytes"] > one.sent
    # UDP sockets have no counters, but their packets have an owner.
    one = only(observed, "drip")
    (row,) = observed.rows(one)
    assert (row["tx_payload"], row["rx_payload"]) == (None, None)
    assert row["tx_bytes"] == one.sent + 15 * (14 + 20 + 8)
    short_lived = observed.results["thousand_processes"]
    if short_lived.skipped is not None:
        pytest.skip(short_lived.skipped)
    nameless = [one for one in short_lived.moved if not observed.rows(one)]
    assert len(nameless) > 500
    accounting = observed.summary["accounting"][lab.a.interface]
    assert accounting["counted_bytes"] == accounting["kernel_bytes"]
    assert accounting["unattributed_bytes"] >= sum(one.sent + one.received for one in nameless)


def test_packet_ring(lab: Lab) -> None:
    """Without eBPF for packets every packet is read from a ring: the same figures at another price."""
    observed = observe_scenarios(lab, ["tcp_both", "udp_ipv6"], refuse="ebpf")
    assert observed.summary["mode"] == {"flows": "ring", "processes": "exact"}
    for name in ("tcp_both", "udp_ipv6"):
        one = only(observed, name)
        (row,) = observed.rows(one)
        assert (row["tx_payload"], row["rx_payload"]) == (one.sent, one.received)
        assert row["tx_bytes"] >= one.sent + 42 * row["tx_packets"] > one.sent
    assert observed.summary["health"]["lost_packets"] == 0
    accounting = observed.summary["accounting"][lab.a.interface]
    assert accounting["counted_bytes"] == accounting["kernel_bytes"] == accounting["attributed_bytes"]


def test_sockets_alone(lab: Lab) -> None:
    """Where no packets are counted: TCP by the sockets' own counters; what UDP moved is not known, and no 0."""
    observed = observe_scenarios(lab, ["long_lived", "drip"], refuse="ebpf,ring,exact,hooks")
    assert observed.summary["mode"] == {"flows": "sockets", "processes": "scan"}
    assert notes_about(observed, "packets are not counted", "CAP_NET_RAW", "sudo") == 1
    one = only(observed, "long_lived")
    flow = payload_flow(observed, one.sent)
    assert received_within_fin(flow["rx_payload"], one.received)
    assert (flow["tx_bytes"], flow["rx_bytes"], flow["pid"]) == (None, None, one.pid)
    (row,) = observed.rows(one)
    assert (row["tx_payload"], row["tx_bytes"]) == (one.sent, None)
    assert received_within_fin(row["rx_payload"], one.received)
    (row,) = observed.rows(only(observed, "drip"))
    assert {row[name] for name in ("tx_payload", "rx_payload", "tx_bytes", "rx_bytes")} == {None}
    assert observed.summary["accounting"] == {}


def test_sockets_with_exact_processes(lab: Lab) -> None:
    """Payload by process needs no packets: all of it is there, wire bytes are not."""
    observed = observe_scenarios(lab, ["tcp_both", "udp_connected"], refuse="ebpf,ring")
    assert observed.summary["mode"] == {"flows": "sockets", "processes": "exact"}
    assert notes_about(observed, "packets are not counted", "CAP_NET_RAW", "sudo") == 1
    for name in ("tcp_both", "udp_connected"):
        one = only(observed, name)
        row = process_of(observed.summary, one.pid)
        assert (row["tx_payload"], row["rx_payload"], row["tx_bytes"]) == (one.sent, one.received, None)


@pytest.mark.ordinary_user
def test_an_ordinary_user(lab: Lab) -> None:
    """Every TCP connection has its rates, without the process of another user."""
    observed = observe_scenarios(lab, ["long_lived", "drip"], program=(sys.executable, "-c", as_nobody()))
    assert observed.summary["mode"] == {"flows": "sockets", "processes": "own"}
    assert notes_about(observed, "packets are not counted", "CAP_NET_RAW", "sudo") == 1
    assert notes_about(observed, "other users", "CAP_PERFMON", "sudo") == 1
    assert len(observed.summary["health"]["notes"]) == 2
    one = only(observed, "long_lived")
    flow = payload_flow(observed, one.sent)
    assert received_within_fin(flow["rx_payload"], one.received)
    assert flow["pid"] is None
    assert observed.rows(one) == observed.rows(only(observed, "drip")) == []
    assert observed.summary["accounting"] == {}


@pytest.mark.ordinary_user
def test_two_capabilities_are_enough_to_count_flows(lab: Lab) -> None:
    """CAP_NET_RAW and CAP_BPF alone, without root: every packet is counted in the kernel, processes stay unknown."""
    nobody = as_nobody(["CAP_NET_RAW", "CAP_BPF"])
    observed = observe_scenarios(lab, ["tcp_both", "drip"], program=(sys.executable, "-c", nobody))
    assert observed.summary["mode"] == {"flows": "ebpf", "processes": "own"}
    assert notes_about(observed, "packets are not counted") == notes_about(observed, "flow counting") == 0
    assert notes_about(observed, "other users", "CAP_PERFMON", "sudo") == 1
    tcp, udp = only(observed, "tcp_both"), only(observed, "drip")
    flows = {flow["protocol"]: flow for flow in observed.summary["flows"]}
    assert len(flows) == len(observed.summary["flows"]) == 2
    assert flows["udp"]["tx_bytes"] == udp.sent + 15 * (14 + 20 + 8)
    for one, direction in ((tcp.sent, "tx"), (tcp.received, "rx")):
        packets = flows["tcp"][f"{direction}_packets"]
        assert one + 54 * packets <= flows["tcp"][f"{direction}_bytes"]
    assert {flow["pid"] for flow in flows.values()} == {None}
    accounting = observed.summary["accounting"][lab.a.interface]
    assert accounting["counted_bytes"] == accounting["kernel_bytes"] > tcp.sent + udp.sent


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _SECONDS
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.01)


def descendants(pid: int) -> list[int]:
    children: list[int] = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        children += map(int, file.read_text().split())
    return [*children, *(grandchild for child in children for grandchild in descendants(child))]


def bpf_objects(pid: int) -> set[tuple[str, int]]:
    """Kind and id of every BPF link, map and program that the process holds."""
    found: set[tuple[str, int]] = set()
    for name in os.listdir(f"/proc/{pid}/fdinfo"):
        lines = Path(f"/proc/{pid}/fdinfo/{name}").read_text().splitlines()
        fields = dict(line.split(":", 1) for line in lines if ":" in line)
        found |= {(kind, int(fields[kind])) for kind in ("link_id", "map_id", "prog_id") if kind in fields}
    return found


def is_running(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def test_nothing_stays_when_all_of_it_is_killed(lab: Lab) -> None:
    namespaces = set(os.listdir("/run/netns"))
    with TemporaryDirectory() as directory:
        output = Path(directory, "output")
        with output.open("wb") as file:
            process = popen_in(
                lab.a.namespace, [*NETDASH, "--json", "-d", "0.3"], stdout=file, stderr=subprocess.DEVNULL
            )
        until(lambda: output.read_bytes().count(b"\n") > 1)
        pids = [process.pid, *descendants(process.pid)]
        objects = {found for pid in pids for found in bpf_objects(pid)}
        assert len(pids) > 1
        assert {kind for kind, _ in objects} >= {"map_id", "prog_id"}
        assert all(exists(kind, number) for kind, number in objects)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        assert process.wait(_SECONDS) == -signal.SIGKILL
        until(lambda: not any(is_running(pid) for pid in pids))
    until(lambda: not any(exists(kind, number) for kind, number in objects))
    assert {name for name in os.listdir("/run/netns") if str(os.getpid()) in name} <= namespaces
