"""What is asked of the terminal before the dashboard starts, and once a second afterwards."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from netdash.ui.terminal import can_run_dashboard, is_hung_up
from tests.e2e.terminal import Terminal

ROOT = Path(__file__).parents[2]
ASK = "from netdash.ui.terminal import *; print('answer:', can_run_dashboard(), needs_ascii())"


@pytest.mark.parametrize(
    ("term", "answer"),
    [
        ("xterm-256color", "None False"),
        ("linux", "None True"),
        ("dumb", "the terminal cannot place text (TERM=dumb) False"),
        ("", "the terminal cannot place text (TERM=) False"),
    ],
)
def test_terminals(term: str, answer: str) -> None:
    environment = {"PYTHONPATH": str(ROOT), "TERM": term, "LANG": "C.UTF-8"}
    with Terminal([sys.executable, "-c", ASK], environment=environment) as terminal:
        assert terminal.wait_for_end() == 0
        assert f"answer: {answer}" in terminal.text


def test_a_redirected_stream_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for number, name in ((0, "input"), (1, "output"), (2, "error")):
        monkeypatch.setattr(os, "isatty", lambda descriptor, number=number: descriptor != number)
        assert can_run_dashboard() == f"standard {name} is not a terminal"


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
