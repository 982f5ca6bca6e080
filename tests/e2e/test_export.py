"""`netdash export` as a user runs it: streams, files that are there whole or not at all, refusals in one line."""

from __future__ import annotations

import csv
import io
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from tests.e2e.installed import one_line, program, run
from tests.e2e.terminal import Terminal
from tests.unit.recording.traffic import record, snapshots


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "web.netdash"
    record(path, snapshots(0.3, seed=3))
    return path


@pytest.fixture(scope="module")
def endless(path: Path) -> Path:
    """A table that never ends stands for one that is huge."""
    copy = path.with_name("endless")
    copy.write_bytes(path.read_bytes())
    with closing(sqlite3.connect(copy)) as connection:
        connection.executescript(
            "DROP TABLE run; CREATE VIEW run AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n "
            "LIMIT 3000000) SELECT x AS id, 'vm' AS host, 'b' AS boot_id, 'UTC' AS time_zone, 0 AS utc_offset, "
            "'0' AS netdash, 1.0 AS interval, '' AS interfaces, 'ebpf' AS flows_layer, 'exact' AS processes_layer, "
            "'' AS layout, x AS started, x AS ended, 0 AS summed, '' AS closing FROM n"
        )
    return copy


def count(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        found: tuple[int] = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return found[0]


def test_csv_goes_to_stdout_and_files_by_their_names(path: Path, tmp_path: Path) -> None:
    shown = run("export", str(path), check=True)
    assert shown.stderr == ""
    rows = list(csv.DictReader(io.StringIO(shown.stdout)))
    assert len(rows) == count(path, "flow")
    assert {row["remote"].rpartition(".")[0] for row in rows} == {"203.0.113"}
    for name in ("a.csv", "a.jsonl", "a.parquet"):
        done = run("export", str(path), "--table", "interfaces", "-o", str(tmp_path / name), check=True)
        written = count(path, "interface_minute")
        assert done.stdout == f"netdash: wrote {written} rows of interfaces to {tmp_path / name}\n"
        assert done.stderr == ""
    assert (tmp_path / "a.csv").read_text().startswith("time,interface,")
    assert (tmp_path / "a.jsonl").read_text().startswith('{"time":"2026-11-22T00:00:00.000Z","interface":')
    assert (tmp_path / "a.parquet").read_bytes()[:4] == b"PAR1"


def test_a_part_of_the_time(path: Path) -> None:
    shown = run("export", str(path), "--table", "interfaces", "--from", "2026-11-22T00:05Z", "--to", "+2m", check=True)
    times = {line.split(",")[0] for line in shown.stdout.splitlines()[1:]}
    assert times == {"2026-11-22T00:05:00.000Z", "2026-11-22T00:06:00.000Z"}


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ([], 2, "FILE; see netdash export --help"),
        (["no-such-file"], 1, "cannot read no-such-file: No such file"),
        (["FILE", "--format", "xlsx"], 2, "invalid choice: 'xlsx'"),
        (["FILE", "--table", "weather"], 2, "invalid choice: 'weather'"),
        (["FILE", "--format", "parquet"], 2, "--format parquet needs a file: add -o OUT.parquet"),
        (["FILE", "-o", "/no/such/folder/x.csv"], 1, "cannot write /no/such/folder/x.csv: No such file or directory"),
        (["FILE", "-o", "/proc/version"], 1, "cannot write /proc/version"),
        (["FILE", "-o", "FILE"], 1, "is the recording itself"),
        (["FILE", "-o", "/dev/full"], 1, "cannot write /dev/full: No space left on device"),
        (["FILE", "--from", "whenever"], 2, "'whenever' is no moment"),
    ],
)
def test_refusals_are_one_line(path: Path, arguments: list[str], code: int, says: str) -> None:
    done = run("export", *(str(path) if each == "FILE" else each for each in arguments))
    assert (done.returncode, done.stdout) == (code, "")
    assert says in one_line(done.stderr)


def test_without_pyarrow_it_says_what_to_install(path: Path, tmp_path: Path) -> None:
    code = "import sys; sys.modules['pyarrow'] = None; from netdash.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "export", str(path), "-o", str(tmp_path / "a.parquet")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=40, check=False)
    assert done.returncode == 1
    assert one_line(done.stderr).endswith("pyarrow, which is not installed: pip install 'netdash[parquet]'")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_a_full_disk_leaves_nothing(endless: Path, tmp_path: Path, name: str) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(tmp_path)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode:
        pytest.skip("needs root, to mount a small file system")
    try:
        done = run("export", str(endless), "--table", "runs", "-o", str(tmp_path / name))
        assert done.returncode == 1
        assert "No space left on device" in one_line(done.stderr)
        assert list(tmp_path.iterdir()) == []
    finally:
        subprocess.run(["umount", tmp_path], check=True)


@contextmanager
def started(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_interrupted_it_leaves_no_file(endless: Path, tmp_path: Path, number: signal.Signals, name: str) -> None:
    with started([program(), "export", str(endless), "--table", "runs", "-o", str(tmp_path / name)]) as process:
        while not (parts := list(tmp_path.iterdir())) or not parts[0].stat().st_size:
            assert process.poll() is None
        assert parts[0].name.startswith(f".{name}.")
        process.send_signal(number)
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, output, errors) == (1, "", "netdash: interrupted\n")
    assert list(tmp_path.iterdir()) == []


def test_a_reader_may_leave(endless: Path) -> None:
    with started([program(), "export", str(endless), "--table", "runs"]) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("started,ended,host,")
        process.stdout.close()
        assert (process.wait(30), process.stderr.read()) == (0, "")


def test_a_reader_may_stall(endless: Path) -> None:
    with started([program(), "export", str(endless), "--table", "runs"]) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        while process.poll() is None:
            # The first asks for the end; one that finds it in a write to a full pipe gives up.
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.1)
        assert (process.returncode, process.stderr.read()) == (1, "netdash: interrupted\n")


def test_progress_is_shown_on_a_terminal(endless: Path, tmp_path: Path) -> None:
    command = [program(), "export", str(endless), "--table", "runs", "-o", str(tmp_path / "a.csv")]
    with Terminal(command) as terminal:
        terminal.wait_for("netdash: reading, 0%")
        terminal.press("\x03")
        terminal.wait_for("netdash: interrupted")
        assert "reading" not in terminal.text
