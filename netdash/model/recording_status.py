"""What is known of a recording that is being made."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RecordingStatus:
    """As the collector tells it, after each interval and at every change."""

    active: bool
    path: str
    size_bytes: int
    failure: str | None = None
    """One line: why it ended by itself, or did not begin."""
    closing: str | None = None
    """One line: what was recorded, beside the kernel's counters. None until it was ended."""

    @property
    def failure_note(self) -> str | None:
        """The failure for a line that may be cut: the cause before the path."""
        if self.failure is None:
            return None
        cause = self.failure.partition(f" {self.path}: ")[2] if self.path else ""
        return f"recording ended: {cause} ({self.path})" if cause else f"recording: {self.failure}"
