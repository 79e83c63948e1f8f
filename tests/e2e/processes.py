"""Programs that the tests start, wait for and end."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests import database
from tests.e2e.parts import search_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import TracebackType

NOWHERE = "127.0.0.1:1"
"""A loopback port where nothing listens: what would go to the internet ends there at once."""

PATIENCE = 30.0
"""Seconds after which a program is taken to be stuck."""

STOP_PATIENCE = 45.0
"""The same for its end: gunicorn gives running requests half a minute to finish."""

LOG_TAIL = 8000
"""Characters of a program's log that a failure shows."""

LOG_END = 1024 * 1024
"""Bytes of it that tests look at: each request leaves a line in the mirror's."""


def environment(**extra: str) -> dict[str, str]:
    """A program's whole environment: nothing of the user's settings gets in.

    One that is given a mirror's root finds the database that belongs to it, too.
    """
    root = extra.get("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY")
    its = database.variables(root) if root is not None and "DATABASE_URL" not in extra else {}
    return {"PATH": search_path(), "HOME": "/nonexistent", "LANG": "C.UTF-8", **its, **extra}


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def run(*command: str, patience: float = PATIENCE, **extra: str) -> str:
    """The standard output of a program that must end well; a failure shows all its output.

    `extra` adds to its environment.
    """
    ended = subprocess.run(
        command,
        env=environment(**extra),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=patience,
    )
    said = f"{' '.join(command)}\nended with {ended.returncode}\n{ended.stdout}{ended.stderr}"
    assert ended.returncode == 0, said
    return ended.stdout


def eventually(condition: Callable[[], bool], what: str) -> None:
    """Return as soon as the condition holds; fail with `what` if it does not in time."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"in vain waited until {what}"
        time.sleep(0.02)


class Daemon:
    """A program that runs until it is stopped; its output goes to a file."""

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        is_ready: Callable[[], bool],
        *,
        env: Mapping[str, str],
        cwd: Path | None = None,
    ) -> None:
        self._command = tuple(command)
        self._log = log
        self._is_ready = is_ready
        self._env = dict(env)
        self._cwd = cwd
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def runs(self) -> bool:
        """Whether it was started, and neither stopped nor waited for since."""
        return self._process is not None

    @property
    def pid(self) -> int:
        assert self._process is not None, "it does not run"
        return self._process.pid

    @property
    def log(self) -> str:
        """The end of what it has written so far."""
        if not self._log.exists():
            return ""
        return self._log.read_bytes()[-LOG_END:].decode(errors="replace")

    def start(self) -> None:
        """Start it and return when it is ready for work."""
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Start it, and wait for nothing."""
        assert self._process is None, "it runs"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._env,
                cwd=self._cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C at the terminal is for the tests, which then end their programs in order.
                start_new_session=True,
            )

    def wait_until_ready(self) -> None:
        """Return when it is ready for work; it is stopped if it is not in time."""
        try:
            eventually(self._has_started, f"{self._command[0]} was ready")
        except BaseException as error:
            error.add_note(self.log[-LOG_TAIL:])
            self.stop()
            raise

    def stop(self) -> None:
        """Ask it to end, insist if it does not. A no-op when it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def wait(self) -> int:
        """Wait until it has ended by itself, and return its exit code."""
        assert self._process is not None, "it does not run"
        code = self._process.wait(STOP_PATIENCE)
        self._process = None
        return code

    def kill(self) -> None:
        """End it with SIGKILL, and nothing of what it has started."""
        process, self._process = self._process, None
        assert process is not None, "it does not run"
        process.kill()
        process.wait()

    def _has_started(self) -> bool:
        assert self._process is not None
        ended = self._process.poll()
        assert ended is None, f"{' '.join(self._command)}\nended with {ended}"
        return self._is_ready()


@contextmanager
def scratch(name: str) -> Iterator[Path]:
    """A folder that goes away at the end with all that was mounted in it.

    Its path is short, because it holds sockets (unix(7): 108 bytes).
    """
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    try:
        yield folder
    finally:
        for mount in _mounts_below(folder):
            subprocess.run(("umount", "--lazy", mount), check=True)
        shutil.rmtree(folder)


def _mounts_below(folder: Path) -> list[str]:
    """Mount points in this folder, the innermost first."""
    rows = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [row.split()[4] for row in rows]
    return sorted((point for point in points if point.startswith(f"{folder}/")), reverse=True)
