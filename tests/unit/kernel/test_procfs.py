"""Process facts: of real processes, and of hostile text."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netdash.kernel import procfs
from netdash.kernel.procfs import (
    MAX_COMMAND_LENGTH,
    parse_cgroup,
    parse_command,
    parse_stat,
    read_parents,
    read_process,
    read_start_ticks,
    user_name,
)

CONTAINER = "0123456789abcdef" * 4


def test_own_process_is_what_psutil_says() -> None:
    facts = read_process(os.getpid())
    own = psutil.Process()
    assert facts is not None
    assert (facts.pid, facts.parent_pid, facts.uid) == (own.pid, os.getppid(), os.geteuid())
    assert facts.name == Path("/proc/self/comm").read_text().rstrip("\n")
    assert facts.command == " ".join(own.cmdline())[:MAX_COMMAND_LENGTH]
    started = psutil.boot_time() + facts.start_ticks / os.sysconf("SC_CLK_TCK")
    assert started == pytest.approx(own.create_time(), abs=0.011)
    assert read_start_ticks(os.getpid()) == facts.start_ticks


def test_zombie_has_a_name_and_no_command() -> None:
    with subprocess.Popen([sys.executable, "-S", "-c", ""]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        facts = read_process(child.pid)
    assert facts is not None
    assert (facts.parent_pid, facts.command) == (os.getpid(), "")
    assert facts.name.startswith("python")
    assert read_process(child.pid) is None
    assert read_start_ticks(child.pid) is None


def test_hostile_name_and_command_of_a_real_process() -> None:
    code = "import sys; open('/proc/self/comm', 'wb').write(b'a) R 1\\n\\\\(\\xff');print(flush=True); sys.stdin.read()"
    argv = [sys.executable, "-S", "-c", code, "\x1b[31m", "x" * 9000]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        facts = read_process(child.pid)
        child.communicate()
    assert facts is not None
    assert facts.name == "a) R 1\n\\(\N{REPLACEMENT CHARACTER}"
    assert facts.parent_pid == os.getpid()
    assert "\x1b[31m xxx" in facts.command
    assert len(facts.command) == MAX_COMMAND_LENGTH


def test_kernel_thread_has_no_command() -> None:
    facts = read_process(2)
    if facts is None or facts.name != "kthreadd":
        pytest.skip("kernel threads are not visible here")
    assert (facts.command, facts.uid, facts.container) == ("", 0, None)


def test_incomplete_process_directory(tmp_path: Path) -> None:
    assert read_process(7, str(tmp_path)) is None
    process = tmp_path / "7"
    process.mkdir()
    assert read_process(7, str(tmp_path)) is None
    (process / "stat").write_bytes(stat_line(b"x", start=5))
    facts = read_process(7, str(tmp_path))
    assert facts is not None
    assert (facts.name, facts.command, facts.start_ticks, facts.unit) == ("x", "", 5, None)
    assert facts.uid == os.stat(process).st_uid
    (process / "cmdline").mkdir()
    assert read_process(7, str(tmp_path)) == facts


def stat_line(comm: bytes, parent: int = 1, start: int = 12345) -> bytes:
    middle = b" ".join(b"%d" % number for number in range(17))
    return b"7 (" + comm + b") S %d " % parent + middle + b" %d 1000 200 0\n" % start


@given(st.binary(max_size=63), st.integers(0, 2**22), st.integers(0, 2**63))
def test_stat_is_read_behind_any_name(comm: bytes, parent: int, start: int) -> None:
    assert parse_stat(stat_line(comm, parent, start)) == (comm.decode("utf-8", "replace"), parent, start)


@given(st.binary(max_size=300))
def test_random_stat_never_raises(data: bytes) -> None:
    parse_stat(data)
    parse_stat(b"1 (" + data)
    assert parse_stat(stat_line(b"x")[:40]) is None


@pytest.mark.parametrize(
    ("data", "command"),
    [
        (b"", ""),
        (b"\0\0", ""),
        (b"ls\0-l\0/tmp\0", "ls -l /tmp"),
        (b"sh\0-c\0\0last\0", "sh -c  last"),
        (b"nginx: worker process\0\0\0\0\0", "nginx: worker process"),
        (b"\xff\xfe\0", "\N{REPLACEMENT CHARACTER}" * 2),
    ],
)
def test_command(data: bytes, command: str) -> None:
    assert parse_command(data) == command


@pytest.mark.parametrize(
    ("path", "unit", "container"),
    [
        ("/", None, None),
        ("/init.scope", "init.scope", None),
        ("/system.slice/ssh.service", "ssh.service", None),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/app-x.scope", "app-x.scope", None),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice", "app.slice", None),
        ("/system.slice/postgresql@15-main.service/inner", "postgresql@15-main.service", None),
        (f"/system.slice/docker-{CONTAINER}.scope", f"docker-{CONTAINER}.scope", CONTAINER[:12]),
        (f"/docker/{CONTAINER}", None, CONTAINER[:12]),
        (
            f"/kubepods.slice/kubepods-pod1.slice/cri-containerd-{CONTAINER}.scope",
            f"cri-containerd-{CONTAINER}.scope",
            CONTAINER[:12],
        ),
        (f"/kubepods.slice/x.slice/crio-{CONTAINER}.scope/c", f"crio-{CONTAINER}.scope", CONTAINER[:12]),
        (f"/machine.slice/libpod-{CONTAINER}.scope/container", f"libpod-{CONTAINER}.scope", CONTAINER[:12]),
        (f"/machine.slice/libpod-conmon-{CONTAINER}.scope", f"libpod-conmon-{CONTAINER}.scope", None),
        (f"/docker/{CONTAINER}/system.slice/cron.service", "cron.service", CONTAINER[:12]),
        (f"/docker/{CONTAINER[:-1]}", None, None),
        ("/a:b.service", "a:b.service", None),
    ],
)
def test_cgroup_v2(path: str, unit: str | None, container: str | None) -> None:
    assert parse_cgroup(f"0::{path}\n".encode()) == (unit, container)


def test_cgroup_v1_and_hybrid() -> None:
    lines = f"5:pids:/docker/{CONTAINER}\n3:cpu,cpuacct:/wrong.slice\n1:name=systemd:/system.slice/a.service\n"
    assert parse_cgroup(lines.encode()) == ("a.service", CONTAINER[:12])
    assert parse_cgroup((lines + "0::/b.service\n").encode()) == ("b.service", CONTAINER[:12])
    assert parse_cgroup((lines + "0::/\n").encode()) == ("a.service", CONTAINER[:12])


@given(st.binary(max_size=300))
def test_random_cgroup_never_raises(data: bytes) -> None:
    parse_cgroup(data)
    parse_cgroup(b"0::/" + data)


def test_user_names() -> None:
    entry = pwd.getpwuid(0)
    assert user_name(0) == entry.pw_name
    for unknown in (3_999_999_999, 2**32 - 1, 2**70):
        assert user_name(unknown) == str(unknown)
    before = procfs.user_name.cache_info().hits
    user_name(0)
    assert procfs.user_name.cache_info().hits == before + 1


def test_parents_of_this_process() -> None:
    parents = read_parents(os.getppid())
    assert [pid for pid, _ in parents][:1] == [os.getppid()]
    assert parents[0][1] == Path(f"/proc/{os.getppid()}/comm").read_text().rstrip("\n")
    assert read_parents(os.getppid(), 0) == ()


def test_parents_end_where_one_cannot_be_read(tmp_path: Path) -> None:
    for pid, parent in ((4, 3), (3, 2)):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "stat").write_text(f"{pid} (p{pid}) S {parent} " + "0 " * 30)
    assert read_parents(4, proc=str(tmp_path)) == ((4, "p4"), (3, "p3"))
    (tmp_path / "3" / "stat").write_text("3 (p3) S 4 " + "0 " * 30)  # a ring, as no kernel would give
    assert len(read_parents(4, proc=str(tmp_path))) == 8
