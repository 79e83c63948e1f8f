"""Whether this client may pull this repository: the one place where the use cases ask.

What stands in the way is said in the same words, at the same cost, whether the repository is
private or does not exist. So nothing that is known here only because somebody may have it is used
for somebody who may not: that a repository is *not* public is found out anew for those, by asking
upstream, and remembered for a minute, as it is for names that nobody has ever had.
"""

from __future__ import annotations

import functools
import logging
from dataclasses import replace
from datetime import datetime

from cache import catalog, freshness, naming, runtime
from cache.access import scopes, visibility
from cache.access.decision import (
    Client,
    Verdict,
    Visibility,
    decide,
    decide_catalog,
)
from cache.oci.digest import Digest
from cache.oci.errors import RegistryError
from cache.oci.reference import Tag
from cache.oci.repository import Repository
from cache.pull.admission import admit, is_admitted
from cache.pull.refusals import Unauthorized
from cache.upstream import errors

log = logging.getLogger(__name__)

#: Seconds for which what the database says of a public repository is not read again.
_PUBLIC_FOR = 60.0

#: Seconds for which upstream is not asked again about a repository that it does not give to
#: anonymous clients, or of which it could not be asked.
_NOT_PUBLIC_FOR = 60.0


def permit(client: Client, repository: Repository, reference: Tag | Digest | None = None) -> None:
    """Return if the client may pull the repository; raises :class:`RegistryError` if not.

    ``reference`` names the manifest that upstream may be asked for, if the client named one. What
    the operator keeps out is refused to everyone, but for who has to sign in before anything.
    """
    anonymous = runtime.current().config.access.anonymous
    if not (client.is_anonymous and anonymous == "none"):
        admit(repository)
    verdict = _verdict(client, repository, reference)
    if verdict is not Verdict.ALLOWED:
        raise _refusal(verdict, scope_of(repository))


def may_pull(client: Client, repository: Repository) -> bool:
    """Whether a token for the repository may be given to the client."""
    return is_admitted(repository) and _verdict(client, repository, None) is Verdict.ALLOWED


def permit_catalog(client: Client) -> None:
    """Return if the client may list repositories; raises :class:`RegistryError` if not."""
    verdict = decide_catalog(client, runtime.current().config.access.anonymous)
    if verdict is not Verdict.ALLOWED:
        raise _refusal(verdict, scopes.OF_CATALOG)


def visible(client: Client, repositories: list[Repository]) -> list[Repository]:
    """Those of one upstream's repositories that the client may know of; upstream is not asked."""
    mirror = runtime.current()
    access = mirror.config.access
    whole = [repository for repository in repositories if is_admitted(repository)]
    if not whole:
        return []
    names = [str(repository.name) for repository in whole]
    since = mirror.now() - access.visibility_ttl
    public = visibility.public_ones(whole[0].upstream, names, since)

    def seen(repository: Repository) -> Visibility:
        known = _known_without_asking(repository)
        is_public = known is Visibility.PUBLIC if known else str(repository.name) in public
        return Visibility.PUBLIC if is_public else Visibility.PRIVATE

    # Its token is for the catalog, not for each of the repositories in it.
    lister = replace(client, scope=None)
    return [
        repository
        for repository in whole
        if decide(lister, repository, access.anonymous, functools.partial(seen, repository))
        is Verdict.ALLOWED
    ]


def doubt(repository: Repository) -> None:
    """Upstream has refused something there: have it be asked again whether it is public."""
    mirror = runtime.current()
    if not mirror.proxy_of(repository).has_credentials:
        return
    seen = visibility.find_seen(repository)
    if seen is not None and seen.visibility is Visibility.PUBLIC:
        visibility.record_seen(repository, Visibility.UNKNOWN, mirror.now())
        mirror.remembered.changed()


def scope_of(repository: Repository) -> str:
    """What to ask a token for, by the name under which any client reaches the repository."""
    return scopes.of_repository(naming.public_name(runtime.current().config, repository))


def _verdict(client: Client, repository: Repository, reference: Tag | Digest | None) -> Verdict:
    anonymous = runtime.current().config.access.anonymous
    return decide(client, repository, anonymous, lambda: _visibility(repository, reference))


def _refusal(verdict: Verdict, scope: str) -> RegistryError:
    if verdict is Verdict.SIGN_IN:
        return Unauthorized("authentication is required", scope=scope)
    refused = "requested access to the resource is denied"
    if verdict is Verdict.OUT_OF_SCOPE:
        # Docker's clients say "denied" to this, and do not try the same token again.
        return Unauthorized(refused, scope=scope, error="insufficient_scope", code="DENIED")
    return RegistryError("DENIED", refused)


def _visibility(repository: Repository, reference: Tag | Digest | None) -> Visibility:
    """Whether the repository is public; what cannot be found out is private."""
    known = _known_without_asking(repository)
    if known is not None:
        return known
    seen = _seen_public(repository)
    now, ttl = runtime.current().now(), runtime.current().config.access.visibility_ttl
    believed = freshness.judge(seen, now, ttl) is freshness.Freshness.FRESH
    # In the second half of its time an answer is renewed: so a short outage of upstream takes
    # nothing away from anybody.
    if believed and freshness.judge(seen, now, ttl / 2) is freshness.Freshness.FRESH:
        return Visibility.PUBLIC
    asked = _ask(repository, reference)
    if asked is Visibility.UNKNOWN and believed:
        return Visibility.PUBLIC
    return asked if asked is Visibility.PUBLIC else Visibility.PRIVATE


def _known_without_asking(repository: Repository) -> Visibility | None:
    """What the operator has fixed, or what goes without saying: strangers' upstreams are public."""
    mirror = runtime.current()
    fixed = visibility.fixed(repository, mirror.remembered)
    if fixed is None and not mirror.proxy_of(repository).has_credentials:
        return Visibility.PUBLIC
    return fixed


def _seen_public(repository: Repository) -> datetime | None:
    """When upstream gave the repository to an anonymous client, if it did at the last look."""
    remembered = runtime.current().remembered
    key = ("public", repository)
    at: datetime | None = remembered.get(key, _PUBLIC_FOR)
    if at is None:
        stamp = remembered.stamp()
        seen = visibility.find_seen(repository)
        if seen is None or seen.visibility is not Visibility.PUBLIC:
            return None
        at = seen.checked_at
        remembered.keep(key, at, stamp)
    return at


def _ask(repository: Repository, reference: Tag | Digest | None) -> Visibility:
    """What upstream does now, or did a moment ago; UNKNOWN if it cannot be asked."""
    mirror = runtime.current()
    key = ("not public", repository)
    lately: Visibility | None = mirror.remembered.get(key, _NOT_PUBLIC_FOR)
    if lately is not None:
        return lately

    def ask() -> Visibility:
        stamp = mirror.remembered.stamp()
        found = _ask_upstream(repository, reference)
        if found is Visibility.PUBLIC:
            visibility.record_seen(repository, found, mirror.now())
            mirror.remembered.keep(("public", repository), mirror.now(), stamp)
            return found
        if found is Visibility.PRIVATE:
            was = visibility.find_seen(repository)
            visibility.record_seen(repository, found, mirror.now())
            if was is not None and was.visibility is Visibility.PUBLIC:
                # It is not any more, which counts in all processes at once.
                mirror.remembered.changed()
                stamp = mirror.remembered.renewed()
        mirror.remembered.keep(key, found, stamp)
        return found

    return mirror.flights.share(("visibility", repository), ask)


def _ask_upstream(repository: Repository, reference: Tag | Digest | None) -> Visibility:
    upstream = runtime.current().upstream_of(repository)
    wanted = reference or catalog.any_tag(repository) or Tag("latest")
    try:
        is_public = upstream.is_public(repository.name, wanted)
    except errors.UpstreamError as error:
        log.warning("Whether %s is public cannot be found out: %s", repository, error)
        return Visibility.UNKNOWN
    return Visibility.PUBLIC if is_public else Visibility.PRIVATE
