"""The eBPF packet counter's intervals and its end: what it demands of its user, and that it leaves nothing behind."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from netdash.kernel.bpf import _call_numbers
from netdash.kernel.raw_flow import FLOW_KEY
from tests.integration.counted_traffic import counting, interval, udp_pair
from tests.namespaces import Lab, popen_in, run_in

pytestmark = pytest.mark.root

HOLD_OPEN = """
import sys, time
from netdash.kernel.bpf_counter import BpfPacketCounter
counter = BpfPacketCounter.open(1024)
print(counter.run_statistics().program_id, flush=True)
sys.stdin.read()
"""


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        await asyncio.sleep(0.005)


async def test_drain_belongs_to_switch(lab: Lab) -> None:
    with counting(lab.a.namespace) as counter:
        with pytest.raises(RuntimeError, match="drain without switch"):
            await counter.drain()
        before = time.monotonic_ns()
        assert before <= counter.switch() <= time.monotonic_ns()
        counts = await counter.drain()
        assert (len(counts.keys), len(counts.values), len(counts.sizes), counts.lost_packets) == (0, 0, 0, 0)
        assert counts.keys.dtype == FLOW_KEY


async def test_second_switch_without_drain_loses_nothing(lab: Lab) -> None:
    client, server = udp_pair(lab.a, lab.b)
    with client, server, counting(lab.b.namespace) as counter:
        packets = 0
        for _ in range(3):
            client.send(b"x")
            counter.switch()
        for _ in range(2):
            packets += sum(count.wire_packets for count in (await interval(counter)).values())
    assert packets == 3


async def test_run_statistics_name_the_program(lab: Lab) -> None:
    with counting(lab.a.namespace) as counter:
        assert counter.run_statistics().program_id > 0


class _ProgramById(ctypes.Structure):
    _fields_ = (("id", ctypes.c_uint32), ("next_id", ctypes.c_uint32), ("open_flags", ctypes.c_uint32))


def program_exists(program_id: int) -> bool:
    """BPF_PROG_GET_FD_BY_ID."""
    libc = ctypes.CDLL(None, use_errno=True)
    attributes = _ProgramById(program_id, 0, 0)
    descriptor = libc.syscall(_call_numbers()[0], 13, ctypes.byref(attributes), ctypes.sizeof(attributes))
    if descriptor < 0:
        assert ctypes.get_errno() == errno.ENOENT
        return False
    os.close(descriptor)
    return True


def packet_sockets(namespace: str) -> int:
    def read() -> int:
        with open("/proc/thread-self/net/packet") as table:
            return len(table.readlines()) - 1

    return run_in(namespace, read)


async def test_nothing_stays_after_close(lab: Lab) -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    with counting(lab.a.namespace) as counter:
        program_id = counter.run_statistics().program_id
        assert packet_sockets(lab.a.namespace) == 1
        assert program_exists(program_id)
    await until(lambda: not program_exists(program_id))
    assert packet_sockets(lab.a.namespace) == 0
    assert len(os.listdir("/proc/self/fd")) == descriptors


async def test_nothing_stays_after_sigkill(lab: Lab) -> None:
    child = popen_in(lab.a.namespace, [sys.executable, "-c", HOLD_OPEN], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdin is not None
    with child.stdout, child.stdin:
        program_id = int(child.stdout.readline())
        assert packet_sockets(lab.a.namespace) == 1
        assert program_exists(program_id)
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    await until(lambda: not program_exists(program_id) and packet_sockets(lab.a.namespace) == 0)
