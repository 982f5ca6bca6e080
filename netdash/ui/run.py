"""Runs the dashboard on a source, from the first paint to the restored terminal."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from netdash.options import Options
from netdash.ui.app import Dashboard
from netdash.ui.driver import DashboardDriver
from netdash.ui.terminal import is_hung_up, leave_terminal, needs_ascii

if TYPE_CHECKING:
    from netdash.model.snapshot_store import SnapshotStore
    from netdash.sources.source import SnapshotSource
    from netdash.ui.state import Resolver

_ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_SWITCH_SECONDS = 0.001
"""After so long a thread that counts or sorts many flows lets the screen go on; Python's own 5 ms are felt at a key."""


def run_dashboard(source: SnapshotSource, options: Options) -> int:
    """Shows the dashboard until the user quits, a signal ends it, the terminal is gone, or the source ends.

    Returns the program's exit code: 0, or 1 when the source ended by itself, after one line on stderr that says why.
    """
    return _show(source, options)


def run_playback(store: SnapshotStore, options: Options, start: float | None = None) -> int:
    """Plays a recording in the dashboard until the user quits, a signal ends it or the terminal is gone.

    `start`: seconds since the epoch of where to begin; None: at its first snapshot. Returns the program's exit code:
    0, or 1 when the recording could not be read any more, after one line on stderr. Leaves the store open.
    """
    return _show(None, options, store, start)


def _show(
    source: SnapshotSource | None, options: Options, store: SnapshotStore | None = None, start: float | None = None
) -> int:
    if not options.ascii_only and needs_ascii():
        options = replace(options, ascii_only=True)
    sys.setswitchinterval(_SWITCH_SECONDS)
    code, failure = asyncio.run(_run(source, options, store, start))
    if is_hung_up(sys.stderr.fileno()):
        leave_terminal()
    if failure is not None:
        sys.stderr.write(f"netdash: {failure}\n")
    return code


async def _run(
    source: SnapshotSource | None, options: Options, store: SnapshotStore | None, start: float | None
) -> tuple[int, str | None]:
    with ExitStack() as ending:

        def make_resolver() -> Resolver:
            from netdash.sources.resolver import Resolver as NameResolver

            # Enabled even with --numeric: a key turns names on, and without them no name is asked for.
            resolver = NameResolver(enabled=True)
            ending.callback(resolver.close)
            return resolver

        app = Dashboard(
            source, options, store=store, start=start, make_resolver=make_resolver, driver_class=DashboardDriver
        )
        loop = asyncio.get_running_loop()
        for number in _ENDING_SIGNALS:
            # Also replaces an ignored SIGHUP (nohup, some su shells): without a terminal there is nothing to show.
            loop.add_signal_handler(number, app.exit, 0)
        try:
            code = await app.run_async(mouse=options.mouse)
        finally:
            DashboardDriver.end_input()
            if source is not None:
                await source.close()
        return code if code is not None else app.return_code or 0, app.failure
