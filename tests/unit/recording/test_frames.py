"""Frames give back what they were made of, whatever it was, and refuse what is no frame."""

from __future__ import annotations

import zlib
from dataclasses import fields, replace
from random import Random

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netdash.model.codec import encode_snapshot
from netdash.model.snapshot import Snapshot
from netdash.model.tables import FLOW_ROW, SOCKET_ROW, UNKNOWN
from netdash.recording import frames
from netdash.recording.frames import KEY_FRAMES, SOCKETS_ARE_OLDER, FrameReader, FrameWriter, current_layout
from netdash.recording.planes import DamagedError
from netdash.recording.table_writer import TableWriter
from tests.unit.recording.equal import differing_fields
from tests.unit.sinks.builders import FLOWS, IPERF, SOCKETS, baseline, example, flow, socket_row
from tests.unit.sinks.hostile_snapshots import snapshots


def _round_trip(written: list[Snapshot]) -> list[Snapshot]:
    writer, reader = FrameWriter(), FrameReader(current_layout())
    read = []
    for snapshot in written:
        frame = writer.encode(snapshot)
        reader.apply(frame.data, frame.sockets)
        read.append(reader.snapshot())
    return read


def _encodable(snapshot: Snapshot) -> bool:
    """Lone surrogates cannot be: `sanitize` lets none into a snapshot."""
    try:
        encode_snapshot(snapshot)
    except UnicodeEncodeError:
        return False
    return True


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(snapshots, max_size=3))
def test_any_snapshots_come_back(written: list[Snapshot]) -> None:
    written = [snapshot for snapshot in written if _encodable(snapshot)]
    for before, after in zip(written, _round_trip(written), strict=True):
        assert not differing_fields(before, after)


def test_rows_come_go_pause_and_change_places() -> None:
    random, tables = Random(7), []
    rows = [flow(id=n, rx_bytes=n, pid=UNKNOWN if n % 3 else n, rtt_us=n * 1000) for n in range(40)]
    for step in range(2 * KEY_FRAMES + 5):
        chosen = random.sample(rows, random.randrange(len(rows)))
        if step % 3:
            chosen.sort(key=lambda row: int(row["id"][0]))
        for row in chosen:
            row["tx_bytes"] += random.randrange(-3, 10**9)
            row["rtt_us"] = random.choice((0, 2**32 - 1, 77))
        tables.append(np.concatenate([np.zeros(0, FLOW_ROW), *chosen]))
    written = [example(flows=table, time=float(n)) for n, table in enumerate(tables)]
    for before, after in zip(written, _round_trip(written), strict=True):
        assert not differing_fields(before, after)


def test_one_key_in_sixty_and_each_can_be_the_first() -> None:
    writer = FrameWriter()
    encoded = [writer.encode(example(time=float(n))) for n in range(2 * KEY_FRAMES + 1)]
    assert [n for n, frame in enumerate(encoded) if frame.is_key] == [0, KEY_FRAMES, 2 * KEY_FRAMES]
    reader = FrameReader(current_layout())
    for frame in encoded[KEY_FRAMES : KEY_FRAMES + 3]:
        reader.apply(frame.data, frame.sockets)
    assert not differing_fields(reader.snapshot(), example(time=float(KEY_FRAMES + 2)))


def test_what_rests_costs_next_to_nothing() -> None:
    writer = FrameWriter()
    sizes = [len(writer.encode(example(time=float(n))).data) for n in range(3)]
    assert sizes[2] < sizes[0] / 4


def test_many_sockets_are_kept_less_often_and_a_note_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "SOCKET_BYTES", 1)
    writer, reader = FrameWriter(), FrameReader(current_layout())
    kept = []
    for n in range(KEY_FRAMES):
        sockets = np.concatenate([socket_row(cookie=c, rtt_us=hash((c, n)) % 2**32) for c in range(20)])
        frame = writer.encode(example(sockets=sockets))
        reader.apply(frame.data, frame.sockets)
        snapshot = reader.snapshot()
        assert (SOCKETS_ARE_OLDER in snapshot.health.notes) == (frame.sockets is None)
        if frame.sockets is not None:
            kept.append(n)
            assert snapshot.sockets.tobytes() == sockets.tobytes()
    gaps = np.diff(kept)
    assert gaps.max() == frames.SOCKET_FRAMES
    assert gaps.min() > 1


def test_another_version_had_other_columns_and_fields() -> None:
    layout = current_layout()
    layout["flows"] = [("unheard_of", "<u4", 1), *layout["flows"]]
    layout["sockets"] = [column for column in layout["sockets"] if column[0] not in ("drops", "rx_payload")]
    layout["unheard_of"] = [("id", "<u8", 1)]
    reader = FrameReader(layout)
    # What that version would have written, made by this one's encoder with its columns.
    writer = FrameWriter()
    writer._tables["flows"] = TableWriter(
        np.dtype([("unheard_of", "<u4"), *FLOW_ROW.descr]),
        lambda rows: rows["id"],
        {},
    )
    old_sockets = np.dtype([item for item in SOCKET_ROW.descr if item[0] not in ("drops", "rx_payload")])
    writer._tables["sockets"] = TableWriter(old_sockets, lambda rows: rows["cookie"], {})
    flows = np.zeros(len(FLOWS), np.dtype([("unheard_of", "<u4"), *FLOW_ROW.descr]))
    flows["unheard_of"] = 5
    for name in FLOW_ROW.names or ():
        flows[name] = FLOWS[name]
    sockets = np.zeros(len(SOCKETS), old_sockets)
    for name in old_sockets.names or ():
        sockets[name] = SOCKETS[name]
    frame = writer.encode(example(flows=flows, sockets=sockets))
    reader.apply(frame.data, frame.sockets)
    snapshot = reader.snapshot()
    assert differing_fields(snapshot, example()) == ["sockets"]
    assert set(snapshot.sockets["rx_payload"]) == {UNKNOWN}
    assert set(snapshot.sockets["drops"]) == {0}


def test_fields_that_another_version_did_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "_REST", tuple(name for name in frames._REST if name != "gauges"))
    monkeypatch.setattr(frames, "_FIGURES", tuple(name for name in frames._FIGURES if name != "rx_packets"))
    snapshot = _round_trip([example()])[0]
    assert snapshot.gauges == {}
    assert snapshot.processes[0] == replace(IPERF, rx_packets=None)


def test_every_field_of_a_snapshot_is_kept() -> None:
    tables = {f.name for f in fields(Snapshot) if isinstance(getattr(example(), f.name), np.ndarray)}
    assert tables == set(current_layout())


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damaged_frames_are_refused(data: st.DataObject) -> None:
    """Not only what zlib's checksum finds: the values inside are changed too."""
    writer = FrameWriter()
    encoded = [writer.encode(snapshot) for snapshot in (baseline(), example(), example(flows=FLOWS[::-1]))]
    reader = FrameReader(current_layout())
    for frame in encoded:
        plain = bytearray(zlib.decompress(frame.data))
        for _ in range(data.draw(st.integers(1, 3))):
            plain[data.draw(st.integers(0, len(plain) - 1))] = data.draw(st.integers(0, 255))
        try:
            reader.apply(zlib.compress(bytes(plain)), frame.sockets)
            assert isinstance(reader.snapshot(), Snapshot)
        except DamagedError:
            return


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_bytes_that_are_no_frame(junk: bytes) -> None:
    reader = FrameReader(current_layout())
    for data in (junk, zlib.compress(junk)):
        with pytest.raises(DamagedError):
            reader.apply(data, None)


def test_a_frame_that_unpacks_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "MAX_FRAME_BYTES", 1000)
    reader = FrameReader(current_layout())
    bomb = zlib.compress(msgspec.msgpack.encode("x" * 5000))
    with pytest.raises(DamagedError, match="too large"):
        reader.apply(bomb, None)
