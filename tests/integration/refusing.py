"""Runs a program under a refusal that the kernel itself makes: `python -m tests.integration.refusing WHAT PROGRAM ...`.

WHAT is a name of `REFUSALS`; several by commas. seccomp filters stay over execve(2) and go to all children, as in a
container with a strict profile. Needs root, the standard library alone.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
import tempfile
from collections.abc import Callable
from typing import Final

from netdash.kernel.bpf import Command, _call_numbers
from netdash.kernel.capabilities import CAPABILITY_NAMES

_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_PR_SET_SECCOMP, _PR_CAPBSET_DROP, _SECCOMP_MODE_FILTER = 22, 24, 2
_CLONE_NEWNS, _MS_BIND, _MS_REC, _MS_PRIVATE = 0x20000, 4096, 16384, 1 << 18
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
"""<linux/seccomp.h>: SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO."""
_LOAD_WORD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
"""<linux/bpf_common.h>: BPF_LD | BPF_W | BPF_ABS, BPF_JMP | BPF_JEQ | BPF_K, BPF_RET | BPF_K."""
_NUMBER_OFFSET, _FIRST_ARGUMENT_OFFSET = 0, 16
"""In `struct seccomp_data`; the low word of an argument, on a little-endian machine."""
_SOCKET_CALLS: Final = {"x86_64": 41, "aarch64": 198}
_AF_PACKET: Final = 17
_BTF: Final = "/sys/kernel/btf/vmlinux"


def refuse_call(number: int, first_argument: int | None = None) -> None:
    """The system call gives EPERM from now on, or only with that first argument."""
    program = [(_LOAD_WORD, 0, 0, _NUMBER_OFFSET)]
    if first_argument is None:
        program += [(_JUMP_IF_EQUAL, 0, 1, number)]
    else:
        program += [
            (_JUMP_IF_EQUAL, 0, 3, number),
            (_LOAD_WORD, 0, 0, _FIRST_ARGUMENT_OFFSET),
            (_JUMP_IF_EQUAL, 0, 1, first_argument),
        ]
    program += [(_RETURN, 0, 0, _ERRNO | errno.EPERM), (_RETURN, 0, 0, _ALLOW)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *item) for item in program))
    filter_program = ctypes.create_string_buffer(struct.pack("@HxxxxxxQ", len(program), ctypes.addressof(code)))
    if _LIBC.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, filter_program, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_SECCOMP")


def refuse_bpf() -> None:
    refuse_call(_call_numbers()[0])


def refuse_program_load() -> None:
    """As a kernel locked down beyond what these programs need: maps are made, no program is loaded."""
    refuse_call(_call_numbers()[0], Command.PROG_LOAD)


def refuse_packet_sockets() -> None:
    refuse_call(_SOCKET_CALLS[os.uname().machine], _AF_PACKET)


def hide_btf() -> None:
    """An empty file over the kernel's BTF, in a mount namespace of its own."""
    with tempfile.NamedTemporaryFile() as nothing:
        _LIBC.unshare(_CLONE_NEWNS)
        _LIBC.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)
        if _LIBC.mount(nothing.name.encode(), _BTF.encode(), None, _MS_BIND, None) != 0:
            raise OSError(ctypes.get_errno(), _BTF)


def without(*names: str) -> Callable[[], None]:
    """Root without some capabilities: execve(2) gives no more than the bounding set."""

    def drop() -> None:
        for name in names:
            if _LIBC.prctl(_PR_CAPBSET_DROP, CAPABILITY_NAMES.index(name), 0, 0, 0) != 0:
                raise OSError(ctypes.get_errno(), name)

    return drop


REFUSALS: Final[dict[str, Callable[[], None]]] = {
    "bpf": refuse_bpf,
    "program-load": refuse_program_load,
    "packet-sockets": refuse_packet_sockets,
    "btf": hide_btf,
    "perfmon": without("CAP_PERFMON", "CAP_SYS_ADMIN"),
    "bpf-capability": without("CAP_BPF", "CAP_SYS_ADMIN"),
}


def main() -> None:
    for name in sys.argv[1].split(","):
        REFUSALS[name]()
    os.execvp(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
