"""Which process a packet belongs to, as a comment in a capture file (pcapng option opt_comment).

The form: words `key=value` with a space between them, first `pid`, then `process`, then `user`; a key is left out where
nothing is known of it. In values everything but letters, digits and `_.-~:@/+` is percent-encoded (RFC 3986, UTF-8), so
a value has neither spaces nor line ends. Readers skip words that they do not know. Example:

    pid=4711 process=curl user=www-data
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

from netdash.model.sanitize import sanitize

_PLAIN: Final = "_.-~:@/+"
_LIMIT: Final = 64
"""Characters of a value: the longest comment stays below the kilobyte that readers take."""
_MAX_PID: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class ProcessNote:
    """What a comment says of a packet's process."""

    pid: int | None
    process: str
    """Empty: not known."""
    user: str = ""


def process_comment(note: ProcessNote) -> str:
    """The comment; empty where nothing is known."""
    words = [] if note.pid is None else [f"pid={note.pid}"]
    for key, value in (("process", note.process), ("user", note.user)):
        if value:
            words.append(f"{key}={quote(value[:_LIMIT], safe=_PLAIN, errors='replace')}")
    return " ".join(words)


def parse_process_comment(comment: str) -> ProcessNote | None:
    """The inverse; None where the comment is none of this form. Never raises; names come back sanitised."""
    found: dict[str, str] = {}
    for word in comment[: 12 * _LIMIT].split():
        key, equals, value = word.partition("=")
        if equals and key in ("pid", "process", "user"):
            found.setdefault(key, sanitize(unquote(value), _LIMIT))
    number = found.get("pid", "")
    pid = int(number) if number.isascii() and number.isdigit() and len(number) < 11 else None
    if pid is not None and not 0 < pid <= _MAX_PID:
        pid = None
    process = found.get("process", "")
    return ProcessNote(pid, process, found.get("user", "")) if pid is not None or process else None
