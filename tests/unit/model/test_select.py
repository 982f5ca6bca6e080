from __future__ import annotations

import pytest

from netdash.model.select import InterfaceSelection

NAMES = ["lo", "eth0", "eth1", "docker0"]


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ((), NAMES),
        (("eth0",), ["eth0"]),
        (("eth*",), ["eth0", "eth1"]),
        (("!docker0",), ["lo", "eth0", "eth1"]),
        (("eth*", "!eth1"), ["eth0"]),
        (("lo", "eth1"), ["lo", "eth1"]),
    ],
)
def test_patterns(patterns: tuple[str, ...], expected: list[str]) -> None:
    selection = InterfaceSelection(patterns)
    assert [name for name in NAMES if selection.matches(name)] == expected


def test_missing_names_only_what_should_be_there() -> None:
    assert InterfaceSelection(("eth9", "eth*", "!wlan0")).missing(NAMES) == ("eth9",)
