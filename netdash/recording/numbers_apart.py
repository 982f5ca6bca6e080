"""Nested values taken apart: what stays the same (names, text, structure) and the numbers, which change.

The outline of a value is the value with None for each number, truth value or None in it; the numbers are a flat list in
the order of the outline. An interface's counters thus cost their digits and not their names.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeAlias

from netdash.recording.planes import DamagedError

Number: TypeAlias = int | float | bool | None
Outline: TypeAlias = object
"""Text, None, and lists and mappings by name of outlines."""

_DEEPEST: Final = 16


def take_apart(value: object, numbers: list[Number]) -> Outline:
    """The outline of `value`, its numbers appended to `numbers`. Raises TypeError for other than plain values."""
    if value is None or isinstance(value, (int, float)):
        numbers.append(value)
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return {str(key): take_apart(item, numbers) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [take_apart(item, numbers) for item in value]
    raise TypeError(f"a snapshot holds no {type(value).__name__}")


def put_together(outline: Outline, numbers: Iterator[Number], depth: int = 0) -> object:
    """The inverse. Raises DamagedError where numbers are missing."""
    if outline is None:
        try:
            return next(numbers)
        except StopIteration:
            raise DamagedError("fewer numbers than names") from None
    if depth > _DEEPEST:
        raise DamagedError("an outline without an end")
    if isinstance(outline, dict):
        return {key: put_together(item, numbers, depth + 1) for key, item in outline.items()}
    if isinstance(outline, list):
        return [put_together(item, numbers, depth + 1) for item in outline]
    return outline
