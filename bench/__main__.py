"""`python -m bench`: runs the sections asked for, prints what they found and writes it to a file."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from bench import attribution, capture, churn, counting, dashboard, interval, peers, recording, reports
from bench.report import Section, budget_lines
from bench.setting import Setting, machine_lines, open_setting
from netdash.errors import NetdashError

_SECTIONS: dict[str, Callable[[Setting], Section]] = {
    "counting": counting.measure,
    "interval": interval.measure,
    "attribution": attribution.measure,
    "peers": peers.measure,
    "dashboard": dashboard.measure,
    "churn": churn.measure,
    "recording": recording.measure,
    "reports": reports.measure,
    "capture": capture.measure,
}


def main() -> int:
    """Returns the exit code; a budget that does not hold is a finding, not a failure."""
    arguments = _arguments()
    if os.geteuid() != 0:
        print("bench: needs root, for network namespaces and eBPF; run as root", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, _interrupt)
    chosen = arguments.sections or list(_SECTIONS)
    head = ["# Results of `python -m bench" + "".join(f" {word}" for word in sys.argv[1:]) + "`", "", *machine_lines()]
    started = time.monotonic()
    sections = []
    try:
        with open_setting(arguments.quick) as setting:
            head.append(f"* load: {_way_of_sending(setting)}")
            print("\n".join(head), flush=True)
            for name in chosen:
                section = _run(name, setting)
                print("\n" + "\n".join(section.lines()), flush=True)
                sections.append(section)
    except NetdashError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted; nothing written", file=sys.stderr)
        return 130
    head.append(f"* took {time.monotonic() - started:.0f} s")
    budgets = budget_lines(sections)
    print("\n".join(budgets))
    lines = [*head, "", *budgets, *(line for section in sections for line in section.lines())]
    arguments.output.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures netdash; see bench/README.md.")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"{', '.join(_SECTIONS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="shorter and coarser")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(__file__).with_name("RESULTS.md"),
        metavar="FILE",
        help="where the results go (default: RESULTS.md beside the bench)",
    )
    arguments = parser.parse_args()
    for name in arguments.sections:
        if name not in _SECTIONS:
            parser.error(f"no section {name!r}; there are {', '.join(_SECTIONS)}")
    return arguments


def _run(name: str, setting: Setting) -> Section:
    """A section that cannot run is reported with its reason; the others go on."""
    try:
        return _SECTIONS[name](setting)
    except (NetdashError, OSError) as error:
        return Section(name.capitalize(), remarks=[f"Did not run: {error}"])


def _way_of_sending(setting: Setting) -> str:
    return "packet socket" if setting.generator.by_socket else "XDP frames (BPF_PROG_TEST_RUN)"


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
