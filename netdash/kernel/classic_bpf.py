"""Classic BPF translated to eBPF, as the kernel does it itself (bpf_convert_filter in net/core/filter.c).

A stands in R0, X in R7, the packet's context in R6 as the packet loads want it, the scratch memory on the stack.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from netdash.errors import NotSupportedError

_A, _X, _CONTEXT, _SPARE, _FRAME = 0, 7, 6, 8, 10
_SCRATCH_WORDS: Final = 16
_SCRATCH: Final = -4 * _SCRATCH_WORDS
_LENGTH_FIELD: Final = 0
"""Offset of `len` in struct __sk_buff, <linux/bpf.h>."""
_ANCILLARY: Final = range(0xFFFFF000, 0xFFFFF100)
"""SKF_AD_OFF: what is not in the packet. libpcap uses none of it without a live handle."""

_MOV_REG, _MOV_IMM, _MOV32_REG, _MOV32_IMM = 0xBF, 0xB7, 0xBC, 0xB4
_STORE_IMM, _STORE_REG, _LOAD_STACK, _EXIT, _JUMP, _JUMP_NOT_EQUAL = 0x62, 0x63, 0x61, 0x95, 0x05, 0x55
_LOAD_BYTE, _AND32_IMM, _SHIFT32_IMM = 0x30, 0x54, 0x64

_Code = list[int]
"""code, destination, source, offset, immediate of one eBPF instruction."""


def _insn(code: int, destination: int = 0, source: int = 0, offset: int = 0, immediate: int = 0) -> _Code:
    return [code, destination, source, offset, immediate - (1 << 32) if immediate >= 1 << 31 else immediate]


def translate(program: Sequence[tuple[int, int, int, int]]) -> bytes:
    """eBPF instructions that end the run with 0 where `program` returns 0, and else fall through to what follows them,
    with R1 the context again. Raises NotSupportedError for what libpcap is not known to make."""
    head = [_insn(_MOV_REG, _CONTEXT, 1), _insn(_MOV_IMM, _A), _insn(_MOV_IMM, _X)]
    if any(code & 7 in (2, 3) or code in (0x60, 0x61) for code, *_ in program):
        head += [_insn(_STORE_IMM, _FRAME, 0, _SCRATCH + 4 * word) for word in range(_SCRATCH_WORDS)]
    blocks: list[list[_Code]] = []
    targets: list[tuple[int, int, int]] = []
    end = len(program)
    for index, (code, if_true, if_false, k) in enumerate(program):
        block, jumps = _block(code, k)
        blocks.append(block)
        follow = {"true": index + 1 + if_true, "false": index + 1 + if_false, "far": index + 1 + k, "end": end}
        targets += [(index, place, follow[name]) for place, name in jumps]
    starts = [len(head)]
    for block in blocks:
        starts.append(starts[-1] + len(block))
    for index, place, target in targets:
        blocks[index][place][3] = starts[target] - (starts[index] + place) - 1
    tail = [_insn(_MOV_REG, 1, _CONTEXT)]
    flat = [*head, *(code for block in blocks for code in block), *tail]
    return b"".join(struct.pack("<BBhi", c, d | s << 4, offset, immediate) for c, d, s, offset, immediate in flat)


def _block(code: int, k: int) -> tuple[list[_Code], list[tuple[int, str]]]:
    """One instruction, and which of its parts jump where."""
    match code & 7:
        case 0 | 1:
            return _load(code, k), []
        case 2 | 3:
            return [_insn(_STORE_REG, _FRAME, _A if code & 7 == 2 else _X, _SCRATCH + 4 * k)], []
        case 4:
            return _arithmetic(code, k), []
        case 5:
            return _jump(code, k)
        case 6:
            return _return(code, k)
        case _:
            return [_insn(_MOV32_REG, _A, _X) if code & 0x80 else _insn(_MOV32_REG, _X, _A)], []


def _load(code: int, k: int) -> list[_Code]:
    target = _A if code & 7 == 0 else _X
    match code:
        case 0x20 | 0x28 | 0x30 if k not in _ANCILLARY:
            return [_insn(code, immediate=k)]
        case 0x40 | 0x48 | 0x50:
            return [_insn(code, source=_X, immediate=k)]
        case 0xB1:
            # X = 4 * (P[k] & 15): the length of an IPv4 header.
            return [
                _insn(_MOV32_REG, _SPARE, _A),
                _insn(_LOAD_BYTE, immediate=k),
                _insn(_AND32_IMM, _A, immediate=0xF),
                _insn(_SHIFT32_IMM, _A, immediate=2),
                _insn(_MOV32_REG, _X, _A),
                _insn(_MOV32_REG, _A, _SPARE),
            ]
        case 0x80 | 0x81:
            return [_insn(_LOAD_STACK, target, _CONTEXT, _LENGTH_FIELD)]
        case 0x00 | 0x01:
            return [_insn(_MOV32_IMM, target, immediate=k)]
        case 0x60 | 0x61:
            return [_insn(_LOAD_STACK, target, _FRAME, _SCRATCH + 4 * k)]
        case _:
            raise NotSupportedError(f"capture filter: a load ({code:#04x}, {k:#x}) that has no translation")


def _arithmetic(code: int, k: int) -> list[_Code]:
    by_x = bool(code & 8)
    block = []
    if by_x and code & 0xF0 in (0x30, 0x90):
        # A division by zero ends a classic program with 0, and not an eBPF one.
        block = [_insn(_JUMP_NOT_EQUAL, _X, offset=2), _insn(_MOV_IMM, 0), _insn(_EXIT)]
    return [*block, _insn(code, _A, _X if by_x else 0, 0, 0 if by_x else k)]


def _jump(code: int, k: int) -> tuple[list[_Code], list[tuple[int, str]]]:
    if code == _JUMP:
        return [_insn(_JUMP)], [(0, "far")]
    block = []
    if code & 8:
        test = _insn(code, _A, _X)
    elif k >= 1 << 31:
        # An immediate would be extended by its sign.
        block = [_insn(_MOV32_IMM, _SPARE, immediate=k)]
        test = _insn(code | 8, _A, _SPARE)
    else:
        test = _insn(code, _A, immediate=k)
    return [*block, test, _insn(_JUMP)], [(len(block), "true"), (len(block) + 1, "false")]


def _return(code: int, k: int) -> tuple[list[_Code], list[tuple[int, str]]]:
    if code == 0x16:
        return [_insn(_JUMP_NOT_EQUAL, _A, offset=1), _insn(_EXIT), _insn(_JUMP)], [(2, "end")]
    return ([_insn(_JUMP)], [(0, "end")]) if k else ([_insn(_MOV_IMM, 0), _insn(_EXIT)], [])
