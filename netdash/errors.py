"""Errors that a user sees: one line that names the thing, the cause and the remedy."""

from __future__ import annotations

import os
import traceback


class NetdashError(Exception):
    """A failure to be told in one line; `exit_code` is the program's (DESIGN §5: 1 runtime, 2 usage)."""

    exit_code = 1


class UsageError(NetdashError):
    """A wrong argument."""

    exit_code = 2


class NotPermittedError(NetdashError):
    """The kernel refused an interface for want of privilege; the message holds the remedy."""


class RefusedError(NotPermittedError):
    """The kernel refused a call. In three parts, so that several that were refused for one cause make one line."""

    def __init__(self, subject: str, cause: str, remedy: str) -> None:
        super().__init__(f"{subject} refused ({cause}): {remedy}")
        self.subject = subject
        self.cause = cause
        self.remedy = remedy


class NotSupportedError(NetdashError):
    """This kernel lacks an interface; a lower layer has to do."""


DEBUG_VARIABLE = "NETDASH_DEBUG"
"""Environment variable that names a file: an unforeseen failure appends its traceback there."""


def keep_traceback() -> str:
    """Writes the traceback of the exception at hand where the user asked for it; returns what to tell the user."""
    path = os.environ.get(DEBUG_VARIABLE)
    if not path:
        return f"set {DEBUG_VARIABLE} to a file name to keep the details"
    try:
        with open(path, "a", encoding="utf-8") as file:
            traceback.print_exc(file=file)
    except OSError as error:
        return f"the details could not be written to {path}: {error.strerror}"
    return f"the details are in {path}"
