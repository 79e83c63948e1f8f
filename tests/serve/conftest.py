"""Mirrors started as an operator starts them: `manage.py serve`, in a process of its own."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pytest

from tests import database
from tests.e2e.parts import require

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 30.0


@dataclass(slots=True)
class Mirror:
    """A started `manage.py serve`: its process, and where it listens."""

    process: subprocess.Popen[bytes]
    port: int
    out: Path
    err: Path

    @property
    def output(self) -> str:
        return self.out.read_text("utf-8")

    @property
    def errors(self) -> str:
        return self.err.read_text("utf-8")

    def wait_until_it_answers(self) -> None:
        until(self.answers, self)

    def answers(self) -> bool:
        with contextlib.suppress(OSError):
            return self.get("/").startswith(b"HTTP/1.1 ")
        return False

    def listens(self) -> bool:
        with socket.socket() as trial:
            return trial.connect_ex(("127.0.0.1", self.port)) == 0

    def say(self, request: bytes) -> bytes:
        """Everything that the mirror answers to these bytes until it closes the connection."""
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as connection:
            connection.sendall(request)
            pieces = []
            while piece := connection.recv(65536):
                pieces.append(piece)
        return b"".join(pieces)

    def get(self, path: str) -> bytes:
        return self.say(f"GET {path} HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n".encode())

    def end(self, number: int = signal.SIGINT) -> int:
        """Signal the whole group, as a terminal does for Ctrl-C; the exit code."""
        os.killpg(self.process.pid, number)
        return self.process.wait(PATIENCE)

    def has_left_processes(self) -> bool:
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def close(self) -> None:
        if self.has_left_processes():
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE)


Start: TypeAlias = Callable[..., Mirror]


def until(condition: Callable[[], bool], mirror: Mirror) -> None:
    """Poll, bounded, for what another process does."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if mirror.process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"the mirror did not get there:\n{mirror.output}\n{mirror.errors}")
        select.select([], [], [], 0.02)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a mirror in `tmp_path`; keyword arguments are variables of its environment.

    What it says goes to files; with `stderr`, its errors go there.
    """
    started: list[Mirror] = []

    def start(stderr: Path | None = None, **environ: str) -> Mirror:
        port = free_port()
        number = len(started)
        out, err = tmp_path / f"out{number}", stderr or tmp_path / f"err{number}"
        with out.open("wb") as output, err.open("wb") as errors:
            process = subprocess.Popen(
                [sys.executable, str(ROOT / "manage.py"), "serve"],
                cwd=tmp_path,
                env={
                    "PATH": os.environ["PATH"],
                    "REGISTRY_HTTP_ADDR": f"127.0.0.1:{port}",
                    "MIRROR_THREADS": "20",
                    "WEB_CONCURRENCY": "2",
                    **database.variables(tmp_path / "data"),
                    **environ,
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                start_new_session=True,
            )
        started.append(Mirror(process, port, out, err))
        return started[-1]

    yield start
    for mirror in started:
        mirror.close()


@pytest.fixture
def mirror(start: Start) -> Mirror:
    """A mirror that answers, with nothing configured but its port."""
    mirror = start()
    mirror.wait_until_it_answers()
    return mirror


@pytest.fixture
def certificates(tmp_path: Path) -> None:
    """A certificate for the mirror (mirror.pem, mirror.key) and one for a client (client.*)."""
    require("openssl")
    for name in ("mirror", "client"):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1",
             "-keyout", f"{name}.key", "-out", f"{name}.pem"],
            cwd=tmp_path, check=True, capture_output=True,
        )  # fmt: skip
