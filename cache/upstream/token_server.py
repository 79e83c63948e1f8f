"""Asking a token server for a token: with GET, or as an OAuth2 client with POST.

Docker's token authentication specification for GET, its OAuth2 page (after RFC 6749) for POST.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cache.upstream.errors import BadAnswer, Denied, UpstreamError
from cache.upstream.quota import Kind, Ledger
from cache.upstream.reply import SMALL_BODY
from cache.upstream.statuses import check_status, error_for
from cache.upstream.tokens import Token, parse_token

if TYPE_CHECKING:
    import httpx

    from cache.upstream.credentials import Credentials
    from cache.upstream.reply import Reply
    from cache.upstream.transport import Transport

CLIENT_ID = "mirrorsite"

_ACCEPT = {"Accept": "application/json"}

# What a server says that does not know POST, or not for an identity token.
_TRY_GET = frozenset({400, 401, 404, 405})
# What one says that knows POST alone.
_TRY_POST = frozenset({405})


@dataclass(frozen=True, slots=True)
class Wanted:
    """A token of the server at `realm`."""

    realm: httpx.URL
    service: str | None
    scope: str | None


class _Refused(Exception):
    """A status that is no success, and the error that it is."""

    def __init__(self, status: int, error: UpstreamError) -> None:
        super().__init__(str(error))
        self.status = status
        self.error = error


class TokenServers:
    """The token servers of one upstream, and how each of them wants to be asked. Thread-safe."""

    def __init__(self, transport: Transport, ledger: Ledger) -> None:
        self._transport = transport
        self._ledger = ledger
        # Realms, and whether for identity tokens, that took the second way.
        self._otherwise: set[tuple[str, bool]] = set()

    def fetch(self, wanted: Wanted, credentials: Credentials | None) -> Token:
        """A new token. Raises UpstreamError; Denied if the credentials are refused.

        RateLimited, without a request, while no tokens are given.

        A password goes by GET, which all servers know, and is posted where GET is not allowed. An
        identity token is posted, and goes by GET where a server does not know what to do with it.
        """
        self._ledger.check(Kind.TOKENS)
        if credentials is None:
            return self._by_one_way(wanted, None, post=False)
        key = (str(wanted.realm), credentials.is_identity_token)
        if key not in self._otherwise:
            return self._by_both_ways(wanted, credentials, key)
        try:
            return self._by_one_way(wanted, credentials, post=not credentials.is_identity_token)
        except UpstreamError:
            self._otherwise.discard(key)
            raise

    def _by_both_ways(
        self, wanted: Wanted, credentials: Credentials, key: tuple[str, bool]
    ) -> Token:
        post = credentials.is_identity_token
        try:
            return self._ask(wanted, credentials, post=post)
        except _Refused as refused:
            if refused.status not in (_TRY_GET if post else _TRY_POST):
                raise refused.error from None
            first = refused.error
        try:
            token = self._ask(wanted, credentials, post=not post)
        except _Refused as refused:
            # RFC 6749 section 5.2: a grant that is refused is answered 400. Then GET fails too.
            said_no = isinstance(first, Denied) and not refused.error.retryable
            raise (first if said_no else refused.error) from None
        self._otherwise.add(key)
        return token

    def _by_one_way(self, wanted: Wanted, credentials: Credentials | None, *, post: bool) -> Token:
        try:
            return self._ask(wanted, credentials, post=post)
        except _Refused as refused:
            raise refused.error from None

    def _ask(self, wanted: Wanted, credentials: Credentials | None, *, post: bool) -> Token:
        if post and credentials is not None:
            form = _form(wanted, credentials)
            opened = self._transport.post(wanted.realm, _ACCEPT, form)
        else:
            url = _with_query(wanted, credentials)
            authorization = credentials.basic if credentials else None
            opened = self._transport.open("GET", url, _ACCEPT, authorization)
        with opened as reply:
            self._ledger.note(Kind.TOKENS, reply)
            if reply.status not in (200, 206):
                raise _Refused(reply.status, _error(reply, post=post))
            check_status(reply, "access token")
            return parse_token(reply.read(SMALL_BODY), reply.host)


def _with_query(wanted: Wanted, credentials: Credentials | None) -> httpx.URL:
    has_name = credentials is not None and not credentials.is_identity_token
    parameters = {
        "service": wanted.service,
        "scope": wanted.scope,
        "account": credentials.username if credentials is not None and has_name else None,
    }
    return wanted.realm.copy_merge_params(_given(parameters))


def _form(wanted: Wanted, credentials: Credentials) -> dict[str, str]:
    """The fields of the OAuth2 request.

    "online": no further refresh token is wanted, as the one that we have, or the password, stays.
    """
    grant = (
        {"grant_type": "refresh_token", "refresh_token": credentials.secret}
        if credentials.is_identity_token
        else {
            "grant_type": "password",
            "username": credentials.username,
            "password": credentials.secret,
        }
    )
    return _given(
        {
            **grant,
            "service": wanted.service,
            "client_id": CLIENT_ID,
            "access_type": "online",
            "scope": wanted.scope,
        }
    )


def _given(fields: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value}


def _error(reply: Reply, *, post: bool) -> UpstreamError:
    if reply.status == 404:
        # Not `NotFound`: that would be said of the content.
        return BadAnswer(f"{reply.host} is named as a token server and has no tokens (404).")
    if post and reply.status == 400:
        return Denied(f"{reply.host} refused the configured credentials.", unauthenticated=True)
    return error_for(reply, "access token")
