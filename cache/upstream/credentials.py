"""Who we are at an upstream: a fixed user name and password, or what a credential helper says.

A helper is a program that speaks Docker's protocol for credential helpers
(https://github.com/docker/docker-credential-helpers): `get` with the registry's address on its
standard input, JSON with `Username` and `Secret` on its standard output.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cache.upstream.errors import ServerFailed

if TYPE_CHECKING:
    from collections.abc import Callable

HELPER_SECONDS = 10.0
LONGEST_ANSWER = 64 * 1024


@dataclass(frozen=True, slots=True)
class Pair:
    """A user name and its password."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Helper:
    """`command` is the program's absolute path, `server` what it is asked for.

    Its answer is used for `lifetime` seconds (0: once; None: until upstream refuses it).
    """

    command: str
    server: str
    lifetime: float | None = None


@dataclass(frozen=True, slots=True)
class _Held:
    pair: Pair
    usable_until: float | None


class Credentials:
    """What a helper said last. Thread-safe. `now` is a monotonic clock in seconds."""

    def __init__(self, helper: Helper, now: Callable[[], float]) -> None:
        self._helper = helper
        self._now = now
        self._lock = threading.Lock()
        self._held: _Held | None = None

    def get(self) -> Pair:
        """The pair to use now; raises ServerFailed if the helper gives none."""
        with self._lock:
            held = self._held
            if held is None or (held.usable_until is not None and self._now() >= held.usable_until):
                lifetime = self._helper.lifetime
                until = None if lifetime is None else self._now() + lifetime
                held = self._held = _Held(_ask(self._helper), until)
            return held.pair

    def refused(self, pair: Pair) -> None:
        """Upstream does not take this pair: the next one is asked for anew."""
        with self._lock:
            if self._held is not None and self._held.pair == pair:
                self._held = None


def _ask(helper: Helper) -> Pair:
    """Run the helper. What it says on standard error may hold a secret, and is shown nowhere."""
    failed = f"The credential helper {helper.command} gave no credentials for {helper.server}"
    # A file, so that a helper which says too much neither fills our memory nor waits for us.
    with tempfile.TemporaryFile() as output:
        try:
            ended = subprocess.run(
                [helper.command, "get"],
                input=helper.server.encode(),
                stdout=output,
                stderr=subprocess.DEVNULL,
                timeout=HELPER_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ServerFailed(f"{failed} in {HELPER_SECONDS:g} s.") from None
        except OSError as error:
            reason = (error.strerror or "it cannot be run").lower()
            raise ServerFailed(f"{failed}: {reason}.") from None
        if ended.returncode:
            raise ServerFailed(f"{failed}: it ended with {ended.returncode}.")
        output.seek(0)
        said = output.read(LONGEST_ANSWER)
    try:
        answer = json.loads(said)
        username, secret = answer["Username"], answer["Secret"]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise ServerFailed(f"{failed}: its answer cannot be read.") from None
    if not (isinstance(username, str) and isinstance(secret, str) and username and secret):
        raise ServerFailed(f"{failed}: its answer names no user or no secret.")
    return Pair(username, secret)
