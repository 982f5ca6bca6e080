"""The collector as a process of its own: forked before anything heavy is loaded, ended with its parent."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from netdash.errors import NetdashError, keep_traceback
from netdash.options import Options

if TYPE_CHECKING:
    from netdash.collector.layers import Layers
    from netdash.model.recording_status import RecordingStatus

REFUSE_VARIABLE: Final = "NETDASH_REFUSE"
"""Layers not to be tried, by commas ("ebpf,ring"): how the tests run each lower layer."""

_MAX_CLOSING_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class CollectorProcess:
    """A running collector."""

    pid: int
    connection: socket.socket
    """This end of the socket pair; frames of netdash.collector.messages."""
    closing: int
    """Pipe with the collector's last words, how a recording ended; see `read_closing`."""


def start_collector(options: Options) -> CollectorProcess:
    """Forks the collector. To be called while this process has one thread and has not imported the dashboard."""
    started = time.monotonic()
    ours, theirs = socket.socketpair()
    closing, told = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid:
        theirs.close()
        os.close(told)
        return CollectorProcess(pid, ours, closing)
    status = 1
    try:
        ours.close()
        os.close(closing)
        status = _child(options, theirs, told, parent, started)
    finally:
        # Not sys.exit: the parent's cleanup handlers and buffers are not this process's to run.
        os._exit(status)


def read_closing(collector: CollectorProcess) -> RecordingStatus | None:
    """How a recording ended, once the collector has; None where there was none. To be called once."""
    from netdash.collector.messages import FrameError, decode_status

    with os.fdopen(collector.closing, "rb") as pipe:
        data = pipe.read(_MAX_CLOSING_BYTES)
    try:
        return decode_status(data)
    except FrameError:
        return None


def _child(options: Options, connection: socket.socket, told: int, parent: int, started: float) -> int:
    from netdash.kernel.capabilities import set_parent_death_signal

    # A session of its own: the terminal's Ctrl+C, Ctrl+Z and hang-up are for the dashboard to handle.
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    set_parent_death_signal(signal.SIGTERM)
    if os.getppid() != parent:
        return 1
    _detach_output()
    from netdash.collector.messages import Kind, encode_frame, encode_status

    def tell_closing(status: RecordingStatus) -> None:
        os.write(told, encode_status(status))

    try:
        if options.network_namespace is not None:
            from netdash.kernel.namespaces import enter_network_namespace

            enter_network_namespace(options.network_namespace)
        from netdash.collector.loop import collect

        asyncio.run(collect(options, connection, _refused(), _on_open, tell_closing, started))
    except NetdashError as error:
        connection.setblocking(True)
        connection.sendall(encode_frame(Kind.FAILURE, str(error).encode()))
        return 1
    except Exception as error:  # the last resort: the parent tells the user in its own words
        text = f"the collector failed: {error!r}; {keep_traceback()}"
        connection.setblocking(True)
        connection.sendall(encode_frame(Kind.FAILURE, text.encode()))
        return 1
    return 0


def _on_open(layers: Layers) -> None:
    """What the start needs is there."""
    gc.freeze()
    gc.enable()
    _drop_privileges(layers)


def _drop_privileges(layers: Layers) -> None:
    from netdash.kernel.capabilities import set_parent_death_signal
    from netdash.kernel.privileges import drop_privileges, invoking_user

    drop_privileges(layers.needed_capabilities, invoking_user())
    # A change of credentials has undone it.
    set_parent_death_signal(signal.SIGTERM)


def _detach_output() -> None:
    """The terminal belongs to the dashboard: nothing that a library prints may reach it."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)


def _refused() -> frozenset[str]:
    return frozenset(filter(None, os.environ.get(REFUSE_VARIABLE, "").split(",")))
