"""What the kernel itself refuses, not a switch: a lower layer works, and one note tells the cause and the remedy."""

from __future__ import annotations

import sys

import pytest

from tests.integration.refusing import REFUSALS
from tests.integration.running import JsonObject
from tests.integration.scenarios.common import Moved
from tests.integration.scenarios.watching import NETDASH, observe_scenarios
from tests.namespaces import Lab

pytestmark = pytest.mark.root

POLICY = "the capabilities are there, but a security policy or a user namespace forbids it; run as root on the host"
ALL_OF_BPF = (
    "flow counting by eBPF, exact bytes per process and bytes per process by cgroup hooks refused "
    "(EPERM on BPF_{call}): {remedy}"
)
NEEDED = "needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON; run as root"

CASES = {
    "bpf": ("ring", "scan", ALL_OF_BPF.format(call="MAP_CREATE", remedy=POLICY)),
    # The test machines are locked down for integrity at most, which these programs do not mind. What more may come is
    # imitated: maps are made, but no program is loaded.
    "program-load": ("ring", "scan", ALL_OF_BPF.format(call="PROG_LOAD", remedy=POLICY)),
    "btf": (
        "ebpf",
        "hooks",
        "exact bytes per process: this kernel has no BTF (/sys/kernel/btf/vmlinux is empty): "
        "needs a kernel with CONFIG_DEBUG_INFO_BTF",
    ),
    "packet-sockets": (
        "sockets",
        "exact",
        "packets are not counted, TCP connections show the payload of their own counters, UDP and the rest no rates: "
        "packet socket refused (EPERM on socket AF_PACKET): CAP_NET_RAW is there, but a security policy (seccomp, a "
        "container's profile) forbids it; run on the host",
    ),
    "perfmon": (
        "ebpf",
        "scan",
        f"exact bytes per process and bytes per process by cgroup hooks refused (EPERM on BPF_PROG_LOAD): {NEEDED}",
    ),
    "bpf-capability": ("ring", "scan", ALL_OF_BPF.format(call="MAP_CREATE", remedy=NEEDED)),
}
WITH_HOOKS_AT_LEAST = ("tcp_both", "udp_connected", "twenty_processes")


def test_every_refusal_is_tried() -> None:
    assert CASES.keys() == REFUSALS.keys()


@pytest.mark.parametrize("what", CASES)
def test_a_lower_layer_works(lab: Lab, what: str) -> None:
    flows, processes, note = CASES[what]
    refusing = (sys.executable, "-m", "tests.integration.refusing", what)
    names = ("long_lived", *(WITH_HOOKS_AT_LEAST if processes != "scan" else ()))
    observed = observe_scenarios(lab, names, program=(*refusing, *NETDASH))
    assert observed.summary["health"]["notes"] == [note]
    assert observed.summary["mode"] == {"flows": flows, "processes": processes}
    for name in names:
        for one in observed.results[name].moved:
            (row,) = observed.rows(one)
            assert_right(row, one, by_counter=processes == "scan")
            if flows == "sockets":
                assert row["tx_bytes"] is None
            else:
                assert row["tx_bytes"] > one.sent
    for accounting in observed.summary["accounting"].values():
        assert accounting["counted_bytes"] == accounting["kernel_bytes"]


def assert_right(row: JsonObject, one: Moved, by_counter: bool) -> None:
    """A connection's own counter may count the FIN as a byte."""
    assert row["tx_payload"] == one.sent
    assert row["rx_payload"] - one.received in ((0, 1) if by_counter else (0,))
