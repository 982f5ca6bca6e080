"""The service that the package brings: systemd takes the unit, and what it starts records without root."""

from __future__ import annotations

import configparser
import os
import shlex
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from importlib.resources import files
from pathlib import Path

import pytest

from tests.e2e.installed import program
from tests.e2e.nobody import NOBODY, as_nobody
from tests.integration.test_recording import intervals, wait_until
from tests.namespaces import Lab, popen_in, socket_in

UNIT = files("netdash").joinpath("data/netdash-record.service").read_text("utf-8")


def service() -> dict[str, str]:
    """The unit's section [Service]."""
    parser = configparser.ConfigParser(delimiters="=", comment_prefixes="#", interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(UNIT)
    return dict(parser["Service"])


@pytest.fixture
def state_directory() -> Iterator[Path]:
    """As systemd makes it: of the service's user alone."""
    with tempfile.TemporaryDirectory(prefix="netdash-test-") as path:
        os.chmod(path, 0o700)
        os.chown(path, NOBODY, NOBODY)
        yield Path(path)


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("needs systemd-analyze")
    unit = tmp_path / "netdash-record.service"
    unit.write_text(UNIT.replace("ExecStart=netdash ", f"ExecStart={program()} "))
    done = subprocess.run([analyze, "verify", unit], capture_output=True, text=True, timeout=40, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.root
@pytest.mark.ordinary_user
def test_what_it_starts_records_with_its_capabilities_and_no_more(lab: Lab, state_directory: Path) -> None:
    settings = service()
    capabilities = settings["AmbientCapabilities"].split()
    assert settings["CapabilityBoundingSet"].split() == capabilities
    name, *arguments = shlex.split(settings["ExecStart"].replace("${STATE_DIRECTORY}", str(state_directory)))
    assert name == "netdash"
    path = state_directory / "activity.netdash"
    modules = ("netdash.sinks.silent", "netdash.sinks.recording_watch", "sqlite3")
    process = popen_in(
        lab.a.namespace,
        [sys.executable, "-c", as_nobody(capabilities, modules), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "STATE_DIRECTORY": str(state_directory)},
    )
    wait_until(intervals(path, 1))
    with socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(10):
            sender.sendto(bytes(100), (lab.b.ipv4, 9))
        wait_until(intervals(path, 3))
    # What `systemctl stop` does with KillMode=mixed.
    assert settings["KillMode"] == "mixed"
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=40)
    assert (process.returncode, errors) == (0, b"")
    assert f"to {path}, ".encode() in output
    assert (path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)) == (NOBODY, 0o600)
    with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as connection:
        layers = connection.execute("SELECT flows_layer, processes_layer FROM run").fetchall()
        sent = connection.execute(
            "SELECT pid, attribution, tx_packets, tx_bytes FROM flows WHERE remote = ? AND protocol = 'udp'",
            (lab.b.ipv4,),
        ).fetchall()
    assert layers == [("ebpf", "exact")]
    assert sent == [(os.getpid(), "exact", 10, 1420)]
