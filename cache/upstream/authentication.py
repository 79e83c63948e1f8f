"""Answering an upstream's challenge, and remembering it so that the next request needs none.

Docker's token authentication specification for Bearer; RFC 7617 for Basic.
"""

from __future__ import annotations

import base64
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from cache.upstream.challenge import Challenge, choose, parse_challenges
from cache.upstream.credentials import Credentials, Pair
from cache.upstream.endpoint import Endpoint, host_of, parse_http_url
from cache.upstream.errors import BadAnswer, Denied
from cache.upstream.quota import Kind, Ledger
from cache.upstream.statuses import check_status
from cache.upstream.tokens import Token, TokenCache, TokenKey, parse_token
from cache.upstream.transport import SMALL_BODY, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Bearer:
    realm: httpx.URL
    service: str | None

    def key(self, scope: str | None) -> TokenKey:
        return TokenKey(str(self.realm), self.service, scope)


class _Basic:
    """The upstream wants the password with each request."""


class Authenticator:
    """The `Authorization` of each request to one upstream. Thread-safe. Raises UpstreamError."""

    def __init__(
        self,
        endpoint: Endpoint,
        transport: Transport,
        now: Callable[[], float],
        ledger: Ledger,
    ) -> None:
        self._endpoint = endpoint
        self._transport = transport
        self._ledger = ledger
        self._tokens = TokenCache(now)
        self._helped = Credentials(endpoint.helper, now) if endpoint.helper else None
        # The last challenge. Replaced as a whole: a race costs one more challenge, no harm.
        self._remembered: _Bearer | _Basic | None = None

    def authorization(self, scope: str | None) -> str | None:
        """The header value by the remembered challenge; None while there is none."""
        remembered = self._remembered
        if isinstance(remembered, _Bearer):
            return self._bearer(remembered, scope)
        return _basic(self._pair()) if remembered is not None else None

    def answer(self, lines: Iterable[str], scope: str | None, refused: str | None) -> str:
        """The header value for one more attempt after a 401 with these `WWW-Authenticate` lines.

        `refused` is what the request was sent with. Raises Denied if there is nothing better.
        """
        challenge = choose(parse_challenges(lines))
        if challenge is None:
            raise self._denied("asks for authentication in a way that the mirror does not know")
        if challenge.scheme == "bearer":
            return self._answer_bearer(challenge, scope, refused)
        if not self._endpoint.has_credentials:
            raise self._denied("asks for a user name and password, and none is configured")
        pair = self._pair()
        if refused == _basic(pair):
            other = self._other_than(pair)
            if other is None:
                raise self._denied("refused the configured user name and password")
            pair = other
        self._remembered = _Basic()
        return _basic(pair)

    def _answer_bearer(self, challenge: Challenge, scope: str | None, refused: str | None) -> str:
        asked = _Bearer(self._realm(challenge), challenge.parameters.get("service") or None)
        if asked != self._remembered:
            self._warn_if_withheld(asked.realm)
        self._remembered = asked
        scheme, _, value = (refused or "").partition(" ")
        if scheme == "Bearer":
            self._tokens.drop(asked.key(scope), value)
        return self._bearer(asked, scope)

    def _realm(self, challenge: Challenge) -> httpx.URL:
        realm = parse_http_url(challenge.parameters["realm"])
        if realm is None:
            raise BadAnswer(f"{self._endpoint.host} named a token server without usable address.")
        if self._endpoint.base.scheme == "https" and realm.scheme != "https":
            raise BadAnswer(f"{self._endpoint.host} named a token server without TLS.")
        return realm

    def _bearer(self, asked: _Bearer, scope: str | None) -> str:
        token = self._tokens.get(asked.key(scope), lambda: self._fetch(asked, scope))
        return f"Bearer {token.value}"

    def _fetch(self, asked: _Bearer, scope: str | None) -> Token:
        self._ledger.check(Kind.TOKENS)
        known = self._endpoint.has_credentials
        known = known and self._endpoint.may_send_credentials_to(asked.realm)
        pair = self._pair() if known else None
        try:
            return self._fetch_as(pair, asked, scope)
        except Denied as denied:
            other = self._other_than(pair) if pair and denied.unauthenticated else None
            if other is None:
                raise
            return self._fetch_as(other, asked, scope)

    def _fetch_as(self, pair: Pair | None, asked: _Bearer, scope: str | None) -> Token:
        parameters = {
            "service": asked.service,
            "scope": scope,
            "account": pair.username if pair else None,
        }
        url = asked.realm.copy_merge_params({k: v for k, v in parameters.items() if v})
        headers = {"Accept": "application/json"}
        authorization = _basic(pair) if pair else None
        with self._transport.open("GET", url, headers, authorization) as reply:
            self._ledger.note(Kind.TOKENS, reply)
            if reply.status == 404:
                # Not `NotFound`: that would be said of the content.
                raise BadAnswer(f"{reply.host} is named as a token server and has no tokens (404).")
            check_status(reply, "access token")
            return parse_token(reply.read(SMALL_BODY), reply.host)

    def _pair(self) -> Pair:
        """Who we are; only where there are credentials."""
        if self._helped is not None:
            return self._helped.get()
        return Pair(self._endpoint.username or "", self._endpoint.password or "")

    def _other_than(self, refused: Pair) -> Pair | None:
        """What a helper says instead of a pair that was refused; None if that is nothing new."""
        if self._helped is None:
            return None
        self._helped.refused(refused)
        pair = self._helped.get()
        return None if pair == refused else pair

    def _warn_if_withheld(self, realm: httpx.URL) -> None:
        if self._endpoint.has_credentials and not self._endpoint.may_send_credentials_to(realm):
            log.warning(
                "The password for %s is not sent to its token server %s, which is in another "
                "domain: name that host among the upstream's realms if it is trusted.",
                self._endpoint.host,
                host_of(realm),
            )

    def _denied(self, what: str) -> Denied:
        return Denied(f"{self._endpoint.host} {what}.", unauthenticated=True)


def _basic(pair: Pair) -> str:
    encoded = base64.b64encode(f"{pair.username}:{pair.password}".encode())
    return f"Basic {encoded.decode('ascii')}"
