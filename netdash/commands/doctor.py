"""`netdash doctor`."""

from __future__ import annotations

from collections.abc import Sequence

from netdash.commands.arguments import LineParser
from netdash.commands.standard_streams import write_output


def run(arguments: Sequence[str]) -> int:
    """Prints the table; returns the exit code. Raises NetdashError."""
    LineParser(
        prog="netdash doctor",
        description="Tells what works here, what does not, why, and the command that changes it.",
    ).parse_args(arguments)
    from netdash.doctor import report

    write_output([report()])
    return 0
