"""How long a key waits for what it does to be on the screen, by kind of key and number of flows."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from statistics import median
from typing import Final, NamedTuple

from bench.dashboard_load import FLOWS_KEY, LOADS, RATES, open_screen, start_load
from bench.dashboard_steps import ANYTHING, Step, all_steps
from bench.report import Section, Table, Verdict, milliseconds, short
from bench.screen import Screen
from bench.setting import Setting
from netdash.errors import NetdashError

_ALLOWED_SECONDS: Final = 0.05
_ROUNDS: Final[Mapping[int, int]] = {50: 1, 500: 1, 5_000: 1, 100_000: 3}
"""By flows: how often all keys are pressed."""
_QUIET_SECONDS: Final = 0.12
"""Without a byte for so long, all that a key does is drawn."""
_LONGEST_SECONDS: Final = 1.5
_PAUSE_SECONDS: Final = (0.02, 0.2)
"""Between two keys, at random, so that they meet every phase of the interval."""
_RESIZES: Final = ((180, 45), (200, 50)) * 3
_RESIZE_KIND: Final = "another size"
_MOMENTS_SECONDS: Final = 6.0
"""Until there are moments that one can step back to."""


class _Pressed(NamedTuple):
    step: Step
    time: float


def measure_keys(setting: Setting, section: Section) -> None:
    """One table: the median and the longest wait of each kind of key, a column for each load."""
    waits: dict[int, dict[str, list[float]]] = {}
    for flows in setting.pick(tuple(_ROUNDS), (100_000,)):
        try:
            waits[flows] = _waits(setting, section, flows)
        except NetdashError as error:
            section.remarks.append(f"Keys with {short(flows)} flows: not measured: {error}")
    kinds = dict.fromkeys(kind for found in waits.values() for kind in found)
    section.tables.append(
        Table(
            "From a key to its work on the screen at 200x50, median / longest, keys at all phases of the interval",
            ("key", *(f"{short(flows)} flows" for flows in waits)),
            [(kind, *(_cell(found.get(kind, ())) for found in waits.values())) for kind in kinds],
        )
    )
    for flows in set(waits) & {max(LOADS)}:
        longest, kind = max((max(times), kind) for kind, times in waits[flows].items() if times)
        over = sorted(kind for kind, times in waits[flows].items() if max(times, default=0.0) > _ALLOWED_SECONDS)
        presses = sum(map(len, waits[flows].values()))
        reason = f"{kind}, of {presses} presses" + (
            f"; also over it: {', '.join(set(over) - {kind})}" * (len(over) > 1)
        )
        section.verdicts.append(
            Verdict(
                f"the longest wait of a key, {short(flows)} flows",
                f"<= {_ALLOWED_SECONDS * 1e3:.0f} ms",
                milliseconds(longest),
                longest <= _ALLOWED_SECONDS,
                reason,
            )
        )


def _cell(waits: Iterable[float]) -> str:
    times = list(waits)
    return f"{median(times) * 1e3:.0f} / {max(times) * 1e3:.0f} ms" if times else "-"


def _waits(setting: Setting, section: Section, flows: int) -> dict[str, list[float]]:
    """Seconds that each key waited, by its kind."""
    with ExitStack() as stack:
        stack.callback(start_load(setting, flows))
        screen = stack.enter_context(open_screen(setting))
        screen.await_text(RATES)
        screen.press(FLOWS_KEY)
        time.sleep(_MOMENTS_SECONDS)
        steps = list(all_steps(flows)) * setting.pick(_ROUNDS[flows], 1)
        pressed = _press(screen, steps)
        waits = _seen(screen, pressed, section)
        # After all else: what was drawn is looked at as of one size.
        for size in _RESIZES:
            resized = screen.resize(*size)
            waits.setdefault(_RESIZE_KIND, []).append(screen.await_drawing(resized) - resized)
            screen.await_quiet(_QUIET_SECONDS, _LONGEST_SECONDS)
            time.sleep(_PAUSE_SECONDS[1])
    return waits


def _press(screen: Screen, steps: Iterable[Step]) -> list[_Pressed]:
    """Presses one key after the other and waits as long as each takes. The screen is looked at afterwards, so that the
    looking takes no CPU from what is measured."""
    pauses, pressed = random.Random(1), []
    for step in steps:
        time.sleep(pauses.uniform(*_PAUSE_SECONDS))
        pressed.append(_Pressed(step, screen.press(step.keys)))
        screen.await_drawing(pressed[-1].time)
        screen.await_quiet(_QUIET_SECONDS, _LONGEST_SECONDS)
    return pressed


def _seen(screen: Screen, pressed: list[_Pressed], section: Section) -> dict[str, list[float]]:
    waits: dict[str, list[float]] = {}
    ends = [each.time for each in pressed[1:]] + [time.monotonic()]
    for (step, since), end in zip(pressed, ends, strict=True):
        if step.shows == ANYTHING:
            seen: float | None = screen.await_drawing(since)
        else:
            seen = screen.find_drawn(step.shows, since, end)
        if seen is None:
            section.remarks.append(f"{step.kind or step.keys!r}: nothing like {step.shows!r} in {end - since:.2f} s")
        if step.kind:
            waits.setdefault(step.kind, []).append((end if seen is None else seen) - since)
    return waits
