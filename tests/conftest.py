"""Shared by all tests: the markers `root` and `ordinary_user`, and the `lab` fixture."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import netdash
from tests.namespaces import Lab, create_namespace, remove_namespace, socket_in


@cache
def missing_privilege() -> str | None:
    """Why tests marked `root` cannot run here, or None if they can: tried once, with a real namespace."""
    if os.geteuid() != 0:
        return "needs root"
    name = f"nd-{os.getpid()}-probe"
    try:
        create_namespace(name)
        try:
            socket_in(name, socket.AF_PACKET, socket.SOCK_RAW).close()
        finally:
            remove_namespace(name)
    except OSError as error:
        return f"needs network namespaces and packet sockets: {error}"
    return None


@cache
def hidden_from_others() -> str | None:
    """Why a test that becomes an ordinary user could not read the program then, or None if it can."""
    for folder in Path(netdash.__file__).resolve().parents:
        if not folder.stat().st_mode & stat.S_IXOTH:
            return f"needs a source tree that every user can read: {folder} is closed"
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("ordinary_user") is not None and (reason := hidden_from_others()) is not None:
        pytest.skip(reason)
    if item.get_closest_marker("root") is not None and (reason := missing_privilege()) is not None:
        pytest.skip(reason)


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Two namespaces joined by a silent veth pair, new for each test; use it in tests marked `root`."""
    with Lab() as lab:
        yield lab
