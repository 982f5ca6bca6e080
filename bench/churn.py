"""Memory of the dashboard while connections, processes and interfaces come and go: it must come to rest."""

from __future__ import annotations

from typing import Final

import msgspec

from bench.churn_load import NEW_FLOWS
from bench.churn_worker import Taken
from bench.lines import LineProcess
from bench.report import Section, Table, Verdict, count, mebibytes, milliseconds
from bench.setting import Setting

_MINUTES: Final = (1, 5, 15, 30, 45, 60)
_QUICK_MINUTES: Final = (1, 2)
_ALLOWED_GROWTH: Final = 1.05
"""From half an hour to a whole one: what is bounded is full by then, and the allocator still gives and takes some."""


def measure(setting: Setting) -> Section:
    """An hour by the snapshots' clocks takes some minutes: nothing waits."""
    section = Section("Churn")
    minutes = setting.pick(_MINUTES, _QUICK_MINUTES)
    intervals = [str(60 * minute) for minute in minutes]
    with LineProcess("bench.churn_worker", *intervals, namespace=setting.lab.b.namespace, cpu=setting.cpu) as worker:
        taken = [msgspec.json.decode(worker.read(), type=Taken) for _ in minutes]
    section.tables.append(
        Table(
            f"{count(NEW_FLOWS)} new connections, 10 new processes, 2 new stations a second",
            (
                "simulated",
                "resident at most",
                "rows of flows",
                "flows without a row",
                "moments kept",
                "CPU an interval",
            ),
            [
                (
                    f"{each.intervals // 60} min",
                    mebibytes(each.resident_bytes),
                    count(each.flows),
                    count(each.evicted),
                    count(each.moments),
                    milliseconds(each.cpu_seconds / each.intervals),
                )
                for each in taken
            ],
        )
    )
    section.remarks.append(
        "The dashboard itself, its Flows view drawn at 200x50; CPU with the making of the snapshots. Resident: "
        "the most of the last minute."
    )
    last = taken[-1].resident_bytes
    growth = last / next(each for each in reversed(taken) if each.intervals <= taken[-1].intervals // 2).resident_bytes
    section.verdicts.append(
        Verdict(
            f"memory of the dashboard after an hour at {count(NEW_FLOWS)} new flows a second",
            "at rest since half an hour",
            mebibytes(last),
            None if setting.quick else growth <= _ALLOWED_GROWTH,
            f"{growth:.2f} times that of half the time",
        )
    )
    return section
