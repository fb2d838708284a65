"""Leaves this process the files that its program consists of, and no others, for good.

Reading must stay allowed, for Python loads late; but somebody who takes over a decoder must
not read the keys that lie beside the recordings. The kernel's Landlock, from version 1 on
(Linux 5.13), tells one folder from another.
"""

import ctypes
import os
import struct
import sys
from pathlib import Path
from typing import Final

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""The same numbers on x86-64 and aarch64."""
_VERSION: Final = 1
"""LANDLOCK_CREATE_RULESET_VERSION: asks which version the kernel has."""
_PATH_BENEATH: Final = 1
_EVERYTHING: Final = (1 << 13) - 1
"""All that version 1 knows: what is not allowed below is refused."""
_READ_FILE, _READ_FOLDER = 1 << 2, 1 << 3
_BENEATH: Final = struct.Struct("=Qi")
"""struct landlock_path_beneath_attr."""

_SYSTEM: Final = (
    *("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/dev/urandom"),
    # How many processors there are, and of what kind.
    *("/sys/devices/system/cpu", "/proc/cpuinfo"),
)
_OURS: Final = tuple(
    str(Path(__file__).parents[1] / name) for name in ("bus", "config", "recorder", "storage")
)
"""Packages that `storage` may import. In a checkout anything else may lie beside them."""


def is_known() -> bool:
    """Say whether the kernel can tell folders apart."""
    return _call(_CREATE_RULESET, None, 0, _VERSION) > 0


def leave_own_files() -> bool:
    """Refuse all other files from now on; return whether the kernel does that.

    The process must have given up gaining privileges before.
    """
    if not is_known():
        return False
    handled = ctypes.c_uint64(_EVERYTHING)
    rules = _call(_CREATE_RULESET, ctypes.byref(handled), ctypes.sizeof(handled), 0)
    if rules < 0:
        return False
    try:
        for path in {*_SYSTEM, sys.prefix, sys.base_prefix, *_OURS}:
            _allow(rules, path)
        return _call(_RESTRICT_SELF, rules, 0) == 0
    finally:
        os.close(rules)


def _allow(rules: int, path: str) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # Not every machine has all of them.
    try:
        rights = _READ_FILE | _READ_FOLDER if Path(path).is_dir() else _READ_FILE
        beneath = _BENEATH.pack(rights, descriptor)
        _call(_ADD_RULE, rules, _PATH_BENEATH, beneath, 0)
    finally:
        os.close(descriptor)


def _call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    words = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    return int(libc.syscall(ctypes.c_long(number), *words))
