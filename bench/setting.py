"""What every section is handed: the pair of namespaces, the generator, two CPUs, and how long to measure."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from bench.generator import Generator
from bench.processes import end_all
from netdash import __version__
from tests.namespaces import Lab

Choice = TypeVar("Choice")

_QUIET_LOAD = 0.25
"""Load average of one CPU up to which a machine counts as quiet."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One run of the bench."""

    lab: Lab
    generator: Generator
    cpu: int
    """Where the program under measurement runs; the generator has another one, if there is another."""
    quick: bool

    def pick(self, full: Choice, quick: Choice) -> Choice:
        """The one for this run."""
        return quick if self.quick else full


@contextmanager
def open_setting(quick: bool) -> Iterator[Setting]:
    """Makes the namespaces and the generator, and removes all of it, whatever happens."""
    cpus = sorted(os.sched_getaffinity(0))
    with TemporaryDirectory(prefix="netdash-bench-") as directory, Lab() as lab:
        try:
            yield Setting(lab, Generator.open(Path(directory), lab, cpus[0]), cpus[1 % len(cpus)], quick)
        finally:
            end_all()


def machine_lines() -> list[str]:
    """What the figures depend on, as a Markdown list."""
    cpus = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    warning = "; other programs were running, so all times are too long" if load > _QUIET_LOAD * cpus else ""
    return [
        f"* {datetime.now().astimezone():%Y-%m-%d %H:%M %Z}, netdash {__version__}",
        f"* {_cpu_model()}, {cpus} CPUs usable; load average at the start {load:.2f}{warning}",
        f"* Linux {platform.release()}, Python {platform.python_version()}",
    ]


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "Model", "cpu model"):
            return value.strip()
    return platform.machine()
