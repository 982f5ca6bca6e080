"""What a user at a shell sees when something is wrong: one line, the right exit code, no traceback."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys

import pytest

from netdash import __version__
from tests.e2e.installed import one_line, program, run


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--delay", "fast"], "'fast' is no number of seconds"),
        (["-d", "0.01"], "0.1 to 3600"),
        (["-c", "0"], "'0' is no whole number"),
        (["--view", "weather"], "weather"),
        (["--csv"], "add --view"),
        (["--json", "--text"], "not allowed with"),
        (["--frobnicate"], "--frobnicate"),
        (["--max-flows", "12"], "from 1024"),
        (["-u", "nibbles"], "nibbles"),
    ],
)
def test_wrong_arguments_give_one_line_and_2(arguments: list[str], named: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert named in one_line(done.stderr)
    assert one_line(done.stderr).endswith("see netdash --help") or "add --view" in done.stderr
    assert done.stdout == ""


def test_a_missing_interface_is_named_with_those_that_are_there() -> None:
    done = run("--json", "-c", "1", "nosuch0")
    assert done.returncode == 1
    line = one_line(done.stderr)
    assert "no interface matches 'nosuch0'" in line
    assert "lo" in line


def test_a_missing_namespace_is_named() -> None:
    done = run("--json", "-c", "1", "--netns", "no-such-namespace")
    assert done.returncode == 1
    assert "no-such-namespace" in one_line(done.stderr)


def test_hostile_arguments_do_not_reach_the_terminal() -> None:
    done = run("--json", "\x1b[2Jeth")
    assert done.returncode == 1
    assert "\x1b" not in done.stderr


def test_version_and_help() -> None:
    assert run("--version").stdout == f"netdash {__version__}\n"
    shown = run("--help").stdout
    for option in ("--interface", "--delay", "--count", "--json", "--csv", "--text", "--view", "--netns", "--units"):
        assert option in shown


def test_help_loads_nothing_heavy() -> None:
    code = "import sys; from netdash.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    code += "print([m for m in ('numpy', 'textual', 'scapy', 'pyroute2') if m in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=40, check=True)
    assert done.stderr.strip() == "[]"


def test_without_a_terminal_there_is_text() -> None:
    done = run("-c", "1", "-d", "0.2")
    assert (done.returncode, done.stderr) == (0, "")
    assert "IFACE" in done.stdout
    assert "lo" in done.stdout
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("view", ["interfaces", "flows", "processes", "sockets", "protocols"])
@pytest.mark.parametrize("output", ["--text", "--json", "--csv"])
def test_every_view_in_every_output(view: str, output: str) -> None:
    done = run(output, "--view", view, "-c", "1", "-d", "0.2")
    assert (done.returncode, done.stderr) == (0, "")
    if output == "--json":
        kinds = [json.loads(line)["type"] for line in done.stdout.splitlines()]
        assert kinds == ["start", "snapshot", "summary"]
    else:
        assert done.stdout.strip()


def test_a_reader_that_has_enough_ends_it_quietly() -> None:
    done = subprocess.run(
        f"{program()} --json -d 0.1 | head -n 2 | wc -l; echo ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        timeout=40,
        check=True,
    )
    assert done.stdout.split() == ["2", "0"]
    assert done.stderr == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_writes_the_last_interval_and_the_summary(number: signal.Signals) -> None:
    process = subprocess.Popen(
        [program(), "--json", "-d", "60"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr:
        assert json.loads(process.stdout.readline())["type"] == "start"
        process.send_signal(number)
        kinds = [json.loads(line)["type"] for line in process.stdout]
        assert process.stderr.read() == ""
    assert kinds == ["snapshot", "summary"]
    assert process.wait(20) == 0


def test_a_dead_collector_is_told_in_one_line() -> None:
    process = subprocess.Popen(
        [program(), "--json", "-d", "60"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr:
        process.stdout.readline()
        with open(f"/proc/{process.pid}/task/{process.pid}/children") as file:
            (collector,) = map(int, file.read().split())
        os.kill(collector, signal.SIGKILL)
        errors = process.stderr.read()
    assert process.wait(20) == 1
    assert "the collector ended: killed by SIGKILL" in one_line(errors)


def test_the_collector_ends_with_its_parent() -> None:
    process = subprocess.Popen([program(), "--json", "-d", "60"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    with process.stdout:
        process.stdout.readline()
        with open(f"/proc/{process.pid}/task/{process.pid}/children") as file:
            (collector,) = map(int, file.read().split())
        watch = os.pidfd_open(collector)
        process.kill()
        process.wait()
    ended, _, _ = select.select([watch], [], [], 20)
    os.close(watch)
    assert ended


@pytest.mark.root
def test_doctor_finds_every_layer_for_root() -> None:
    done = run("doctor")
    assert (done.returncode, done.stderr) == (0, "")
    for layer in ("ebpf", "ring", "sockets", "exact", "scan", "own"):
        assert re.search(rf"^ [* ] {layer} +(works|no) ", done.stdout, re.MULTILINE), layer
    assert re.search(r"^ \* \w+ +works", done.stdout, re.MULTILINE)
    assert "netdash would run with: " in done.stdout
