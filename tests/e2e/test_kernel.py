"""The kernel's records lead from a lock, a parent and a connection to the process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.kernel import children, connection_owner, lock_holder

LOCK_AND_WAIT = """
import fcntl, sys
with open(sys.argv[1]) as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def locking(tmp_path: Path) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    """A file, and a child of this process that has it locked."""
    path = tmp_path / "locked.part"
    path.touch()
    pipe = subprocess.PIPE
    command = (sys.executable, "-c", LOCK_AND_WAIT, str(path))
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as child:
        assert child.stdout is not None
        child.stdout.readline()
        yield path, child
        child.kill()


def test_a_lock_leads_to_its_holder(
    locking: tuple[Path, subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    path, child = locking
    other = tmp_path / "other.part"
    other.touch()

    assert lock_holder(path) == child.pid
    assert lock_holder(other) is None


def test_a_process_leads_to_its_children(
    locking: tuple[Path, subprocess.Popen[bytes]],
) -> None:
    _, child = locking

    assert child.pid in children(os.getpid())
    assert children(child.pid) == []


def test_a_connection_leads_to_who_accepted_it(
    locking: tuple[Path, subprocess.Popen[bytes]],
) -> None:
    _, child = locking
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as client,
    ):
        accepted, _ = listener.accept()
        with accepted:
            port = client.getsockname()[1]

            assert connection_owner(port, [child.pid, os.getpid()]) == os.getpid()
            assert connection_owner(port, [child.pid]) is None
