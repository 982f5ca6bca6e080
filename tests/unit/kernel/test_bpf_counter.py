"""Opening the eBPF packet counter with little privilege, and what it says when it cannot."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.root

CAP_NET_RAW, CAP_BPF = 13, 39

WITH_CAPABILITIES = """
import asyncio, ctypes, struct, sys
from netdash.errors import NotPermittedError
from netdash.kernel.bpf_counter import BpfPacketCounter

def keep_only(capabilities):
    mask = sum(1 << number for number in capabilities)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    header = struct.pack("=Ii", 0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3
    data = struct.pack("=6I", low, low, 0, high, high, 0)
    assert ctypes.CDLL(None).capset(header, data) == 0

keep_only(map(int, sys.argv[1:]))
with open("/proc/self/status") as status:
    print(next(line.split()[1] for line in status if line.startswith("CapEff")))
try:
    counter = BpfPacketCounter.open(1024)
except NotPermittedError as error:
    print(error)
else:
    counter.switch()
    print(asyncio.run(counter.drain()).lost_packets)
    counter.close()
"""


def open_with(*capabilities: int) -> tuple[int, str]:
    """(effective capabilities, outcome) of a process that dropped all others before it opened the counter."""
    arguments = [sys.executable, "-W", "error", "-c", WITH_CAPABILITIES, *map(str, capabilities)]
    output = subprocess.run(arguments, check=True, capture_output=True, text=True).stdout.splitlines()
    return int(output[0], 16), output[1]


def test_two_capabilities_are_enough() -> None:
    assert open_with(CAP_NET_RAW, CAP_BPF) == (1 << CAP_NET_RAW | 1 << CAP_BPF, "0")


def test_without_cap_bpf_the_error_names_it() -> None:
    _, message = open_with(CAP_NET_RAW)
    assert message.startswith("flow counting by eBPF refused (EPERM on BPF_")
    assert "needs CAP_BPF" in message
    assert "run as root" in message


def test_without_cap_net_raw_the_error_names_it() -> None:
    _, message = open_with(CAP_BPF)
    assert message == "packet socket refused (EPERM on socket AF_PACKET): needs CAP_NET_RAW; run as root"
