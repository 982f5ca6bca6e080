"""The comparison of screens as text: it must be able to fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ui import golden as golden_module
from tests.ui.apps import dashboard, take
from tests.ui.fixtures import FakeSource, interface, snapshot
from tests.ui.golden import Golden, screen_text


async def test_text_of_a_screen() -> None:
    app = dashboard(FakeSource())
    async with app.run_test(size=(80, 24)) as pilot:
        await take(app, pilot, snapshot(1, interfaces=[interface("[red]")]))
        lines = screen_text(app).splitlines()
        assert len(lines) == 24
        assert lines[0].startswith(" web-01")
        assert any(line.startswith("[red]") for line in lines)


def test_missing_other_and_equal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(golden_module, "FOLDER", tmp_path)
    with pytest.raises(pytest.fail.Exception, match="is missing"):
        Golden("module", "test[a/b]", update=False).compare("one\n")
    Golden("module", "test[a/b]", update=True).compare("one\n")
    Golden("module", "test[a/b]", update=False).compare("one\n")
    with pytest.raises(pytest.fail.Exception, match="another than the stored"):
        Golden("module", "test[a/b]", update=False).compare("two\n")
