"""Plain values back to the model's types, also those that another version of netdash wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import NoneType
from typing import Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec
import numpy as np

from netdash.recording.planes import DamagedError

T = TypeVar("T")

_EMPTY: Mapping[object, object] = {int: 0, float: 0.0, str: "", bool: False}


def to_model(value: object, kind: type[T]) -> T:
    """`value` as `kind`: a dataclass from a mapping; fields unknown here are left out, missing ones are "not known".

    Tables stand as NumPy arrays. Raises DamagedError where a value is of another type.
    """
    try:
        try:
            return msgspec.convert(value, kind, dec_hook=_pass_table)
        except msgspec.ValidationError:
            return msgspec.convert(_completed(value, kind), kind, dec_hook=_pass_table)
    except (msgspec.ValidationError, ValueError) as error:
        raise DamagedError(f"not as this version writes it: {error}") from error


def _pass_table(kind: type, value: object) -> object:
    if not isinstance(value, np.ndarray):
        raise ValueError("not a table")
    return value


def _completed(value: object, kind: object) -> object:
    """`value` with what dataclasses inside it lack."""
    origin, inner = get_origin(kind), get_args(kind)
    if isinstance(kind, type) and is_dataclass(kind) and isinstance(value, Mapping):
        hints = _hints(kind)
        present = {name: _completed(item, hints[name]) for name, item in value.items() if name in hints}
        return {**_missing(kind), **present}
    if origin is dict and isinstance(value, Mapping):
        return {key: _completed(item, inner[1]) for key, item in value.items()}
    if origin is tuple and isinstance(value, (list, tuple)):
        return [_completed(item, inner[0]) for item in value]
    return value


@cache
def _hints(kind: type) -> dict[str, object]:
    return dict(get_type_hints(kind))


@cache
def _missing(kind: type) -> dict[str, object]:
    """What "not known" is, for each field without a default."""
    hints = _hints(kind)
    return {
        field.name: _unknown(hints[field.name])
        for field in fields(kind)
        if field.default is MISSING and field.default_factory is MISSING
    }


def _unknown(hint: object) -> object:
    if NoneType in get_args(hint):
        return None
    if get_origin(hint) is Literal:
        return get_args(hint)[-1]
    return _EMPTY.get(hint, ())
