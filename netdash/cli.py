"""The command line: to the subcommand, the file or the live system that it names, and every failure to one line."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from netdash.commands.program_options import parse_arguments
from netdash.commands.standard_streams import open_closed_streams
from netdash.errors import NetdashError, keep_traceback
from netdash.model.sanitize import sanitize
from netdash.ui.terminal import can_show_dashboard


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program; returns its exit code: 0, 1 for a failure at run time, 2 for a wrong argument."""
    open_closed_streams()
    try:
        return _run(sys.argv[1:] if arguments is None else arguments)
    except NetdashError as error:
        print(f"netdash: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 0
    except Exception as error:  # the last resort: a user gets a line, never a traceback
        print(f"netdash: unforeseen failure: {sanitize(repr(error), 200)}; {keep_traceback()}", file=sys.stderr)
        return 1


def _run(arguments: Sequence[str]) -> int:
    match arguments[:1]:
        case ["doctor"]:
            from netdash.commands import doctor

            return doctor.run(arguments[1:])
        case ["export"]:
            from netdash.commands import export

            return export.run(arguments[1:])
        case ["report"]:
            from netdash.commands import report

            return report.run(arguments[1:])
    options, output = parse_arguments(arguments)
    if output == "dashboard" and not can_show_dashboard():
        output = "none" if options.works_without_output else "text"
    if options.read_file is not None:
        from netdash.run.file import run_file

        return run_file(options.read_file, arguments, options, output)
    from netdash.run.live import run_live

    return run_live(arguments, options, output)
