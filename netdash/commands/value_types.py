"""Types of argparse: what the text of an option's value says, or one line on what it should be."""

from __future__ import annotations

import argparse

from netdash.model.sanitize import sanitize
from netdash.options import MAX_DELAY_SECONDS, MIN_DELAY_SECONDS


def whole_number(text: str, lowest: int, highest: int) -> int:
    """A whole number within these limits."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 12 else -1
    if not lowest <= number <= highest:
        raise argparse.ArgumentTypeError(f"'{sanitize(text, 32)}' is no whole number from {lowest} to {highest}")
    return number


def delay(text: str) -> float:
    """ "2", "0.5": seconds from 0.1 to 3600."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not MIN_DELAY_SECONDS <= seconds <= MAX_DELAY_SECONDS:
        raise argparse.ArgumentTypeError(f"'{sanitize(text, 32)}' is no number of seconds from 0.1 to 3600")
    return seconds


def networks(text: str) -> list[str]:
    """ "10.0.0.0/8,2001:db8::/32": each checked."""
    from ipaddress import ip_network

    nets = [part.strip() for part in text.split(",")]
    for net in nets:
        try:
            ip_network(net, strict=False)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"'{sanitize(net, 64)}' is no network such as 10.0.0.0/8") from error
    return nets


def size(text: str) -> int:
    """ "500M", "2G", "1.5G": in bytes, multiples of 1000."""
    number, unit = (text[:-1], text[-1:].upper()) if text[-1:].isalpha() else (text, "")
    try:
        size_bytes = float(number) * {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}[unit]
    except (ValueError, KeyError):
        size_bytes = -1.0
    if not 10**6 <= size_bytes <= 10**15:
        raise argparse.ArgumentTypeError(f"'{sanitize(text, 32)}' is no size such as 500M or 2G, from 1M on")
    return int(size_bytes)


def age(text: str) -> float:
    """ "12h", "30d", "2w" in seconds."""
    try:
        seconds = float(text[:-1]) * {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}[text[-1:].lower()]
    except (ValueError, KeyError):
        seconds = -1.0
    if not 60 <= seconds <= 10**10:
        raise argparse.ArgumentTypeError(f"'{sanitize(text, 32)}' is no age such as 12h or 30d, from 1m on")
    return seconds
