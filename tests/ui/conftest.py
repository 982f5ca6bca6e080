"""Shared by the tests of the dashboard."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.ui.golden import Golden


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The clock in the header is the local time: the same everywhere."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compares screens, as text, with those that are stored for the test."""
    update = bool(request.config.getoption("--snapshot-update"))
    return Golden(request.module.__name__.rpartition(".")[2], request.node.name, update=update)
