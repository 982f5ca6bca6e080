"""Long work as steps, between which others may have their turn."""

from __future__ import annotations

from collections.abc import Callable

Between = Callable[[], None]
"""Called by work between its steps; may sleep."""


def go_on() -> None:
    """Nothing between two steps."""
