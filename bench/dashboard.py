"""The dashboard as its user meets it: start, bytes to the terminal, CPU, and how long a key waits."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median

from bench.generator import Load
from bench.headless import NETDASH
from bench.processes import cpu_seconds
from bench.report import Section, Table, Verdict, count, milliseconds, percent, short
from bench.screen import Screen
from bench.setting import Setting
from netdash.errors import NetdashError
from netdash.ui.registry import VIEWS

_BODY = r"quit"
"""Stands in the last line of the first whole frame."""
_RATES = "▼ [0-9.]+ [kMGT]b/s"
"""In the header, once an interval with traffic was counted."""
_FLOWS_KEY = b"2"
_SIZES = ((80, 24), (200, 50))
_LOADS = {0: 0, 50: 5_000, 1_000: 100_000, 100_000: 200_000}
"""Flows, and packets a second of all of them."""
_JUDGED_FLOWS = 1_000
_SETTLE_SECONDS = 3.0
"""From a change of view or load to the measuring: two intervals and some."""

_FIRST_PAINT_SECONDS = 0.5
_FIRST_RATES_SECONDS = 1.5
_CPU_SHARE = 0.02
_KEY_SECONDS = 0.05
_REFRESH_BYTES = {(80, 24): 4_000, (200, 50): 12_000}

_MANY_MOVE = "1,000 flows of equal rate change places at every refresh, so nearly every cell of the screen is new"

_CURSOR = (b"\x1b[B", b"\x1b[A")
_VIEWS = (b"1", _FLOWS_KEY)
_KEYS = {
    "cursor down and up": _CURSOR,
    "sort by port, by address": (b"P", b"S"),
    "Interfaces and Flows in turn": _VIEWS,
}
_KEY_PAUSE_SECONDS = 0.173
"""No divisor of the interval, so that keys meet every phase of it."""


def measure(setting: Setting) -> Section:
    """All of it in a pseudo-terminal, `netdash -n`, on all CPUs like any program."""
    section = Section("Dashboard")
    for part in (_start, _bytes, _cpu, _keys):
        try:
            part(setting, section)
        except NetdashError as error:
            section.remarks.append(f"Not measured: {error}")
    return section


def _screen(setting: Setting, size: tuple[int, int] = (200, 50)) -> Screen:
    columns, rows = size
    return Screen((*NETDASH, "-n"), namespace=setting.lab.b.namespace, cpu=None, columns=columns, rows=rows)


def _load(setting: Setting, flows: int) -> Callable[[], object]:
    """Starts a load; what ends it."""
    if not flows:
        return lambda: None
    load: Load = setting.generator.start(flows, rate=_LOADS[flows])
    return load.stop


def _start(setting: Setting, section: Section) -> None:
    paints, rates = [], []
    with ExitStack() as stack:
        stack.callback(_load(setting, 50))
        for _ in range(setting.pick(7, 3)):
            with _screen(setting) as screen:
                paints.append(screen.await_text(_BODY) - screen.started)
                rates.append(screen.await_text(_RATES) - screen.started)
    section.tables.append(
        Table(
            f"Start at 200x50, from exec, {len(paints)} starts",
            ("until", "median", "best", "worst"),
            [
                (name, milliseconds(median(times)), milliseconds(min(times)), milliseconds(max(times)))
                for name, times in (("first paint", paints), ("first rates", rates))
            ],
        )
    )
    for what, times, allowed in (
        ("first paint", paints, _FIRST_PAINT_SECONDS),
        ("first rates", rates, _FIRST_RATES_SECONDS),
    ):
        typical = median(times)
        reason = (
            f"median; best {min(times):.2f} s, worst {max(times):.2f} s; "
            f"an interpreter that only imports Textual takes {_import_seconds('textual.app'):.2f} s here"
        )
        section.verdicts.append(Verdict(what, f"<= {allowed} s", f"{typical:.2f} s", typical <= allowed, reason))


def _import_seconds(module: str) -> float:
    """Wall time of an interpreter that imports `module` and ends; the median of five."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
        times.append(time.perf_counter() - start)
    return median(times)


def _bytes(setting: Setting, section: Section) -> None:
    rows, worst = [], dict.fromkeys(_SIZES, (0.0, ""))
    with ExitStack() as stack:
        stack.callback(_load(setting, 1_000))
        for number, view in list(enumerate(VIEWS, start=1))[: setting.pick(len(VIEWS), 2)]:
            try:
                sizes = _refresh_bytes(setting, str(number).encode())
            except NetdashError as error:
                section.remarks.append(f"Bytes of {view.title}: not measured: {error}")
                continue
            rows.append((view.title, *(count(sizes[size]) for size in _SIZES)))
            for size in _SIZES:
                worst[size] = max(worst[size], (sizes[size], view.title))
    section.tables.append(
        Table(
            "Bytes to the terminal for a refresh (once a second), 1,000 flows at 100 k packets/s",
            ("view", *(f"{columns}x{lines}" for columns, lines in _SIZES)),
            rows,
        )
    )
    for size, allowed in _REFRESH_BYTES.items():
        columns, lines = size
        most, view_title = worst[size]
        what = f"bytes for a refresh at {columns}x{lines}, the worst view"
        holds = most <= allowed if rows else None
        section.verdicts.append(
            Verdict(what, f"<= {count(allowed)}", count(most), holds, f"{view_title}; {_MANY_MOVE}")
        )


def _refresh_bytes(setting: Setting, key: bytes) -> dict[tuple[int, int], float]:
    """Bytes a second in one view, by terminal size; one dashboard of each size at the same time."""
    with ExitStack() as stack:
        screens = {size: stack.enter_context(_screen(setting, size)) for size in _SIZES}
        for screen in screens.values():
            screen.await_text(_RATES)
            screen.press(key)
        time.sleep(setting.pick(_SETTLE_SECONDS, 1.5))
        before = {size: screen.written_bytes() for size, screen in screens.items()}
        seconds = setting.pick(4.0, 2.0)
        time.sleep(seconds)
        written = {size: (screen.written_bytes() - before[size]) / seconds for size, screen in screens.items()}
        for screen in screens.values():
            screen.check_running()
        return written


@dataclass(frozen=True, slots=True)
class _Use:
    """CPU of one core."""

    dashboard: float
    collector: float


def _cpu(setting: Setting, section: Section) -> None:
    rows = []
    for flows in setting.pick(tuple(_LOADS), (1_000, 100_000)):
        load = f"{short(flows)} flows, {short(_LOADS[flows])} packets/s"
        try:
            use = _use(setting, flows)
        except NetdashError as error:
            section.remarks.append(f"CPU with {load}: not measured: {error}")
            continue
        rows.append((load, percent(use.dashboard), percent(use.collector), percent(use.dashboard + use.collector)))
        if flows == _JUDGED_FLOWS:
            section.verdicts.append(
                Verdict(
                    f"CPU of the dashboard, a screen that changes once a second ({short(flows)} flows)",
                    f"<= {percent(_CPU_SHARE)}",
                    percent(use.dashboard),
                    use.dashboard <= _CPU_SHARE,
                    f"and {percent(use.collector)} in the collector; {_MANY_MOVE}",
                )
            )
    section.tables.append(
        Table("CPU of one core, Flows view at 200x50", ("load", "dashboard", "collector", "both"), rows)
    )


def _use(setting: Setting, flows: int) -> _Use:
    with ExitStack() as stack:
        stack.callback(_load(setting, flows))
        screen = stack.enter_context(_screen(setting))
        screen.await_text(_BODY)
        screen.press(_FLOWS_KEY)
        time.sleep(setting.pick(_SETTLE_SECONDS, 1.5))
        before, start = cpu_seconds(screen.process), time.monotonic()
        time.sleep(setting.pick(7.0, 2.0))
        after, seconds = cpu_seconds(screen.process), time.monotonic() - start
        screen.check_running()
    used = {pid: (after[pid] - before.get(pid, 0.0)) / seconds for pid in after}
    return _Use(used.pop(screen.process.pid), sum(used.values()))


def _keys(setting: Setting, section: Section) -> None:
    delays: dict[str, list[float]] = {}
    for flows in setting.pick((1_000, 100_000), (100_000,)):
        try:
            delays.update(_key_delays(setting, flows))
        except NetdashError as error:
            section.remarks.append(f"Keys with {short(flows)} flows: not measured: {error}")
    section.tables.append(
        Table(
            "From a key to the first bytes drawn after it, Flows view at 200x50, keys at all phases of the interval",
            ("load and keys", "median", "90 %", "worst"),
            [
                (
                    name,
                    milliseconds(median(found)),
                    milliseconds(sorted(found)[int(len(found) * 0.9)]),
                    milliseconds(max(found)),
                )
                for name, found in delays.items()
            ],
        )
    )
    if delays:
        name, longest = max(((name, max(found)) for name, found in delays.items()), key=lambda item: item[1])
        section.verdicts.append(
            Verdict(
                "the longest wait of a key",
                f"<= {_KEY_SECONDS * 1e3:.0f} ms",
                milliseconds(longest),
                longest <= _KEY_SECONDS,
                name,
            )
        )


def _key_delays(setting: Setting, flows: int) -> dict[str, list[float]]:
    """Seconds each key waited, by the kind of key."""
    with ExitStack() as stack:
        stack.callback(_load(setting, flows))
        screen = stack.enter_context(_screen(setting))
        screen.await_text(_RATES)
        screen.press(_FLOWS_KEY)
        time.sleep(setting.pick(_SETTLE_SECONDS, 1.5))
        presses = setting.pick(30, 8)
        return {f"{short(flows)} flows, {name}": _delays(screen, keys, presses) for name, keys in _KEYS.items()}


def _delays(screen: Screen, keys: tuple[bytes, bytes], presses: int) -> list[float]:
    delays = []
    for number in range(presses):
        time.sleep(_KEY_PAUSE_SECONDS)
        pressed = screen.press(keys[number % 2])
        delays.append(screen.await_drawing(pressed) - pressed)
    return delays
