"""What can be said of the terminal before Textual is loaded: whether it can show the dashboard, whether it is gone."""

from __future__ import annotations

import os
import select
import sys


def can_show_dashboard() -> bool:
    """Whether the standard streams are a terminal, and one that can place text.

    Textual reads from stdin and draws on stderr; stdout counts too, because a user who sends it elsewhere wants text.
    """
    return all(map(os.isatty, (0, 1, 2))) and os.environ.get("TERM", "") not in ("", "dumb", "unknown")


def needs_ascii() -> bool:
    """Whether the terminal lacks braille, arrows and bars: in its encoding, or in the font of the Linux console."""
    if os.environ.get("TERM") == "linux":
        return True
    encoding = getattr(sys.__stderr__, "encoding", None) or "ascii"
    try:
        "⣿▼│".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return True
    return False


def is_hung_up(descriptor: int) -> bool:
    """Whether the other end of the terminal is gone (poll(2): POLLHUP, POLLERR, POLLNVAL)."""
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(events & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, events in poll.poll(0))


def leave_terminal() -> None:
    """Lets the standard streams end nowhere: what is still buffered for a terminal that is gone would be an error."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    os.close(nowhere)
