"""Comments with a process, as netdash writes them."""

from __future__ import annotations

import pytest

from netdash.model.packet_comment import PacketProcess, parse_comment


@pytest.mark.parametrize(
    ("text", "process"),
    [
        ("pid=123 process=curl user=root", PacketProcess(123, "curl", "root")),
        ("pid=1 process=Web Content user=a", PacketProcess(1, "Web Content", "a")),
        ("pid=1 process=x", PacketProcess(1, "x", "")),
        ("pid=1 process= user=", PacketProcess(1, "", "")),
        ("pid=1 process=a user=b user=c", PacketProcess(1, "a user=b", "c")),
        ("pid=0 process=x user=y", None),
        ("pid=99999999999 process=x user=y", None),
        ("pid=4294967295 process=x user=y", None),
        ("pid=-1 process=x user=y", None),
        ("see ticket 5: pid=1 process=x user=y", None),
        ("pid=1 process=" + "x" * 300, None),
        ("", None),
    ],
)
def test_comments(text: str, process: PacketProcess | None) -> None:
    assert parse_comment(text) == process
