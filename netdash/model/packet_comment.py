"""The comment that netdash gives packets of a known process when it writes them to a file, and reads back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from netdash.model.sanitize import sanitize

_FORM: Final = re.compile(r"pid=(\d{1,10}) process=(.{0,256}?)(?: user=(\S{0,64}))?", re.ASCII)
_MAX_PID: Final = (1 << 31) - 1
_NAME_LIMIT: Final = 64


@dataclass(frozen=True, slots=True)
class PacketProcess:
    """Whose packet it was."""

    pid: int
    name: str
    user: str
    """Empty where not known."""


def parse_comment(text: str) -> PacketProcess | None:
    """The process of "pid=123 process=curl user=root"; None where the comment is of somebody else."""
    found = _FORM.fullmatch(text)
    if found is None or not 0 < int(found[1]) <= _MAX_PID:
        return None
    return PacketProcess(int(found[1]), sanitize(found[2], _NAME_LIMIT), sanitize(found[3] or "", _NAME_LIMIT))
