"""Giving privilege up: for good, in every thread that is started later, and in what is executed later.

capset(2) works on the calling thread alone, so this has to come before the first other thread.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import struct
from dataclasses import dataclass
from typing import Final

from netdash.errors import NetdashError
from netdash.kernel.capabilities import CAPABILITY_NAMES, set_no_new_privileges

_LINUX_CAPABILITY_VERSION_3: Final = 0x20080522
_HEADER: Final = struct.Struct("=Ii")
_SETS: Final = struct.Struct("=6I")
"""`struct __user_cap_header_struct` and two `__user_cap_data_struct`: effective, permitted, inheritable, each low word
first, <linux/capability.h>."""

_PR_SET_DUMPABLE, _PR_SET_KEEPCAPS, _PR_CAPBSET_DROP, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 4, 8, 24, 47, 4
"""<linux/prctl.h>."""

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class User:
    """Somebody to become."""

    uid: int
    gid: int
    name: str


def invoking_user() -> User | None:
    """Who called sudo(8), for a process of root; None where it was not called or by root."""
    if os.geteuid() != 0:
        return None
    uid = os.environ.get("SUDO_UID", "")
    if not uid.isdigit() or int(uid) == 0:
        return None
    try:
        entry = pwd.getpwuid(int(uid))
    except KeyError:
        return None
    return User(entry.pw_uid, entry.pw_gid, entry.pw_name)


def drop_privileges(keep: frozenset[str] = frozenset(), user: User | None = None) -> None:
    """Becomes `user` if given, keeps the capabilities in `keep` as far as they are there, and loses all others.

    Raises NetdashError when the kernel refuses: going on with privilege would be worse than not going on. The signal at
    the parent's death (prctl(2) PR_SET_PDEATHSIG) is lost by a change of user and must be set again.
    """
    kept_bits = sum(1 << CAPABILITY_NAMES.index(name) for name in keep)
    try:
        _drop_bounding_set(kept_bits)
        if user is not None:
            _prctl(_PR_SET_KEEPCAPS, 1)
            os.initgroups(user.name, user.gid)
            os.setresgid(user.gid, user.gid, user.gid)
            os.setresuid(user.uid, user.uid, user.uid)
        _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
        _set_capabilities(kept_bits & _permitted())
        if user is not None and not keep:
            # A change of user hides /proc/self from its own process; nothing here is secret from that user.
            _prctl(_PR_SET_DUMPABLE, 1)
        set_no_new_privileges()
    except OSError as error:
        raise NetdashError(f"privilege could not be given up: {error.strerror}; run without sudo") from error


def _drop_bounding_set(kept_bits: int) -> None:
    for bit in range(len(CAPABILITY_NAMES)):
        # Without CAP_SETPCAP, or for a bit that this kernel does not know, there is nothing to drop.
        if not kept_bits >> bit & 1:
            _libc.prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(bit), *(ctypes.c_ulong(0) for _ in range(3)))


def _permitted() -> int:
    header, sets = (
        ctypes.create_string_buffer(_HEADER.pack(_LINUX_CAPABILITY_VERSION_3, 0)),
        ctypes.create_string_buffer(24),
    )
    if _libc.capget(header, sets) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    _, low, _, _, high, _ = _SETS.unpack(sets.raw[:24])
    bits: int = low | high << 32
    return bits


def _set_capabilities(bits: int) -> None:
    low, high = bits & 0xFFFF_FFFF, bits >> 32
    header = ctypes.create_string_buffer(_HEADER.pack(_LINUX_CAPABILITY_VERSION_3, 0))
    sets = ctypes.create_string_buffer(_SETS.pack(low, low, 0, high, high, 0))
    if _libc.capset(header, sets) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, *(ctypes.c_ulong(argument) for argument in (value, 0, 0, 0))) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
