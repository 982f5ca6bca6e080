from __future__ import annotations

import os
import subprocess
import sys

import pytest

from netdash.kernel.privileges import invoking_user

STATUS = """
import os, sys, threading
from netdash.kernel.privileges import User, drop_privileges
user = User(65534, 65534, "nobody") if sys.argv[1] == "nobody" else None
drop_privileges(frozenset(sys.argv[2:]), user)
def show():
    lines = dict(line.split(":", 1) for line in open("/proc/thread-self/status"))
    names = ("Uid", "CapEff", "CapPrm", "CapInh", "CapAmb", "NoNewPrivs")
    print(*(lines[name].split()[0] for name in names), lines["Groups"].split())
thread = threading.Thread(target=show); thread.start(); thread.join()
"""

NO_CAPABILITY = "0000000000000000"
PTRACE_AND_READ = f"{1 << 19 | 1 << 2:016x}"


def status_after(user: str, *keep: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", STATUS, user, *keep], capture_output=True, text=True, check=True, timeout=30
    )
    return done.stdout.split()


@pytest.mark.root
def test_root_without_any_capability() -> None:
    assert status_after("root")[:6] == ["0", *[NO_CAPABILITY] * 4, "1"]


@pytest.mark.root
def test_another_user_without_any_capability_nor_group_of_root() -> None:
    status = status_after("nobody")
    assert status[:6] == ["65534", *[NO_CAPABILITY] * 4, "1"]
    assert "'0'" not in status[6]


@pytest.mark.root
@pytest.mark.parametrize("user", ["root", "nobody"])
def test_what_is_kept_is_all_that_is_there(user: str) -> None:
    _, effective, permitted, inheritable, ambient, no_new = status_after(user, "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH")[
        :6
    ]
    assert (effective, permitted) == (PTRACE_AND_READ, PTRACE_AND_READ)
    assert (inheritable, ambient, no_new) == (NO_CAPABILITY, NO_CAPABILITY, "1")


@pytest.mark.root
@pytest.mark.parametrize(
    ("value", "expected"), [(None, None), ("", None), ("0", None), ("-1", None), ("4294967294", None), ("65534", 65534)]
)
def test_who_called_sudo(monkeypatch: pytest.MonkeyPatch, value: str | None, expected: int | None) -> None:
    monkeypatch.delenv("SUDO_UID", raising=False)
    if value is not None:
        monkeypatch.setenv("SUDO_UID", value)
    user = invoking_user()
    assert (user.uid if user else None) == expected


@pytest.mark.skipif(os.geteuid() == 0, reason="needs an ordinary user")
def test_an_ordinary_user_becomes_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_UID", "65534")
    assert invoking_user() is None
