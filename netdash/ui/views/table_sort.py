"""By which column a table is sorted, and which way."""

from __future__ import annotations

from collections.abc import Collection, Sequence


class TableSort:
    """The order of one table: figures are read from the largest, texts and numbers from the smallest."""

    def __init__(self, key: str, from_smallest: Collection[str]) -> None:
        self.key = key
        self._from_smallest = from_smallest
        self.descending = key not in from_smallest

    def choose(self, key: str) -> None:
        """Sorts by `key`, from where it is mostly read."""
        self.key, self.descending = key, key not in self._from_smallest

    def turn(self) -> None:
        """The other way round."""
        self.descending = not self.descending

    def step(self, keys: Sequence[str], step: int) -> None:
        """Sorts by the one of `keys` beside the chosen one; the first or the last where that is none of them."""
        if keys:
            index = keys.index(self.key) + step if self.key in keys else (0 if step > 0 else -1)
            self.choose(keys[index % len(keys)])
