"""The committed eBPF programs are what their source says."""

from __future__ import annotations

import hashlib
import shutil
from importlib import resources, util

import pytest

from netdash.kernel.programs import Artefact, Variant
from netdash.kernel.raw_flow import FLOW_KEY, FLOW_VALUE

INSTRUCTION_BYTES = 8
STACK_POINTER = 10
STORE_CLASSES, WHOLE_WORD = (0x62, 0x63), 0x18


def test_artefact_belongs_to_the_source() -> None:
    directory = resources.files("netdash.kernel.programs")
    names = ("flows.bpf.c", "flows_packet.bpf.h", "flows_watch.bpf.h")
    source = b"".join(directory.joinpath(name).read_bytes() for name in names)
    assert Artefact.load("flows").source_sha256 == hashlib.sha256(source).hexdigest()


def test_rebuilding_gives_the_same_instructions() -> None:
    if shutil.which("clang") is None or util.find_spec("elftools") is None:
        pytest.skip("needs clang and pyelftools")
    from netdash.kernel.programs.build import build, compiler_version

    committed = Artefact.load("flows")
    if compiler_version() != committed.compiler:
        pytest.skip(f"was built by {committed.compiler}; this one may order instructions otherwise")
    assert build("flows") == committed


def test_maps_have_the_layout_of_the_arrays() -> None:
    maps = Artefact.load("flows").maps
    for name in ("flows_0", "flows_1", "overflow_0", "overflow_1"):
        assert (maps[name].key_bytes, maps[name].value_bytes) == (FLOW_KEY.itemsize, FLOW_VALUE.itemsize)


@pytest.mark.parametrize("variant", Artefact.load("flows").variants, ids=lambda variant: variant.name)
def test_stack_is_written_in_whole_words(variant: Variant) -> None:
    """Verifiers before Linux 6.3 refuse a partial store over a spilled register to programs with CAP_BPF alone."""
    code = variant.instructions
    for start in range(0, len(code), INSTRUCTION_BYTES):
        opcode, registers = code[start], code[start + 1]
        if opcode & 0x67 in STORE_CLASSES and registers & 0x0F == STACK_POINTER:
            assert opcode & 0x18 == WHOLE_WORD, f"instruction {start // INSTRUCTION_BYTES}"


def test_linking_puts_descriptors_where_maps_are_loaded() -> None:
    variant = Artefact.load("flows").variants[0]
    linked = variant.link({name: 77 for _, name in variant.relocations})
    assert len(linked) == len(variant.instructions)
    for index, _ in variant.relocations:
        place = linked[index * INSTRUCTION_BYTES : (index + 1) * INSTRUCTION_BYTES]
        assert (place[0], place[1] >> 4, int.from_bytes(place[4:], "little")) == (0x18, 1, 77)


def test_linking_refuses_a_place_that_loads_no_map() -> None:
    with pytest.raises(ValueError, match="no map load at instruction 0"):
        Variant("broken", bytes(8), ((0, "flows_0"),)).link({"flows_0": 3})
