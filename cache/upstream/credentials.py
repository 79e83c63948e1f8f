"""Who we are at an upstream: a fixed user name and password, or what a credential helper says."""

from __future__ import annotations

import base64
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from cache.upstream.errors import NoCredentials
from cache.upstream.helper import ask_helper

if TYPE_CHECKING:
    from collections.abc import Callable

    from cache.upstream.endpoint import Endpoint

TOKEN_USER = "<token>"  # noqa: S105 - how Docker's helpers mark a secret that is no password
"""The user name of a secret that is an identity token: an OAuth2 refresh token."""

OLD = 60.0
"""Seconds after which a 403 may mean that what a helper said has run out."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user name with a password or an identity token."""

    username: str
    secret: str = field(repr=False)

    @property
    def is_identity_token(self) -> bool:
        return self.username == TOKEN_USER

    @property
    def basic(self) -> str:
        """The `Authorization` of RFC 7617."""
        pair = f"{self.username}:{self.secret}"
        return f"Basic {base64.b64encode(pair.encode()).decode('ascii')}"


class Source(Protocol):
    """Where credentials come from. Thread-safe."""

    def get(self, refused: str | None = None) -> Credentials:
        """The credentials; others than those whose `basic` was refused, if there are any.

        Raises NoCredentials.
        """

    def may_have_run_out(self) -> bool:
        """Whether those in use are so old that asking again may give others."""


class Fixed:
    """What the operator wrote down."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def get(self, refused: str | None = None) -> Credentials:  # noqa: ARG002 - there are no others
        return self._credentials

    def may_have_run_out(self) -> bool:
        return False


class Asked:
    """What a helper says; many who ask at once share one run of it, also if that fails.

    `ask` runs it. `lifetime` is in seconds, as in Helper; `now` is a clock in seconds.
    """

    def __init__(
        self, ask: Callable[[], Credentials], lifetime: float | None, now: Callable[[], float]
    ) -> None:
        self._ask = ask
        self._lifetime = lifetime
        self._now = now
        self._lock = threading.Lock()
        self._runs = 0
        self._said: Credentials | NoCredentials | None = None
        self._said_at = 0.0

    def get(self, refused: str | None = None) -> Credentials:
        runs = self._runs
        with self._lock:
            # A run that ended since we came is as good as one of our own.
            if self._runs == runs and not self._is_usable(refused):
                self._run()
            said = self._said
        if isinstance(said, Credentials):
            return said
        # One for each who asked: an exception keeps the frames of the thread that raises it.
        raise NoCredentials(str(said))

    def may_have_run_out(self) -> bool:
        return self._now() - self._said_at >= OLD

    def _is_usable(self, refused: str | None) -> bool:
        if not isinstance(self._said, Credentials) or self._said.basic == refused:
            return False
        # A clock that was set back proves nothing about an age.
        return self._lifetime is None or 0 <= self._now() - self._said_at < self._lifetime

    def _run(self) -> None:
        try:
            self._said = self._ask()
        except NoCredentials as error:
            self._said = error
        self._said_at = self._now()
        self._runs += 1


def source_of(endpoint: Endpoint, now: Callable[[], float]) -> Source | None:
    """Where the credentials for `endpoint` come from; None if we are nobody there."""
    helper = endpoint.helper
    if helper is not None:
        return Asked(lambda: Credentials(*ask_helper(helper)), helper.lifetime, now)
    if endpoint.username and endpoint.password is not None:
        return Fixed(Credentials(endpoint.username, endpoint.password))
    return None
