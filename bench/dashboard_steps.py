"""The keys that the bench presses in the dashboard, and by what on the screen one sees that a key has done its work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

ANYTHING: Final = ""


class Step(NamedTuple):
    """One press."""

    kind: str
    """Presses of one kind are one line of the table; "" is not told: it leads back to where the next begins."""
    keys: bytes
    shows: str = ANYTHING
    """Expression that the screen matches as soon as the key has done its work, not before. ANYTHING: it is done with
    the first bytes that are drawn."""


_DOWN, _UP, _RIGHT, _LEFT = b"\x1b[B", b"\x1b[A", b"\x1b[C", b"\x1b[D"
_PAGE_DOWN, _PAGE_UP, _HOME, _END = b"\x1b[6~", b"\x1b[5~", b"\x1b[H", b"\x1b[F"
_ENTER, _ESCAPE = b"\r", b"\x1b"
_FLOWS_SHOWN: Final = r"local +remote"
_CONNECTION_SHOWN: Final = "so far ▼"


def _without(expression: str) -> str:
    """Matches a screen that does not match."""
    return rf"(?s)\A(?!.*(?:{expression}))"


def _cursor() -> list[Step]:
    return [
        *(Step("row down, up", keys) for keys in (_DOWN, _UP)),
        *(Step("page down, up", keys) for keys in (_PAGE_DOWN, _PAGE_UP)),
        *(Step("last row, first row", keys) for keys in (_END, _HOME)),
    ]


def _orders() -> list[Step]:
    return [
        Step("sort by port (P)", b"P", "by port"),
        Step("sort by source (S)", b"S", "by local address"),
        Step("sort by destination (D)", b"D", "by remote address"),
        Step("sort by total (T)", b"T", "by total"),
        *(Step("sort by rate (r)", b"r", f"by {seconds} s rate") for seconds in (2, 10, 40, 2)),
        Step("reverse (R)", b"R", "▲2 s"),
        Step("reverse (R)", b"R", "▼2 s"),
        Step("freeze (o)", b"o", "order frozen"),
        Step("thaw (o)", b"o", "rate ±10%"),
    ]


def _joinings() -> list[Step]:
    return [
        Step("ports hidden (p)", b"p", "host pairs? by"),
        Step("", b"p", "flows? by"),
        Step("source joined (s)", b"s", "remote ends? by"),
        Step("", b"s", "flows? by"),
        Step("destination joined (d)", b"d", "local ends? by"),
        Step("", b"d", "flows? by"),
        Step("group by remote host (a)", b"a", "remote hosts? by"),
        Step("into a group (Enter)", _ENTER, f"{_FLOWS_SHOWN}|{_CONNECTION_SHOWN}"),
        Step("back to the groups (Esc)", _ESCAPE, "remote hosts? by"),
        Step("group by network (a)", b"a", "remote networks? by"),
        Step("group by port (a)", b"a", "ports? by"),
        Step("groups apart again (a)", b"a", "flows? by"),
    ]


def _looks() -> list[Step]:
    return [
        Step("line mode (t)", b"t", "↔"),
        Step("line mode (t)", b"t", _without("↔") + ".*→"),
        Step("line mode (t)", b"t", _without("→") + ".*←"),
        Step("line mode (t)", b"t", "(?s)→.*←"),
        Step("bars (b)", b"b", _without("bars 2 s linear")),
        Step("bars (b)", b"b", "bars 2 s linear"),
        *(Step("window of bars (B)", b"B", f"bars {seconds} s linear") for seconds in (10, 40, 2)),
        Step("logarithmic bars (L)", b"L", "bars 2 s log"),
        Step("logarithmic bars (L)", b"L", "bars 2 s linear"),
        Step("bits, bytes (u)", b"u", r"▼ [0-9.]+ [kMGT]?B/s"),
        Step("bits, bytes (u)", b"u", r"▼ [0-9.]+ [kMGT]?b/s"),
    ]


def _filter(flows: int) -> list[Step]:
    digits = len(str(flows))
    return [
        Step("filter opened (/)", b"/", "Tab completes"),
        *(Step("filter: a letter", letter) for letter in (b"h", b"o")),
        Step("filter kept (Enter)", b"st:198.18.1.7\r", rf"\b\d{{1,{digits - 1}}} flows? by"),
        Step("filter cleared (Esc)", _ESCAPE, rf"\b\d{{{digits},}} flows? by"),
    ]


def _views() -> list[Step]:
    return [
        Step("to Interfaces (1)", b"1", "▼ bit/s"),
        Step("into an interface (Enter)", _ENTER, "process +unit"),
        Step("back to Interfaces (Esc)", _ESCAPE, "▼ bit/s"),
        Step("to Processes (3)", b"3", "process +unit"),
        Step("to Sockets (4)", b"4", "by rate of 10 s"),
        Step("to Protocols (5)", b"5", "broadcast"),
        Step("to Flows (2)", b"2", _FLOWS_SHOWN),
        Step("into a connection (Enter)", _ENTER, _CONNECTION_SHOWN),
        Step("back to Flows (Esc)", _ESCAPE, _FLOWS_SHOWN),
    ]


def _time() -> list[Step]:
    return [
        Step("pause (Space)", b" ", "← back"),
        *(Step("step back (←)", _LEFT) for _ in range(4)),
        *(Step("step on (→)", _RIGHT) for _ in range(2)),
        Step("go on (Space)", b" ", _without("← back")),
    ]


def all_steps(flows: int) -> Sequence[Step]:
    """Every kind of key in the Flows view, from its start on and back there; `flows`: of the load."""
    return [*_cursor(), *_orders(), *_joinings(), *_looks(), *_filter(flows), *_views(), *_time()]
