"""What the tracing programs need, what they tell when it is missing, and that nothing of them stays behind."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import signal
import subprocess
import sys
from functools import partial

import pytest

from netdash.errors import NotPermittedError, NotSupportedError
from netdash.kernel.bpf import _call_numbers
from netdash.kernel.btf import Btf
from netdash.kernel.socket_traffic import TRAFFIC_ROW, SocketTraffic
from tests.integration.payload import kernel_types, until
from tests.namespaces import Lab, popen_in
from tests.unit.kernel.test_btf import small_kernel

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def types() -> Btf:
    return kernel_types()


WITHOUT_CAPABILITIES = """
import ctypes, json, os, socket, struct, sys
from netdash.errors import NetdashError
from netdash.kernel.exec_trace import ExecTrace
from netdash.kernel.socket_traffic import SocketTraffic
from netdash.kernel.task_sockets import TaskSockets

def keep(*effective, permitted=()):
    masks = [sum(1 << bit for bit in bits) for bits in (effective, (*effective, *permitted), ())]
    header = struct.pack("=Ii", 0x20080522, 0)
    assert libc.capset(header, struct.pack("=6I", *[m & 0xFFFFFFFF for m in masks], *[m >> 32 for m in masks])) == 0
    with open("/proc/self/status") as status:
        assert int(status.read().split("CapEff:")[1].split()[0], 16) == masks[0]

libc = ctypes.CDLL(None)
CAP_SETGID, CAP_SETUID, CAP_PERFMON, CAP_BPF = 6, 7, 38, 39
"""

READ_WITHOUT = """
keep(CAP_PERFMON, CAP_BPF, permitted=(CAP_SETGID, CAP_SETUID))
traffic, sockets, commands = SocketTraffic.open(), TaskSockets.open(), ExecTrace.open()
keep(CAP_SETGID, CAP_SETUID)
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
keep()
assert libc.prctl(38, 1, 0, 0, 0) == 0
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
    end.sendto(bytes(123), ("127.0.0.1", 9))
    child = os.posix_spawn("/bin/true", ["/bin/true", "an argument"], {})
    with open(f"/proc/{child}/stat") as stat:
        start = int(stat.read().rpartition(")")[2].split()[19])
    rows = traffic.read()
    own = rows[rows["pid"] == os.getpid()]
    held = sockets.read()
    os.waitpid(child, 0)
    print(json.dumps([
        own["tx_payload_bytes"].tolist(), len(set(held["pid"].tolist())),
        held["cookie"][held["pid"] == os.getpid()].tolist() == own["cookie"].tolist(),
        commands.command(child, start), traffic.forget(own), traffic.overflow().missed_calls,
    ]))
traffic.close(), sockets.close(), commands.close()
"""

OPEN_WITH_LESS = """
keep(*json.loads(sys.argv[1]))
before = os.listdir("/proc/self/fd")
for kind in (SocketTraffic, TaskSockets, ExecTrace):
    try:
        kind.open()
    except NetdashError as error:
        print(type(error).__name__, error)
assert os.listdir("/proc/self/fd") == before
"""

OPEN_IN_PID_NAMESPACE = """
assert libc.unshare(0x20000000) == 0
if (child := os.fork()) == 0:
    try:
        SocketTraffic.open()
    except NetdashError as error:
        print(type(error).__name__, error, flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""


def run_code(namespace: str, code: str, *arguments: str) -> str:
    process = popen_in(
        namespace,
        [sys.executable, "-c", WITHOUT_CAPABILITIES + code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    output, errors = process.communicate(timeout=30)
    assert (process.returncode, errors.decode()) == (0, "")
    return output.decode()


def test_opened_with_two_capabilities_and_read_without_any(types: Btf, lab: Lab) -> None:
    sent, processes, same_cookie, command, forgotten, missed = json.loads(run_code(lab.a.namespace, READ_WITHOUT))
    assert sent == [123]
    assert processes >= 1
    assert same_cookie
    assert command == "/bin/true an argument"
    assert (forgotten, missed) == (1, 0)


@pytest.mark.parametrize(("capabilities", "call"), [([], "MAP_CREATE"), ([38], "MAP_CREATE"), ([39], "PROG_LOAD")])
def test_without_privilege_the_reason_is_told(lab: Lab, types: Btf, capabilities: list[int], call: str) -> None:
    lines = run_code(lab.a.namespace, OPEN_WITH_LESS, json.dumps(capabilities)).splitlines()
    assert len(lines) == 3
    assert lines[0] == (
        f"RefusedError exact bytes per process refused (EPERM on BPF_{call}): needs CAP_BPF and CAP_PERFMON; "
        "run as root"
    )
    assert all(line.startswith(("RefusedError", "NotPermittedError")) for line in lines)


def test_in_a_pid_namespace_it_is_refused(lab: Lab, types: Btf) -> None:
    assert "NotSupportedError exact bytes per process: netdash runs in a pid namespace of its own" in run_code(
        lab.a.namespace, OPEN_IN_PID_NAMESPACE
    )


def test_an_older_kernel_is_told_apart() -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    with pytest.raises(NotSupportedError, match=r"no typedef btf_trace_sock_recv_length; needs Linux 6\.3 or later"):
        SocketTraffic.open(btf=Btf(small_kernel()))
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_a_refused_map_leaves_nothing_behind(types: Btf) -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    with pytest.raises((NotSupportedError, NotPermittedError), match="on BPF_MAP_CREATE"):
        SocketTraffic.open(max_sockets=0, btf=types)
    assert len(os.listdir("/proc/self/fd")) == descriptors


HOLD_OPEN = """
traffic, sockets, commands = SocketTraffic.open(), TaskSockets.open(), ExecTrace.open()
found = []
for name in os.listdir("/proc/self/fdinfo"):
    try:
        with open(f"/proc/self/fdinfo/{name}") as info:
            fields = dict(line.split(":", 1) for line in info if ":" in line)
    except OSError:
        continue
    # A link's descriptor names its program too.
    kind = next((kind for kind in ("link_id", "map_id", "prog_id") if kind in fields), None)
    if kind:
        found.append([kind, int(fields[kind])])
print(json.dumps(found), flush=True)
sys.stdin.read()
"""
BY_ID = {"prog_id": 13, "map_id": 14, "link_id": 30}
"""BPF_PROG_GET_FD_BY_ID and its like."""


class _ById(ctypes.Structure):
    _fields_ = (("id", ctypes.c_uint32), ("next_id", ctypes.c_uint32), ("open_flags", ctypes.c_uint32))


def exists(kind: str, number: int) -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    attributes = _ById(number, 0, 0)
    descriptor = libc.syscall(_call_numbers()[0], BY_ID[kind], ctypes.byref(attributes), ctypes.sizeof(attributes))
    if descriptor < 0:
        assert ctypes.get_errno() == errno.ENOENT
        return False
    os.close(descriptor)
    return True


def test_nothing_stays_after_sigkill(lab: Lab, types: Btf) -> None:
    child = popen_in(
        lab.a.namespace,
        [sys.executable, "-c", WITHOUT_CAPABILITIES + HOLD_OPEN],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    assert child.stdin is not None
    with child.stdout, child.stdin:
        objects = json.loads(child.stdout.readline())
        kinds = [kind for kind, _ in objects]
        assert [kinds.count(kind) for kind in ("prog_id", "map_id", "link_id")] == [4, 3, 4]
        assert all(exists(kind, number) for kind, number in objects)
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    for kind, number in objects:
        until(partial(lambda kind, number: not exists(kind, number), kind, number))


def test_nothing_stays_after_close(types: Btf) -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    opened = SocketTraffic.open(64, btf=types)
    program_ids = [statistics.program_id for statistics in opened.run_statistics().values()]
    assert opened.read().dtype == TRAFFIC_ROW
    assert all(exists("prog_id", number) for number in program_ids)
    opened.close()
    opened.close()
    assert len(os.listdir("/proc/self/fd")) == descriptors
    for number in program_ids:
        until(partial(lambda number: not exists("prog_id", number), number))
