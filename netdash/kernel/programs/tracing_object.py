"""Reads what clang made of a tracing program: the ELF object, its BTF and the relocations in .BTF.ext.

For `build.py` only: needs pyelftools. Layout of .BTF.ext: Documentation/bpf/btf.rst, `struct btf_ext_header` of libbpf.
"""

from __future__ import annotations

import io
import struct
from collections import defaultdict
from collections.abc import Iterator, Mapping

from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import SymbolTableSection

from netdash.kernel.bpf import INSTRUCTION_BYTES
from netdash.kernel.bpf_map import MapDefinition
from netdash.kernel.btf import Btf, Kind, PathStep
from netdash.kernel.programs import Variant
from netdash.kernel.programs.tracing import CGROUP_HOOKS, ITERATOR, TRACEPOINT, Field, TracingProgram

_MAP_DEFINITION = struct.Struct("<5I")
_EXTENSION_HEADER = struct.Struct("<HBBIIIIIII")
_RELOCATION = struct.Struct("<IIII")
"""Offset of the instruction, type, offset of the access string, kind."""
_FIELD_BYTE_OFFSET = 0


class _ObjectTypes(Btf):
    """The object's own types, in which relocations are written."""

    def text(self, offset: int) -> str:
        """A string of the table."""
        return self._strings[offset : self._strings.index(b"\0", offset)].decode("ascii")

    def access_path(self, type_id: int, access: str) -> tuple[str, tuple[PathStep, ...]]:
        """(structure, path) of an access string: "0:1:2" is member 2 of member 1 of the structure itself."""
        kind, head, start = self._head(type_id)
        if kind is not Kind.STRUCT:
            raise ValueError(f"relocation against {kind!r}")
        structure = self.text(head[0])
        path: list[PathStep] = []
        for number in list(map(int, access.split(":")))[1:]:
            if kind is Kind.ARRAY:
                path.append(number)
                member_type = int(self._words[start])
            else:
                name_offset, member_type, _ = self._words[start + 3 * number : start + 3 * number + 3].tolist()
                if name_offset:
                    path.append(self.text(name_offset))
            kind, _, start = self._head(member_type)
        return structure, tuple(path)


def read_tracing_object(elf: bytes) -> tuple[tuple[TracingProgram, ...], dict[str, MapDefinition], str]:
    """The programs of an object, its maps and its license."""
    file = ELFFile(io.BytesIO(elf))
    sections = {section.name: section for section in file.iter_sections()}
    symbols = sections[".symtab"]
    if not isinstance(symbols, SymbolTableSection):
        raise ValueError("an object without symbols")
    fields = _fields_by_section(sections[".BTF"].data(), sections[".BTF.ext"].data())
    programs = []
    for symbol in symbols.iter_symbols():
        if symbol["st_info"]["type"] != "STT_FUNC":
            continue
        section = file.get_section(symbol["st_shndx"])
        known = section.name in CGROUP_HOOKS or section.name.partition("/")[0] in (TRACEPOINT, ITERATOR)
        if not known or symbol["st_size"] != section["sh_size"]:
            raise ValueError(f"{symbol.name}: not a program of a known kind alone in its section")
        relocations = sections.get(f".rel{section.name}")
        places = tuple(
            (entry["r_offset"] // INSTRUCTION_BYTES, str(symbols.get_symbol(entry["r_info_sym"]).name))
            for entry in (relocations.iter_relocations() if isinstance(relocations, RelocationSection) else ())
        )
        code = Variant(str(symbol.name), section.data(), places)
        programs.append(TracingProgram(str(section.name), code, tuple(fields[section.name])))
    map_data = sections["maps"].data() if "maps" in sections else b""
    maps = {
        str(symbol.name): MapDefinition(*_MAP_DEFINITION.unpack_from(map_data, symbol["st_value"]))
        for symbol in symbols.iter_symbols()
        if symbol["st_info"]["type"] == "STT_OBJECT" and file.get_section(symbol["st_shndx"]).name == "maps"
    }
    license_name = sections["license"].data().rstrip(b"\0").decode("ascii")
    programs.sort(key=lambda program: program.code.name)
    return tuple(programs), dict(sorted(maps.items())), license_name


def _fields_by_section(btf: bytes, extension: bytes) -> Mapping[str, list[Field]]:
    types = _ObjectTypes(btf)
    fields = defaultdict(list)
    for section, offset, type_id, access, kind in _core_relocations(extension, types):
        if kind != _FIELD_BYTE_OFFSET:
            raise ValueError(f"{section}: relocation of unknown kind {kind}")
        fields[section].append(Field(offset // INSTRUCTION_BYTES, *types.access_path(type_id, access)))
    return fields


def _core_relocations(extension: bytes, types: _ObjectTypes) -> Iterator[tuple[str, int, int, str, int]]:
    _, _, _, header_bytes, _, _, _, _, core_offset, core_bytes = _EXTENSION_HEADER.unpack_from(extension)
    position = header_bytes + core_offset
    end = position + core_bytes
    if position == end:
        return
    (record_bytes,) = struct.unpack_from("<I", extension, position)
    position += 4
    while position < end:
        section, count = struct.unpack_from("<II", extension, position)
        position += 8
        for _ in range(count):
            offset, type_id, access, kind = _RELOCATION.unpack_from(extension, position)
            yield types.text(section), offset, type_id, types.text(access), kind
            position += record_bytes
