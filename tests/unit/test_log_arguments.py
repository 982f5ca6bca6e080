"""--log and what belongs to it on the command line."""

from __future__ import annotations

import socket

import pytest

from netdash.commands.optional_values import with_values_joined
from netdash.commands.program_options import parse_arguments
from netdash.errors import UsageError


@pytest.fixture(autouse=True)
def interfaces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A VLAN's name has a dot, as file names have."""
    monkeypatch.setattr(socket, "if_nameindex", lambda: [(1, "lo"), (2, "eth0"), (3, "eth0.100")])


@pytest.mark.parametrize(
    ("words", "file", "patterns"),
    [
        (["--log"], "", ()),
        (["--log", "eth0"], "", ("eth0",)),
        (["--log", "eth0.100"], "", ("eth0.100",)),
        (["--log", "eth*"], "", ("eth*",)),
        (["--log", "a.netdash", "eth0"], "a.netdash", ("eth0",)),
        (["--log", "./out"], "./out", ()),
        (["--log", "/var/log/x"], "/var/log/x", ()),
        (["--log=out"], "out", ()),
        (["--log=eth0"], "eth0", ()),
        (["eth0", "--log"], "", ("eth0",)),
        (["--log", "-n"], "", ()),
        (["--log", "--", "a.b"], "", ("a.b",)),
        (["eth0"], None, ("eth0",)),
    ],
)
def test_a_file_is_told_from_an_interface(words: list[str], file: str | None, patterns: tuple[str, ...]) -> None:
    options, _ = parse_arguments(words)
    assert (options.log_path, options.interfaces.patterns) == (file, patterns)


def test_words_after_two_dashes_stay() -> None:
    assert with_values_joined(["--", "--log", "x.y"]) == ["--", "--log", "x.y"]


def test_limits() -> None:
    options, output = parse_arguments(["-q", "--log", "--log-max-size", "1.5G", "--log-max-age", "12h"])
    assert (options.log_max_bytes, options.log_max_age_seconds, output) == (1_500_000_000, 43_200.0, "none")
    options, output = parse_arguments(["--log", "-c", "3"])
    assert (options.log_max_bytes, options.log_max_age_seconds, output) == (10**9, 30 * 86_400.0, "none")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--log", "-r", "x"], "--log records the live system"),
        (["-q"], "add --log or --prometheus"),
        (["--log", "--log-max-size", "5"], "no size such as 500M"),
        (["--log", "--log-max-size", "huge"], "no size such as 500M"),
        (["--log", "--log-max-size", "nanG"], "no size such as 500M"),
        (["--log", "--log-max-age", "soon"], "no age such as 12h"),
        (["--log", "--log-max-age", ""], "no age such as 12h"),
        (["--follow"], "add -r FILE"),
    ],
)
def test_what_is_wrong_is_told(words: list[str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse_arguments(words)
