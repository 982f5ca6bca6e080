"""Where an export goes: a file that is there whole or not at all, or a stream."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import BinaryIO, Final

from netdash.errors import NetdashError
from netdash.model.sanitize import sanitize
from netdash.sinks.output import ReaderGoneError, writing_to

_PATH_LIMIT: Final = 200
_MODE: Final = 0o600
"""Of a new file, as of a recording: it tells what everybody on this host did."""


@contextmanager
def export_target(path: str | None, recording: str) -> Iterator[BinaryIO]:
    """Open for writing while the body runs; `path` None or "-" is stdout.

    A regular file appears under its name, or replaces the one there, when the body has ended; where it raises, nothing
    is left. Raises NetdashError where it cannot be written.
    """
    if path is None or path == "-":
        sys.stdout.flush()
        with writing_to(sys.stdout):
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        return
    with _told(path):
        mode = _mode(path)
        if mode is not None and not stat.S_ISREG(mode):
            with open(path, "wb") as stream:
                yield stream
            return
        if mode is not None and os.path.samefile(path, recording):
            raise NetdashError(f"{sanitize(path, _PATH_LIMIT)} is the recording itself: name another file for --output")
        # Beside the file itself where `path` is a link to it: only within one file system can it take its place.
        place = os.path.realpath(path)
        part = os.path.join(os.path.dirname(place), f".{os.path.basename(place)}.{os.getpid()}.part")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(part, flags, _MODE)
        with ExitStack() as unfinished:
            unfinished.callback(_remove, part)
            with os.fdopen(descriptor, "wb") as file:
                if mode is not None:
                    os.fchmod(file.fileno(), stat.S_IMODE(mode))
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, place)
            unfinished.pop_all()


def _remove(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)


def _mode(path: str) -> int | None:
    try:
        return os.stat(path).st_mode
    except FileNotFoundError:
        return None


@contextmanager
def _told(path: str) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        raise ReaderGoneError from error
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise NetdashError(
            f"cannot write {sanitize(path, _PATH_LIMIT)}: {why}; write elsewhere with --output"
        ) from error
