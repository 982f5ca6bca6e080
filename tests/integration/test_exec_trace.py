"""Command lines of processes that are gone."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netdash.kernel.btf import Btf
from netdash.kernel.exec_trace import COMMAND_BYTES, ExecTrace, parse_command_line
from netdash.kernel.socket_traffic import SocketTraffic
from tests.integration.movers import start_ticks
from tests.integration.payload import Peer, kernel_types
from tests.namespaces import Lab, popen_in


@pytest.fixture(scope="module")
def types() -> Btf:
    return kernel_types()


@pytest.fixture(scope="module")
def commands(types: Btf) -> Iterator[ExecTrace]:
    opened = ExecTrace.open(btf=types)
    yield opened
    opened.close()


def command_of(commands: ExecTrace, *arguments: bytes | str) -> str | None:
    """Of a process that has ended, and left nothing in /proc."""
    pid = os.posix_spawn("/bin/sh", ["/bin/sh", "-c", ":", *arguments], {})
    started = start_ticks(pid)
    os.waitpid(pid, 0)
    assert not os.path.exists(f"/proc/{pid}")
    assert commands.command(pid, started + 1) is None
    return commands.command(pid, started)


@pytest.mark.root
def test_command_of_a_process_that_is_gone(commands: ExecTrace) -> None:
    assert command_of(commands) == "/bin/sh -c :"
    assert command_of(commands, "two words", "", "ünï") == "/bin/sh -c : two words  ünï"
    assert command_of(commands, b"\xff\x1b[2J") == "/bin/sh -c : \ufffd\x1b[2J"


@pytest.mark.root
def test_long_command_is_cut(commands: ExecTrace) -> None:
    whole = COMMAND_BYTES - len("/bin/sh -c : ")
    assert command_of(commands, "x" * (whole - 1)) == "/bin/sh -c : " + "x" * (whole - 1)
    assert command_of(commands, "x" * whole) == "/bin/sh -c : " + "x" * whole + "…"
    assert command_of(commands, "x" * (whole - 1) + "ü") == "/bin/sh -c : " + "x" * (whole - 1) + "…"
    assert command_of(commands, "x" * 100_000) == "/bin/sh -c : " + "x" * whole + "…"


@pytest.mark.root
def test_the_last_program_of_a_process_counts(commands: ExecTrace) -> None:
    reading, writing = os.pipe()
    script = "read _; exec /bin/sh -c : second"
    pid = os.posix_spawn("/bin/sh", ["/bin/sh", "-c", script], {}, file_actions=[(os.POSIX_SPAWN_DUP2, reading, 0)])
    os.close(reading)
    started = start_ticks(pid)
    deadline = time.monotonic() + 10
    while (first := commands.command(pid, started)) is None:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    os.write(writing, b"\n")
    os.close(writing)
    os.waitpid(pid, 0)
    assert (first, commands.command(pid, started)) == (f"/bin/sh -c {script}", "/bin/sh -c : second")


@pytest.mark.root
def test_with_what_the_traffic_tells(commands: ExecTrace, types: Btf, lab: Lab) -> None:
    """A process that nobody looked at while it lived: its key comes from what it sent."""
    shell = shutil.which("bash")
    if shell is None:
        pytest.skip("needs bash")
    traffic = SocketTraffic.open(btf=types)
    try:
        with Peer(lab.b.namespace) as peer:
            wanted = {}
            for number in range(20):
                code = f"echo -n {'x' * (number + 1)} > /dev/udp/{lab.b.ipv4}/{peer.port}"
                process = popen_in(lab.a.namespace, [shell, "-c", code])
                assert process.wait() == 0
                wanted[process.pid] = (number + 1, f"{shell} -c {code}")
            rows = traffic.read()
    finally:
        traffic.close()
    rows = rows[rows["pid"] != os.getpid()]
    found = {
        int(row["pid"]): (int(row["tx_payload_bytes"]), commands.command(int(row["pid"]), int(row["start_ticks"])))
        for row in rows
        if int(row["pid"]) in wanted
    }
    assert found == wanted


@pytest.mark.root
def test_an_unknown_process_has_none(commands: ExecTrace) -> None:
    assert commands.command(os.getpid(), start_ticks(os.getpid())) is None
    assert commands.command(2**32 - 1, 2**64 - 1) is None


@pytest.mark.root
def test_nothing_stays_after_close(types: Btf) -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    opened = ExecTrace.open(max_processes=64, btf=types)
    assert opened.run_statistics().program_id > 0
    opened.close()
    assert len(os.listdir("/proc/self/fd")) == descriptors


@settings(deadline=None)
@given(st.integers(0, 2**64 - 1), st.binary(min_size=COMMAND_BYTES, max_size=COMMAND_BYTES))
def test_any_command_line_is_text(full_bytes: int, arguments: bytes) -> None:
    text = parse_command_line(full_bytes.to_bytes(8, sys.byteorder) + arguments)
    assert len(text) <= COMMAND_BYTES + 1
    assert text.endswith("…") or full_bytes <= COMMAND_BYTES
