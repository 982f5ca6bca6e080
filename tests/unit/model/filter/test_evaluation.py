"""Which rows match: every word on every table that knows it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netdash.model.filter import parse_filter
from netdash.model.filter.addresses import Addresses
from netdash.model.filter.context import Figures
from netdash.model.filter.syntax import Match
from netdash.model.tables import address_text
from tests.unit.model.filter.tables import CONTEXT, FLOWS, INTERFACES, PROCESSES, SOCKETS


def _services(name: str) -> int | None:
    return {"https": 443, "ssh": 22}.get(name)


FLOW_CASES = [
    ("proc:nginx", [0]),
    ("proc:NGI", [0]),
    ("proc:=ngin", []),
    ("proc:=nginx,=curl", [0, 1]),
    ("proc:n*x", [0]),
    ("proc:/^(ng|ss)/", [0, 3]),
    ("pid:10,30", [0, 3]),
    ("pid:10-25", [0, 1]),
    ("user:root", [1, 3]),
    ("user:roo", []),
    ("unit:ssh", [3]),
    ("container:job", [1]),
    ("host:10.0.0.1", [0, 1]),
    ("host:10.0.0.10", [1]),
    ("host:203.0.113.0/24", [0]),
    ("host:example.org", [0]),
    ("host:10.0.0", [0, 1]),
    ("host:2001:db8::beef", [2]),
    ("host:[2001:db8::1]", [2]),
    ("net:10.0.0.0/8", [0, 1]),
    ("net:2001:db8::/32", [2]),
    ("net:0.0.0.0/0", [0, 1, 3]),
    ("net:::/0", [2]),
    ("port:443", [0]),
    ("port:https", [0]),
    ("port:80,443", [0, 1]),
    ("port:8000-8100", [2]),
    ("sport:443", [0]),
    ("dport:443", []),
    ("dport:53", [2]),
    ("proto:tcp", [0, 1, 3]),
    ("proto:17", [2]),
    ("proto:ipv6", [2]),
    ("proto:arp", []),
    ("state:established", [0, 1, 3]),
    ("state:est proto:udp", []),
    ("iface:eth0", [0, 1]),
    ("iface:eth*", [0, 1, 2]),
    ("rate>1M", [1]),
    ("rate>1MB", [1]),
    ("rate<=4kb", [0, 2, 3]),
    ("total>4.9MB", [1]),
    ("total<1KiB", [0, 2, 3]),
    ("curl", [1]),
    ('"--serve"', [0, 1, 3]),
    ("0.0.10", [1]),
    ("example", [0]),
    ("beef", [2]),
    ("443", [0]),
    ("50002", [3]),
    ("lo", [3]),
    ("udp", [2]),
    ("/^127/", [3]),
    ("/^www\\./", [0]),
    ("not proto:tcp", [2]),
    ("!proc:nginx !port:22", [1, 2]),
    ("proc:nginx or port:53", [0, 2]),
    ("port:443 proc:curl or port:22", [3]),
    ("port:443 (proc:curl or port:443)", [0]),
    ("not (proc:nginx or proc:curl)", [2, 3]),
]


@pytest.mark.parametrize(("text", "rows"), FLOW_CASES)
def test_flows(text: str, rows: list[int]) -> None:
    assert np.flatnonzero(parse_filter(text, _services).flows(FLOWS, CONTEXT)).tolist() == rows


SOCKET_CASES = [
    ("proc:curl", [1]),
    ("user:1000", [2]),
    ("user:www-data", [0]),
    ("state:listen", [0]),
    ("state:unconn", [2]),
    ("port:443", [0]),
    ("host:10.0.0.10", [1]),
    ("proto:ipv6", [2]),
    ("iface:eth0", [0, 1, 2]),
    ("iface:lo", [0, 2]),
    ("rate>0", [1]),
    ("rate>8kb", []),
    ("total>=8kB", [1]),
    ("not total>=8kB", [0, 2]),
    ("listen", [0]),
]


@pytest.mark.parametrize(("text", "rows"), SOCKET_CASES)
def test_sockets(text: str, rows: list[int]) -> None:
    assert np.flatnonzero(parse_filter(text).sockets(SOCKETS, CONTEXT)).tolist() == rows


PROCESS_CASES = [
    ("proc:nginx", [0]),
    ("user:root", [1, 2]),
    ("pid:30", [2]),
    ("rate>100kb", [1, 2]),
    ("total>50kB", [2]),
    ("serve", [0, 1, 2]),
    ("20", [1]),
    ("port:443", [0]),
    ("port:22", [2]),
    ("host:10.0.0.0/24", [0, 1]),
    ("user:root port:80", [1]),
    ("state:listen", [0]),
]


@pytest.mark.parametrize(("text", "rows"), PROCESS_CASES)
def test_processes(text: str, rows: list[int]) -> None:
    """Also through their flows and sockets, by words that a process has not."""
    assert np.flatnonzero(parse_filter(text).processes(PROCESSES, CONTEXT)).tolist() == rows


INTERFACE_CASES = [
    ("iface:eth0", [0]),
    ("not iface:lo", [0, 1]),
    ("state:down", []),
    ("rate>3M", [0, 1, 2]),
    ("rate>5M", []),
    ("2001:db8", [1]),
    ("proc:nginx", [0, 1, 2]),
    ("iface:eth0 port:80", [0, 1, 2]),
]


@pytest.mark.parametrize(("text", "rows"), INTERFACE_CASES)
def test_interfaces(text: str, rows: list[int]) -> None:
    """All of them where the filter says nothing of an interface."""
    assert np.flatnonzero(parse_filter(text).interfaces(INTERFACES, CONTEXT)).tolist() == rows


def test_says_which_words_do_not_apply() -> None:
    chosen = parse_filter("proc:nginx port:80 rate>1M free")
    assert chosen.foreign_words("interfaces") == ("proc:", "port:")
    assert chosen.foreign_words("processes") == ("port:",)
    assert chosen.foreign_words("flows") == chosen.foreign_words("sockets") == ()
    assert chosen.foreign_words("protocols") == ("proc:", "port:", "rate>", "free text")


def test_a_rate_without_unit_is_in_the_unit_of_the_screen() -> None:
    chosen = parse_filter("rate>3M")
    in_bytes = replace(CONTEXT, bits=False)
    assert chosen.flows(FLOWS, CONTEXT).sum() == 1
    assert chosen.flows(FLOWS, in_bytes).sum() == 0
    assert parse_filter("rate>3Mb").flows(FLOWS, in_bytes).sum() == 1


def test_figures_of_the_caller_count_and_unknown_ones_match_nothing() -> None:
    figures = Figures(np.array([1.0, 2.0, np.nan, 1e9]), np.zeros(4))
    assert parse_filter("rate>1.5B").flows(FLOWS, CONTEXT, figures).tolist() == [False, True, False, True]
    assert parse_filter("rate<=1.5B").flows(FLOWS, CONTEXT, figures).tolist() == [True, False, False, False]


@given(
    st.lists(st.binary(min_size=4, max_size=4), min_size=1, max_size=20),
    st.text("0123456789.", min_size=1, max_size=9),
)
def test_texts_of_addresses_are_found_as_if_they_were_written_out(packed: list[bytes], text: str) -> None:
    every = [bytes(10) + b"\xff\xff" + address for address in packed]
    column = np.frombuffer(b"".join(every), np.uint8).reshape(-1, 16)
    found = Addresses(column).matching(Match(text))
    assert found.tolist() == [text in address_text(address) for address in every]


def test_empty_tables() -> None:
    chosen = parse_filter("nginx port:80 host:10.0.0.1 proto:tcp state:est iface:lo rate>1 /x/ host:x")
    assert len(chosen.flows(FLOWS[:0], CONTEXT)) == len(chosen.sockets(SOCKETS[:0], CONTEXT)) == 0
    assert len(chosen.processes((), CONTEXT)) == len(chosen.interfaces((), CONTEXT)) == 0
