"""What every headless output does: it takes the baseline, then snapshots, then the end."""

from __future__ import annotations

import io
from typing import Protocol, TextIO

from netdash.model.snapshot import Snapshot


class Sink(Protocol):
    """Writes snapshots to a text stream. Each call ends with a flush, so that a reader of a pipe sees whole intervals.

    All three may raise OSError when the stream takes no more.
    """

    @property
    def stream(self) -> TextIO:
        """Where it writes to."""

    def start(self, snapshot: Snapshot) -> None:
        """The baseline (`interval` 0), once and first: names and states, no figures."""

    def write(self, snapshot: Snapshot) -> None:
        """One interval."""

    def finish(self) -> None:
        """The end of the run, once; does nothing without a `start`."""


def emit(stream: TextIO, text: str | bytes) -> None:
    """Writes all of it and flushes.

    Bytes are UTF-8 and go out as they are, whatever the stream's encoding; in text, what that cannot hold becomes "?".
    """
    if not isinstance(stream, io.TextIOWrapper):
        stream.write(text if isinstance(text, str) else text.decode())
        stream.flush()
        return
    stream.flush()
    rest = memoryview(text.encode(stream.encoding, "replace") if isinstance(text, str) else text)
    while rest:
        # An unbuffered stream (python -u) writes a part only when a signal comes in between.
        rest = rest[stream.buffer.write(rest) :]
    stream.buffer.flush()
