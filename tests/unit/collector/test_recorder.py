"""What the end of a recording says of the kernel's counters."""

from __future__ import annotations

import pytest

from netdash.collector.recorder import _comparison
from netdash.recording.writer import InterfaceTotal

KERNEL = "the kernel's counters say 3.00 kB, "


@pytest.mark.parametrize(
    ("recorded", "counted", "says"),
    [
        (1000, 3000, "0 bytes of it are not recorded, 0 bytes not in its flows"),
        (400, 2000, "600 bytes of it are not recorded, 1,000 bytes not in its flows"),
        (1200, 3066, "200 bytes more are recorded, 66 bytes more in its flows"),
        (1000, None, "0 bytes of it are not recorded"),
    ],
)
def test_differences_have_no_sign(recorded: int, counted: int | None, says: str) -> None:
    assert _comparison([InterfaceTotal("eth0", 1000, 2000, recorded, 2000, counted)]) == KERNEL + says
