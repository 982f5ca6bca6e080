"""The command line: arguments to one source and one sink, and every failure to one line."""

from __future__ import annotations

import argparse
import gc
import os
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TextIO

from netdash import __version__
from netdash.commands.arguments import LineParser, add_part_of_file, add_units, whole_number
from netdash.commands.endpoint import DEFAULT, check_endpoint, endpoint
from netdash.commands.optional_values import with_values_joined
from netdash.commands.privilege import become_ordinary
from netdash.errors import NetdashError, UsageError, keep_traceback
from netdash.model.sanitize import sanitize
from netdash.model.select import InterfaceSelection
from netdash.model.units import Units
from netdash.options import MAX_DELAY_SECONDS, MIN_DELAY_SECONDS, VIEWS, Endpoint, Options, View
from netdash.services import service_port
from netdash.settings import KEY_PROFILES, THEMES, Settings, load_settings, settings_path

if TYPE_CHECKING:
    from netdash.collector.process import CollectorProcess
    from netdash.model.filter import Filter
    from netdash.model.snapshot import Snapshot
    from netdash.sources.open_file import OpenedFile

Output = Literal["dashboard", "text", "json", "csv", "none"]

_MIN_FLOWS, _MAX_FLOWS = 1024, 1 << 20

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


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program; returns its exit code: 0, 1 for a failure at run time, 2 for a wrong argument."""
    try:
        return _run(arguments)
    except NetdashError as error:
        print(f"netdash: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 0
    except Exception as error:  # the last resort: a user gets a line, never a traceback
        print(f"netdash: unforeseen failure: {sanitize(repr(error), 200)}; {keep_traceback()}", file=sys.stderr)
        return 1


def _run(arguments: Sequence[str] | None) -> int:
    given = sys.argv[1:] if arguments is None else list(arguments)
    match given[:1]:
        case ["doctor"]:
            from netdash.commands import doctor

            return doctor.run(given[1:])
        case ["export"]:
            from netdash.commands import export

            return export.run(given[1:])
        case ["report"]:
            from netdash.commands import report

            return report.run(given[1:])
    options, output = parse_arguments(arguments)
    if output == "dashboard" and _terminal_cannot_show_dashboard():
        output = "none" if options.works_without_output else "text"
    if options.read_file is not None:
        return _run_file(options.read_file, arguments, options, output)
    if options.network_namespace is None:
        _check_interfaces(options.interfaces)
    # NumPy's linear algebra is not used: its threads would cost memory, and privilege is given up thread by thread.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    # Nothing of what is loaded at the start is garbage: looking for that would take a tenth of the time.
    gc.disable()
    from netdash.collector.process import start_collector

    if options.prometheus is not None:
        check_endpoint(options.prometheus)
    # Before the dashboard is imported: the collector loads what it needs at the same time, and never holds a terminal.
    collector = start_collector(options)
    become_ordinary()
    observe = None if options.prometheus is None else _serve_metrics(options.prometheus)
    if output == "dashboard":
        # What has changed is drawn at the next of Textual's ticks, for which a key waits.
        os.environ.setdefault("TEXTUAL_FPS", "120")
        from netdash.sources.live import LiveSource
        from netdash.ui.run import run_dashboard

        # Only now: the file is of the user that this process has become.
        options, _ = parse_arguments(arguments, load_settings(settings_path()))
        code = run_dashboard(LiveSource(collector, observe), options)
        _tell_recording(collector, sys.stderr)
        return code
    from netdash.sinks.headless import run_output
    from netdash.sinks.recording_watch import RecordingWatch
    from netdash.sources.live import LiveSource

    gc.enable()
    source = LiveSource(collector, observe)
    watch = RecordingWatch(source, alone=output == "none" and observe is None)
    code = run_output(source, options, output, is_over=watch.is_over)
    failed = watch.told or _tell_recording(collector, sys.stdout if output == "none" else sys.stderr)
    return max(code, int(failed))


def _serve_metrics(wanted: Endpoint) -> Callable[[Snapshot], None]:
    """Begins to; what it returns is to be called with every snapshot."""
    from netdash.sinks.metrics import Metrics
    from netdash.sinks.prometheus import MetricsServer

    metrics = Metrics()
    server = MetricsServer(metrics, wanted)
    if wanted.port == 0:
        print(f"netdash: metrics are on http://{server.endpoint}/metrics", file=sys.stderr, flush=True)
    return metrics.add


def _tell_recording(collector: CollectorProcess, stream: TextIO) -> bool:
    """One line on the recording, if there was one; whether it failed."""
    from netdash.collector.process import read_closing

    status = read_closing(collector)
    if status is None:
        return False
    failed = status.failure is not None
    print(f"netdash: {sanitize(status.failure or status.closing or '', 1000)}", file=sys.stderr if failed else stream)
    return failed


def _run_file(path: str, arguments: Sequence[str] | None, options: Options, output: Output) -> int:
    """Shows a file. It is opened with the privilege at hand and read without."""
    from netdash.sources.open_file import FileKind, open_file

    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    opened = open_file(path)
    if opened.kind is FileKind.RECORDING:
        opened.file.close()  # before SQLite opens it: closing any descriptor drops the locks on a file
        return _run_recording(path, arguments, options, output)
    become_ordinary()
    if output == "dashboard":
        return _play_capture(opened, arguments)
    from netdash.sinks.headless import run_output
    from netdash.sinks.progress import progress_line
    from netdash.sources.capture.file import CaptureFile
    from netdash.sources.capture.source import CaptureSource, capture_options

    file = CaptureFile(opened)
    with progress_line(file.span_progress):
        source = CaptureSource(file, capture_options(file, options))
    return run_output(source, options, output, source.progress)


def _play_capture(opened: OpenedFile, arguments: Sequence[str] | None) -> int:
    """Plays a capture file in the dashboard by its own clock; it is counted in the background meanwhile."""
    from netdash.sinks.progress import progress_line
    from netdash.sources.capture.counting import CapturePass
    from netdash.sources.capture.file import CaptureFile
    from netdash.sources.capture.source import capture_options
    from netdash.sources.capture.store import CaptureStore
    from netdash.ui.run import run_playback

    options, _ = parse_arguments(arguments, load_settings(settings_path()))
    file = CaptureFile(opened)
    with progress_line(file.span_progress):
        counting = CapturePass(file, capture_options(file, options))
    store = CaptureStore(counting, file)
    try:
        with progress_line(store.progress):
            store.start()
        return run_playback(store, options)
    finally:
        store.close()


def _run_recording(path: str, arguments: Sequence[str] | None, options: Options, output: Output) -> int:
    from netdash.recording.reader import RecordingStore
    from netdash.sinks.progress import progress_line
    from netdash.sources.recording import recording_source

    store = RecordingStore(path)
    become_ordinary()
    with progress_line(store.progress):
        recording = recording_source(store, options)
    if output == "dashboard":
        from netdash.ui.run import run_playback

        options, _ = parse_arguments(arguments, load_settings(settings_path()))
        try:
            return run_playback(recording.store, recording.options(options), recording.start)
        finally:
            recording.store.close()
    from netdash.sinks.headless import run_output

    code = run_output(recording, recording.options(options), output, recording.progress)
    if (complaint := recording.complaint()) is not None:
        print(f"netdash: {complaint}", file=sys.stderr)
    return code


def parse_arguments(arguments: Sequence[str] | None, settings: Settings | None = None) -> tuple[Options, Output]:
    """The options, and where the figures go. `settings`: what holds where the command line says nothing.

    Raises UsageError.
    """
    settings = settings or Settings()
    given = _parser().parse_args(with_values_joined(sys.argv[1:] if arguments is None else arguments))
    if given.csv and given.view is None:
        raise UsageError(f"--csv writes one table: add --view {'|'.join(VIEWS)}")
    file_only = {"--from": given.from_moment, "--to": given.to_moment, "--local-net": given.local_net}
    file_only["--follow"] = given.follow
    wrong = [name for name, value in file_only.items() if value] if given.read is None else []
    if wrong:
        raise UsageError(f"{wrong[0]} is for a file: add -r FILE")
    if given.read is not None and given.log is not None:
        raise UsageError("--log records the live system: leave it out with -r")
    if given.read is not None and given.prometheus is not None:
        raise UsageError("--prometheus tells of the live system: leave it out with -r")
    if given.read is not None and given.netns is not None:
        raise UsageError("--netns is for the live system: leave it out with -r")
    output: Output = "json" if given.json else "csv" if given.csv else "text" if given.text else "dashboard"
    if output == "dashboard" and given.quiet:
        if given.log is None and given.prometheus is None:
            raise UsageError("--quiet writes nothing: add --log or --prometheus")
        output = "none"
    if output == "dashboard" and given.count is not None:
        output = "text" if given.log is None and given.prometheus is None else "none"
    options = Options(
        interfaces=InterfaceSelection((*given.interfaces, *given.interface)),
        delay_seconds=given.delay,
        count=given.count,
        view=given.view or _known_view(settings.view),
        numeric=given.numeric or not settings.names,
        units=Units(bits=(given.units or settings.units) == "bits", iec=given.iec or settings.iec),
        network_namespace=given.netns,
        read_file=given.read,
        from_moment=given.from_moment,
        to_moment=given.to_moment,
        follow=given.follow,
        log_path=given.log,
        log_max_bytes=given.log_max_size,
        log_max_age_seconds=given.log_max_age,
        prometheus=given.prometheus,
        local_nets=tuple(given.local_net),
        max_flows=given.max_flows,
        capture_filter=_capture_filter(given.capture_filter, given.read),
        row_filter=_row_filter(given.filter, given.view, output, numeric=given.numeric),
        ascii_only=given.ascii or settings.ascii,
        mouse=settings.mouse and not given.no_mouse,
        settings=replace(settings, profile=given.keys or settings.profile, theme=given.theme or settings.theme),
    )
    return options, output


def _known_view(name: str | None) -> View | None:
    return next((view for view in VIEWS if view == name), None)


def _parser() -> argparse.ArgumentParser:
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
        type=_networks,
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
    add("--log-max-size", type=_size, default="1G", metavar="SIZE", help="of the file: the oldest goes first (1G)")
    add(
        "--log-max-age",
        type=_age,
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
    add("-d", "--delay", type=_delay, default=1.0, metavar="SECONDS", help="interval, 0.1 to 3600 (default 1)")
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


def _capture_filter(expression: str | None, file: str | None) -> str | None:
    """Compiled here only to tell a wrong one before anything starts."""
    if expression is None:
        return None
    if file is not None:
        raise UsageError("--capture-filter chooses live packets; with -r use --filter")
    from netdash.kernel.capture_filter import compile_capture_filter

    compile_capture_filter(expression)
    return expression


def _row_filter(text: str | None, view: View | None, output: Output, *, numeric: bool) -> Filter | None:
    if text is None:
        return None
    from netdash.model.filter import FilterError, parse_filter

    try:
        chosen = parse_filter(text, service_port)
    except FilterError as error:
        raise UsageError(f"--filter: {sanitize(error.message, 400)}") from error
    if output != "dashboard" and view in ("interfaces", "protocols"):
        raise UsageError(f"--filter does not apply to --view {view}, which stays whole; name the interfaces instead")
    if numeric and chosen.wants_host_names:
        raise UsageError("--filter asks for a host by name, and -n looks up none; leave out -n or give its address")
    return chosen


def _delay(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not MIN_DELAY_SECONDS <= seconds <= MAX_DELAY_SECONDS:
        raise argparse.ArgumentTypeError(f"'{sanitize(text, 32)}' is no number of seconds from 0.1 to 3600")
    return seconds


def _networks(text: str) -> list[str]:
    from ipaddress import ip_network

    nets = [part.strip() for part in text.split(",")]
    for net in nets:
        try:
            ip_network(net, strict=False)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"'{sanitize(net, 64)}' is no network such as 10.0.0.0/8") from error
    return nets


def _size(text: str) -> int:
    """ "500M", "2G", "1.5G": multiples of 1000."""
    number, unit = (text[:-1], text[-1:].upper()) if text[-1:].isalpha() else (text, "")
    try:
        size = float(number) * {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}[unit]
    except (ValueError, KeyError):
        size = -1.0
    if not 10**6 <= size <= 10**15:
        raise argparse.ArgumentTypeError(f"'{sanitize(text, 32)}' is no size such as 500M or 2G, from 1M on")
    return int(size)


def _age(text: str) -> float:
    """ "12h", "30d", "2w" in seconds."""
    try:
        age = float(text[:-1]) * {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}[text[-1:].lower()]
    except (ValueError, KeyError):
        age = -1.0
    if not 60 <= age <= 10**10:
        raise argparse.ArgumentTypeError(f"'{sanitize(text, 32)}' is no age such as 12h or 30d, from 1m on")
    return age


def _count(text: str) -> int:
    return whole_number(text, 1, 10**9)


def _flow_limit(text: str) -> int:
    return whole_number(text, _MIN_FLOWS, _MAX_FLOWS)


def _terminal_cannot_show_dashboard() -> bool:
    terminal = all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))
    return not terminal or os.environ.get("TERM", "dumb") == "dumb"


def _check_interfaces(selection: InterfaceSelection) -> None:
    """An interface that is not there is told before anything starts; the collector checks again in its namespace."""
    names = [name for _, name in socket.if_nameindex()]
    missing = selection.missing(names)
    if missing:
        raise NetdashError(
            f"no interface matches '{sanitize(missing[0], 64)}'; there are: {', '.join(sanitize(n, 32) for n in names)}"
        )
