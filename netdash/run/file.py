"""A capture file or a recording, in the dashboard or headless."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from netdash.commands.privilege import become_ordinary
from netdash.commands.program_options import Output, parse_arguments
from netdash.errors import UsageError
from netdash.options import Options
from netdash.settings import load_settings, settings_path

if TYPE_CHECKING:
    from netdash.sources.open_file import OpenedFile


def run_file(path: str, arguments: Sequence[str], options: Options, output: Output) -> int:
    """Shows a file, opened with the privilege at hand and read without; returns the exit code. Raises NetdashError."""
    from netdash.sources.open_file import FileKind, open_file

    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    opened = open_file(path)
    if opened.kind is FileKind.RECORDING:
        opened.file.close()  # before SQLite opens it: closing any descriptor drops the locks on a file
        if options.local_nets:
            raise UsageError("--local-net is for a capture file; a recording knows what was local: leave it out")
        return _run_recording(path, arguments, options, output)
    become_ordinary()
    if options.follow:
        raise UsageError("--follow is for a recording; a capture file is read as it is: leave it out")
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


def _play_capture(opened: OpenedFile, arguments: Sequence[str]) -> int:
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


def _run_recording(path: str, arguments: Sequence[str], options: Options, output: Output) -> int:
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
