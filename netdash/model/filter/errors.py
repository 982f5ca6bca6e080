"""What is wrong with a filter, and where."""

from __future__ import annotations


class FilterError(ValueError):
    """A filter that cannot be understood; the text says what, where (counted from 1) and what was perhaps meant."""

    def __init__(self, problem: str, position: int, hint: str = "") -> None:
        """`position`: index of the first wrong character, from 0, at most the length of the filter."""
        self.message = f"{problem} at {position + 1}" + (f"; {hint}" if hint else "")
        self.position = position
        super().__init__(self.message)
