"""From an anomaly to its packets in four keys, with the installed program in a terminal; and into a file."""

from __future__ import annotations

import ctypes
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import screenshots.traffic
from netdash.kernel.namespaces import enter_network_namespace
from netdash.model.protocols import TCP
from tests.e2e.installed import program, run
from tests.e2e.terminal import Terminal
from tests.namespaces import Lab, popen_in, socket_in
from tests.unit.sources.capture_files import read_all

ENTER, ESCAPE = "\r", "\x1b"
ROOT = Path(screenshots.traffic.__file__).parent.parent
QUIET = (("tcp", "nginx", "443", "1", "6000", "300"), ("tcp", "postgres", "5432", "1", "300", "9000"))
FLOOD = ("tcp", "runaway", "8080", "1", "250000", "0")
"""Some 100 Mbit/s: 250,000 bytes every 20 ms."""

_PR_SET_SECUREBITS, _NOROOT, _NOROOT_LOCKED = 28, 1, 2
"""<linux/prctl.h>, <linux/securebits.h>: with the bit, execve(2) gives root no capabilities."""


def start(namespace: str, arguments: tuple[str, ...]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "screenshots.traffic", *arguments]
    return popen_in(namespace, command, env=os.environ | {"PYTHONPATH": str(ROOT)})


def first_row(terminal: Terminal) -> str:
    """The line below the titles of the Processes view."""
    lines = terminal.text.splitlines()
    titles = next((index for index, line in enumerate(lines) if "process" in line and "conn" in line), None)
    return "" if titles is None else lines[titles + 1]


def shown(terminal: Terminal) -> int:
    """Packets on the page, as the line above them counts."""
    found = re.search(r"([\d,]+) shown", terminal.text)
    return int(found[1].replace(",", "")) if found else 0


@pytest.mark.root
@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (120, 36)])
def test_four_keys_lead_from_an_anomaly_to_its_packets_and_one_to_a_file(
    lab: Lab, tmp_path: Path, columns: int, rows: int
) -> None:
    def prepare() -> None:
        enter_network_namespace(lab.a.namespace)
        os.chdir(tmp_path)

    for namespace, arguments in ((lab.b.namespace, ("serve",)), *((lab.a.namespace, one) for one in QUIET)):
        start(namespace, arguments)
    with Terminal([program(), "-n", "-d", "0.5"], columns, rows, prepare=prepare) as terminal:
        terminal.wait_for("Interfaces", lab.a.interface, "Mb")
        runaway = start(lab.a.namespace, FLOOD)
        terminal.press("3")
        terminal.wait_until(lambda: "runaway" in first_row(terminal), "the process on top")
        terminal.press(ENTER)
        terminal.wait_for(f"runaway ({runaway.pid})", "10.77.0.2:8080", "TOTAL")
        terminal.press(ENTER)
        terminal.wait_for("crosses", "round trip")
        terminal.press(ENTER)
        terminal.wait_for("packets of tcp 10.77.0.1:", "↔ 10.77.0.2:8080", "[PA] len=", "▲")
        assert "nginx" not in terminal.text
        terminal.wait_until(lambda: shown(terminal) >= 50, "packets of several bursts")
        terminal.press("w")
        terminal.wait_for("packets to:", "netdash-")
        terminal.press(ENTER)
        terminal.wait_for("packets written to netdash-")
        terminal.press(ENTER)
        terminal.wait_for("layer, field", "Ethernet")
        terminal.press(ESCAPE)
        terminal.wait_until(lambda: "layer, field" not in terminal.text, "the list alone")
        terminal.press(ESCAPE)
        terminal.wait_for("crosses", "round trip")
        terminal.press(ENTER)
        terminal.wait_for("packets of tcp", "[PA] len=")
        terminal.quit()
    (path,) = tmp_path.glob("netdash-*.pcapng")
    assert path.stat().st_mode & 0o777 == 0o600
    snapshots = read_all(path)
    flows = [flow for each in snapshots for flow in each.flows]
    assert {(int(flow["protocol"]), int(flow["remote_port"]), int(flow["pid"])) for flow in flows} == {
        (TCP, 8080, runaway.pid)
    }
    assert sum(int(flow["tx_bytes"]) for flow in flows) > 100_000
    text = run("-r", str(path), "-t", "-n", "--view", "processes", check=True).stdout
    assert f"runaway/{runaway.pid}/root" in text
    with Terminal([program(), "-n", "-r", str(path)], columns, rows) as terminal:
        terminal.wait_for("Interfaces", lab.a.interface)
        terminal.press("2")
        terminal.wait_for("10.77.0.2:8080", "TOTAL")
        terminal.press(ENTER)
        terminal.wait_for("crosses")
        terminal.press(ENTER)
        terminal.wait_for("[PA] len=", "shown")
        terminal.press("q")
        assert terminal.wait_for_end() == 0


def give_up_all_capabilities() -> None:
    """A program that is started next has none, though it is root's: it reads root's files as their owner."""
    assert ctypes.CDLL(None).prctl(_PR_SET_SECUREBITS, _NOROOT | _NOROOT_LOCKED, 0, 0, 0) == 0


@pytest.mark.root
def test_without_the_privilege_it_is_told_why_there_are_none(lab: Lab) -> None:
    def prepare() -> None:
        enter_network_namespace(lab.a.namespace)
        give_up_all_capabilities()

    with (
        socket_in(lab.b.namespace, socket.AF_INET, socket.SOCK_STREAM) as listener,
        socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_STREAM) as client,
        Terminal([program(), "-n", "-d", "0.5"], prepare=prepare) as terminal,
    ):
        listener.bind((lab.b.ipv4, 0))
        listener.listen()
        client.connect(listener.getsockname())
        with listener.accept()[0]:
            terminal.wait_for("Interfaces", lab.a.interface)
            terminal.press("2")
            client.sendall(bytes(10_000))
            terminal.wait_for(f"10.77.0.2:{listener.getsockname()[1]}")
            terminal.press("v")
            terminal.wait_for("packets need CAP_NET_RAW, which netdash was started without: run with sudo")
        terminal.press("q")
        assert terminal.wait_for_end() == 0
