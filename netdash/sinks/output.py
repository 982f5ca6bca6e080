"""What happens when an output stream takes no more."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TextIO

from netdash.errors import NetdashError

_READER_GONE: Final = (errno.EPIPE, errno.ECONNRESET, errno.EIO)
"""Errors of a write whose reader has ended: pipe, socket, hung-up terminal (tty_write in drivers/tty/tty_io.c)."""


class ReaderGoneError(Exception):
    """Nobody reads the output any more."""


@contextmanager
def writing_to(stream: TextIO) -> Iterator[None]:
    """For calls that write. Raises ReaderGoneError, or NetdashError where the stream fails for another reason."""
    try:
        yield
    except OSError as error:
        if error.errno in _READER_GONE:
            raise ReaderGoneError from error
        discard(stream)
        raise NetdashError(f"cannot write the output: {error.strerror}; make room or write elsewhere") from error


def discard(stream: TextIO) -> None:
    """Lets the stream's descriptor lead nowhere: what is still buffered would fail again at the interpreter's exit."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        return
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, descriptor)
    os.close(devnull)
