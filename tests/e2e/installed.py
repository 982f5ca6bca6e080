"""The installed program, found beside the interpreter that runs the tests."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).parent / "netdash"


def program() -> str:
    """Its path; skips where the project was not installed with its script."""
    if not PROGRAM.exists():
        pytest.skip("netdash is not installed beside this Python: pip install -e '.[test]'")
    return str(PROGRAM)


def run(
    *arguments: str, environment: Mapping[str, str] | None = None, check: bool = False
) -> subprocess.CompletedProcess[str]:
    """Runs it without a terminal to its end."""
    return subprocess.run(
        [program(), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=40,
        env=environment,
        check=check,
    )


def one_line(errors: str) -> str:
    """The only line on stderr."""
    lines: Sequence[str] = errors.splitlines()
    assert len(lines) == 1, errors
    return lines[0]
