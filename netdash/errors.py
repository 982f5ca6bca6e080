"""Errors that a user sees: one line that names the thing, the cause and the remedy."""

from __future__ import annotations


class NetdashError(Exception):
    """A failure to be told in one line; `exit_code` is the program's (DESIGN §5: 1 runtime, 2 usage)."""

    exit_code = 1


class UsageError(NetdashError):
    """A wrong argument."""

    exit_code = 2


class NotPermittedError(NetdashError):
    """The kernel refused an interface for want of privilege; the message holds the remedy."""


class NotSupportedError(NetdashError):
    """This kernel lacks an interface; a lower layer has to do."""
