"""BPF maps: created, read and emptied in bulk straight into NumPy arrays. Layouts as in `bpf`."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import resource
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from netdash.errors import NotSupportedError
from netdash.kernel.bpf import BpfError, Command, bpf_call

_ENOTSUPP = 524
"""Kernel-internal errno that map types return for operations they lack."""

_TRANSIT_ROWS = 1024
"""Room beyond `max_entries` for elements in transit on other CPUs, so that the last bucket always fits."""

Drained = tuple[NDArray[np.void], NDArray[np.void]]
"""Keys and values, row beside row."""


class MapType(IntEnum):
    """`enum bpf_map_type`, those that hold values per CPU."""

    PERCPU_HASH = 5
    PERCPU_ARRAY = 6


class _MapCreate(ctypes.Structure):
    _fields_ = (
        ("map_type", ctypes.c_uint32),
        ("key_size", ctypes.c_uint32),
        ("value_size", ctypes.c_uint32),
        ("max_entries", ctypes.c_uint32),
        ("map_flags", ctypes.c_uint32),
        ("inner_map_fd", ctypes.c_uint32),
        ("numa_node", ctypes.c_uint32),
        ("map_name", ctypes.c_char * 16),
    )


class _MapElement(ctypes.Structure):
    _fields_ = (
        ("map_fd", ctypes.c_uint32),
        ("key", ctypes.c_uint64),
        ("value_or_next_key", ctypes.c_uint64),
        ("flags", ctypes.c_uint64),
    )


class _MapBatch(ctypes.Structure):
    _fields_ = (
        ("in_batch", ctypes.c_uint64),
        ("out_batch", ctypes.c_uint64),
        ("keys", ctypes.c_uint64),
        ("values", ctypes.c_uint64),
        ("count", ctypes.c_uint32),
        ("map_fd", ctypes.c_uint32),
        ("elem_flags", ctypes.c_uint64),
        ("flags", ctypes.c_uint64),
    )


def possible_cpus() -> int:
    """How many values a per-CPU map returns for a key (cpumask `possible`, not `online`)."""
    path = Path("/sys/devices/system/cpu/possible")
    try:
        ranges = [part.split("-") for part in path.read_text(encoding="ascii").strip().split(",")]
    except OSError as error:
        raise NotSupportedError(f"eBPF: {path}: {error.strerror}; mount sysfs") from error
    return sum(int(ends[-1]) - int(ends[0]) + 1 for ends in ranges)


def _raise_memlock_limit() -> bool:
    """Before Linux 5.11 maps count against RLIMIT_MEMLOCK, 64 KiB by default. True if it was raised."""
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    if resource.getrlimit(resource.RLIMIT_MEMLOCK) == unlimited:
        return False
    try:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, unlimited)
    except (ValueError, PermissionError):
        return False
    return True


def _untouched_rows(count: int, row_type: np.dtype[np.void]) -> NDArray[np.void]:
    """An array whose pages become resident when they are first written and are given back when it is dropped."""
    memory = mmap.mmap(-1, count * row_type.itemsize, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return np.frombuffer(memory, row_type, count)


@dataclass(frozen=True, slots=True)
class MapDefinition:
    """What a program expects of a map. `value_bytes` is one CPU's in per-CPU maps."""

    type: int
    key_bytes: int
    value_bytes: int
    max_entries: int
    flags: int


class BpfMap:
    """One map, held by its file descriptor. Keys and values are raw bytes in the kernel's layout."""

    def __init__(self, name: str, definition: MapDefinition) -> None:
        """Creates the map; `name` (15 characters of [A-Za-z0-9_.]) is what bpftool shows. Raises BpfError."""
        self.name = name
        self.definition = definition
        per_cpu = definition.type in (MapType.PERCPU_HASH, MapType.PERCPU_ARRAY)
        self.value_bytes = definition.value_bytes
        """Of all CPUs' values of one key, each padded to 8 bytes."""
        if per_cpu:
            self.value_bytes = -(-definition.value_bytes // 8) * 8 * possible_cpus()
        attributes = _MapCreate(
            map_type=definition.type,
            key_size=definition.key_bytes,
            value_size=definition.value_bytes,
            max_entries=definition.max_entries,
            map_flags=definition.flags,
            map_name=name.encode("ascii"),
        )
        try:
            self.fd = bpf_call(Command.MAP_CREATE, attributes)
        except BpfError as error:
            if error.errno != errno.EPERM or not _raise_memlock_limit():
                raise
            self.fd = bpf_call(Command.MAP_CREATE, attributes)

    def _element(self, command: Command, key: bytes | None, value: ctypes.Array[ctypes.c_char] | None) -> None:
        key_buffer = None if key is None else ctypes.create_string_buffer(key, self.definition.key_bytes)
        attributes = _MapElement(
            map_fd=self.fd,
            key=ctypes.addressof(key_buffer) if key_buffer else 0,
            value_or_next_key=ctypes.addressof(value) if value else 0,
        )
        bpf_call(command, attributes)

    def lookup(self, key: bytes) -> bytes | None:
        """The value (all CPUs' values), None where the key is absent."""
        value = ctypes.create_string_buffer(self.value_bytes)
        try:
            self._element(Command.MAP_LOOKUP_ELEM, key, value)
        except BpfError as error:
            if error.errno == errno.ENOENT:
                return None
            raise
        return value.raw

    def update(self, key: bytes, value: bytes) -> None:
        """Inserts or replaces. Raises BpfError: E2BIG when the map is full."""
        buffer = ctypes.create_string_buffer(value, self.value_bytes)
        self._element(Command.MAP_UPDATE_ELEM, key, buffer)

    def delete(self, key: bytes) -> None:
        """Raises BpfError: ENOENT when the key is absent."""
        self._element(Command.MAP_DELETE_ELEM, key, None)

    def next_key(self, key: bytes | None) -> bytes | None:
        """The key after `key` in the map's own order, the first one for None; None at the end."""
        following = ctypes.create_string_buffer(self.definition.key_bytes)
        try:
            self._element(Command.MAP_GET_NEXT_KEY, key, following)
        except BpfError as error:
            if error.errno == errno.ENOENT:
                return None
            raise
        return following.raw

    def keys(self) -> list[bytes]:
        """All keys of a map that nobody else changes, one system call each. Raises BpfError."""
        found: list[bytes] = []
        key = self.next_key(None)
        while key is not None:
            found.append(key)
            key = self.next_key(key)
        return found

    def drain(self, key_type: np.dtype[np.void], value_type: np.dtype[np.void]) -> Drained:
        """Moves everything out of a hash map into (keys, values), each a 1-d array of the given dtype.

        `value_type` describes all CPUs' values of a key. One system call for the whole map; the arrays are as
        large as the map in address space but resident only as far as they are filled, and the caller's to keep.
        The map must not be written meanwhile: an update that races with the deletion is lost.
        """
        keys, values = self._room(key_type, value_type)
        try:
            filled = self._batches(Command.MAP_LOOKUP_AND_DELETE_BATCH, keys, values)
        except BpfError as error:
            if error.errno not in (errno.EINVAL, _ENOTSUPP):
                raise
            filled = self.drain_by_key(keys, values)
        return keys[:filled], values[:filled]

    def read(self, key_type: np.dtype[np.void], value_type: np.dtype[np.void]) -> Drained:
        """As `drain`, but leaves everything in the map, which may be written meanwhile. Linux 5.6. Raises BpfError."""
        keys, values = self._room(key_type, value_type)
        filled = self._batches(Command.MAP_LOOKUP_BATCH, keys, values)
        return keys[:filled], values[:filled]

    def delete_all(self, keys: NDArray[np.void]) -> int:
        """Deletes these keys (contiguous rows); returns how many were there. Linux 5.6. Raises BpfError."""
        done = deleted = 0
        while done < len(keys):
            attributes = _MapBatch(keys=keys.ctypes.data + done * keys.itemsize, count=len(keys) - done, map_fd=self.fd)
            try:
                bpf_call(Command.MAP_DELETE_BATCH, attributes)
            except BpfError as error:
                if error.errno != errno.ENOENT:
                    raise
                done += 1  # the kernel stops at a key that is absent
            done += int(attributes.count)
            deleted += int(attributes.count)
        return deleted

    def _room(self, key_type: np.dtype[np.void], value_type: np.dtype[np.void]) -> Drained:
        if (key_type.itemsize, value_type.itemsize) != (self.definition.key_bytes, self.value_bytes):
            raise ValueError(f"{self.name}: rows of other size than the map's")
        capacity = self.definition.max_entries + _TRANSIT_ROWS
        return _untouched_rows(capacity, key_type), _untouched_rows(capacity, value_type)

    def _batches(self, command: Command, keys: NDArray[np.void], values: NDArray[np.void]) -> int:
        cursors = (ctypes.create_string_buffer(64), ctypes.create_string_buffer(64))
        filled = calls = 0
        while filled < len(keys):
            attributes = _MapBatch(
                in_batch=ctypes.addressof(cursors[calls % 2]) if calls else 0,
                out_batch=ctypes.addressof(cursors[1 - calls % 2]),
                keys=keys.ctypes.data + filled * keys.itemsize,
                values=values.ctypes.data + filled * values.itemsize,
                count=len(keys) - filled,
                map_fd=self.fd,
            )
            calls += 1
            try:
                bpf_call(command, attributes)
            except BpfError as error:
                if error.errno == errno.ENOENT:  # the end of the map; what was read before it is valid
                    return filled + int(attributes.count)
                if error.errno == errno.ENOSPC:  # a bucket larger than what is left: the rest stays in the map
                    return filled
                raise
            filled += int(attributes.count)
        return filled

    def drain_by_key(self, keys: NDArray[np.void], values: NDArray[np.void]) -> int:
        """Fills the arrays key by key (some 2 µs each) and returns how many: kernels before 5.6 have no batches."""
        key_bytes = keys.view(np.uint8).reshape(len(keys), -1)
        value_bytes = values.view(np.uint8).reshape(len(values), -1)
        filled = 0
        following = self.next_key(None)
        while filled < len(keys) and (key := following) is not None:
            following = self.next_key(key)
            value = self.lookup(key)
            if value is None:
                continue
            key_bytes[filled] = np.frombuffer(key, np.uint8)
            value_bytes[filled] = np.frombuffer(value, np.uint8)
            self.delete(key)
            filled += 1
        return filled

    def close(self) -> None:
        """Frees the map unless a program still uses it."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
