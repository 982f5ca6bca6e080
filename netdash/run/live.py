"""The live system: the collector is started, then what shows its figures."""

from __future__ import annotations

import gc
import os
import socket
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from netdash.commands.endpoint import check_endpoint
from netdash.commands.privilege import become_ordinary
from netdash.commands.program_options import Output, parse_arguments
from netdash.commands.standard_streams import write_output
from netdash.errors import NetdashError
from netdash.model.sanitize import sanitize
from netdash.model.select import InterfaceSelection
from netdash.options import Endpoint, Options
from netdash.settings import load_settings, settings_path

if TYPE_CHECKING:
    from netdash.collector.process import CollectorProcess
    from netdash.model.snapshot import Snapshot


def run_live(arguments: Sequence[str], options: Options, output: Output) -> int:
    """Shows it until the end is asked for, or for `--count` intervals; returns the exit code. Raises NetdashError."""
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
        _tell_recording(collector, to_output=False)
        return code
    from netdash.sinks.headless import run_output
    from netdash.sinks.recording_watch import RecordingWatch
    from netdash.sources.live import LiveSource

    gc.enable()
    source = LiveSource(collector, observe)
    watch = RecordingWatch(source, alone=output == "none" and observe is None)
    code = run_output(source, options, output, is_over=watch.is_over)
    failed = watch.told or _tell_recording(collector, to_output=output == "none")
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


def _tell_recording(collector: CollectorProcess, *, to_output: bool) -> bool:
    """One line on the recording, if there was one; whether it failed."""
    from netdash.collector.process import read_closing

    status = read_closing(collector)
    if status is None:
        return False
    line = f"netdash: {sanitize(status.failure or status.closing or '', 1000)}\n"
    failed = status.failure is not None
    if failed or not to_output:
        sys.stderr.write(line)
    else:
        write_output([line])
    return failed


def _check_interfaces(selection: InterfaceSelection) -> None:
    """An interface that is not there is told before anything starts; the collector checks again in its namespace."""
    names = [name for _, name in socket.if_nameindex()]
    missing = selection.missing(names)
    if missing:
        raise NetdashError(
            f"no interface matches '{sanitize(missing[0], 64)}'; there are: {', '.join(sanitize(n, 32) for n in names)}"
        )
