"""How a recording stands, in words."""

from __future__ import annotations

from netdash.model.recording_status import RecordingStatus


def test_the_cause_of_a_failure_stands_before_the_path() -> None:
    failure = "cannot record to /var/log/a.netdash: the disk is full: make room"
    status = RecordingStatus(False, "/var/log/a.netdash", 0, failure)
    assert status.failure_note == "recording ended: the disk is full: make room (/var/log/a.netdash)"
    slow = "the disk did not take the last intervals within 30 s"
    assert RecordingStatus(False, "/var/log/a.netdash", 0, slow).failure_note == f"recording: {slow}"
    assert RecordingStatus(False, "", 0, "cannot make a folder").failure_note == "recording: cannot make a folder"
    assert RecordingStatus(True, "/a", 5).failure_note is None
