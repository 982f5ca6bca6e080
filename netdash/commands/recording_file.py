"""Opening the recording that a subcommand is given."""

from __future__ import annotations

from netdash.commands.privilege import become_ordinary
from netdash.errors import NetdashError
from netdash.recording.query import TableQuery
from netdash.sinks.work import Work
from netdash.sources.open_file import FileKind, open_file


def open_recording(path: str, work: Work) -> TableQuery:
    """Opens it with the privilege at hand, which is given up then. Raises NetdashError."""
    opened = open_file(path)
    opened.file.close()  # before SQLite opens it: closing any descriptor drops the locks on a file
    if opened.kind is not FileKind.RECORDING:
        raise NetdashError(
            f"{opened.shown_path} is a capture file, and this needs a recording (netdash --log); "
            "netdash -r reads capture files"
        )
    query = TableQuery(path, lambda: work.stopped)
    become_ordinary()
    return query
