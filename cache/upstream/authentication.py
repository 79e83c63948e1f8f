"""Answering an upstream's challenge, and remembering it so that the next request needs none.

Docker's token authentication specification for Bearer; RFC 7617 for Basic.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from cache.upstream.challenge import Challenge, choose, parse_challenges
from cache.upstream.endpoint import Endpoint, host_of, parse_http_url
from cache.upstream.errors import BadAnswer, Denied
from cache.upstream.token_server import TokenServers, Wanted
from cache.upstream.tokens import Token, TokenCache, TokenKey

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cache.upstream.credentials import Source
    from cache.upstream.quota import Ledger
    from cache.upstream.transport import Transport

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Bearer:
    realm: httpx.URL
    service: str | None


class _Basic:
    """The upstream wants the password with each request."""


class Authenticator:
    """The `Authorization` of each request to one upstream. Thread-safe. Raises UpstreamError.

    Without a `source` of credentials its requests are those of anybody.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        transport: Transport,
        ledger: Ledger,
        tokens: TokenCache,
        source: Source | None,
    ) -> None:
        self._endpoint = endpoint
        self._servers = TokenServers(transport, ledger)
        self._tokens = tokens
        self._source = source
        # The last challenge. Replaced as a whole: a race costs one more challenge, no harm.
        self._remembered: _Bearer | _Basic | None = None

    def authorization(self, scope: str | None) -> str | None:
        """The header value by the remembered challenge; None while there is none."""
        remembered = self._remembered
        if isinstance(remembered, _Bearer):
            return self._bearer(remembered, scope, None)
        if remembered is not None and self._source is not None:
            return self._source.get().basic
        return None

    def can_answer(self, status: int) -> bool:
        """Whether a refusal with this status is worth one more attempt.

        A 401 always is. A 403 is how some say that a password has run out that a helper gave.
        """
        if status != 403:
            return status == 401
        source = self._source
        by_password = isinstance(self._remembered, _Basic)
        return by_password and source is not None and source.may_have_run_out()

    def answer(self, lines: Iterable[str], scope: str | None, refused: str | None) -> str:
        """The header value for one more attempt, after `WWW-Authenticate` lines such as these.

        `refused` is what the request was sent with. Raises Denied if there is nothing better.
        """
        challenge = choose(parse_challenges(lines))
        if challenge is not None and challenge.scheme == "bearer":
            return self._answer_bearer(challenge, scope, refused)
        if challenge is None and not isinstance(self._remembered, _Basic):
            raise self._denied("asks for authentication in a way that the mirror does not know")
        if self._source is None:
            raise self._denied("asks for a user name and password, and none is configured")
        basic = self._source.get(refused).basic
        if basic == refused:
            raise self._denied("refused the configured user name and password")
        self._remembered = _Basic()
        return basic

    def _answer_bearer(self, challenge: Challenge, scope: str | None, refused: str | None) -> str:
        asked = _Bearer(self._realm(challenge), challenge.parameters.get("service") or None)
        if asked != self._remembered:
            self._warn_if_withheld(asked.realm)
        self._remembered = asked
        scheme, _, value = (refused or "").partition(" ")
        return self._bearer(asked, scope, value if scheme == "Bearer" else None)

    def _realm(self, challenge: Challenge) -> httpx.URL:
        realm = parse_http_url(challenge.parameters["realm"])
        if realm is None:
            raise BadAnswer(f"{self._endpoint.host} named a token server without usable address.")
        if self._endpoint.base.scheme == "https" and realm.scheme != "https":
            raise BadAnswer(f"{self._endpoint.host} named a token server without TLS.")
        return realm

    def _bearer(self, asked: _Bearer, scope: str | None, refused: str | None) -> str:
        source = self._source
        if source is not None and not self._endpoint.may_send_credentials_to(asked.realm):
            source = None
        key = TokenKey(
            upstream=self._endpoint.url,
            realm=str(asked.realm),
            service=asked.service,
            scope=scope,
            identity=self._endpoint.identity if source is not None else "",
        )
        wanted = Wanted(asked.realm, asked.service, scope)
        return f"Bearer {self._tokens.get(key, lambda: self._fetch(wanted, source), refused)}"

    def _fetch(self, wanted: Wanted, source: Source | None) -> Token:
        if source is None:
            return self._servers.fetch(wanted, None)
        credentials = source.get()
        try:
            return self._servers.fetch(wanted, credentials)
        except Denied as denied:
            if not (denied.unauthenticated or source.may_have_run_out()):
                raise
            others = source.get(credentials.basic)
            if others == credentials:
                raise
        return self._servers.fetch(wanted, others)

    def _warn_if_withheld(self, realm: httpx.URL) -> None:
        if self._source is not None and not self._endpoint.may_send_credentials_to(realm):
            log.warning(
                "The password for %s is not sent to its token server %s, which is in another "
                "domain: name that host in the upstream's auth_realm if it is trusted.",
                self._endpoint.host,
                host_of(realm),
            )

    def _denied(self, what: str) -> Denied:
        return Denied(f"{self._endpoint.host} {what}.", unauthenticated=True)
