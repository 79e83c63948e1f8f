"""How a fake registry asks who is there, and the token server that it sends clients to."""

from __future__ import annotations

import base64
import binascii
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs


@dataclass(frozen=True, slots=True)
class _Grant:
    repositories: frozenset[str]


@dataclass(slots=True)
class TokenService:
    """Issues tokens to anyone for public repositories, to known users for private ones too.

    `expires_in` None leaves the field out; `field_name` is "token" or "access_token".
    """

    service: str = "fake.registry"
    users: Mapping[str, str] = field(default_factory=dict)
    private: frozenset[str] = frozenset()
    expires_in: int | None = 300
    field_name: str = "token"
    _granted: dict[str, _Grant] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def issue(self, query: str, authorization: str | None) -> dict[str, object] | None:
        """The token answer, or None if user name and password are wrong."""
        user = _basic_user(authorization, self.users)
        if authorization is not None and user is None:
            return None
        names = [_scope_name(scope) for scope in parse_qs(query).get("scope", [])]
        allowed = frozenset(n for n in names if user is not None or n not in self.private)
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._granted[token] = _Grant(allowed)
        answer: dict[str, object] = {self.field_name: token}
        if self.expires_in is not None:
            answer["expires_in"] = self.expires_in
        return answer

    def admits(self, authorization: str | None, repository: str | None) -> bool:
        scheme, _, token = (authorization or "").partition(" ")
        with self._lock:
            grant = self._granted.get(token) if scheme.lower() == "bearer" else None
        if grant is None:
            return False
        return repository is None or repository in grant.repositories

    def revoke_all(self) -> None:
        """Make every token issued so far worthless."""
        with self._lock:
            self._granted.clear()


@dataclass(frozen=True, slots=True)
class BearerGuard:
    """Asks for a token of `tokens`, which clients get at `realm`."""

    tokens: TokenService
    realm: str

    def admits(self, authorization: str | None, repository: str | None) -> bool:
        return self.tokens.admits(authorization, repository)

    def challenges(self, repository: str | None) -> list[str]:
        challenge = f'Bearer realm="{self.realm}",service="{self.tokens.service}"'
        if repository is not None:
            challenge += f',scope="repository:{repository}:pull"'
        return [challenge]


@dataclass(frozen=True, slots=True)
class BasicGuard:
    """Asks for a user name and a password at every request."""

    users: Mapping[str, str]

    def admits(self, authorization: str | None, _repository: str | None) -> bool:
        return _basic_user(authorization, self.users) is not None

    def challenges(self, _repository: str | None) -> list[str]:
        return ['Basic realm="fake registry"']


Guard = BearerGuard | BasicGuard


def _scope_name(scope: str) -> str:
    return scope.removeprefix("repository:").rpartition(":")[0]


def _basic_user(authorization: str | None, users: Mapping[str, str]) -> str | None:
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(encoded).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return user if users.get(user) == password else None
