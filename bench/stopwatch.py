"""CPU time of the collector by stage, measured from outside: its functions are wrapped, not changed."""

from __future__ import annotations

import inspect
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import cast


@dataclass(slots=True)
class Stopwatch:
    """Own CPU time (all threads of the process) of each stage; what a stage calls of another one is the other's."""

    seconds: dict[str, float] = field(default_factory=dict)
    _inner: list[float] = field(default_factory=list)
    """For each stage under way, the time of the stages inside it."""

    def watch(self, owner: object, name: str, stage: str) -> None:
        """Replaces the function or coroutine function `owner.name` by one that counts for `stage`."""
        original = getattr(owner, name)
        wrap = self._awaiting if inspect.iscoroutinefunction(original) else self._calling
        setattr(owner, name, wrap(original, stage))

    def take(self) -> dict[str, float]:
        """The seconds so far; begins anew."""
        taken, self.seconds = self.seconds, {}
        return taken

    def _calling(self, original: Callable[..., object], stage: str) -> Callable[..., object]:
        def call(*arguments: object, **named: object) -> object:
            start = self._enter()
            try:
                return original(*arguments, **named)
            finally:
                self._leave(stage, start)

        return call

    def _awaiting(self, original: Callable[..., object], stage: str) -> Callable[..., object]:
        async def call(*arguments: object, **named: object) -> object:
            start = self._enter()
            try:
                return await cast("Awaitable[object]", original(*arguments, **named))
            finally:
                self._leave(stage, start)

        return call

    def _enter(self) -> float:
        self._inner.append(0.0)
        return time.process_time()

    def _leave(self, stage: str, start: float) -> None:
        total = time.process_time() - start
        self.seconds[stage] = self.seconds.get(stage, 0.0) + total - self._inner.pop()
        if self._inner:
            self._inner[-1] += total
