"""The dashboard as its user meets it: start, bytes to the terminal, CPU, and how long a key waits."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import ExitStack
from statistics import median

from bench.dashboard_keys import measure_keys
from bench.dashboard_load import BODY, RATES, SIZES, open_screen, size_text, start_load
from bench.dashboard_refresh import measure_refresh
from bench.report import Section, Table, Verdict, count, milliseconds
from bench.setting import Setting
from netdash.errors import NetdashError
from netdash.ui.registry import VIEWS

_VIEW_FLOWS = 500
_SETTLE_SECONDS = 3.0
"""From a change of view to the measuring: two intervals and some."""
_FIRST_PAINT_SECONDS = 0.5
_FIRST_RATES_SECONDS = 1.5
_REFRESH_BYTES = {(80, 24): 4_000, (200, 50): 12_000}


def measure(setting: Setting) -> Section:
    """All of it in a pseudo-terminal, `netdash -n`, on all CPUs like any program."""
    section = Section("Dashboard")
    for part in (_start, _bytes, measure_refresh, measure_keys):
        try:
            part(setting, section)
        except NetdashError as error:
            section.remarks.append(f"Not measured: {error}")
    return section


def _start(setting: Setting, section: Section) -> None:
    paints, rates = [], []
    with ExitStack() as stack:
        stack.callback(start_load(setting, 50))
        for _ in range(setting.pick(7, 3)):
            with open_screen(setting) as screen:
                paints.append(screen.await_text(BODY) - screen.started)
                rates.append(screen.await_text(RATES) - screen.started)
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
    rows, worst = [], dict.fromkeys(SIZES, (0.0, ""))
    with ExitStack() as stack:
        stack.callback(start_load(setting, _VIEW_FLOWS))
        for number, view in list(enumerate(VIEWS, start=1))[: setting.pick(len(VIEWS), 2)]:
            try:
                sizes = _refresh_bytes(setting, str(number).encode())
            except NetdashError as error:
                section.remarks.append(f"Bytes of {view.title}: not measured: {error}")
                continue
            rows.append((view.title, *(count(sizes[size]) for size in SIZES)))
            for size in SIZES:
                worst[size] = max(worst[size], (sizes[size], view.title))
    section.tables.append(
        Table(
            f"Bytes to the terminal for a refresh (once a second), {_VIEW_FLOWS} flows",
            ("view", *(size_text(size) for size in SIZES)),
            rows,
        )
    )
    for size, allowed in _REFRESH_BYTES.items():
        most, view_title = worst[size]
        what = f"bytes for a refresh at {size_text(size)}, the worst view"
        holds = most <= allowed if rows else None
        reason = f"{view_title}; {_VIEW_FLOWS} flows of equal rate"
        section.verdicts.append(Verdict(what, f"<= {count(allowed)}", count(most), holds, reason))


def _refresh_bytes(setting: Setting, key: bytes) -> dict[tuple[int, int], float]:
    """Bytes a second in one view, by terminal size; one dashboard of each size at the same time."""
    with ExitStack() as stack:
        screens = {size: stack.enter_context(open_screen(setting, size)) for size in SIZES}
        for screen in screens.values():
            screen.await_text(RATES)
            screen.press(key)
        time.sleep(setting.pick(_SETTLE_SECONDS, 1.5))
        before = {size: screen.written_bytes() for size, screen in screens.items()}
        seconds = setting.pick(4.0, 2.0)
        time.sleep(seconds)
        written = {size: (screen.written_bytes() - before[size]) / seconds for size, screen in screens.items()}
        for screen in screens.values():
            screen.check_running()
        return written
