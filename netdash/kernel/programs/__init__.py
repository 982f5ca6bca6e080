"""eBPF programs as they were built: instructions, the places of map descriptors in them, and the maps they expect.

`build.py` makes `NAME.json` from `NAME.bpf.c`. Loading needs neither clang nor an ELF reader.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Self

import msgspec

from netdash.kernel.bpf import INSTRUCTION_BYTES
from netdash.kernel.bpf_map import MapDefinition

_LOAD_IMMEDIATE_64 = 0x18
_PSEUDO_MAP_FD = 1
"""BPF_PSEUDO_MAP_FD: the source register of a 64-bit load says that its immediate is a map's descriptor."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way a source was compiled. `relocations`: (index of instruction, name of the map it loads)."""

    name: str
    instructions: bytes
    relocations: tuple[tuple[int, str], ...]

    def link(self, map_descriptors: Mapping[str, int]) -> bytes:
        """The instructions with the maps' file descriptors in place."""
        linked = bytearray(self.instructions)
        for index, map_name in self.relocations:
            offset = index * INSTRUCTION_BYTES
            if linked[offset] != _LOAD_IMMEDIATE_64:
                raise ValueError(f"{self.name}: no map load at instruction {index}")
            linked[offset + 1] = linked[offset + 1] & 0x0F | _PSEUDO_MAP_FD << 4
            struct.pack_into("<i", linked, offset + 4, map_descriptors[map_name])
        return bytes(linked)


@dataclass(frozen=True, slots=True)
class Committed:
    """What is committed of any source. The form of NAME.json is that of the fields; bytes stand as base64."""

    source_sha256: str
    compiler: str
    license: str
    maps: dict[str, MapDefinition]

    @classmethod
    def load(cls, name: str) -> Self:
        """Reads the committed `name`.json."""
        return msgspec.json.decode(resources.files(__package__).joinpath(f"{name}.json").read_bytes(), type=cls)

    def to_json(self) -> str:
        """The committed form."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1).decode("ascii") + "\n"


@dataclass(frozen=True, slots=True)
class Artefact(Committed):
    """A built program: `variants` in the order in which to try them."""

    variants: tuple[Variant, ...]
