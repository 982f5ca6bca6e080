"""The standard streams as the caller left them: closed, full, or with nobody who reads."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable


def open_closed_streams() -> None:
    """Takes the place of each standard stream that is closed.

    Python has None there, and the next file that is opened would get the descriptor: a recording would be written into
    by what is meant for a user. What is written to a closed stdout fails with EBADF and is told; what there would be to
    say on a closed stderr has no other place.
    """
    if sys.stdin is None:
        sys.stdin = open(_null(0, os.O_RDONLY))  # noqa: SIM115  # the streams of the whole run
    if sys.stdout is None:
        sys.stdout = open(_null(1, os.O_RDONLY), "w")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(_null(2, os.O_WRONLY), "w")  # noqa: SIM115


def _null(number: int, flags: int) -> int:
    """The descriptor `number`, open on the null device."""
    opened = os.open(os.devnull, flags)
    if opened != number:
        os.dup2(opened, number)
        os.close(opened)
    return number


def write_output(parts: Iterable[str | bytes]) -> None:
    """Writes each to stdout at once, until a reader that went away ends it. Raises NetdashError where stdout fails."""
    from netdash.sinks.output import ReaderGoneError, discard, writing_to
    from netdash.sinks.sink import emit

    try:
        for part in parts:
            with writing_to(sys.stdout):
                emit(sys.stdout, part)
    except ReaderGoneError:
        discard(sys.stdout)
