"""Messages between the dashboard's worker, its app and its screen."""

from __future__ import annotations

from textual.message import Message


class SnapshotTaken(Message):
    """The state holds a new snapshot."""

    def __init__(self, gone: tuple[str, ...] = ()) -> None:
        """`gone`: names of interfaces that are there no more."""
        super().__init__()
        self.gone = gone


class RecordingWanted(Message):
    """The user wants a recording to begin or to end."""

    def __init__(self, on: bool) -> None:
        super().__init__()
        self.on = on


class RecordingChanged(Message):
    """A recording has begun or ended; `text` says so."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class IntervalWanted(Message):
    """The user wants another interval between snapshots."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


class FilterChanged(Message):
    """The state's filter is another now."""


class FilterClosed(Message):
    """The filter's prompt is gone."""
