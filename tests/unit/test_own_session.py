"""The user's own SSH connection: found through sudo, told from its neighbours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from netdash.model.own_session import OwnSession, parse_ssh_connection
from netdash.model.protocols import TCP, UDP
from netdash.model.tables import FLOW_ROW, pack_address
from netdash.sources.own_session import find_own_session

TEXT = "203.0.113.9 50022 10.0.0.1 22"
SESSION = OwnSession(pack_address("10.0.0.1"), 22, pack_address("203.0.113.9"), 50022)


def _process(proc: Path, pid: int, parent: int, environ: bytes | None) -> None:
    folder = proc / str(pid)
    folder.mkdir()
    (folder / "stat").write_bytes(b"%d (a) b) S %d 1 1" % (pid, parent))
    if environ is not None:
        (folder / "environ").write_bytes(environ)


def test_the_variable_is_read_in_both_address_families() -> None:
    assert parse_ssh_connection(TEXT) == SESSION
    session = parse_ssh_connection("fe80::1%eth0 50022 fe80::2%eth0 22")
    assert session is not None
    assert session.remote == pack_address("fe80::1")


@given(st.text(max_size=80) | st.from_regex(r"[0-9.]+ [0-9]{1,6} [0-9a-f:]+ [0-9]{1,6}", fullmatch=True))
def test_anything_else_is_no_session(text: str) -> None:
    session = parse_ssh_connection(text)
    assert session is None or 0 < session.local_port < 65536


def test_the_shell_that_called_sudo_is_asked(tmp_path: Path) -> None:
    _process(tmp_path, 30, 20, None)  # netdash
    _process(tmp_path, 20, 10, None)  # sudo, of root: not to be read
    _process(tmp_path, 10, 5, b"HOME=/home/a\0SSH_CONNECTION=" + TEXT.encode() + b"\0TERM=x\0")
    assert find_own_session({}, tmp_path, 30) == SESSION
    assert find_own_session({"SSH_CONNECTION": TEXT}, tmp_path, 99) == SESSION
    _process(tmp_path, 40, 1, None)
    assert find_own_session({}, tmp_path, 40) is None
    assert find_own_session({}, tmp_path, 41) is None


def test_rows_of_the_connection_alone() -> None:
    flows = np.zeros(5, FLOW_ROW)
    flows["protocol"] = (TCP, TCP, UDP, TCP, TCP)
    flows["pid"] = (700, 701, 702, -1, 704)
    ends = [("10.0.0.1", 22, "203.0.113.9", 50022)] * 3 + [
        ("203.0.113.9", 50022, "10.0.0.1", 22),
        ("10.0.0.1", 22, "203.0.113.10", 50022),
    ]
    for row, (local, local_port, remote, remote_port) in zip(flows, ends, strict=True):
        row["local"] = np.frombuffer(pack_address(local), np.uint8)
        row["remote"] = np.frombuffer(pack_address(remote), np.uint8)
        row["local_port"], row["remote_port"] = local_port, remote_port
    assert SESSION.rows(flows).tolist() == [True, True, False, True, False]
    assert SESSION.pids(flows) == {700, 701}
