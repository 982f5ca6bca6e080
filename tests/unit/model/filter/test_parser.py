"""What is understood, and what is said where it is not."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from netdash.model.filter import Filter, FilterError, parse_filter
from netdash.model.filter.lexer import MAX_LENGTH
from netdash.model.filter.syntax import Protocols
from netdash.model.filter.words import WORDS
from netdash.model.protocols import protocol_name
from tests.unit.model.filter.tables import CONTEXT, FLOWS, INTERFACES, PROCESSES, SOCKETS

ERRORS = [
    ("a b prt:80", 4, "unknown word 'prt:' at 5; do you mean port:?"),
    ("src:10.0.0.1", 0, "unknown word 'src:' at 1; do you mean host:?"),
    ("port:abc", 5, "'abc' is no port at 6; a number, or a range such as 8000-8100"),
    ("port:70000", 5, "a port is at most 65535 at 6"),
    ("port:90-80", 5, "the range 90-80 runs backwards at 6"),
    ("port>80", 4, "'>' does not go with port at 5; write port:"),
    ("port:80,", 8, "a value is missing after 'port:' at 9"),
    ("proc:", 5, "a value is missing after 'proc:' at 6"),
    ("rate:5", 4, "'rate' is compared with > or < at 5; rate>1M"),
    ("rate>5X", 5, "'5X' is no amount at 6; such as 10M, 1.5MB, 900kb, 64KiB"),
    ("net:example", 4, "'example' is no network at 5; such as 10.0.0.0/8 or 2001:db8::/32"),
    ("host:10.0.0.0/40", 13, "'/40' is no prefix length at 14"),
    ("proto:tpc", 6, "unknown protocol 'tpc' at 7; do you mean tcp?"),
    ("state:listning", 6, "unknown state 'listning' at 7; do you mean listen?"),
    ("(a or b", 0, "'(' is never closed at 1"),
    ("a b)", 3, "')' without '(' at 4"),
    ("a or", 4, "something is missing at 5"),
    ("or a", 0, "something is missing before 'or' at 1"),
    ("not", 3, "something is missing at 4"),
    ('x "abc', 2, "the quote is never closed at 3"),
    ("x /a[b/", 4, "'[' is never closed in the pattern at 5"),
    ("/a(?=b)/", 3, "'(?' is not known here at 4; only plain groups"),
    ("/(a+)b{/", 6, "a repeat is {m}, {m,} or {m,n} at 7; write \\{ for the character"),
    ("/usr/bin", 5, "a space is missing at 6; what contains / or spaces stands in quotes"),
    ("", 0, "the filter is empty at 1"),
]


@pytest.mark.parametrize(("text", "position", "message"), ERRORS)
def test_errors_say_what_and_where(text: str, position: int, message: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse_filter(text)
    assert (caught.value.position, caught.value.message) == (position, message)


def test_a_word_that_is_like_none_tells_all_words() -> None:
    with pytest.raises(FilterError, match=r"proc: pid: user: .* rate> total>"):
        parse_filter("zzzzzz:1")


@pytest.mark.parametrize("text", ["(" * 40 + "a" + ")" * 40, "a" * (MAX_LENGTH + 1), "port:" + ",".join(["1"] * 65)])
def test_size_is_bounded(text: str) -> None:
    with pytest.raises(FilterError):
        parse_filter(text)


@pytest.mark.parametrize(
    "text",
    [
        "2001:db8::1",
        "fe80::1",
        "::1",
        "aa:bb:cc:dd:ee:ff",
        "kworker/0:1",
        '"http://x"',
        "a&&b || c",
        "NOT a AND b",
        "!" * 99 + "a",
    ],
)
def test_understood(text: str) -> None:
    assert parse_filter(text).text == text


_pieces = st.sampled_from(
    [word.written for word in WORDS]
    + [*"()!\"/,-:*[]{}\\+?|^$ ", "not ", "and ", "or "]
    + ["10.0.0.1", "fe80::", "/8", "80", "1M", "tcp", "est", "eth0", "(a+)+", "a{99}", "=x"]
)  # fmt: skip
_hostile = st.one_of(st.text(max_size=40), st.lists(_pieces, max_size=14).map("".join))


@given(_hostile)
@settings(max_examples=120, deadline=None)
@example("pid:99999999999999999999")
@example("rate>" + "9" * 400)
@example("port:²")
@example("host:１.2.3.4")
@example("proc:[")
@example("/[z-a]/")
@example("/\\/")
@example("/[\\/")
def test_whatever_is_typed_gives_a_filter_or_a_filter_error(text: str) -> None:
    try:
        chosen = parse_filter(text)
    except FilterError as error:
        position = error.position
    else:
        position = 0
        _ask_all_tables(chosen)
    assert 0 <= position <= len(text)


def _ask_all_tables(chosen: Filter) -> None:
    assert chosen.flows(FLOWS, CONTEXT).shape == (len(FLOWS),)
    assert chosen.sockets(SOCKETS, CONTEXT).shape == (len(SOCKETS),)
    assert chosen.processes(PROCESSES, CONTEXT).shape == (len(PROCESSES),)
    assert chosen.interfaces(INTERFACES, CONTEXT).shape == (len(INTERFACES),)


def test_every_protocol_is_written_as_it_is_shown() -> None:
    for number in range(256):
        leaf = parse_filter(f"proto:{protocol_name(number)}").node
        assert isinstance(leaf, Protocols)
        assert number in leaf.ip_protocols
    for ethertype in (1, 4, 0x05FF, 0x0600, 0x0806, 0x88CC, 0x9000, 0xFFFF):
        leaf = parse_filter(f"proto:{protocol_name(0, ethertype)}").node
        assert isinstance(leaf, Protocols)
        assert (ethertype in leaf.ethertypes, leaf.ip_protocols) == (True, frozenset())
