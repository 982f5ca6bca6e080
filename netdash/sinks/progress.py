"""One line on the terminal that says how far a file was read, for what takes longer than half a second."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TextIO

_FIRST_SECONDS: Final = 0.5
_NEXT_SECONDS: Final = 0.2
_ERASE: Final = "\r\x1b[K"


@contextmanager
def progress_line(
    fraction: Callable[[], float], stream: TextIO | None = None, output: TextIO | None = None
) -> Iterator[None]:
    """Shows `fraction` (0 to 1) on `stream` (stderr) while the body runs, and takes it away at the end.

    Only on a terminal, and not where `output`, which the body writes to, is one too: there that is progress enough.
    `fraction` is called in a thread of its own, so the body may keep this one busy.
    """
    shown_on = stream or sys.stderr
    if not shown_on.isatty() or (output is not None and output.isatty()):
        yield
        return
    ended = threading.Event()
    thread = threading.Thread(target=_show, args=(fraction, shown_on, ended), name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _show(fraction: Callable[[], float], stream: TextIO, ended: threading.Event) -> None:
    if ended.wait(_FIRST_SECONDS):
        return
    while True:
        stream.write(f"{_ERASE}netdash: reading, {min(1.0, fraction()):.0%}")
        stream.flush()
        if ended.wait(_NEXT_SECONDS):
            break
    stream.write(_ERASE)
    stream.flush()
