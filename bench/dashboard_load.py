"""What the parts of the dashboard's section have in common: loads, sizes, and the dashboard in a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from bench.generator import Load
from bench.headless import NETDASH
from bench.report import short
from bench.screen import Screen
from bench.setting import Setting

BODY: Final = r"quit"
"""Stands in the last line of the first whole frame."""
RATES: Final = "▼ [0-9.]+ [kMGT]b/s"
"""In the header, once an interval with traffic was counted."""
FLOWS_KEY: Final = b"2"
SIZES: Final = ((80, 24), (200, 50))
LOADS: Final[Mapping[int, int]] = {0: 0, 50: 5_000, 500: 50_000, 5_000: 100_000, 100_000: 200_000}
"""Flows, and packets a second of all of them."""


def load_text(flows: int) -> str:
    """A load in words."""
    return f"{short(flows)} flows, {short(LOADS[flows])} packets/s"


def size_text(size: tuple[int, int]) -> str:
    """80x24."""
    return "{}x{}".format(*size)


def start_load(setting: Setting, flows: int) -> Callable[[], object]:
    """Starts one of LOADS; what ends it."""
    if not flows:
        return lambda: None
    load: Load = setting.generator.start(flows, rate=LOADS[flows])
    return load.stop


def open_screen(setting: Setting, size: tuple[int, int] = (200, 50)) -> Screen:
    """`netdash -n` where the load arrives."""
    columns, rows = size
    return Screen((*NETDASH, "-n"), namespace=setting.lab.b.namespace, cpu=None, columns=columns, rows=rows)
