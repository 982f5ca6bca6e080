"""Builds the committed eBPF programs: `python -m netdash.kernel.programs.build`.

Needs clang with the bpf target, the headers of libbpf (Debian: libbpf-dev) and pyelftools; users need none of them.
"""

from __future__ import annotations

import hashlib
import io
import os
import struct
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import SymbolTableSection

from netdash.kernel.bpf import INSTRUCTION_BYTES
from netdash.kernel.bpf_map import MapDefinition
from netdash.kernel.programs import Artefact, Variant
from netdash.kernel.programs.tracing import TracingArtefact
from netdash.kernel.programs.tracing_object import read_tracing_object

DIRECTORY = Path(__file__).parent

PROGRAMS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "flows": {
        "coarse time": ("-DCOARSE_TIME",),
        "precise time": (),
        "no segmentation fields": ("-DNO_GSO_FIELDS",),
    },
}
"""Source by name (NAME.bpf.c): its variants, best first, with their compiler flags.

Coarse time needs Linux 5.11, gso_size 5.7, and what is left 4.18.
"""

TRACING_PROGRAMS = ("exec_trace", "socket_hooks", "socket_traffic", "task_sockets")
"""Sources of tracing programs and cgroup hooks, which all include TRACING_HEADER."""

TRACING_HEADER = "tracing.bpf.h"

_MAP_DEFINITION = struct.Struct("<5I")


def compiler_version() -> str:
    """First line of `clang --version`. Raises FileNotFoundError without clang."""
    output = subprocess.run(["clang", "--version"], check=True, capture_output=True, text=True).stdout
    return output.splitlines()[0]


def compile_object(source: Path, flags: tuple[str, ...]) -> bytes:
    """The ELF object. `-mcpu=v2`: later instruction sets do not pass the verifier of 5.10 with CAP_BPF alone."""
    # The kernel's asm/ headers stand in the host's multiarch directory, which the bpf target does not search.
    multiarch = sysconfig.get_config_var("MULTIARCH") or f"{os.uname().machine}-linux-gnu"
    command = ["clang", "-O2", "-Wall", "-Werror", "-target", "bpf", "-mcpu=v2", "-I", f"/usr/include/{multiarch}"]
    return subprocess.run([*command, *flags, "-c", str(source), "-o", "-"], check=True, stdout=subprocess.PIPE).stdout


def read_object(elf: bytes, name: str) -> tuple[Variant, dict[str, MapDefinition], str]:
    """The program of an object's one executable section, its maps and its license."""
    file = ELFFile(io.BytesIO(elf))
    sections = {section.name: section for section in file.iter_sections()}
    symbols = sections[".symtab"]
    relocations = next(
        section for section in sections.values() if isinstance(section, RelocationSection) and section["sh_size"]
    )
    if not isinstance(symbols, SymbolTableSection):
        raise ValueError("an object without symbols")
    code = file.get_section(relocations["sh_info"])
    places = tuple(
        (entry["r_offset"] // INSTRUCTION_BYTES, str(symbols.get_symbol(entry["r_info_sym"]).name))
        for entry in relocations.iter_relocations()
    )
    map_data = sections["maps"].data()
    maps = {
        str(symbol.name): MapDefinition(*_MAP_DEFINITION.unpack_from(map_data, symbol["st_value"]))
        for symbol in symbols.iter_symbols()
        if symbol["st_info"]["type"] == "STT_OBJECT" and file.get_section(symbol["st_shndx"]).name == "maps"
    }
    license_name = sections["license"].data().rstrip(b"\0").decode("ascii")
    return Variant(name, code.data(), places), dict(sorted(maps.items())), license_name


def build(program: str) -> Artefact:
    """Compiles all variants of one program. Its sources are NAME.bpf.c and headers whose names begin with NAME."""
    source = DIRECTORY / f"{program}.bpf.c"
    sources = sorted(DIRECTORY.glob(f"{program}*.bpf.[ch]"))
    built = [read_object(compile_object(source, flags), name) for name, flags in PROGRAMS[program].items()]
    return Artefact(
        source_sha256=hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest(),
        compiler=compiler_version(),
        license=built[0][2],
        maps=built[0][1],
        variants=tuple(variant for variant, _, _ in built),
    )


def build_tracing(program: str) -> TracingArtefact:
    """Compiles one tracing program, with its types and the relocations against them (-g)."""
    source = DIRECTORY / f"{program}.bpf.c"
    programs, maps, license_name = read_tracing_object(compile_object(source, ("-g",)))
    return TracingArtefact(
        source_sha256=hashlib.sha256((DIRECTORY / TRACING_HEADER).read_bytes() + source.read_bytes()).hexdigest(),
        compiler=compiler_version(),
        license=license_name,
        maps=maps,
        programs=programs,
    )


def write(program: str, artefact: Artefact | TracingArtefact, codes: Iterable[Variant]) -> None:
    """Writes NAME.json and tells how long its programs are."""
    path = DIRECTORY / f"{program}.json"
    path.write_text(artefact.to_json(), encoding="ascii")
    sizes = ", ".join(f"{code.name}: {len(code.instructions) // INSTRUCTION_BYTES} instructions" for code in codes)
    sys.stdout.write(f"{path.name}: {sizes}\n")


def main() -> None:
    """Writes NAME.json beside each NAME.bpf.c."""
    for program in TRACING_PROGRAMS:
        tracing = build_tracing(program)
        write(program, tracing, (item.code for item in tracing.programs))
    for program in PROGRAMS:
        artefact = build(program)
        write(program, artefact, artefact.variants)


if __name__ == "__main__":
    main()
