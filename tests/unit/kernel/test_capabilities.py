from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netdash.kernel.capabilities import (
    CAPABILITY_NAMES,
    effective_capabilities,
    has,
    parse_effective_capabilities,
)

RECORDED = (Path(__file__).parent / "data" / "status.txt").read_bytes()

NOBODY = 65534


def run_python(program: str) -> str:
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    return finished.stdout.strip()


def test_reads_what_a_kernel_wrote() -> None:
    # CapEff: 000001fffeffffff, all that there are but bit 24.
    assert parse_effective_capabilities(RECORDED) == set(CAPABILITY_NAMES) - {"CAP_SYS_RESOURCE"}


@pytest.mark.parametrize(
    ("bits", "names"),
    [
        ("0000000000000000", set()),
        ("0000000000002000", {"CAP_NET_RAW"}),
        ("000000c000001000", {"CAP_NET_ADMIN", "CAP_PERFMON", "CAP_BPF"}),
        ("0000020000000001", {"CAP_CHOWN", "CAP_41"}),
        ("no number", set()),
    ],
)
def test_names_the_bits(bits: str, names: set[str]) -> None:
    assert parse_effective_capabilities(f"Name:\tx\nCapEff:\t{bits}\nCapBnd:\t1\n".encode()) == names


@given(st.binary() | st.binary().map(lambda rest: b"CapEff:" + rest))
def test_damaged_text_never_raises(status: bytes) -> None:
    parse_effective_capabilities(status)


@pytest.mark.root
def test_an_ordinary_user_has_none() -> None:
    program = f"""
import os
from netdash.kernel.capabilities import effective_capabilities, has
assert has("CAP_SETUID"), "root can change its user"
os.setgroups([])
os.setgid({NOBODY})
os.setuid({NOBODY})
print(sorted(effective_capabilities()), has("CAP_SETUID"))
"""
    assert run_python(program) == "[] False"
    assert has("CAP_NET_RAW")
    assert "CAP_NET_RAW" in effective_capabilities()


def test_no_new_privileges_is_set_in_the_kernel() -> None:
    program = """
from netdash.kernel.capabilities import set_no_new_privileges
def flag():
    return next(line.split()[1] for line in open("/proc/self/status") if line.startswith("NoNewPrivs"))
before = flag()
set_no_new_privileges()
print(before, flag())
"""
    assert run_python(program).split()[1] == "1"


def test_parent_death_signal_ends_the_child_of_a_parent_that_is_gone() -> None:
    child = """
import os, signal
from netdash.kernel.capabilities import set_parent_death_signal
set_parent_death_signal(signal.SIGTERM)
print("ready", flush=True)
signal.pause()
"""
    parent = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {child!r}], stdout=subprocess.PIPE)
assert child.stdout.readline() == b"ready\\n"
print(child.pid, flush=True)
sys.stdin.readline()
import os
os._exit(0)
"""
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        child_pid = int(process.stdout.readline())
        descriptor = os.pidfd_open(child_pid)
        process.stdin.close()
        process.wait(timeout=10)
    try:
        ended, _, _ = select.select([descriptor], [], [], 10)
        if not ended:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        assert ended, "the child outlived its parent"
    finally:
        os.close(descriptor)
