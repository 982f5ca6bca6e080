"""Whose sockets are: processes that inherit, pass, open and close them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import pytest

from netdash.kernel.process_files import SocketOwners
from netdash.kernel.procfs import read_start_ticks
from tests.integration.sockets import connect, cookie, inode, stack, transfer
from tests.namespaces import Lab, popen_in

__all__ = ["stack"]

HOLD = "import sys; print('ready', flush=True); sys.stdin.read()"
RECEIVE = (
    "import socket, sys; fds = socket.recv_fds(socket.socket(fileno=int(sys.argv[1])), 1, 1)[1];"
    "print('ready', flush=True); sys.stdin.read()"
)


@contextmanager
def child(code: str, *arguments: str, pass_fds: tuple[int, ...] = ()) -> Iterator[subprocess.Popen[bytes]]:
    argv = [sys.executable, "-S", "-c", code, *arguments]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=pass_fds) as process:
        try:
            yield process
        finally:
            process.kill()


def await_ready(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"


def owner_of(owners: SocketOwners, number: int, *others: int) -> int:
    inodes = np.array([number, *others], np.uint32)
    owners.refresh(inodes)
    return int(owners.owners(inodes)[0])


def test_owner_of_inherited_and_passed_sockets(stack: ExitStack) -> None:
    owners = SocketOwners()
    own = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    number = inode(own)
    assert owner_of(owners, number) == os.getpid()
    assert owners.start_ticks(os.getpid()) == read_start_ticks(os.getpid())

    with child(HOLD, pass_fds=(own.fileno(),)) as inherited:
        await_ready(inherited)
        # An inode that nobody has makes it look for new processes.
        assert owner_of(owners, number, 4_000_000_000) == os.getpid()
        assert set(owners.shared(number)) == {os.getpid(), inherited.pid}
        own.close()
        assert owner_of(owners, number) == inherited.pid

    passed = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    number = inode(passed)
    assert owner_of(owners, number) == os.getpid()
    near, far = socket.socketpair()
    with near, far, child(RECEIVE, str(far.fileno()), pass_fds=(far.fileno(),)) as receiver:
        socket.send_fds(near, [b"x"], [passed.fileno()])
        await_ready(receiver)
        passed.close()
        assert owner_of(owners, number) == receiver.pid
        receiver.kill()
        receiver.wait()
        assert owner_of(owners, number) == -1


def test_owner_of_a_process_that_opens_and_closes_evenly(stack: ExitStack) -> None:
    """The number of descriptors stays the same, so counting them tells nothing."""
    owners = SocketOwners()
    keep = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    for _ in range(5):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as short:
            assert owner_of(owners, inode(short), inode(keep)) == os.getpid()


AS_NOBODY = """
import json, os, socket, sys
import numpy as np
from netdash.kernel.process_files import SocketOwners
from netdash.kernel.sock_diag import SocketReader
from netdash.kernel.socket_events import SocketDestroyEvents
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
own.bind(("127.0.0.1", 0))
events = SocketDestroyEvents(); events.open(); events.close()
reader = SocketReader(); reader.open()
rows = reader.dump(); reader.close()
owners = SocketOwners(); owners.refresh(rows["inode"])
found = owners.owners(rows["inode"]).tolist()
columns = ["cookie", "has_info", "rx_payload_bytes", "tx_payload_bytes", "uid", "inode"]
sockets = [[int(row[name]) for name in columns] for row in rows]
own_inode = os.fstat(own.fileno()).st_ino
print(json.dumps([os.getpid(), own_inode, owners.readable_all, [[*row, pid] for row, pid in zip(sockets, found)]]))
"""


@pytest.mark.root
@pytest.mark.ordinary_user
def test_plain_user_sees_all_sockets_and_own_processes_only(lab: Lab, stack: ExitStack) -> None:
    client, server = connect(stack, lab.a.namespace)
    transfer(client, server, 4_000)
    process = popen_in(lab.a.namespace, [sys.executable, "-c", AS_NOBODY], stdout=subprocess.PIPE)
    output, _ = process.communicate(timeout=30)
    pid, own_inode, readable_all, sockets = json.loads(output)
    assert pid == process.pid
    assert not readable_all
    by_cookie = {row[0]: row[1:] for row in sockets}
    assert by_cookie[cookie(client)] == [1, 0, 4_000, 0, inode(client), -1]
    assert by_cookie[cookie(server)] == [1, 4_000, 0, 0, inode(server), -1]
    assert [row[-1] for row in sockets if row[5] == own_inode] == [pid]
    assert [row[4] for row in sockets if row[5] == own_inode] == [65534]


@pytest.mark.root
def test_root_reads_other_users_processes(stack: ExitStack) -> None:
    own = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    # The child changes its user itself: another user may not be allowed to execute this interpreter.
    code = f"import os; os.setgroups([]); os.setresuid(65534, 65534, 65534); {HOLD}"
    with child(code, pass_fds=(own.fileno(),)) as process:
        await_ready(process)
        number = inode(own)
        own.close()
        owners = SocketOwners()
        assert owner_of(owners, number) == process.pid
        assert owners.readable_all
