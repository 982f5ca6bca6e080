"""Where a recording goes that was given no name."""

from __future__ import annotations

import os
import pwd
import time
from pathlib import Path
from typing import Final

SUFFIX: Final = ".netdash"
_FOLDER_MODE: Final = 0o700


def state_folder() -> Path:
    """netdash's folder in the state directory of the user that this process runs as (XDG Base Directory 0.8)."""
    home = os.environ.get("HOME", "")
    given = os.environ.get("XDG_STATE_HOME", "")
    # After sudo the environment is still root's, or of whoever called it; the user database knows better.
    if not home or os.environ.get("SUDO_UID") == str(os.getuid()):
        given = ""
        try:
            home = pwd.getpwuid(os.getuid()).pw_dir
        except KeyError:
            home = home or "/"
    folder = Path(given) if given.startswith("/") else Path(home, ".local", "state")
    return folder / "netdash"


def dated_path(now: float) -> str:
    """A new file's path, its folder made. Raises OSError."""
    folder = state_folder()
    folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    stem = time.strftime("%Y-%m-%d_%H%M%S", time.localtime(now))
    number, path = 1, folder / f"{stem}{SUFFIX}"
    while path.exists():
        number += 1
        path = folder / f"{stem}_{number}{SUFFIX}"
    return str(path)
