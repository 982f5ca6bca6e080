"""What is asked of the terminal before the dashboard starts, and once a second afterwards."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from netdash.ui.terminal import can_show_dashboard, is_hung_up
from tests.e2e.terminal import Terminal

ROOT = Path(__file__).parents[2]
ASK = "from netdash.ui.terminal import *; print('answer:', can_show_dashboard(), needs_ascii())"


@pytest.mark.parametrize(
    ("term", "answer"),
    [
        ("xterm-256color", "True False"),
        ("linux", "True True"),
        ("dumb", "False False"),
        ("unknown", "False False"),
        ("", "False False"),
    ],
)
def test_terminals(term: str, answer: str) -> None:
    environment = {"PYTHONPATH": str(ROOT), "TERM": term, "LANG": "C.UTF-8"}
    with Terminal([sys.executable, "-c", ASK], environment=environment) as terminal:
        assert terminal.wait_for_end() == 0
        assert f"answer: {answer}" in terminal.text


def test_each_standard_stream_has_to_be_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(os, "isatty", lambda descriptor: True)
    assert can_show_dashboard()
    for number in range(3):
        monkeypatch.setattr(os, "isatty", lambda descriptor, number=number: descriptor != number)
        assert not can_show_dashboard()


def test_hang_up() -> None:
    master, slave = os.openpty()
    try:
        assert not is_hung_up(slave)
        os.close(master)
        assert is_hung_up(slave)
    finally:
        os.close(slave)
    assert is_hung_up(slave)


def test_nothing_here_loads_textual() -> None:
    code = "import sys, netdash.ui.terminal; sys.exit(any(m in sys.modules for m in ('textual', 'rich', 'numpy')))"
    assert os.spawnlp(os.P_WAIT, sys.executable, sys.executable, "-c", code) == 0


def test_the_first_paint_loads_no_numpy() -> None:
    code = (
        "import sys, netdash.ui.run, netdash.ui.views.interfaces;"
        "sys.exit(any(m in sys.modules for m in ('numpy', 'scapy', 'pyroute2')))"
    )
    assert os.spawnlp(os.P_WAIT, sys.executable, sys.executable, "-c", code) == 0
