"""eBPF programs as they were built: instructions, the places of map descriptors in them, and the maps they expect.

`build.py` makes `NAME.json` from `NAME.bpf.c`. Loading needs neither clang nor an ELF reader.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import resources

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
class Artefact:
    """A built program: `variants` in the order in which to try them."""

    source_sha256: str
    compiler: str
    license: str
    maps: Mapping[str, MapDefinition]
    variants: tuple[Variant, ...]

    def to_json(self) -> str:
        """The committed form."""
        document = {
            "source_sha256": self.source_sha256,
            "compiler": self.compiler,
            "license": self.license,
            "maps": {name: asdict(definition) for name, definition in self.maps.items()},
            "variants": [
                {
                    "name": variant.name,
                    "relocations": variant.relocations,
                    "instructions": base64.b64encode(variant.instructions).decode("ascii"),
                }
                for variant in self.variants
            ],
        }
        return json.dumps(document, indent=1) + "\n"


def load_artefact(name: str) -> Artefact:
    """Reads the committed `name`.json."""
    document = json.loads(resources.files(__package__).joinpath(f"{name}.json").read_text(encoding="ascii"))
    return Artefact(
        source_sha256=document["source_sha256"],
        compiler=document["compiler"],
        license=document["license"],
        maps={key: MapDefinition(**fields) for key, fields in document["maps"].items()},
        variants=tuple(
            Variant(
                item["name"],
                base64.b64decode(item["instructions"]),
                tuple((index, map_name) for index, map_name in item["relocations"]),
            )
            for item in document["variants"]
        ),
    )
