"""`netdash -r FILE` with capture files: output like live, failures in one line."""

from __future__ import annotations

import gzip
import json
import random
from importlib.resources import files
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.e2e.forked import run_many
from tests.e2e.installed import one_line, run
from tests.integration.running import JsonObject
from tests.unit.sources.capture_files import Pcapng, frame, pcap
from tests.unit.sources.test_capture_hostile import VALID

SCHEMA = json.loads(files("netdash.sinks").joinpath("schema.json").read_text("utf-8"))
CLIENT, SERVER = ("192.0.2.1", 40_000), ("198.51.100.7", 443)


@pytest.fixture
def trace(tmp_path: Path) -> str:
    """Ten seconds: a packet there and a longer one back in each."""
    packets = []
    for second in range(10):
        packets += [
            (second, frame(*CLIENT, *SERVER, size=100)),
            (second + 0.5, frame(*SERVER, *CLIENT, size=1000)),
        ]
    path = tmp_path / "trace.pcap"
    path.write_bytes(pcap(packets))
    return str(path)


def lines_of(*arguments: str) -> list[JsonObject]:
    done = run("--json", *arguments, check=True)
    assert done.stderr == ""
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    validator = Draft202012Validator(SCHEMA)
    for line in lines:
        validator.validate(line)
    return lines


def test_json_lines_by_the_clock_of_the_packets(trace: str) -> None:
    start, *snapshots, summary = lines_of("-r", trace, "-d", "2")
    assert (start["type"], start["host"]) == ("start", "trace.pcap")
    assert [line["time"] for line in snapshots][:2] == ["2023-11-14T22:13:22.000Z", "2023-11-14T22:13:24.000Z"]
    assert len(snapshots) == 5
    assert snapshots[0]["mode"] == {"flows": "pcap", "processes": "none"}
    (flow,) = summary["flows"]
    assert (flow["local"], flow["remote_port"]) == ("192.0.2.1", 443)
    assert (flow["tx_bytes"], flow["rx_bytes"], flow["tx_packets"]) == (1000, 10_000, 10)


def test_a_part_of_it(trace: str) -> None:
    zone = "2023-11-14T22:13"
    _, *snapshots, summary = lines_of("-r", trace, "--from", f"{zone}:22Z", "--to", f"{zone}:24.6Z")
    assert len(snapshots) == 3
    (flow,) = summary["flows"]
    assert (flow["tx_packets"], flow["rx_packets"]) == (3, 3)
    _, first, _ = lines_of("-r", trace, "-c", "1", "--local-net", "10.0.0.0/8,198.51.100.0/24")
    (flow,) = first["flows"]
    assert (flow["local"], flow["tx_bytes"]) == ("198.51.100.7", 1000)


def test_text_and_csv(trace: str) -> None:
    text = run("-r", trace, "-n", check=True).stdout
    assert "flows: pcap (wire)" in text
    assert "Summary  9.500 s in 10 intervals" in text
    table = run("-r", trace, "--csv", "--view", "flows", check=True).stdout.splitlines()
    assert len(table) == 11


def test_a_cut_file_is_shown_and_the_cut_is_told(tmp_path: Path) -> None:
    path = tmp_path / "cut.pcap"
    path.write_bytes(pcap([(0, frame(*CLIENT, *SERVER)), (1, frame(*CLIENT, *SERVER))])[:-10])
    *_, summary = lines_of("-r", str(path))
    (note,) = summary["health"]["notes"]
    assert "cut within a packet" in note


def test_what_cannot_be_read(tmp_path: Path, trace: str) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("a text\n")
    (tmp_path / "none.pcap").write_bytes(pcap([]))
    wlan = Pcapng()
    wlan.section()
    wlan.interface((2, b"wlan0"), link_type=105)
    wlan.packet(bytes(60), 0)
    (tmp_path / "wlan.pcapng").write_bytes(wlan.data)
    for name, said in (
        ("missing", "No such file"),
        ("empty", "is empty"),
        ("text", "neither a capture file"),
        ("none.pcap", "has no packets"),
        ("wlan.pcapng", "only packets of 802.11"),
    ):
        done = run("--json", "-r", str(tmp_path / name))
        assert done.returncode == 1
        assert said in one_line(done.stderr)
        assert done.stdout == ""
    done = run("--json", "-r", trace, "nosuch0")
    assert done.returncode == 1
    assert "no interface in" in one_line(done.stderr)


def changed(content: bytes, chance: random.Random) -> bytes:
    """Bytes set, bits turned, pieces taken out and put in."""
    data = bytearray(content)
    for _ in range(chance.choice((1, 5, 50))):
        place, kind = chance.randrange(len(data)), chance.randrange(4)
        if kind == 0:
            data[place] = chance.randrange(256)
        elif kind == 1:
            data[place] ^= 1 << chance.randrange(8)
        elif kind == 2:
            del data[place : place + chance.randrange(1, 8)]
        else:
            data[place:place] = chance.randbytes(chance.randrange(1, 8))
    return gzip.compress(data) if chance.random() < 0.2 else bytes(data)


def test_changed_files_end_in_output_or_in_one_line(tmp_path: Path) -> None:
    chance, commands = random.Random(5), []
    outputs = [["--json"], ["--text", "-n"], *(["--csv", "--view", view] for view in ("flows", "protocols"))]
    limits = [[], ["--from", "+1s"], ["--to", "+2s"], ["-d", "0.1"], ["--local-net", "192.0.2.0/24"]]
    for number in range(40):
        path = tmp_path / str(number)
        path.write_bytes(changed(chance.choice(list(VALID.values())), chance))
        commands.append(["-r", str(path), *chance.choice(outputs), *chance.choice(limits)])
    ended = run_many(commands)
    for command, one in zip(commands, ended, strict=True):
        assert one.code in (0, 1), (command, one.errors)
        assert len(one.errors.splitlines()) == one.code, (command, one.errors)
        assert "unforeseen" not in one.errors, (command, one.errors)
        assert one.output.strip() or one.code, command
    assert {one.code for one in ended} == {0, 1}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--local-net", "10.0.0.0/8"], "--local-net is for a file"),
        (["--from", "14:00"], "--from is for a file"),
        (["-r", "x", "--netns", "y"], "--netns is for the live system"),
        (["-r", "x", "--local-net", "10.0.0.0/8,here"], "'here' is no network"),
    ],
)
def test_wrong_arguments(arguments: list[str], named: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert named in one_line(done.stderr)


def test_a_wrong_time(trace: str) -> None:
    done = run("--json", "-r", trace, "--from", "noon")
    assert done.returncode == 2
    assert "'noon' is no moment" in one_line(done.stderr)


def test_nothing_is_followed(trace: str) -> None:
    done = run("--json", "-r", trace, "--follow")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--follow is for a recording" in one_line(done.stderr)
