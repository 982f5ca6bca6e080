"""Files are recognised by content; what is neither kind is refused in one line."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from netdash.errors import NetdashError
from netdash.sources.open_file import PCAP_MAGICS, PCAPNG_MAGIC, SQLITE_MAGIC, FileKind, open_file


@pytest.mark.parametrize("magic", [*sorted(PCAP_MAGICS), PCAPNG_MAGIC])
@pytest.mark.parametrize("compressed", [False, True])
def test_a_capture_file(tmp_path: Path, magic: bytes, compressed: bool) -> None:
    content = magic + bytes(40)
    path = tmp_path / "any name"
    path.write_bytes(gzip.compress(content) if compressed else content)
    opened = open_file(str(path))
    with opened.file:
        assert (opened.kind, opened.compressed) == (FileKind.CAPTURE, compressed)
        assert opened.file.tell() == 0


def test_a_recording(tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(SQLITE_MAGIC + bytes(100))
    opened = open_file(str(path))
    opened.file.close()
    assert opened.kind is FileKind.RECORDING


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"\x1f\x8b", "neither"),
        (b"\x1f\x8b" + bytes(30), "neither"),
        (gzip.compress(b"a text", mtime=0), "neither"),
        (gzip.compress(b"", mtime=0), "neither"),
        (b"a text file\n", "neither"),
        (b"SQLite", "neither"),
    ],
)
def test_what_is_foreign(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(NetdashError, match=says) as caught:
        open_file(str(path))
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 1


def test_what_is_not_there_or_no_file(tmp_path: Path) -> None:
    with pytest.raises(NetdashError, match="No such file"):
        open_file(str(tmp_path / "missing"))
    with pytest.raises(NetdashError, match="directory"):
        open_file(str(tmp_path))
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(NetdashError, match="regular file"):
        open_file(str(fifo))


def test_a_hostile_name_cannot_reach_the_terminal() -> None:
    with pytest.raises(NetdashError) as caught:
        open_file("evil\x1b[2Jname")
    assert "\x1b" not in str(caught.value)
    with pytest.raises(NetdashError, match="cannot read"):
        open_file("nul\0name")
