"""Run a program under what the unit forbids, where no systemd runs: `confined.py CALLS COMMAND…`.

CALLS names a file with the system calls that are allowed, one a line; any other fails with EPERM,
as the unit's SystemCallErrorNumber says. Memory that can be written cannot become executable, and
there are no new privileges. Before the command begins, it is tried that all this holds.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import sys
from pathlib import Path

# linux/prctl.h, linux/seccomp.h
PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1
SCMP_ACT_ALLOW, SCMP_ACT_ERRNO_EPERM = 0x7FFF0000, 0x00050000 | errno.EPERM

LIBC = ctypes.CDLL(None, use_errno=True)
SECCOMP = ctypes.CDLL("libseccomp.so.2")
SECCOMP.seccomp_init.restype = ctypes.c_void_p


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
    try:
        mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)
    except PermissionError:
        return
    raise AssertionError("memory may be written and executed")


if __name__ == "__main__":
    allowed = Path(sys.argv[1]).read_text().split()
    confine(allowed)
    check()
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - no shell is wanted
