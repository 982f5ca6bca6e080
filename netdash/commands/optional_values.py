"""Options whose value may be left out, before the INTERFACEs of the command line."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Sequence
from typing import Final

_ENDPOINT: Final = re.compile(r"(.*:)?\d+", re.ASCII)


def _is_file(word: str) -> bool:
    return "/" in word or "." in word


def _is_endpoint(word: str) -> bool:
    return _ENDPOINT.fullmatch(word) is not None


_OPTIONS: Final[dict[str, Callable[[str], bool]]] = {"--log": _is_file, "--prometheus": _is_endpoint}
"""What a value looks like that is not the first INTERFACE."""


def with_values_joined(arguments: Sequence[str]) -> list[str]:
    """The arguments with each `--log FILE` as `--log=FILE`, a `--log` without a FILE as `--log=`, and so on.

    A FILE has a / or a . in it and is no interface, so `netdash --log eth0` records eth0, not into a file "eth0"; an
    ADDRESS:PORT or PORT ends with a number.
    """
    every, words = list(arguments), list[str]()
    interfaces = {name for _, name in socket.if_nameindex()} if any(name in every for name in _OPTIONS) else set()
    position = 0
    while position < len(every):
        word = every[position]
        position += 1
        if word == "--":
            return [*words, word, *every[position:]]
        if word not in _OPTIONS:
            words.append(word)
            continue
        following = every[position] if position < len(every) else "-"
        if not following.startswith("-") and _OPTIONS[word](following) and following not in interfaces:
            words.append(f"{word}={following}")
            position += 1
        else:
            words.append(f"{word}=")
    return words
