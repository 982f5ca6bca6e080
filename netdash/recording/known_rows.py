"""The rows that a table has had since the key frame, as writer and reader both remember them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(slots=True)
class KnownRows:
    """In order of appearance."""

    dtype: np.dtype[np.void]
    size: int = 0
    order: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, np.intp))
    """Which of them made up the table of the last frame."""
    _room: NDArray[np.void] | None = None

    @property
    def rows(self) -> NDArray[np.void]:
        """A view of all rows."""
        return self._with_room(self.size)[: self.size]

    def append(self, count: int) -> None:
        """New rows, all zero."""
        end = self.size + count
        self._with_room(end)[self.size : end] = np.zeros(1, self.dtype)
        self.size = end

    def forget(self) -> None:
        """Begins anew."""
        self.size = 0
        self.order = np.zeros(0, np.intp)

    def _with_room(self, count: int) -> NDArray[np.void]:
        if self._room is None or count > len(self._room):
            grown = np.zeros(max(64, 2 * count), self.dtype)
            if self._room is not None:
                grown[: self.size] = self._room[: self.size]
            self._room = grown
        return self._room
