"""Takes from this process, for good, what reading a recording never needs.

A filter of the kernel (seccomp) answers EPERM to whoever asks for the network, another program,
another process or a change to a file: hostile bytes that take over a decoder get no further
than the answer that the process gives. Reading stays allowed, for Python loads late.
"""

import ctypes
import errno
import platform
import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from msgspec import Struct

_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_SET_SECCOMP: Final = 22
_SECCOMP_MODE_FILTER: Final = 2
_LOAD, _EQUAL, _ANY_BIT, _AT_LEAST, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
"""BPF: load a word, jump where equal, where a bit is set, where at least; return."""
_ALLOW: Final = 0x7FFF_0000
_REFUSE: Final = 0x0005_0000 | errno.EPERM
_UNKNOWN: Final = 0x0005_0000 | errno.ENOSYS
"""glibc falls back to clone() where clone3() is not known, whose flags can be read."""
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
"""Where these stand in struct seccomp_data."""
_X32: Final = 0x4000_0000
"""Numbers from here on are of another calling convention of x86-64, which has them all."""
_CLONE_THREAD: Final = 0x0001_0000
_WRITES: Final = 0o1 | 0o2 | 0o100 | 0o1000
"""O_WRONLY, O_RDWR, O_CREAT, O_TRUNC."""

_REFUSED_X86_64: Final = (
    # socket connect accept sendto recvfrom sendmsg recvmsg bind listen socketpair accept4
    *(41, 42, 43, 49, 50, 53, 288),
    # fork vfork execve execveat
    *(57, 58, 59, 322),
    # kill tkill ptrace process_vm_* pidfd_*
    *(62, 200, 101, 310, 311, 434, 438, 424),
    # rename mkdir rmdir creat link unlink symlink chmod fchmod *chown truncate mknod
    *(82, 83, 84, 85, 86, 87, 88, 90, 91, 92, 93, 94, 76, 133),
    # mkdirat mknodat fchownat unlinkat renameat linkat symlinkat fchmodat renameat2 openat2
    *(258, 259, 260, 263, 264, 265, 266, 268, 316, 437),
    # setuid setgid mount umount2 pivot_root chroot unshare setns
    *(105, 106, 165, 166, 155, 161, 272, 308),
    # init_module finit_module kexec_load bpf perf_event_open userfaultfd keyctl add_key
    *(175, 313, 246, 321, 298, 323, 250, 248),
    # io_uring_setup io_uring_enter io_uring_register open_by_handle_at memfd_create
    *(425, 426, 427, 304, 319),
)
_REFUSED_AARCH64: Final = (
    # socket socketpair bind listen accept connect accept4
    *(198, 199, 200, 201, 202, 203, 242),
    # execve execveat
    *(221, 281),
    # kill tkill ptrace process_vm_* pidfd_*
    *(129, 130, 117, 270, 271, 434, 438, 424),
    # mknodat mkdirat unlinkat symlinkat linkat renameat truncate fchmod* fchown*
    *(33, 34, 35, 36, 37, 38, 45, 52, 53, 54, 55),
    # renameat2 openat2
    *(276, 437),
    # setuid setgid mount umount2 pivot_root chroot unshare setns
    *(146, 144, 40, 39, 41, 51, 97, 268),
    # init_module finit_module kexec_load bpf perf_event_open userfaultfd keyctl add_key
    *(105, 273, 104, 280, 241, 282, 219, 217),
    # io_uring_setup io_uring_enter io_uring_register open_by_handle_at memfd_create
    *(425, 426, 427, 265, 279),
)


class _Machine(Struct, frozen=True):
    """What differs between processors."""

    audit: int
    """AUDIT_ARCH of linux/audit.h."""
    refused: tuple[int, ...]
    clone: int
    clone3: int
    opens: tuple[tuple[int, int], ...]
    """Calls that open a file, and which of their arguments are the flags."""


_MACHINES: Final[Mapping[str, _Machine]] = MappingProxyType(
    {
        "x86_64": _Machine(0xC000_003E, _REFUSED_X86_64, 56, 435, ((2, 1), (257, 2))),
        "aarch64": _Machine(0xC000_00B7, _REFUSED_AARCH64, 220, 435, ((56, 2),)),
    }
)


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def give_up_privileges() -> bool:
    """Refuse such calls from now on; return whether the kernel does that."""
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        return False
    rules = _filter(machine)
    program = _Program(len(rules) // _RULE.size, rules)
    libc = ctypes.CDLL(None, use_errno=True)
    arguments = (ctypes.c_ulong(_SECCOMP_MODE_FILTER), ctypes.byref(program))
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, *map(ctypes.c_ulong, (1, 0, 0, 0))):
        return False
    return not libc.prctl(_PR_SET_SECCOMP, *arguments)


def _filter(machine: _Machine) -> bytes:
    rules = [
        _rule(_LOAD, _ARCHITECTURE),
        _rule(_EQUAL, machine.audit, yes=1),
        _rule(_RETURN, _REFUSE),
        _rule(_LOAD, _NUMBER),
        _rule(_AT_LEAST, _X32, no=1),
        _rule(_RETURN, _REFUSE),
    ]
    for number in machine.refused:
        rules += [_rule(_EQUAL, number, no=1), _rule(_RETURN, _REFUSE)]
    rules += [_rule(_EQUAL, machine.clone3, no=1), _rule(_RETURN, _UNKNOWN)]
    rules += _by_flag(machine.clone, 0, _CLONE_THREAD, where_set=_ALLOW, else_=_REFUSE)
    for number, argument in machine.opens:
        rules += _by_flag(number, argument, _WRITES, where_set=_REFUSE, else_=_ALLOW)
    return b"".join([*rules, _rule(_RETURN, _ALLOW)])


def _by_flag(
    number: int, argument: int, flags: int, *, where_set: int, else_: int
) -> list[bytes]:
    """Decide on a call by whether any of some flags is set in an argument."""
    return [
        _rule(_EQUAL, number, no=4),
        _rule(_LOAD, _ARGUMENTS + 8 * argument),
        _rule(_ANY_BIT, flags, no=1),
        _rule(_RETURN, where_set),
        _rule(_RETURN, else_),
    ]


def _rule(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    """Pack one struct sock_filter; `yes` and `no` are how many rules a jump leaves out."""
    return _RULE.pack(code, yes, no, value)


_RULE: Final = struct.Struct("HBBI")
