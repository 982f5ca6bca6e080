"""Comments with a process, as netdash writes them and reads them back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netdash.model.packet_comment import ProcessNote, parse_process_comment, process_comment
from netdash.model.sanitize import sanitize


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("pid=123 process=curl user=root", ProcessNote(123, "curl", "root")),
        ("pid=1 process=Web%20Content user=a", ProcessNote(1, "Web Content", "a")),
        ("note pid=12 process=kworker/0:1 user=root more=x", ProcessNote(12, "kworker/0:1", "root")),
        ("pid=1 process=x", ProcessNote(1, "x")),
        ("pid=1", ProcessNote(1, "")),
        ("process=kernel", ProcessNote(None, "kernel")),
        ("pid=1 process=a user=b user=c", ProcessNote(1, "a", "b")),
        ("pid=0 process=x user=y", ProcessNote(None, "x", "y")),
        ("pid=99999999999 process=x", ProcessNote(None, "x")),
        ("pid=4294967295 process=x", ProcessNote(None, "x")),
        ("pid=-1 user=y", None),
        ("captured by hand", None),
        ("", None),
    ],
)
def test_comments(text: str, note: ProcessNote | None) -> None:
    assert parse_process_comment(text) == note


def test_a_comment_in_its_documented_form() -> None:
    assert process_comment(ProcessNote(1, "a b=c%\n[x]", "")) == "pid=1 process=a%20b%3Dc%25%0A%5Bx%5D"


@given(
    pid=st.none() | st.integers(1, 2**31 - 1),
    name=st.text(st.characters(categories=("L", "N", "P", "Zs")), max_size=64),
)
def test_comments_come_back(pid: int | None, name: str) -> None:
    comment = process_comment(ProcessNote(pid, name))
    note = ProcessNote(pid, sanitize(name))
    assert parse_process_comment(comment) == (note if pid is not None or name else None)


@given(st.text(max_size=300))
def test_hostile_comments(text: str) -> None:
    found = parse_process_comment(text)
    assert found is None or found.process.isprintable() or "·" in found.process
