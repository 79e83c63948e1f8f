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
    `identity_tokens` are refresh tokens that it takes as an OAuth2 server (also as the password of
    `<token>`); `oauth2_status` is what it says to a POST instead. `takes_get` False: POST alone.
    """

    service: str = "fake.registry"
    users: Mapping[str, str] = field(default_factory=dict)
    private: frozenset[str] = frozenset()
    expires_in: int | None = 300
    field_name: str = "token"
    identity_tokens: frozenset[str] = frozenset()
    oauth2_status: int | None = 405
    takes_get: bool = True
    _granted: dict[str, _Grant] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def issue(self, query: str, authorization: str | None) -> dict[str, object] | None:
        """The token answer, or None if user name and password are wrong."""
        user = basic_user(authorization, self.users)
        if any(basic_user(authorization, {"<token>": each}) for each in self.identity_tokens):
            user = "<token>"
        if authorization is not None and user is None:
            return None
        return self._issue(parse_qs(query).get("scope", []), user)

    def grant(self, form: Mapping[str, str]) -> dict[str, object] | None:
        """The answer to an OAuth2 request, or None if what it offers is wrong."""
        user: str | None = None
        if form.get("grant_type") == "refresh_token":
            user = "<token>" if form.get("refresh_token") in self.identity_tokens else None
        elif form.get("grant_type") == "password":
            name = form.get("username", "")
            user = name if self.users.get(name, "") == form.get("password") else None
        return None if user is None else self._issue([form.get("scope", "")], user)

    def _issue(self, scopes: list[str], user: str | None) -> dict[str, object]:
        names = [_scope_name(scope) for scope in scopes]
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
        return basic_user(authorization, self.users) is not None

    def challenges(self, _repository: str | None) -> list[str]:
        return ['Basic realm="fake registry"']


Guard = BearerGuard | BasicGuard


def _scope_name(scope: str) -> str:
    return scope.removeprefix("repository:").rpartition(":")[0]


def basic_user(authorization: str | None, users: Mapping[str, str]) -> str | None:
    """Who signs in with this header (RFC 7617); None if nobody does, or with a wrong password."""
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(encoded).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return user if users.get(user) == password else None
