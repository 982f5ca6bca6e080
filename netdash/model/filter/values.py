"""What stands behind a word, read by the word's kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network, NetmaskValueError
from typing import Final, Literal

from netdash.model.filter.errors import FilterError
from netdash.model.filter.lexer import Token, Value
from netdash.model.filter.pattern import Pattern
from netdash.model.filter.syntax import Amount, Hosts, Leaf, Match, Matcher, Names, Network, Numbers, Protocols, States
from netdash.model.filter.words import INTERFACE_STATES, Kind, Word
from netdash.model.protocols import ETHERTYPE_NAMES, PROTOCOL_NAMES, TCP_STATES

ServicePort = Callable[[str], int | None]
"""The port of a service's name, None if there is none such."""

MAX_PORT: Final = 65_535
MAX_PID: Final = (1 << 31) - 1

_AMOUNT: Final = re.compile(
    r"(\d{1,18}(?:\.\d{0,9})?)(?:([kKmMgGtTpP])(i?))?(b|bit|bits|bps|B|byte|bytes|Bps)?(?:/s)?", re.ASCII
)
_PREFIXES: Final = "kmgtp"
_IPV4_BITS: Final = 96
_ETHERTYPE: Final = re.compile(r"0x[0-9a-f]{4}")
_FIRST_ETHERTYPE: Final = 0x0600
"""Smaller numbers are the lengths of IEEE 802.3 frames, or what Linux writes there."""
_FAMILIES: Final = {"ip": 4, "ipv4": 4, "ip4": 4, "ipv6": 6, "ip6": 6}
_MARKS: Final = re.compile(r"[-_ ]")


def _plain(state: str) -> str:
    return _MARKS.sub("", state).lower()


_STATES: Final = {_plain(name): name for name in (*filter(None, TCP_STATES), "UNCONN", *INTERFACE_STATES)}
"""What is typed for a state, without - and _, and the state."""


def leaf_of(word: Word, token: Token, service_port: ServicePort) -> Leaf:
    """The word with its values. Raises FilterError."""
    for value in token.values:
        if not value.text:
            raise FilterError(f"a value is missing after '{token.text}{token.operator}'", value.position)
    match word.kind:
        case Kind.NAME | Kind.WHOLE_NAME:
            return Names(word.name, tuple(_matcher(v, word.kind is Kind.WHOLE_NAME) for v in token.values))
        case Kind.HOST | Kind.NET:
            return _hosts(word, token.values)
        case Kind.NUMBER:
            return Numbers(word.name, tuple(_range(v, "process number", MAX_PID, _no_service) for v in token.values))
        case Kind.PORT:
            return Numbers(word.name, tuple(_range(v, "port", MAX_PORT, service_port) for v in token.values))
        case Kind.PROTOCOL:
            return _protocols(token.values)
        case Kind.STATE:
            return States(frozenset().union(*(_states(value) for value in token.values)))
        case Kind.AMOUNT:
            return _amount(word, token)


def text_matcher(value: Value) -> Matcher:
    """Free text, or a pattern."""
    return Pattern(value.text, value.position) if value.is_pattern else Match(value.text)


def _matcher(value: Value, whole: bool) -> Matcher:
    if value.is_pattern:
        return Pattern(value.text, value.position)
    if value.is_quoted:
        return Match(value.text, "whole" if whole else "part")
    if value.text.startswith("=") and len(value.text) > 1:
        return Match(value.text[1:], "whole")
    if any(char in value.text for char in "*?["):
        return Match(value.text, "wildcards")
    return Match(value.text, "whole" if whole else "part")


def _hosts(word: Word, values: tuple[Value, ...]) -> Hosts:
    networks: list[Network] = []
    matchers: list[Matcher] = []
    for value in values:
        network = None if value.is_pattern or value.is_quoted else _network(value)
        if network is not None:
            networks.append(network)
        elif word.kind is Kind.NET:
            raise FilterError(f"'{value.text}' is no network", value.position, "such as 10.0.0.0/8 or 2001:db8::/32")
        elif "/" in value.text and not value.is_pattern:
            raise FilterError(f"'{value.text}' is neither address nor network", value.position)
        else:
            matchers.append(_matcher(value, whole=False))
    return Hosts(word.name, tuple(networks), tuple(matchers))


def _network(value: Value) -> Network | None:
    """None where the text is no address; host bits behind the prefix do not matter."""
    text = value.text.strip("[]")
    address, _, prefix = text.partition("/")
    try:
        if ":" in text:
            IPv6Address(address)
            network6 = IPv6Network(text, strict=False)
            return Network(network6.network_address.packed, network6.prefixlen)
        IPv4Address(address)
        network4 = IPv4Network(text, strict=False)
    except NetmaskValueError as error:
        raise FilterError(f"'/{prefix}' is no prefix length", value.position + len(address)) from error
    except AddressValueError:
        return None
    return Network(bytes(10) + b"\xff\xff" + network4.network_address.packed, network4.prefixlen + _IPV4_BITS)


def _no_service(_: str) -> int | None:
    return None


def _range(value: Value, what: str, highest: int, service_port: ServicePort) -> tuple[int, int]:
    if value.is_pattern:
        raise FilterError(f"a {what} is a number, not a pattern", value.position)
    low, dash, high = value.text.partition("-")
    if not _is_number(low) or (dash and not _is_number(high)):
        port = service_port(value.text.lower())
        if port is None:
            raise FilterError(f"'{value.text}' is no {what}", value.position, "a number, or a range such as 8000-8100")
        return port, port
    first = int(low)
    last = int(high) if dash else first
    if last > highest:
        raise FilterError(f"a {what} is at most {highest}", value.position)
    if last < first:
        raise FilterError(f"the range {value.text} runs backwards", value.position)
    return first, last


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10


def _protocols(values: tuple[Value, ...]) -> Protocols:
    numbers: set[int] = set()
    ethertypes: set[int] = set()
    families: set[int] = set()
    for value in values:
        text = value.text.lower()
        if _is_number(text) and int(text) <= 255:
            numbers.add(int(text))
            continue
        if text in _FAMILIES:
            families.add(_FAMILIES[text])
            continue
        by_ip, by_ethertype = _numbered(text)
        if not by_ip and not by_ethertype:
            by_ip, by_ethertype = _named(PROTOCOL_NAMES, text), _named(ETHERTYPE_NAMES, text)
        if not by_ip and not by_ethertype:
            known = [*_FAMILIES, *PROTOCOL_NAMES.values(), *ETHERTYPE_NAMES.values()]
            raise FilterError(f"unknown protocol '{value.text}'", value.position, _meant(text, known))
        numbers |= by_ip
        ethertypes |= by_ethertype
    return Protocols(frozenset(numbers), frozenset(ethertypes), frozenset(families))


def _numbered(text: str) -> tuple[set[int], set[int]]:
    """IP protocols and EtherTypes of what has no name, as `model.protocols.protocol_name` writes it."""
    if text == "802.3":
        return set(), set(range(1, _FIRST_ETHERTYPE))
    by_ip = {int(text[3:])} if text.startswith("ip-") and _is_number(text[3:]) and int(text[3:]) <= 255 else set()
    return by_ip, {int(text, 16)} if _ETHERTYPE.fullmatch(text) else set()


def _named(names: Mapping[int, str], text: str) -> set[int]:
    """Numbers of that name, or else of the names that begin so: one is at its first letters while it is typed."""
    exact = {number for number, name in names.items() if name == text}
    return exact or {number for number, name in names.items() if name.startswith(text)}


def _states(value: Value) -> frozenset[str]:
    text = _plain(value.text)
    if text in _STATES:
        return frozenset({_STATES[text]})
    found = frozenset(name for plain, name in _STATES.items() if text and plain.startswith(text))
    if not found:
        raise FilterError(f"unknown state '{value.text}'", value.position, _meant(text, list(_STATES)))
    return found


def _amount(word: Word, token: Token) -> Amount:
    value = token.values[0]
    if len(token.values) > 1:
        raise FilterError(f"'{word.written}' takes one value", token.values[1].position)
    parts = _AMOUNT.fullmatch(value.text)
    if parts is None or value.is_pattern:
        raise FilterError(f"'{value.text}' is no amount", value.position, "such as 10M, 1.5MB, 900kb, 64KiB")
    number, prefix, iec, unit = parts.groups()
    step = 1024 if iec else 1000
    amount = float(number) * step ** (_PREFIXES.index(prefix.lower()) + 1 if prefix else 0)
    return Amount(word.name, _comparison(token), amount, _unit(unit))


def _comparison(token: Token) -> Literal[">", ">=", "<", "<="]:
    match token.operator:
        case ">" | ">=" | "<" | "<=":
            return token.operator
        case _:
            raise FilterError(
                f"'{token.text}' is compared with > or <", token.position + len(token.text), f"{token.text}>1M"
            )


def _unit(text: str | None) -> Literal["bits", "bytes"] | None:
    if text is None:
        return None
    return "bytes" if text.startswith(("B", "by")) else "bits"


def _meant(text: str, known: list[str]) -> str:
    close = get_close_matches(text, known, n=1, cutoff=0.5)
    return f"do you mean {close[0]}?" if close else "there are " + ", ".join(dict.fromkeys(known[:8])) + ", …"
