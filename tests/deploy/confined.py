"""Run the mirror under what the unit forbids, where no systemd runs.

`confined.py CALLS STATE TEMPORARY USER PYTHON …` runs PYTHON with what comes after it but one: the
interpreter of the tests' own, which may be in a home.

CALLS names a file with the system calls that are allowed, one a line; any other fails with EPERM,
as the unit's SystemCallErrorNumber says. Memory that can be written cannot become executable, and
there are no new privileges. All file systems are read-only but for the folder STATE and an empty
one at TEMPORARY, homes are empty, and the program runs as the number USER without any capability.
Before the command begins, it is tried that all this holds.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path

# linux/prctl.h, linux/seccomp.h
PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1
SCMP_ACT_ALLOW, SCMP_ACT_ERRNO_EPERM = 0x7FFF0000, 0x00050000 | errno.EPERM

LIBC = ctypes.CDLL(None, use_errno=True)
SECCOMP = ctypes.CDLL("libseccomp.so.2")
SECCOMP.seccomp_init.restype = ctypes.c_void_p


# linux/mount.h, linux/sched.h, linux/fcntl.h
CLONE_NEWNS = 0x00020000
MS_BIND, MS_REC, MS_PRIVATE, MS_RDONLY = 0x1000, 0x4000, 0x40000, 0x1
MOUNT_SETATTR, MOUNT_ATTR_RDONLY = 442, 0x1
AT_FDCWD, AT_RECURSIVE = -100, 0x8000
PR_CAPBSET_DROP, LAST_CAPABILITY = 24, 40


def shut_file_systems(state: bytes, temporary: bytes) -> None:
    """ProtectSystem=strict, ProtectHome=yes, and a folder in place of PrivateTmp's."""
    _succeed(LIBC.unshare(CLONE_NEWNS))
    _succeed(LIBC.mount(None, b"/", None, MS_REC | MS_PRIVATE, None))
    _succeed(LIBC.mount(state, state, None, MS_BIND, None))
    _succeed(LIBC.mount(b"tmpfs", temporary, b"tmpfs", 0, b"mode=1777"))
    for home in (b"/root", b"/home"):
        _succeed(LIBC.mount(b"tmpfs", home, b"tmpfs", 0, b"mode=000"))
    _set_attributes(b"/", AT_RECURSIVE, MOUNT_ATTR_RDONLY, 0)
    for folder in (state, temporary):
        _set_attributes(folder, 0, 0, MOUNT_ATTR_RDONLY)


def become(user: int) -> None:
    """User=, Group=, CapabilityBoundingSet=."""
    for capability in range(LAST_CAPABILITY + 1):
        LIBC.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)


def _set_attributes(path: bytes, flags: int, on: int, off: int) -> None:
    attributes = struct.pack("QQQQ", on, off, 0, 0)
    size = ctypes.c_size_t(len(attributes))
    _succeed(LIBC.syscall(MOUNT_SETATTR, AT_FDCWD, path, flags, attributes, size))


def _succeed(returned: int) -> None:
    if returned != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def confine(calls: list[str]) -> None:
    if LIBC.prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "this kernel cannot refuse executable memory")
    filtered = ctypes.c_void_p(SECCOMP.seccomp_init(SCMP_ACT_ERRNO_EPERM))
    for name in calls:
        number = SECCOMP.seccomp_syscall_resolve_name(name.encode())
        # Other machines' calls have no number here, or none of their own.
        if number >= 0:
            SECCOMP.seccomp_rule_add(filtered, SCMP_ACT_ALLOW, number, 0)
    # It sets PR_SET_NO_NEW_PRIVS as well.
    if SECCOMP.seccomp_load(filtered) != 0:
        raise OSError("the filter cannot be loaded")


def check() -> None:
    """Fail unless what is forbidden is refused."""
    assert LIBC.mount(b"none", b"/", b"tmpfs", 0, None) == -1
    assert ctypes.get_errno() == errno.EPERM
    assert _error_of(lambda: Path("/usr/written").touch()) == errno.EROFS
    assert _error_of(lambda: list(Path("/root").iterdir())) == errno.EACCES
    assert _error_of(lambda: os.setuid(0)) == errno.EPERM
    try:
        mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)
    except PermissionError:
        return
    raise AssertionError("memory may be written and executed")


def _error_of(action: Callable[[], object]) -> int | None:
    try:
        action()
    except OSError as error:
        return error.errno
    return None


if __name__ == "__main__":
    listed, state, temporary, user, python, _, *command = sys.argv[1:]
    allowed = Path(listed).read_text().split()
    shut_file_systems(os.fsencode(state), os.fsencode(temporary))
    become(int(user))
    confine(allowed)
    check()
    os.execv(python, [python, *command])  # noqa: S606 - no shell is wanted
