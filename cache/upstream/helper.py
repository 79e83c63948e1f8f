"""Asking a Docker credential helper who we are at a server.

The protocol: the program is run with the one argument `get` and the server on its standard input,
and prints a JSON object with `Username` and `Secret`.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePath
from typing import IO

from cache.upstream.errors import NoCredentials

PATIENCE = 10.0
"""Seconds for one run: clients wait for it."""

LONGEST_OUTPUT = 64 * 1024

# What is for the mirror alone.
_OURS = ("REGISTRY_", "MIRROR_", "DATABASE_URL")


@dataclass(frozen=True, slots=True)
class Helper:
    """`command` is the program's absolute path, `server` what it is asked for.

    Its answer is used for `lifetime` seconds (0: once; None: until upstream refuses it).
    """

    command: str
    server: str
    lifetime: float | None = None


def ask_helper(helper: Helper, patience: float = PATIENCE) -> tuple[str, str]:
    """The user name and the secret that the helper says. Raises NoCredentials.

    It may take `patience` seconds. Nothing that it printed is repeated: the secret may be in it.
    """
    server, name = helper.server, PurePath(helper.command).name
    try:
        with _started(helper.command) as program:
            try:
                output = _converse(program, server.encode(), time.monotonic() + patience)
            finally:
                if program.returncode is None:
                    _end(program)
    except TimeoutError:
        raise NoCredentials(
            f"The credential helper {name} took longer than {patience:g} s."
        ) from None
    except OSError as error:
        reason = (error.strerror or "it failed").lower()
        raise NoCredentials(f"The credential helper {name} cannot be run: {reason}.") from None
    if output is None:
        raise NoCredentials(f"The credential helper {name} printed more than a helper should.")
    if program.returncode != 0:
        raise NoCredentials(
            f"The credential helper {name} failed for {server} (exit code {program.returncode}): "
            f"`printf %s {server} | {name} get` shows why."
        )
    return _parse(output, name, server)


def _started(command: str) -> subprocess.Popen[bytes]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(_OURS)}
    # In a session of its own it can be ended with all that it started.
    return subprocess.Popen(
        [command, "get"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        env=environment,
        start_new_session=True,
    )


def _converse(program: subprocess.Popen[bytes], sent: bytes, deadline: float) -> bytes | None:
    """What it prints until it ends; None if that is too much. Raises TimeoutError."""
    asked, told = program.stdin, program.stdout
    if asked is None or told is None:
        raise OSError("no pipes")
    with suppress(BrokenPipeError):  # it need not care which server is meant
        asked.write(sent)
        asked.close()
    output = _read(told, deadline)
    if output is not None:
        try:
            program.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise TimeoutError from None
    return output


def _read(pipe: IO[bytes], deadline: float) -> bytes | None:
    output = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while len(output) <= LONGEST_OUTPUT:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise TimeoutError
            piece = os.read(pipe.fileno(), LONGEST_OUTPUT)
            if not piece:
                return bytes(output)
            output += piece
    return None


def _end(program: subprocess.Popen[bytes]) -> None:
    """Leave nothing of it running. It is not reaped yet, so that its number is still its own."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(program.pid, signal.SIGKILL)


def _parse(output: bytes, name: str, server: str) -> tuple[str, str]:
    try:
        said = json.loads(output)
        username, secret = said["Username"], said["Secret"]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise NoCredentials(
            f"The credential helper {name} printed no user name and secret."
        ) from None
    if not (isinstance(username, str) and isinstance(secret, str) and username and secret):
        raise NoCredentials(f"The credential helper {name} has nothing for {server}.")
    # RFC 7617 section 2: the first colon ends the user name.
    if ":" in username or not username.isprintable() or not _is_text(secret):
        raise NoCredentials(f"The credential helper {name} printed what cannot be sent.")
    return username, secret


def _is_text(text: str) -> bool:
    """Whether it can be written in UTF-8: JSON may hold halves of characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
