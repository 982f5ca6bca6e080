"""The options of the program itself, and its `--help`."""

from __future__ import annotations

import argparse
from typing import Final

from netdash import __version__
from netdash.commands import value_types
from netdash.commands.arguments import LineParser, add_part_of_file, add_units
from netdash.commands.endpoint import DEFAULT, endpoint
from netdash.options import VIEWS
from netdash.settings import KEY_PROFILES, THEMES

_MIN_FLOWS: Final = 1024
_MAX_FLOWS: Final = 1 << 20

_EPILOG = """\
Without a terminal, and without --json or --csv, --text is taken. Headless output ends after -c intervals or with
Ctrl+C; the last interval is written either way. Byte figures are wire bytes (link-layer frames) unless they say
payload.

  netdash                          the dashboard, all interfaces
  netdash eth0 '!docker*'          some interfaces
  netdash --json -c 5              five intervals as JSON Lines
  netdash -t --view flows -d 2     flows as text, every two seconds
  netdash -f 'port:443 rate>1M'    what matches; words: proc: pid: user: unit: container: host: net: port: sport: dport:
                                   proto: state: iface: rate> total>, text, /pattern/, not, or, ( )
  netdash --log                    the dashboard, recording
  netdash -q --log=web.netdash     records alone, until Ctrl+C
  netdash -q --prometheus          metrics for Prometheus alone
  netdash -r web.netdash -t --from 14:00 --to 14:10
  netdash report web.netdash       who moved how much, over hours or months; netdash report --help
  netdash export web.netdash       its tables as CSV, JSON Lines or Parquet; netdash export --help
  netdash doctor                   what works here, what does not, why, and how to change it
"""


def program_parser() -> LineParser:
    """The options of `netdash` without a subcommand."""
    parser = LineParser(
        prog="netdash",
        description="Shows live which interface, which process and which connection makes the traffic.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("interfaces", nargs="*", metavar="INTERFACE", help="interfaces or patterns such as 'eth*' and '!docker0'")
    add("-i", "--interface", action="append", default=[], metavar="IF", help="same, repeatable")
    add("-r", "--read", metavar="FILE", help="read a capture file (pcap, pcapng, also .gz) or a recording instead")
    add_part_of_file(parser)
    add("--follow", action="store_true", help="of a recording that is being made: go on with what comes")
    add(
        "--local-net",
        type=value_types.networks,
        action="extend",
        default=[],
        metavar="NET,...",
        help="capture file: what is local (default: as the file says, else who opened the connection)",
    )
    add(
        "--log",
        nargs="?",
        const="",
        metavar="FILE",
        help="record all activity, default: a dated file in the state directory; a FILE without / or . is an "
        "INTERFACE, unless it is written --log=FILE",
    )
    add(
        "--log-max-size",
        type=value_types.size,
        default="1G",
        metavar="SIZE",
        help="of the file: the oldest goes first (1G)",
    )
    add(
        "--log-max-age",
        type=value_types.age,
        default="30d",
        metavar="AGE",
        help="of what is recorded: 12h, 30d (30d); sums of minutes stay 400 days",
    )
    add(
        "--prometheus",
        nargs="?",
        const="",
        type=endpoint,
        metavar="ADDRESS:PORT",
        help=f"serve metrics over HTTP (default {DEFAULT}), with the dashboard, other output, or -q alone",
    )
    add(
        "-d",
        "--delay",
        type=value_types.delay,
        default=1.0,
        metavar="SECONDS",
        help="interval, 0.1 to 3600 (default 1)",
    )
    add("-c", "--count", type=_count, metavar="N", help="headless: stop after N intervals")
    add("-f", "--filter", metavar="EXPR", help="show only what matches, such as 'port:443 not proc:nginx rate>1M'")
    add("--capture-filter", metavar="EXPR", help="count only packets that match a pcap expression (needs libpcap)")
    add("-n", "--numeric", action="store_true", help="no look-up of host and service names")
    add_units(parser)
    add("--netns", metavar="NAME|PID", help="look at another network namespace")
    outputs = parser.add_mutually_exclusive_group()
    outputs.add_argument("-t", "--text", action="store_true", help="plain text to stdout")
    outputs.add_argument("--json", action="store_true", help="JSON Lines to stdout")
    outputs.add_argument("--csv", action="store_true", help="CSV to stdout, of one --view")
    outputs.add_argument("-q", "--quiet", action="store_true", help="with --log, --prometheus: no other output")
    add("--view", choices=VIEWS, help="headless: this table alone")
    add(
        "--max-flows",
        type=_flow_limit,
        default=131_072,
        metavar="N",
        help=f"rows of the kernel's flow table, {_MIN_FLOWS} to {_MAX_FLOWS}; 152 bytes each, twice (default 131072)",
    )
    add("--ascii", action="store_true", help="dashboard: no characters beyond ASCII")
    add("--no-mouse", action="store_true", help="dashboard: leave the mouse to the terminal")
    add("--keys", choices=KEY_PROFILES, help="dashboard: keys as in another program (default: as in netdash.toml)")
    add("--theme", choices=THEMES, help="dashboard: colours (default: as in netdash.toml, else dark)")
    add("--version", action="version", version=f"netdash {__version__}")
    return parser


def _count(text: str) -> int:
    return value_types.whole_number(text, 1, 10**9)


def _flow_limit(text: str) -> int:
    return value_types.whole_number(text, _MIN_FLOWS, _MAX_FLOWS)
