"""`netdash report` as a user runs it: figures, refusals in one line, interruption, a terminal's width."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.forked import run_many
from tests.e2e.installed import one_line, program, run
from tests.e2e.terminal import Terminal
from tests.unit.recording.traffic import minutes, record, snapshots

TRAFFIC = list(snapshots(0.5, seed=3))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "web.netdash"
    record(path, TRAFFIC)
    return path


def test_text_json_and_sar(path: Path) -> None:
    text = run("report", str(path), check=True)
    assert text.stderr == ""
    for title in ("Interfaces  (", "Processes  (", "Users  (", "Remote hosts  (on eth0; ", "Ports  ("):
        assert title in text.stdout
    document = json.loads(run("report", str(path), "--json", "--top", "2", check=True).stdout)
    cells = minutes(TRAFFIC).cells["interface"]
    (row,) = [row for row in document["periods"][0]["interfaces"]["rows"] if row["interface"] == "eth0"]
    assert row["tx"]["bytes"] == sum(cell["tx_bytes"] or 0 for (_, name), cell in cells.items() if name == "eth0")
    assert document["periods"][0]["processes"]["others"]["count"] == 4
    sar = run("report", str(path), "--like", "sar", check=True).stdout.splitlines()
    assert sar[-1].split()[:2] == ["Average:", "eth0"]


def test_units(path: Path) -> None:
    assert "rates in B/s, Ki = 1024" in run("report", str(path), "-u", "bytes", "--iec", check=True).stdout


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ([], 2, "FILE; see netdash report --help"),
        (["no-such-file"], 1, "cannot read no-such-file: No such file or directory"),
        (["/etc/passwd"], 1, "neither a capture file"),
        (["FILE", "--from", "noonish"], 2, "'noonish' is no moment"),
        (["FILE", "--from", "2031-01-01", "--to", "2031-01-02"], 1, "nothing was recorded then"),
        (["FILE", "--by", "week"], 2, "invalid choice: 'week'"),
        (["FILE", "--top", "0"], 2, "'0' is no whole number from 1 to 1000"),
        (["FILE", "--json", "--like", "sar"], 2, "not allowed with"),
        (["CAPTURE"], 1, "is a capture file, and this needs a recording"),
    ],
)
def test_refusals_are_one_line(path: Path, tmp_path: Path, arguments: list[str], code: int, says: str) -> None:
    capture = tmp_path / "a.pcap"
    capture.write_bytes(bytes.fromhex("d4c3b2a1020004000000000000000000ffff000001000000"))
    named = {"FILE": str(path), "CAPTURE": str(capture)}
    done = run("report", *(named.get(each, each) for each in arguments))
    assert (done.returncode, done.stdout) == (code, "")
    assert says in one_line(done.stderr)


def test_a_reader_may_leave(path: Path) -> None:
    shell = f"{program()} report {path} --like sar | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", shell], capture_output=True, text=True, timeout=40, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("netdash 0.1.0 (vm) \t")


def test_damaged_files_are_refused_or_read(path: Path, tmp_path: Path) -> None:
    content, chance, paths = path.read_bytes(), random.Random(4), []
    for number in range(24):
        changed = bytearray(content)
        if number % 2:
            changed = changed[: chance.randrange(100, len(changed))]
        else:
            for _ in range(chance.choice((3, 30, 300))):
                changed[chance.randrange(100, len(changed))] = chance.randrange(256)
        paths.append(tmp_path / str(number))
        paths[-1].write_bytes(changed)
    runs = run_many([["report", str(path), "--json"] for path in paths])
    refused = [each for each in runs if each.code]
    assert len(refused) > 8
    for each in refused:
        assert (each.code, each.output) == (1, "")
        assert one_line(each.errors).startswith("netdash: ")
    assert all(json.loads(each.output)["type"] == "report" for each in runs if not each.code)


HOSTILE = (
    "UPDATE interface_minute SET rx_bytes = 'lots', seconds = 'long'",
    "UPDATE interface_minute SET rx_bytes = 9223372036854775807, tx_bytes = 9223372036854775807",
    "UPDATE interface_minute SET rx_bytes = 1e308, rx_peak = 9e999, seconds = 1e-300",
    "UPDATE interface_minute SET kind = x'00ff', rx_peak = x'41'",
    "UPDATE interface_minute SET minute = minute + 4611686018427387904",
    "UPDATE interface_minute SET minute = -minute",
    "UPDATE interface_minute SET seconds = -1",
    "UPDATE process SET name = char(27) || '[2J' || char(8238), user = x'c0ff', command = 7",
    "UPDATE remote_minute SET remote = remote || replace(hex(zeroblob(50000)), '00', 'x'), protocol = x'00'",
    "UPDATE run SET host = x'ff', flows_layer = char(27) || ']0;x', started = 'then'",
    "DROP TABLE remote_minute",
    "DROP TABLE hour",
    "WITH RECURSIVE n(x) AS (SELECT 0 UNION ALL SELECT x + 3600 FROM n LIMIT 100000) "
    "INSERT OR IGNORE INTO hour SELECT x, 1 FROM n",
    "DROP TABLE process_minute; CREATE VIEW process_minute AS SELECT * FROM interface_minute",
)


def test_hostile_files_do_no_harm(path: Path, tmp_path: Path) -> None:
    commands = []
    for number, statements in enumerate(HOSTILE):
        copy = tmp_path / str(number)
        copy.write_bytes(path.read_bytes())
        with closing(sqlite3.connect(copy)) as connection:
            connection.executescript(statements)
        commands += [["report", str(copy), *form] for form in ([], ["--json", "--step", "hour"], ["--like", "sar"])]
    for command, done in zip(commands, run_many(commands), strict=True):
        assert done.code in (0, 1), (command, done.errors)
        assert "\x1b" not in done.output + done.errors, command
        assert "unforeseen" not in done.errors, (command, done.errors)
        assert len(done.errors.splitlines()) == (1 if done.code else 0), (command, done.errors)


def test_interrupted_it_says_so(path: Path, tmp_path: Path) -> None:
    """A view that never ends stands for a file that is huge."""
    copy = tmp_path / "endless"
    copy.write_bytes(path.read_bytes())
    with closing(sqlite3.connect(copy)) as connection:
        connection.executescript(
            "DROP TABLE process_minute;"
            "CREATE VIEW process_minute AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) "
            "SELECT 1795305600 AS minute, 1 AS process, x AS rx_bytes, x AS tx_bytes, x AS rx_payload, "
            "x AS tx_payload, x AS rx_peak, x AS tx_peak, 1 AS connections FROM n;"
        )
    for number in (signal.SIGINT, signal.SIGTERM):
        command = [program(), "report", str(copy)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while not _is_working(process.pid):
            assert process.poll() is None
        process.send_signal(number)
        output, errors = process.communicate(timeout=30)
        assert (process.returncode, output, errors) == (1, "", "netdash: interrupted\n")


def _is_working(pid: int) -> bool:
    """Whether a process handles SIGTERM itself, which it does while it works on a file."""
    (mask,) = [line.split()[1] for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "SigCgt" in line]
    return bool(int(mask, 16) >> (signal.SIGTERM - 1) & 1)


def test_it_fits_the_terminal(path: Path) -> None:
    with Terminal([program(), "report", str(path), "--top", "1"], columns=70, rows=60) as terminal:
        terminal.wait_for("28 others")
        assert "rx mean" not in terminal.text
        assert "Remote hosts  (on eth0; wire bytes; peak: of a minute)" in terminal.text
