"""`netdash -r FILE` with recordings that are damaged, foreign or newer: what is readable is shown, the rest told in
one line."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.forked import Run, run_many
from tests.e2e.installed import one_line
from tests.unit.recording.test_recording import record, snapshot
from tests.unit.sinks.builders import FLOWS

_INTERVALS = 320
_COPIES = 9


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recording") / "whole.netdash"
    record(path, [snapshot(number, flows=FLOWS[number % 2 :]) for number in range(_INTERVALS)])
    return path


def read(*paths: Path) -> list[Run]:
    """What the program says of each."""
    return run_many([["-r", str(path), "--json", "--view", "interfaces"] for path in paths])


def times(run: Run) -> list[str]:
    """Of the snapshots that were printed."""
    return [line["time"] for line in map(json.loads, run.output.splitlines()) if line["type"] == "snapshot"]


def copies(whole: Path, damage: Callable[[bytearray, random.Random], bytearray]) -> list[Path]:
    chance, paths = random.Random(11), []
    for number in range(_COPIES):
        paths.append(whole.with_name(f"{damage.__name__}-{number}"))
        paths[-1].write_bytes(damage(bytearray(whole.read_bytes()), chance))
    return paths


def cut(content: bytearray, chance: random.Random) -> bytearray:
    return content[: chance.randrange(1, len(content))]


def flip(content: bytearray, chance: random.Random) -> bytearray:
    for _ in range(chance.choice((1, 10, 100))):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    return content


@pytest.mark.parametrize("damage", [cut, flip])
def test_damaged_files(whole: Path, damage: Callable[[bytearray, random.Random], bytearray]) -> None:
    paths = copies(whole, damage)
    expected, *runs = read(whole, *paths)
    assert (expected.code, expected.errors, len(times(expected))) == (0, "", _INTERVALS)
    known, readable = times(expected), 0
    for path, run in zip(paths, runs, strict=True):
        shown = times(run)
        readable += bool(shown)
        # Nothing is invented, and nothing is missing without a word.
        if damage is cut:
            assert set(shown) <= set(known), path
        if len(shown) < _INTERVALS:
            assert one_line(run.errors).startswith("netdash: "), path
            assert path.name in run.errors
        assert run.code == (0 if shown else 1), (path, run.errors)
    assert readable > _COPIES / 3


def test_what_is_no_recording_that_can_be_read(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("a text\n" * 100)
    (tmp_path / "head only").write_bytes(whole.read_bytes()[:100])
    with closing(sqlite3.connect(tmp_path / "foreign")) as connection:
        connection.execute("CREATE TABLE bookmarks (x)")
        connection.commit()
    newer = tmp_path / "newer"
    newer.write_bytes(whole.read_bytes())
    with closing(sqlite3.connect(newer)) as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
        connection.commit()
    record(tmp_path / "nothing", [])
    expected = {
        "missing": "No such file",
        "empty": "is empty",
        "text": "neither a capture file",
        "head only": "the file is damaged",
        "foreign": "no netdash recording",
        "newer": "written by a newer netdash",
        "nothing": "holds no interval yet",
    }
    for (name, says), run in zip(expected.items(), read(*(tmp_path / name for name in expected)), strict=True):
        assert (run.code, run.output) == (1, ""), name
        assert says in one_line(run.errors)
        assert name in run.errors


def test_what_is_for_capture_files_is_refused(whole: Path) -> None:
    (run,) = run_many([["-r", str(whole), "--json", "--local-net", "10.0.0.0/8"]])
    assert (run.code, run.output) == (2, "")
    assert "--local-net is for a capture file" in one_line(run.errors)


def test_every_output_tells_the_damage(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.netdash"
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size * 3 // 4])
    outputs = [[output, "-n", "--view", "interfaces"] for output in ("--text", "--csv", "--json")]
    for run in run_many([["-r", str(path), *arguments] for arguments in outputs]):
        assert run.code == 0
        assert len(run.output.splitlines()) > _INTERVALS / 3
        assert "what is left is shown" in one_line(run.errors)
    for run in run_many([["report", str(path)], ["export", str(path)]]):
        assert (run.code, run.output) == (1, "")
        assert "the file is damaged" in one_line(run.errors)
        assert "so its sums cannot be relied on" in run.errors
