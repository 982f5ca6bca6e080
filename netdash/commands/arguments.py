"""What the command lines of the program and its subcommands share."""

from __future__ import annotations

import argparse
from typing import NoReturn

from netdash.errors import UsageError


class LineParser(argparse.ArgumentParser):
    """Tells a wrong argument in one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")


def recording_parser(command: str, description: str, epilog: str) -> LineParser:
    """Of a subcommand that reads a recording: `file`, `from_moment`, `to_moment`."""
    parser = LineParser(
        prog=f"netdash {command}",
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("file", metavar="FILE", help="a recording (netdash --log)")
    add_part_of_file(parser)
    return parser


def add_part_of_file(parser: argparse.ArgumentParser) -> None:
    """`--from` and `--to`, as `from_moment` and `to_moment`."""
    parser.add_argument(
        "--from",
        dest="from_moment",
        metavar="TIME",
        help="of a file: from then on (14:00: of its last day; 2026-11-22T14:00, '10m ago')",
    )
    parser.add_argument(
        "--to", dest="to_moment", metavar="TIME", help="of a file: up to then (also +5m, from --from on)"
    )


def add_units(parser: argparse.ArgumentParser) -> None:
    """`--units` and `--iec`."""
    parser.add_argument("-u", "--units", choices=("bits", "bytes"), help="unit of rates (default bits)")
    parser.add_argument("--iec", action="store_true", help="prefixes of 1024 (Ki, Mi) instead of 1000 (k, M)")
