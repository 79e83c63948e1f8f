"""What the kernel knows about processes: whose child, lock or connection this is (proc(5))."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

PROC = Path("/proc")
SENDFILE = {"x86_64": "40", "aarch64": "71"}
"""The number of sendfile(2) by machine."""


def children(pid: int) -> list[int]:
    """The process ids of the direct children, oldest first.

    Asked of the process itself: to look through all others, again and again while one waits for a
    program, took a third of a processor.
    """
    found = set[str]()
    # A thread, or the process, may end meanwhile.
    with suppress(FileNotFoundError, ProcessLookupError):
        for task in _tasks(pid):
            with suppress(FileNotFoundError, ProcessLookupError):
                found.update((task / "children").read_text().split())
    return sorted(child for child in map(int, found) if is_running(child))


def is_running(pid: int) -> bool:
    """Whether there is such a process, and it has not ended."""
    try:
        stat = (PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def lock_holder(path: Path) -> int | None:
    """The process that holds a `flock` on this file, if any."""
    status = path.stat()
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    for line in (PROC / "locks").read_text().splitlines():
        fields = line.split()
        if fields[1] == "FLOCK" and fields[5] == f"{device}:{status.st_ino}":
            return int(fields[4])
    return None


def connection_owner(client_port: int, pids: Iterable[int]) -> int | None:
    """Which of these processes has accepted the IPv4 connection from this loopback port."""
    sockets = {
        f"socket:[{inode}]"
        for local, remote, inode in _connections()
        if remote == client_port and local != client_port
    }
    for pid in pids:
        if not sockets.isdisjoint(_open_files(pid)):
            return pid
    return None


def waits_in_sendfile(pids: Iterable[int]) -> bool:
    """Whether a thread of one of these processes is in sendfile(2) just now."""
    number = SENDFILE[os.uname().machine]
    return any(_system_call(task) == number for pid in pids for task in _tasks(pid))


def _tasks(pid: int) -> list[Path]:
    return list((PROC / str(pid) / "task").iterdir())


def _system_call(task: Path) -> str:
    """The number of the call that a thread waits in; "running" if it waits in none."""
    try:
        return (task / "syscall").read_text().split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _connections() -> list[tuple[int, int, str]]:
    """Local port, remote port and inode of each IPv4 TCP socket."""
    lines = (PROC / "net" / "tcp").read_text().splitlines()[1:]
    rows = [line.split() for line in lines]
    return [(_port(row[1]), _port(row[2]), row[9]) for row in rows]


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)


def _open_files(pid: int) -> set[str]:
    found = set()
    for handle in (PROC / str(pid) / "fd").iterdir():
        try:
            found.add(str(handle.readlink()))
        except FileNotFoundError:
            continue
    return found
