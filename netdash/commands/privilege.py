"""Giving up privilege once everything is open."""

from __future__ import annotations

import os

import netdash
from netdash.errors import NetdashError
from netdash.model.sanitize import sanitize


def become_ordinary() -> None:
    """What draws and writes needs no privilege: it becomes the user that called sudo, without any capability."""
    from netdash.kernel.privileges import drop_privileges, invoking_user

    user = invoking_user()
    drop_privileges(user=user)
    # What is not imported yet is read as that user.
    needed = {"netdash's own files": netdash.__file__, "the Python that netdash runs in": os.__file__}
    for what, path in needed.items():
        if user is not None and not os.access(os.path.dirname(path), os.R_OK | os.X_OK):
            raise NetdashError(
                f"user {sanitize(user.name, 32)} cannot read {what}; "
                "install it where that user can read, or run it as root without sudo"
            )
