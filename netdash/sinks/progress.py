"""One line on the terminal that says how far a file was read, for what takes longer than half a second."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable
from typing import Final, TextIO

_FIRST_SECONDS: Final = 0.5
_NEXT_SECONDS: Final = 0.2
_ERASE: Final = "\r\x1b[K"


@contextlib.asynccontextmanager
async def progress_line(
    fraction: Callable[[], float], stream: TextIO | None = None, output: TextIO | None = None
) -> AsyncIterator[None]:
    """Shows `fraction` (0 to 1) on `stream` (stderr) while the body runs, and takes it away at the end.

    Only on a terminal, and only where `output` (stdout) goes elsewhere: on the same screen the output is progress
    enough.
    """
    shown_on, written_to = stream or sys.stderr, output or sys.stdout
    if not shown_on.isatty() or written_to.isatty():
        yield
        return
    task = asyncio.create_task(_show(fraction, shown_on))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _show(fraction: Callable[[], float], stream: TextIO) -> None:
    await asyncio.sleep(_FIRST_SECONDS)
    try:
        while True:
            stream.write(f"{_ERASE}netdash: reading, {min(1.0, fraction()):.0%}")
            stream.flush()
            await asyncio.sleep(_NEXT_SECONDS)
    finally:
        stream.write(_ERASE)
        stream.flush()
