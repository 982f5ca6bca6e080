"""What a refresh of the Flows view costs, by the number of flows: CPU of the program, bytes to the terminal."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from bench.dashboard_load import BODY, FLOWS_KEY, LOADS, SIZES, load_text, open_screen, size_text, start_load
from bench.processes import cpu_seconds
from bench.report import Section, Table, Verdict, count, percent, short
from bench.setting import Setting
from netdash.errors import NetdashError

_ALLOWED_SHARE: Final = 0.02
_JUDGED: Final = range(1, 5_001)
"""Flows of the loads that are judged: with more the collector's and the histories' work is what one sees."""
_SETTLE_SECONDS: Final = 2.5


@dataclass(frozen=True, slots=True)
class _Cost:
    """Of a second, which is one refresh: CPU of one core, and bytes."""

    dashboard: float
    collector: float
    written_bytes: float


def measure_refresh(setting: Setting, section: Section) -> None:
    """All loads at both sizes."""
    rows, judged = [], []
    for flows in setting.pick(tuple(LOADS), (500, 100_000)):
        for size in SIZES:
            where = f"{load_text(flows)}, {size_text(size)}"
            try:
                cost = _cost(setting, flows, size)
            except NetdashError as error:
                section.remarks.append(f"A refresh with {where}: not measured: {error}")
                continue
            shares = (cost.dashboard, cost.collector, cost.dashboard + cost.collector)
            rows.append((where, *(percent(share) for share in shares), count(cost.written_bytes)))
            if flows in _JUDGED:
                judged.append((cost.dashboard, cost.collector, flows, size))
    section.tables.append(
        Table(
            "CPU of one core and bytes to the terminal, Flows view, a refresh a second",
            ("load", "dashboard", "collector", "both", "bytes"),
            rows,
        )
    )
    if judged:
        share, collector, flows, size = max(judged)
        section.verdicts.append(
            Verdict(
                "CPU of the dashboard, a screen that changes once a second, the worst of 50 to 5,000 flows",
                f"<= {percent(_ALLOWED_SHARE)}",
                percent(share),
                share <= _ALLOWED_SHARE,
                f"{short(flows)} flows of equal rate at {size_text(size)}; and {percent(collector)} in the collector",
            )
        )


def _cost(setting: Setting, flows: int, size: tuple[int, int]) -> _Cost:
    with ExitStack() as stack:
        stack.callback(start_load(setting, flows))
        screen = stack.enter_context(open_screen(setting, size))
        screen.await_text(BODY)
        screen.press(FLOWS_KEY)
        time.sleep(setting.pick(_SETTLE_SECONDS, 1.5))
        before, written, start = cpu_seconds(screen.process), screen.written_bytes(), time.monotonic()
        time.sleep(setting.pick(4.0, 2.0))
        after, seconds = cpu_seconds(screen.process), time.monotonic() - start
        written = screen.written_bytes() - written
        screen.check_running()
    used = {pid: (after[pid] - before.get(pid, 0.0)) / seconds for pid in after}
    return _Cost(used.pop(screen.process.pid), sum(used.values()), written / seconds)
