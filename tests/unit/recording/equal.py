"""Snapshots compared field by field."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from netdash.model.snapshot import Snapshot


def differing_fields(a: Snapshot, b: Snapshot) -> list[str]:
    """Names of the fields in which two snapshots differ."""
    return [f.name for f in fields(Snapshot) if not _equal(getattr(a, f.name), getattr(b, f.name))]


def _equal(a: object, b: object) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.dtype == b.dtype and a.tobytes() == b.tobytes()
    return type(a) is type(b) and a == b
