"""The committed tracing programs are what their source says, and fit the arrays that their records are read into."""

from __future__ import annotations

import hashlib
import shutil
import struct
from dataclasses import replace
from importlib import resources, util

import pytest

from netdash.errors import NotSupportedError
from netdash.kernel.btf import Btf, Kind, PathStep
from netdash.kernel.exec_trace import EXEC_KEY
from netdash.kernel.programs import Variant
from netdash.kernel.programs.tracing import CGROUP_HOOKS, Field, TracingArtefact, TracingProgram
from netdash.kernel.socket_hooks import HOOKED_ROW
from netdash.kernel.socket_traffic import _KEY, _OVERFLOW, TRAFFIC_ROW
from netdash.kernel.task_sockets import TASK_SOCKET_ROW
from tests.unit.kernel.test_btf import small_kernel

NAMES = ("exec_trace", "socket_hooks", "socket_traffic", "task_sockets")
LOAD_4, LOAD_8, MOVE, EXIT = 0x61, 0x79, 0xB7, 0x95


def program(opcode: int, *path: PathStep) -> TracingProgram:
    """One instruction that means a member of `struct outer`, and the end."""
    code = struct.pack("<BBhi", opcode, 0x10, 0, 0) + struct.pack("<BBhi", EXIT, 0, 0, 0)
    return TracingProgram("tp_btf/thing", Variant("test", code, ()), (Field(0, "outer", path),))


@pytest.mark.parametrize("name", NAMES)
def test_artefact_belongs_to_the_source(name: str) -> None:
    files = resources.files("netdash.kernel.programs")
    source = files.joinpath("tracing.bpf.h").read_bytes() + files.joinpath(f"{name}.bpf.c").read_bytes()
    assert TracingArtefact.load(name).source_sha256 == hashlib.sha256(source).hexdigest()


@pytest.mark.parametrize("name", NAMES)
def test_rebuilding_gives_the_same_instructions(name: str) -> None:
    if shutil.which("clang") is None or util.find_spec("elftools") is None:
        pytest.skip("needs clang and pyelftools")
    from netdash.kernel.programs.build import build_tracing, compiler_version

    committed = TracingArtefact.load(name)
    if compiler_version() != committed.compiler:
        pytest.skip(f"was built by {committed.compiler}; this one may order instructions otherwise")
    assert build_tracing(name) == committed


def test_maps_and_records_have_the_layout_of_the_arrays() -> None:
    maps = TracingArtefact.load("socket_traffic").maps
    assert (maps["traffic"].key_bytes, maps["traffic"].value_bytes) == (_KEY.itemsize, TRAFFIC_ROW.itemsize)
    assert (maps["overflow"].key_bytes, maps["overflow"].value_bytes) == (4, _OVERFLOW.size)
    maps = TracingArtefact.load("socket_hooks").maps
    assert (maps["sockets"].key_bytes, maps["sockets"].value_bytes) == (8, HOOKED_ROW.itemsize)
    maps = TracingArtefact.load("exec_trace").maps
    assert maps["commands"].key_bytes == EXEC_KEY.itemsize
    assert TRAFFIC_ROW.itemsize == 144
    assert TASK_SOCKET_ROW.itemsize == 104
    for name in _KEY.names or ():
        assert TRAFFIC_ROW.fields is not None
        assert _KEY.fields is not None
        assert TRAFFIC_ROW.fields[name] == _KEY.fields[name]


def test_hooks_need_no_types_of_the_kernel() -> None:
    programs = TracingArtefact.load("socket_hooks").programs
    assert {item.section for item in programs} == set(CGROUP_HOOKS)
    assert not any(item.needs_btf or item.fields for item in programs)


def test_linking_puts_the_kernels_offsets_in() -> None:
    btf = Btf(small_kernel())
    assert struct.unpack_from("<BBhi", program(LOAD_4, "part", "port").link(btf, {})) == (LOAD_4, 0x10, 40, 0)
    assert struct.unpack_from("<BBhi", program(MOVE, "list", 3).link(btf, {})) == (MOVE, 0x10, 0, 24)
    item = program(LOAD_4, "deep")
    assert item.attach_type_id(btf) == btf.type_id(Kind.TYPEDEF, "btf_trace_thing")
    assert not item.is_iterator
    iterator = replace(item, section="iter/thing")
    assert iterator.is_iterator
    assert iterator.attach_type_id(btf) == btf.type_id(Kind.FUNC, "bpf_iter_thing")


def test_linking_refuses_what_does_not_fit() -> None:
    btf = Btf(small_kernel())
    with pytest.raises(NotSupportedError, match="this kernel's deep of struct outer has only 4 bytes"):
        program(LOAD_8, "deep").link(btf, {})
    with pytest.raises(NotSupportedError, match="struct outer has no absent"):
        program(LOAD_8, "absent").link(btf, {})
    with pytest.raises(NotSupportedError, match="out of reach"):
        program(MOVE, "list", 10_000).link(btf, {})
    with pytest.raises(ValueError, match="no load of a member at instruction 0"):
        program(EXIT, "deep").link(btf, {})
