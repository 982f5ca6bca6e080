"""`netdash doctor`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from netdash.commands.arguments import LineParser


def run(arguments: Sequence[str]) -> int:
    """Prints the table; returns the exit code."""
    LineParser(
        prog="netdash doctor",
        description="Tells what works here, what does not, why, and the command that changes it.",
    ).parse_args(arguments)
    from netdash.doctor import report

    sys.stdout.write(report())
    return 0
