"""Tracing programs and cgroup hooks as they were built, and how they are fitted to the running kernel.

As in `netdash.kernel.programs`, and besides: which kernel function, tracepoint or hook each program belongs to, and
which instructions mean which member of which kernel structure (CO-RE relocations, include/uapi/linux/bpf.h,
BPF_CORE_FIELD_BYTE_OFFSET).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from netdash.errors import NotSupportedError
from netdash.kernel.bpf import INSTRUCTION_BYTES, AttachType, ProgramType
from netdash.kernel.btf import Btf, Kind, PathStep
from netdash.kernel.programs import Committed, Variant

_CLASS_MASK = 0x07
_CLASS_LOAD = 0x01
"""BPF_LDX: the offset stands in the instruction's 16 bits for it."""
_CLASSES_ARITHMETIC = (0x04, 0x07)
"""BPF_ALU, BPF_ALU64: the offset is the immediate operand that is added to a pointer."""
_LOADED_BYTES = {0x00: 4, 0x08: 2, 0x10: 1, 0x18: 8}
"""BPF_W, BPF_H, BPF_B, BPF_DW."""
_SIZE_MASK = 0x18
_MAX_OFFSET = 0x7FFF

TRACEPOINT, ITERATOR = "tp_btf", "iter"
"""First parts of section names, as libbpf has them."""

CGROUP_HOOKS: Final = {
    "cgroup_skb/ingress": (ProgramType.CGROUP_SKB, AttachType.CGROUP_INET_INGRESS),
    "cgroup_skb/egress": (ProgramType.CGROUP_SKB, AttachType.CGROUP_INET_EGRESS),
    "cgroup/sock_create": (ProgramType.CGROUP_SOCK, AttachType.CGROUP_INET_SOCK_CREATE),
    "cgroup/sock_release": (ProgramType.CGROUP_SOCK, AttachType.CGROUP_INET_SOCK_RELEASE),
    "cgroup/connect4": (ProgramType.CGROUP_SOCK_ADDR, AttachType.CGROUP_INET4_CONNECT),
    "cgroup/connect6": (ProgramType.CGROUP_SOCK_ADDR, AttachType.CGROUP_INET6_CONNECT),
    "cgroup/sendmsg4": (ProgramType.CGROUP_SOCK_ADDR, AttachType.CGROUP_UDP4_SENDMSG),
    "cgroup/sendmsg6": (ProgramType.CGROUP_SOCK_ADDR, AttachType.CGROUP_UDP6_SENDMSG),
}
"""Section names of programs that belong to a cgroup, as libbpf has them."""


@dataclass(frozen=True, slots=True)
class Field:
    """The instruction with this index means `path` in `struct structure`."""

    instruction: int
    structure: str
    path: tuple[PathStep, ...]


@dataclass(frozen=True, slots=True)
class TracingProgram:
    """One program of an object. `section` says what it belongs to: tp_btf/TRACEPOINT, iter/ITERATOR or a hook."""

    section: str
    code: Variant
    fields: tuple[Field, ...]

    @property
    def attach_type(self) -> AttachType:
        """What the kernel wants as expected_attach_type."""
        if self.section in CGROUP_HOOKS:
            return CGROUP_HOOKS[self.section][1]
        return AttachType.TRACE_ITER if self.is_iterator else AttachType.TRACE_RAW_TP

    @property
    def program_type(self) -> ProgramType:
        """What kind of program it is."""
        return CGROUP_HOOKS[self.section][0] if self.section in CGROUP_HOOKS else ProgramType.TRACING

    @property
    def needs_btf(self) -> bool:
        """A tracing program belongs to something that only the kernel's BTF tells."""
        return self.section not in CGROUP_HOOKS

    @property
    def is_iterator(self) -> bool:
        """True for an iterator, which runs when it is read; else a tracepoint's program."""
        return self.section.partition("/")[0] == ITERATOR

    def attach_type_id(self, btf: Btf) -> int:
        """The BTF type that the kernel wants as attach_btf_id. Raises NotSupportedError."""
        _, _, target = self.section.partition("/")
        if self.is_iterator:
            return btf.type_id(Kind.FUNC, f"bpf_iter_{target}")
        return btf.type_id(Kind.TYPEDEF, f"btf_trace_{target}")

    def link(self, btf: Btf, map_descriptors: Mapping[str, int]) -> bytes:
        """The instructions with the kernel's offsets and the maps' file descriptors in place.

        Raises NotSupportedError when the kernel's structures lack a member or have it in another size.
        """
        linked = bytearray(self.code.link(map_descriptors))
        for field in self.fields:
            _put_offset(linked, field, *btf.member(field.structure, field.path))
        return bytes(linked)


@dataclass(frozen=True, slots=True)
class TracingArtefact(Committed):
    """A built object: some programs that share maps."""

    programs: tuple[TracingProgram, ...]


def _put_offset(code: bytearray, field: Field, offset: int, size: int) -> None:
    start = field.instruction * INSTRUCTION_BYTES
    opcode = code[start]
    if offset > _MAX_OFFSET:
        raise NotSupportedError(f"this kernel has {field.path[-1]} of struct {field.structure} out of reach")
    if opcode & _CLASS_MASK in _CLASSES_ARITHMETIC:
        struct.pack_into("<i", code, start + 4, offset)
        return
    if opcode & _CLASS_MASK != _CLASS_LOAD:
        raise ValueError(f"no load of a member at instruction {field.instruction}")
    # Reading less than the member has gives its low bits; reading more would give the neighbour's.
    if _LOADED_BYTES[opcode & _SIZE_MASK] > size:
        raise NotSupportedError(f"this kernel's {field.path[-1]} of struct {field.structure} has only {size} bytes")
    struct.pack_into("<h", code, start + 2, offset)
