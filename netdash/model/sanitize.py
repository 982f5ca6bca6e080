"""The one gate for text from outside: process names, command lines, host and interface names."""

from __future__ import annotations

import re
from typing import Final

REPLACEMENT: Final = "·"

_UNSAFE: Final = re.compile(
    "["
    "\x00-\x1f\x7f"  # C0 controls and DEL: ESC starts terminal sequences
    "\x80-\x9f"  # C1 controls: 0x9b is CSI on 8-bit terminals
    "\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"  # invisible, line separators, bidi controls
    "\ud800-\udfff"  # lone surrogates cannot be encoded
    "\U000e0000-\U000e007f"  # tags
    "]"
)


def sanitize(text: str, limit: int = 4096) -> str:
    """`text` without control, escape, bidirectional and invisible characters, at most `limit` characters."""
    return _UNSAFE.sub(REPLACEMENT, text[:limit])
