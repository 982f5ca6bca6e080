"""An ordinary user: everything runs, TCP connections have rates, and what is missing is said with its remedy."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import netdash
from tests.e2e.nobody import NOBODY, as_nobody
from tests.integration.running import flow
from tests.namespaces import Lab, popen_in, socket_in

pytestmark = [pytest.mark.root, pytest.mark.ordinary_user]


def test_tcp_rates_and_a_remedy_without_any_privilege(lab: Lab) -> None:
    with (
        socket_in(lab.b.namespace, socket.AF_INET, socket.SOCK_STREAM) as listener,
        socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_STREAM) as client,
    ):
        listener.bind((lab.b.ipv4, 0))
        listener.listen()
        client.connect(listener.getsockname())
        server, _ = listener.accept()
        process = popen_in(
            lab.a.namespace,
            [sys.executable, "-c", as_nobody(), "--json", "-d", "0.3", "-c", "3"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        with server, process.stdout, process.stderr:
            assert json.loads(process.stdout.readline())["type"] == "start"
            client.sendall(bytes(300_000))
            left = 300_000
            while left:
                left -= len(server.recv(left))
            lines = [json.loads(line) for line in process.stdout]
            assert process.stderr.read() == b""
        assert process.wait(20) == 0
        summary = lines[-1]
        row = flow(summary, local_port=client.getsockname()[1])
    assert summary["mode"] == {"flows": "sockets", "processes": "own"}
    assert (row["tx_payload"], row["rx_payload"]) == (300_000, 0)
    assert (row["tx_bytes"], row["pid"]) == (None, None)
    assert row["interface"] == lab.a.interface
    notes = " ".join(summary["health"]["notes"])
    for word in ("CAP_NET_RAW", "CAP_PERFMON", "sudo"):
        assert word in notes


def test_own_processes_are_named(lab: Lab) -> None:
    """The socket of a process of the same user is found without any capability."""
    own = f"""
import ctypes, os, socket
os.setgroups([]); os.setresgid({NOBODY}, {NOBODY}, {NOBODY}); os.setresuid({NOBODY}, {NOBODY}, {NOBODY})
ctypes.CDLL(None).prctl(4, 1)  # PR_SET_DUMPABLE: a change of user had taken it away, as execve(2) gives it
s = socket.create_server(("127.0.0.1", 7100)); print("ready", flush=True); os.read(0, 1)
"""
    with popen_in(
        lab.a.namespace, [sys.executable, "-c", own], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        process = popen_in(
            lab.a.namespace,
            [sys.executable, "-c", as_nobody(), "--json", "--view", "sockets", "-d", "0.2", "-c", "1"],
            stdout=subprocess.PIPE,
        )
        output, _ = process.communicate(timeout=30)
    sockets = json.loads(output.splitlines()[1])["sockets"]
    (row,) = (s for s in sockets if s["local_port"] == 7100)
    assert row["pid"] == holder.pid
    assert os.getuid() != NOBODY


def test_doctor_tells_the_cause_and_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-c", as_nobody(modules=["netdash.doctor"]), "doctor"],
        capture_output=True,
        text=True,
        timeout=40,
        check=True,
    )
    assert "netdash would run with: sockets/own" in done.stdout
    for word in ("CAP_NET_RAW", "CAP_PERFMON", "setpriv", "sudo", "AmbientCapabilities"):
        assert word in done.stdout


def test_files_that_the_invoking_user_cannot_read_are_told(tmp_path: Path) -> None:
    """Installed under root's home, run by sudo: the dashboard becomes a user who cannot import the rest of it."""
    closed = tmp_path / "closed"
    shutil.copytree(Path(netdash.__file__).parent, closed / "netdash")
    closed.chmod(0o700)
    done = subprocess.run(
        [sys.executable, "-m", "netdash", "--json", "-c", "1", "-i", "lo"],
        cwd=closed,
        env=os.environ | {"SUDO_UID": str(NOBODY)},
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "user nobody cannot read netdash's own files; install it where" in line
