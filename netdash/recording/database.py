"""Opening a recording: made where there is none, continued by one writer at a time, read by any number."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final
from urllib.parse import quote

from netdash import __version__
from netdash.errors import NetdashError
from netdash.model.sanitize import sanitize
from netdash.recording.added_columns import add_missing

SCHEMA_VERSION: Final = 1
_PATH_LIMIT: Final = 200
_BUSY_SECONDS: Final = 10.0
_PAGE_BYTES: Final = 2048
_CHECKPOINT_BYTES: Final = 4 << 20
_WAL_BYTES: Final = 16 << 20
_MAX_BLOB_BYTES: Final = 1 << 29
_NOT_DAMAGE: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_FULL,
    }
)
_WORDS_OF_DAMAGE: Final = ("malformed", "not a database", "no such table", "no such column")
"""In SQLite's messages; tables are missing where their description is lost."""


class RecordingError(NetdashError):
    """A recording cannot be written or read; the message says why."""


class NewerRecordingError(RecordingError):
    """It has a schema that this version does not know."""


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
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
            raise RecordingError(f"cannot record to {shown(path)}: it is no recording; name another file") from error
        raise RecordingError(f"cannot record to {shown(path)}: {reason(error)}") from error
    return WritableFile(connection, lock)


class ReadingConnection(sqlite3.Connection):
    """Cannot write. Closed when it is not wanted any more."""

    damage: str | None = None
    """Why the file could not be opened as it should; what is left of it can be read nevertheless."""


def open_for_reading(path: str) -> ReadingConnection:
    """A connection to as much of a recording as can be read.

    Raises RecordingError where that is nothing, and for what is no recording of this or an older version.
    """
    try:
        try:
            return _open_checked(path, damage=None)
        except (sqlite3.DatabaseError, UnicodeError) as error:
            if not is_damage(error):
                raise
            # Of a file that is cut, SQLite reads nothing unless it is told to take it as it is.
            return _open_checked(path, damage=reason(error))
    except (OSError, sqlite3.Error, UnicodeError) as error:
        raise RecordingError(f"cannot read {shown(path)}: {reason(error)}") from error


def _open_checked(path: str, damage: str | None) -> ReadingConnection:
    with ExitStack() as unchecked:
        connection = unchecked.enter_context(closing(_connect_read_only(path)))
        if damage is None:
            check_version(connection, path)
        else:
            connection.damage = damage
            _accept_damage(connection)
            _check_version_of_damaged(connection, path, damage)
        unchecked.pop_all()
    return connection


def _accept_damage(connection: sqlite3.Connection) -> None:
    """Lets SQLite go on with a file that is shorter than its header says, or whose description of tables is damaged.

    Nothing can be written all the same. https://www.sqlite.org/pragma.html#pragma_writable_schema
    """
    connection.execute("PRAGMA writable_schema = ON")
    with suppress(sqlite3.DatabaseError, UnicodeError):
        # Loads the description; the statement that meets the damage fails, those after it do with what was loaded.
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()


def _check_version_of_damaged(connection: sqlite3.Connection, path: str, damage: str) -> None:
    """As `check_version`; what says nothing of itself any more is damaged rather than foreign."""
    try:
        check_version(connection, path)
    except NewerRecordingError:
        raise
    except (RecordingError, sqlite3.Error, UnicodeError) as error:
        raise RecordingError(f"cannot read {shown(path)}: {damage}") from error


def is_damage(error: Exception) -> bool:
    """Whether the file is at fault, and not the moment or the system."""
    # Text that is no UTF-8 is told without a code.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    return code & 0xFF not in _NOT_DAMAGE


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
        raise NewerRecordingError(
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
    if any(words in text for words in _WORDS_OF_DAMAGE):
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
        # Before the first table, or they have no effect. A frame's last page is half empty: of small ones less is lost.
        connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    else:
        check_version(connection, path)
    connection.execute("PRAGMA journal_mode = WAL")
    # FULL: what is committed survives a power cut, so that at most the interval under way is lost.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_BYTES // _PAGE_BYTES}")
    if new:
        connection.executescript(f"BEGIN;\n{_script('schema.sql')}\n{_script('hours.sql')}\nCOMMIT;")
        with closing(connection.cursor()) as cursor:
            cursor.executemany(
                "INSERT INTO meta (key, value) VALUES (?, ?)",
                [("schema_version", str(SCHEMA_VERSION)), ("netdash", __version__)],
            )
    else:
        connection.executescript(f"BEGIN IMMEDIATE;\n{_script('hours.sql')}")
        add_missing(connection)
        connection.execute("COMMIT")


def _script(name: str) -> str:
    return files("netdash.recording").joinpath(name).read_text(encoding="utf-8")


def has_log(path: str) -> bool:
    """Whether somebody writes the file, or did not come to the end of it: SQLite's log lies beside it."""
    return Path(f"{path}-wal").exists()


def _connect_read_only(path: str) -> ReadingConnection:
    os.stat(path)
    address = f"file:{quote(os.path.abspath(path))}?mode=ro"
    if not has_log(path):
        # The file alone is all there is; without this SQLite would leave files beside it that it cannot remove again.
        address += "&immutable=1"
    connection = sqlite3.connect(
        address,
        uri=True,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        factory=ReadingConnection,
    )
    _limit(connection)
    return connection


def _limit(connection: sqlite3.Connection) -> None:
    """Against files made to harm: no trusted functions in views, no rows without end."""
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_BLOB_BYTES)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA query_only = ON")
