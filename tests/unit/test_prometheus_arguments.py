"""--prometheus [ADDRESS:PORT] on the command line."""

from __future__ import annotations

import socket

import pytest

from netdash.commands.program_options import parse_arguments
from netdash.errors import UsageError
from netdash.options import Endpoint


@pytest.fixture(autouse=True)
def interfaces(monkeypatch: pytest.MonkeyPatch) -> None:
    """One is called like a port."""
    monkeypatch.setattr(socket, "if_nameindex", lambda: [(1, "lo"), (2, "eth0"), (3, "7000")])


@pytest.mark.parametrize(
    ("words", "endpoint", "patterns"),
    [
        (["--prometheus"], Endpoint("127.0.0.1", 9824), ()),
        (["--prometheus", "eth0"], Endpoint("127.0.0.1", 9824), ("eth0",)),
        (["--prometheus", "7000"], Endpoint("127.0.0.1", 9824), ("7000",)),
        (["--prometheus", "9825", "eth0"], Endpoint("127.0.0.1", 9825), ("eth0",)),
        (["--prometheus", "0.0.0.0:80"], Endpoint("0.0.0.0", 80), ()),
        (["--prometheus=:9000"], Endpoint("127.0.0.1", 9000), ()),
        (["--prometheus", "localhost:9000"], Endpoint("127.0.0.1", 9000), ()),
        (["--prometheus", "[::1]:9000"], Endpoint("::1", 9000), ()),
        (["--prometheus", "[fe80:0::1]:0"], Endpoint("fe80::1", 0), ()),
        (["eth0", "--prometheus", "-n"], Endpoint("127.0.0.1", 9824), ("eth0",)),
        (["eth0"], None, ("eth0",)),
    ],
)
def test_an_endpoint_is_told_from_an_interface(
    words: list[str], endpoint: Endpoint | None, patterns: tuple[str, ...]
) -> None:
    options, _ = parse_arguments(words)
    assert (options.prometheus, options.interfaces.patterns) == (endpoint, patterns)


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "127.0.0.1",
        "127.0.0.1:",
        "1.2.3:80",
        "::1:80",
        "[::1]",
        "[::1]:70000",
        "1.2.3.4:-1",
        "1.2.3.4:1e3",
        "a:b:1",
    ],
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"is no address and port such as 127\.0\.0\.1:9824"):
        parse_arguments([f"--prometheus={text}"])


def test_it_is_something_to_do_without_output() -> None:
    assert parse_arguments(["-q", "--prometheus"])[1] == "none"
    assert parse_arguments(["-c", "2", "--prometheus"])[1] == "none"
    assert parse_arguments(["--prometheus"])[1] == "dashboard"
    assert parse_arguments(["--json", "--prometheus"])[1] == "json"


def test_endpoints_are_written_as_in_addresses() -> None:
    assert (str(Endpoint("::1", 1)), str(Endpoint("10.0.0.1", 2))) == ("[::1]:1", "10.0.0.1:2")
