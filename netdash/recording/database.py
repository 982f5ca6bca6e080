"""Opening a recording: made where there is none, continued by one writer at a time, read by any number."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
from contextlib import closing
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final
from urllib.parse import quote

from netdash import __version__
from netdash.errors import NetdashError
from netdash.model.sanitize import sanitize

SCHEMA_VERSION: Final = 1
_PATH_LIMIT: Final = 200
_BUSY_SECONDS: Final = 10.0
_WAL_BYTES: Final = 16 << 20
_MAX_BLOB_BYTES: Final = 1 << 29


class RecordingError(NetdashError):
    """A recording cannot be written or read; the message says why."""


def shown(path: str) -> str:
    """A path, fit for the screen."""
    return sanitize(path, _PATH_LIMIT)


@dataclass(slots=True)
class WritableFile:
    """A recording that this process writes, and no other."""

    connection: sqlite3.Connection
    lock: int
    """Descriptor that holds the flock(2); SQLite's own locks are fcntl(2)'s, which do not meet it."""

    def close(self) -> None:
        """Moves the log into the file and lets others write. Raises sqlite3.Error."""
        try:
            self.connection.close()
        finally:
            # After SQLite: closing any descriptor of the file drops this process's fcntl locks.
            os.close(self.lock)


def open_for_writing(path: str) -> WritableFile:
    """Makes or continues the recording at `path`, mode 0600 where it is new. Raises RecordingError."""
    lock = _lock(path)
    connection: sqlite3.Connection | None = None
    try:
        new = os.fstat(lock).st_size == 0
        connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        _prepare(connection, path, new)
    except (OSError, sqlite3.Error, UnicodeError, NetdashError) as error:
        if connection is not None:
            connection.close()
        os.close(lock)
        if isinstance(error, NetdashError):
            raise
        raise RecordingError(f"cannot record to {shown(path)}: {reason(error)}") from error
    return WritableFile(connection, lock)


def open_for_reading(path: str) -> sqlite3.Connection:
    """A connection that cannot write. Raises RecordingError for what is no recording of this or an older version."""
    try:
        connection = _connect_read_only(path)
        try:
            check_version(connection, path)
        except BaseException:
            connection.close()
            raise
    except (OSError, sqlite3.Error, UnicodeError) as error:
        raise RecordingError(f"cannot read {shown(path)}: {reason(error)}") from error
    return connection


def check_version(connection: sqlite3.Connection, path: str) -> None:
    """Raises RecordingError where the file is no recording, or a newer one than this program knows."""
    try:
        found = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
    except sqlite3.OperationalError as error:
        if "no such" in str(error):
            raise RecordingError(f"{shown(path)} is an SQLite file, but no netdash recording") from error
        raise
    version = str(found[0]) if found else ""
    if not version.isdecimal():
        raise RecordingError(f"{shown(path)} is an SQLite file, but no netdash recording")
    if int(version) > SCHEMA_VERSION:
        raise RecordingError(
            f"{shown(path)} was written by a newer netdash (schema {version[:9]}, this one knows {SCHEMA_VERSION}): "
            "read it with that one"
        )


def reason(error: Exception) -> str:
    """Why SQLite or the system refused, and what helps, in a few words."""
    if isinstance(error, UnicodeError):
        return "the file is damaged"  # so much that SQLite's message about it is no text
    if isinstance(error, OSError):
        return error.strerror or str(error)
    text = sanitize(str(error), 100)
    if "disk is full" in text:
        return "the disk is full: make room"
    if "malformed" in text or "not a database" in text:
        return f"the file is damaged ({text})"
    return text


def _lock(path: str) -> int:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise RecordingError(f"cannot record to {shown(path)}: {why}") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise RecordingError(f"cannot record to {shown(path)}: it is not a regular file")
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise RecordingError(f"another netdash records to {shown(path)}: name another file") from error
    except RecordingError:
        os.close(descriptor)
        raise
    return descriptor


def _prepare(connection: sqlite3.Connection, path: str, new: bool) -> None:
    if new:
        # Before the first table, or it has no effect.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    else:
        check_version(connection, path)
    connection.execute("PRAGMA journal_mode = WAL")
    # FULL: what is committed survives a power cut, so that at most the interval under way is lost.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
    if new:
        script = files("netdash.recording").joinpath("schema.sql").read_text(encoding="utf-8")
        connection.executescript(f"BEGIN;\n{script}\nCOMMIT;")
        with closing(connection.cursor()) as cursor:
            cursor.executemany(
                "INSERT INTO meta (key, value) VALUES (?, ?)",
                [("schema_version", str(SCHEMA_VERSION)), ("netdash", __version__)],
            )


def has_log(path: str) -> bool:
    """Whether somebody writes the file, or did not come to the end of it: SQLite's log lies beside it."""
    return Path(f"{path}-wal").exists()


def _connect_read_only(path: str) -> sqlite3.Connection:
    os.stat(path)
    address = f"file:{quote(os.path.abspath(path))}?mode=ro"
    if not has_log(path):
        # The file alone is all there is; without this SQLite would leave files beside it that it cannot remove again.
        address += "&immutable=1"
    connection = sqlite3.connect(
        address, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    _limit(connection)
    return connection


def _limit(connection: sqlite3.Connection) -> None:
    """Against files made to harm: no trusted functions in views, no rows without end."""
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_BLOB_BYTES)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA query_only = ON")
