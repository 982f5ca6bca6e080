"""Messages between the dashboard's worker, its app and its screen."""

from __future__ import annotations

from textual.message import Message


class SnapshotTaken(Message):
    """The state holds a new snapshot."""

    def __init__(self, gone: tuple[str, ...] = ()) -> None:
        """`gone`: names of interfaces that are there no more."""
        super().__init__()
        self.gone = gone


class IntervalWanted(Message):
    """The user wants another interval between snapshots."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


class FilterChanged(Message):
    """The state's filter is another now."""


class FilterClosed(Message):
    """The filter's prompt is gone."""
