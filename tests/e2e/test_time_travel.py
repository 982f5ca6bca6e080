"""Pause and step back in the installed dashboard, beside traffic of which every byte is known."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest

from tests.e2e.terminal import Terminal
from tests.e2e.test_dashboard import dashboard
from tests.namespaces import Lab, socket_in

pytestmark = pytest.mark.root

_PORT: Final = 9000
_FRAME_BYTES: Final = 1000
_HEADER_BYTES: Final = 14 + 20 + 8
_INTERVAL_SECONDS: Final = 1.1
"""Longer than a second, so that every step changes the clock."""
_QUIET_SECONDS: Final = 0.4
_LEFT, _RIGHT, _HOME = "\x1b[D", "\x1b[C", "\x1b[H"
_PAUSED: Final = re.compile(r"PAUSED (\d\d:\d\d:\d\d)  −(?:(\d+) m )?(\d+) s")


class Bursts:
    """Datagrams from one of the lab's ends to the other."""

    def __init__(self, lab: Lab, sender: socket.socket) -> None:
        self._to = (lab.b.ipv4, _PORT)
        self._sender = sender

    def send_kilobytes(self, count: int) -> tuple[float, float]:
        """So many kB in frames on the wire; returns when it began and ended, in seconds since the epoch."""
        begin = time.time()
        for _ in range(count):
            self._sender.sendto(bytes(_FRAME_BYTES - _HEADER_BYTES), self._to)
        return begin, time.time()


@contextmanager
def bursts(lab: Lab) -> Iterator[Bursts]:
    with (
        socket_in(lab.b.namespace, socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind((lab.b.ipv4, _PORT))
        yield Bursts(lab, sender)


def total(terminal: Terminal) -> str:
    """What went out of the chosen interface since the start."""
    found = re.findall(r"Ttl: +(\S+ k?B|–)", terminal.text)
    return found[-1] if found else ""


def place(terminal: Terminal) -> tuple[str, int]:
    """The moment that the header tells, and how many seconds back it is; ("", 0) of now."""
    found = _PAUSED.search(terminal.text.splitlines()[0])
    return (found[1], int(found[2] or 0) * 60 + int(found[3])) if found else ("", 0)


def clocks(begin: float, end: float) -> set[str]:
    """Every second from one moment to another as the header tells it."""
    return {time.strftime("%H:%M:%S", time.localtime(second)) for second in range(int(begin), int(end) + 1)}


def go_to_total(terminal: Terminal, wanted: str) -> None:
    """Steps, back or on, until the total of then is `wanted`."""

    def step(key: str) -> None:
        before, _ = place(terminal)
        terminal.press(key)
        terminal.wait_until(lambda: place(terminal)[0] != before or total(terminal) == wanted, "step")
        # The header tells at once where a step leads to, the figures of then follow.
        terminal.wait_for_quiet(_QUIET_SECONDS)

    for _ in range(100):
        if total(terminal) == wanted:
            return
        step(_LEFT if kilobytes(total(terminal)) > kilobytes(wanted) else _RIGHT)
    raise AssertionError(f"no moment with {wanted}:\n{terminal.text}")


def kilobytes(shown: str) -> int:
    return int(shown.removesuffix(" kB")) if shown.endswith(" kB") else -1 if shown == "–" else 0


def test_a_past_moment_has_its_own_figures_and_counting_goes_on(lab: Lab) -> None:
    with bursts(lab) as sent, dashboard(lab, "-d", str(_INTERVAL_SECONDS), "--view", "interfaces") as terminal:
        terminal.wait_for(lab.a.interface, "Curr:")
        first, _ = sent.send_kilobytes(100)
        terminal.wait_until(lambda: total(terminal) == "100 kB", "first burst")
        _, second = sent.send_kilobytes(200)
        terminal.wait_until(lambda: total(terminal) == "300 kB", "second burst")
        terminal.press(" ")
        terminal.wait_for("PAUSED")
        paused, behind = place(terminal)

        sent.send_kilobytes(600)
        terminal.wait_until(lambda: place(terminal)[1] >= behind + 2, "growing distance from now")
        assert (place(terminal)[0], total(terminal)) == (paused, "300 kB")

        go_to_total(terminal, "100 kB")
        moment, back = place(terminal)
        assert moment in clocks(first, second)
        assert back > behind
        # Other views show the same moment.
        terminal.press("2")
        terminal.wait_for(f"10.77.0.2:{_PORT}", "TX    cum:  100kB")
        assert place(terminal)[0] == moment
        terminal.press("1")
        terminal.wait_until(lambda: total(terminal) == "100 kB", "view of before")
        go_to_total(terminal, "300 kB")
        assert place(terminal)[0] >= moment
        go_to_total(terminal, "–")
        assert "oldest" in terminal.text.splitlines()[0]

        terminal.press(_HOME)
        terminal.wait_until(lambda: total(terminal) == "900 kB", "all that was sent while it was paused")
        assert "PAUSED" not in terminal.text
        step_back_and_resume(terminal)
        terminal.quit()


def step_back_and_resume(terminal: Terminal) -> None:
    """The space bar too leads back to now, from wherever it is."""
    terminal.press(" ")
    terminal.wait_for("PAUSED")
    go_to_total(terminal, "300 kB")
    terminal.press(" ")
    terminal.wait_until(lambda: "PAUSED" not in terminal.text and total(terminal) == "900 kB", "now")
