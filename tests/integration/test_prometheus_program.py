"""`netdash --prometheus`: the installed program serves what passes, alone, with JSON, with a recording, with the
dashboard."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.terminal import Terminal
from tests.namespaces import Lab, socket_in

pytestmark = pytest.mark.root

_PATIENCE_SECONDS = 30.0
_PROGRAM = [sys.executable, "-m", "netdash"]
_WITHOUT_LIBRARY = (
    "import sys; sys.modules['prometheus_client'] = None; from netdash.cli import main; sys.exit(main(sys.argv[1:]))"
)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


def scraped(port: int) -> dict[str, float]:
    """Value by name and labels, as the text has them; nothing while nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=_PATIENCE_SECONDS) as response:
            text = response.read().decode()
    except urllib.error.URLError:
        return {}
    return {
        f"{sample.name}{{{','.join(f'{name}={value}' for name, value in sorted(sample.labels.items()))}}}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline, pause = time.monotonic() + _PATIENCE_SECONDS, threading.Event()
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        pause.wait(0.05)


@contextmanager
def serving(lab: Lab, port: int, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The program, after its first interval."""
    command = [*_PROGRAM, "--netns", lab.a.namespace, "-d", "0.2", f"--prometheus={port}", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_until(lambda: scraped(port).get("netdash_observed_seconds_total{}", 0) > 0, process)
            yield process
        finally:
            process.kill()


def send(lab: Lab) -> int:
    """Wire bytes that go from a to b."""
    with socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(50):
            sender.sendto(bytes(100 + number), (lab.b.ipv4, 7000))
    return sum(14 + 20 + 8 + 100 + number for number in range(50))


def end(process: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
    process.send_signal(number)
    output, errors = process.communicate(timeout=40)
    return process.returncode, output, errors


def test_alone_it_is_silent_and_counts_every_byte(lab: Lab) -> None:
    port = free_port()
    with serving(lab, port, "-q") as process:
        before = scraped(port)
        sent = send(lab)
        name = f"netdash_interface_transmit_bytes_total{{interface={lab.a.interface}}}"
        udp = f"netdash_protocol_transmit_bytes_total{{interface={lab.a.interface},protocol=udp}}"
        wait_until(lambda: scraped(port).get(udp, 0) >= sent, process)
        after = scraped(port)
        assert after[name] - before[name] >= sent
        assert after[udp] - before.get(udp, 0) == sent
        by_process = {
            each: value - before.get(each, 0)
            for each, value in after.items()
            if each.startswith("netdash_process_transmit_bytes_total{")
        }
        assert sum(by_process.values()) >= sent
        assert all(after[each] >= value for each, value in before.items() if each.partition("{")[0].endswith("_total"))
        assert end(process) == (0, "", "")


def test_with_json_and_a_recording(lab: Lab, tmp_path: Path) -> None:
    port, path = free_port(), tmp_path / "a.netdash"
    with serving(lab, port, "--json", f"--log={path}") as process:
        send(lab)
        code, output, errors = end(process, signal.SIGINT)
    assert code == 0
    assert "recorded" in errors
    assert [json.loads(line)["type"] for line in output.splitlines()][-1] == "summary"
    assert path.stat().st_size > 0


def test_with_a_recording_it_tells_its_line_at_the_end(lab: Lab, tmp_path: Path) -> None:
    with serving(lab, free_port(), f"--log={tmp_path / 'a.netdash'}") as process:
        code, output, errors = end(process)
    assert (code, errors) == (0, "")
    assert output.startswith("netdash: recorded ")


def test_a_full_disk_ends_the_recording_and_not_the_metrics(lab: Lab, tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", tmp_path], check=True)
    try:
        port = free_port()
        with serving(lab, port, f"--log={tmp_path / 'a.netdash'}") as process:
            with open(tmp_path / "filler", "wb", buffering=0) as filler:
                try:
                    while filler.write(bytes(4096)):
                        pass
                except OSError:
                    filler.flush()
            assert process.stderr is not None
            assert "the disk is full: make room" in process.stderr.readline()
            seconds = scraped(port)["netdash_observed_seconds_total{}"]
            wait_until(lambda: scraped(port)["netdash_observed_seconds_total{}"] > seconds, process)
            assert end(process)[0] == 1
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_with_the_dashboard(lab: Lab) -> None:
    port = free_port()
    command = [*_PROGRAM, "--netns", lab.a.namespace, "-d", "0.2", f"--prometheus={port}"]
    with Terminal(command, columns=100, rows=30) as terminal:
        terminal.wait_for(lab.a.interface)
        sent = send(lab)
        udp = f"netdash_protocol_transmit_bytes_total{{interface={lab.a.interface},protocol=udp}}"
        terminal.wait_until(lambda: scraped(port).get(udp, 0) >= sent, "metric")
        terminal.press("q")
        assert terminal.wait_for_end() == 0


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--prometheus=nowhere"], 2, "'nowhere' is no address and port such as 127.0.0.1:9824"),
        (["--prometheus=localhost"], 2, "'localhost' is no address and port"),
        (["--prometheus=127.0.0.1:99999"], 2, "'127.0.0.1:99999' is no address and port"),
        (["--prometheus=::1:9824"], 2, "'::1:9824' is no address and port"),
        (["--prometheus=203.0.113.1:9824"], 1, "203.0.113.1:9824: Cannot assign requested address; name an address"),
        (["--prometheus", "-r", "file"], 2, "--prometheus tells of the live system"),
    ],
)
def test_what_cannot_be_served_is_told_in_one_line(arguments: list[str], code: int, says: str) -> None:
    done = subprocess.run([*_PROGRAM, "-q", *arguments], capture_output=True, text=True, timeout=40, check=False)
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_port_in_use_and_a_missing_library_are_told_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        command = [*_PROGRAM, f"--log={tmp_path / 'a.netdash'}", f"--prometheus={address}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=40, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        f"netdash: cannot serve metrics on {address}: Address already in use; name an address"
    )
    command = [sys.executable, "-c", _WITHOUT_LIBRARY, f"--log={tmp_path / 'a.netdash'}", "--prometheus", "-q"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=40, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("prometheus_client, which is not installed: pip install 'netdash[prometheus]'\n")
    assert list(tmp_path.iterdir()) == []
