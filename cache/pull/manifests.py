"""Manifests: by digest from here for ever, by tag as upstream has it now."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from cache import catalog, freshness, meters, runtime
from cache.access.decision import Client
from cache.catalog import KnownTag, StoredManifest
from cache.meters import families
from cache.oci.digest import Digest
from cache.oci.errors import RegistryError
from cache.oci.manifest import DEEPEST_INDEX, BadManifest, Manifest, child_for, read_manifest
from cache.oci.media_types import accepts, is_index
from cache.oci.reference import Tag
from cache.oci.repository import Repository
from cache.pull.asking import asking
from cache.pull.outcome import Outcome
from cache.pull.permission import permit
from cache.pull.refusals import from_upstream
from cache.streaming.flight import exclusive
from cache.tally import Counts
from cache.traffic import Confirmation
from cache.upstream import errors
from cache.upstream.client import ManifestBody

log = logging.getLogger(__name__)

UNKNOWN = "MANIFEST_UNKNOWN"

#: Another process's fetch of the same manifest is waited for so long (seconds), then repeated.
_OTHERS_FETCH = 30.0


@dataclass(frozen=True, slots=True)
class ManifestAnswer:
    """A manifest for a client; ``age`` is in seconds since upstream confirmed a stale answer."""

    manifest: StoredManifest
    outcome: Outcome
    age: int | None = None


def resolve_manifest(
    client: Client, repository: Repository, reference: Tag | Digest, accept: str | None
) -> ManifestAnswer:
    """The manifest that ``reference`` names, for this client.

    ``accept`` is the client's whole Accept set. It decides only what a tag means: a digest names
    certain bytes, and gets them. Raises :class:`RegistryError`.
    """
    permit(client, repository, reference)
    return resolve_permitted(repository, reference, accept)


def resolve_permitted(
    repository: Repository, reference: Tag | Digest, accept: str | None
) -> ManifestAnswer:
    """The same for a client of which it is known already that it may pull the repository."""
    if isinstance(reference, Digest):
        return _noted(repository, _by_digest(repository, reference))
    answer = _noted(repository, _by_tag(repository, reference))
    for _ in range(DEEPEST_INDEX):
        if accepts(accept, answer.manifest.media_type):
            return answer
        answer = _for_plain_client(repository, reference, answer)
    raise RegistryError(UNKNOWN, f"{repository}:{reference} nests its indexes too deep")


def is_manifest_here(repository: Repository, digest: Digest) -> bool:
    """Whether the manifest is given in this repository without asking upstream."""
    return catalog.find_manifest(repository, digest) is not None


def last_known(client: Client, repository: Repository, tag: Tag) -> ManifestAnswer | None:
    """What upstream has said last of the tag, without asking it; raises :class:`RegistryError`."""
    permit(client, repository, tag)
    known = _known(repository, tag)
    return None if known is None else _stale(known)


def check_tag(repository: Repository, tag: Tag) -> ManifestAnswer:
    """Ask upstream now where the tag points, however fresh the last answer is; for an operator.

    Raises :class:`RegistryError`.
    """
    answer = _checked(repository, tag, _known(repository, tag))
    if answer.outcome is Outcome.REVALIDATED:
        # At once, and not with the next batch: whoever asked looks at it, in any process.
        confirmation = Confirmation(answer.manifest.digest, runtime.current().now())
        catalog.confirm_tags({(repository, tag): confirmation})
    return answer


def _for_plain_client(repository: Repository, tag: Tag, answer: ManifestAnswer) -> ManifestAnswer:
    """The linux/amd64 image for a client that does not know indexes, as Docker's registry does."""
    found = answer.manifest
    child = None
    if is_index(found.media_type):
        child = child_for(read_manifest(found.body, found.media_type, found.digest))
    if child is None:
        raise RegistryError(
            UNKNOWN,
            f"{repository}:{tag} is a {found.media_type}, which the client's Accept does not allow",
        )
    inner = _noted(repository, _by_digest(repository, child.digest))
    if answer.outcome is Outcome.STALE:
        return replace(answer, manifest=inner.manifest)
    return inner if inner.outcome is Outcome.MISS else replace(answer, manifest=inner.manifest)


def _noted(repository: Repository, answer: ManifestAnswer) -> ManifestAnswer:
    """The answer, which counts as a pull: what is pulled is kept."""
    mirror = runtime.current()
    mirror.traffic.note_manifest(repository, answer.manifest.digest, mirror.now())
    return answer


def _by_digest(repository: Repository, digest: Digest) -> ManifestAnswer:
    shelf, stamp = runtime.current().shelf, _stamp()
    held: StoredManifest | None = shelf.get((repository, digest), stamp)
    if held is None:
        held = catalog.find_manifest(repository, digest)
        if held is not None:
            shelf.put((repository, digest), held, len(held.body), stamp)
    if held is not None:
        return ManifestAnswer(held, Outcome.HIT)
    try:
        with asking("manifest", repository, digest):
            return ManifestAnswer(*_obtain(repository, digest))
    except errors.UpstreamError as error:
        raise from_upstream(error, UNKNOWN) from error


def _by_tag(repository: Repository, tag: Tag) -> ManifestAnswer:
    mirror = runtime.current()
    known = _known(repository, tag)
    if known is not None:
        window = mirror.proxy_of(repository).freshness.of(tag)
        judged = freshness.judge(known.checked_at, mirror.now(), window)
        if judged is freshness.Freshness.FRESH:
            return ManifestAnswer(known.manifest, Outcome.HIT)
        if _is_spared(repository, known):
            log.info("%s:%s is not checked, as little of the quota is left", repository, tag)
            return _stale(known)
    return _checked(repository, tag, known)


def _checked(repository: Repository, tag: Tag, known: KnownTag | None) -> ManifestAnswer:
    """What upstream says of the tag now, or what it said last if it gives no answer."""
    mirror = runtime.current()
    try:
        with asking("manifest", repository, tag):
            return mirror.flights.share(
                ("tag", repository, tag), lambda: _ask_upstream(repository, tag, known)
            )
    except errors.UpstreamError as error:
        if known is None or not _may_be_served_stale(repository, error):
            if known is not None and isinstance(error, errors.NotFound):
                catalog.drop_tag(repository, tag, mirror.now())
                _tag_moved(repository, tag)
            raise from_upstream(error, UNKNOWN) from error
        level = logging.INFO if isinstance(error, errors.Offline) else logging.WARNING
        log.log(level, "%s:%s is served stale: %s", repository, tag, error)
        return _stale(known)


def _is_spared(repository: Repository, known: KnownTag) -> bool:
    """Whether upstream's quota is so far gone that a tag checked not long ago is not checked."""
    mirror = runtime.current()
    proxy = mirror.proxy_of(repository)
    judged = freshness.judge(known.checked_at, mirror.now(), proxy.quota_freshness)
    if judged is not freshness.Freshness.FRESH:
        return False
    return mirror.upstream_of(repository).quota().is_below(proxy.quota_reserve)


def _stale(known: KnownTag) -> ManifestAnswer:
    age = freshness.age(known.checked_at, runtime.current().now())
    return ManifestAnswer(known.manifest, Outcome.STALE, age)


def _stamp() -> object:
    """Goes with what is found out now. Who may pull was asked just before, which has renewed it."""
    return runtime.current().remembered.stamp()


def _known(repository: Repository, tag: Tag) -> KnownTag | None:
    """The last known answer, with what the database has not been told yet."""
    shelf, stamp = runtime.current().shelf, _stamp()
    known: KnownTag | None = shelf.get((repository, tag), stamp)
    if known is None:
        known = catalog.find_tag(repository, tag)
        if known is None:
            return None
        shelf.put((repository, tag), known, len(known.manifest.body), stamp)
    traffic = runtime.current().traffic
    confirmed_at = traffic.checked_at(repository, tag, known.manifest.digest)
    return replace(known, checked_at=confirmed_at) if confirmed_at else known


def _tag_moved(repository: Repository, tag: Tag) -> None:
    """Have no process go on with where the tag pointed to."""
    mirror = runtime.current()
    mirror.shelf.drop((repository, tag))
    mirror.remembered.changed()


def _may_be_served_stale(repository: Repository, error: errors.UpstreamError) -> bool:
    """Upstream's trouble may be passed over, its no never; on a 404 the operator decides."""
    if isinstance(error, errors.NotFound):
        return runtime.current().proxy_of(repository).on_deleted == "keep"
    return not isinstance(error, errors.Denied)


def _ask_upstream(repository: Repository, tag: Tag, known: KnownTag | None) -> ManifestAnswer:
    """Where the tag points now; asks with HEAD, which Hub does not count, before it fetches."""
    mirror = runtime.current()
    head = mirror.upstream_of(repository).head_manifest(repository.name, tag)
    if head.digest is None:
        manifest, outcome = _obtain_unnamed(repository, tag, known)
    elif known is not None and head.digest == known.manifest.digest:
        manifest, outcome = known.manifest, Outcome.REVALIDATED
    else:
        manifest, outcome = _obtain_target(repository, tag, head.digest)
    now = mirror.now()
    if known is None:
        catalog.record_tag(repository, tag, manifest.digest, now)
    elif known.manifest.digest != manifest.digest:
        catalog.record_tag(repository, tag, manifest.digest, now)
        _tag_moved(repository, tag)
    else:
        # Also for when the database has been told of the confirmation.
        confirmed = replace(known, checked_at=now)
        mirror.shelf.put((repository, tag), confirmed, len(manifest.body), _stamp())
        mirror.traffic.confirm_tag(repository, tag, Confirmation(manifest.digest, now))
    return ManifestAnswer(manifest, outcome)


def _obtain_unnamed(
    repository: Repository, tag: Tag, known: KnownTag | None
) -> tuple[StoredManifest, Outcome]:
    """A tag's manifest from an upstream that does not tell digests: only its bytes tell."""
    answer = _get(repository, tag)
    manifest = _read(repository.upstream, tag, answer, answer.digest)
    if known is not None and known.manifest.digest == manifest.digest:
        return known.manifest, Outcome.REVALIDATED
    catalog.record_manifest(repository, manifest, runtime.current().now())
    return _as_stored(manifest), Outcome.MISS


def _obtain_target(
    repository: Repository, tag: Tag, digest: Digest
) -> tuple[StoredManifest, Outcome]:
    """What upstream says a tag points to. If it has no such manifest, the tag is still there."""
    try:
        return _obtain(repository, digest)
    except errors.NotFound as error:
        message = f"Upstream says that {repository}:{tag} is {digest}, and that it has no such."
        raise errors.BadAnswer(message) from error


def _obtain(repository: Repository, digest: Digest) -> tuple[StoredManifest, Outcome]:
    """A manifest that this repository is not known to contain; one request for all who ask.

    What another repository contains needs upstream's word that it is in this one too, but not
    its bytes again. Raises :class:`errors.UpstreamError`.
    """
    mirror = runtime.current()
    return mirror.flights.share(
        ("manifest", repository, digest), lambda: _obtain_alone(repository, digest)
    )


def _obtain_alone(repository: Repository, digest: Digest) -> tuple[StoredManifest, Outcome]:
    mirror = runtime.current()
    with exclusive(mirror.locks, f"{repository}@{digest}", _OTHERS_FETCH):
        held = catalog.find_manifest(repository, digest)
        if held is not None:
            return held, Outcome.HIT
        held = catalog.find_held_manifest(digest)
        if held is not None and _is_vouched_for(repository, digest):
            catalog.link_manifest(repository, digest, mirror.now())
            return held, Outcome.REVALIDATED
        return _as_stored(_fetch(repository, digest)), Outcome.MISS


def _is_vouched_for(repository: Repository, digest: Digest) -> bool:
    """Whether upstream says that the repository has the manifest; one without HEAD says nothing."""
    return (
        runtime.current().upstream_of(repository).head_manifest(repository.name, digest).digest
        == digest
    )


def _fetch(repository: Repository, digest: Digest) -> Manifest:
    """Upstream's manifest, verified and recorded."""
    manifest = _read(repository.upstream, digest, _get(repository, digest), digest)
    catalog.record_manifest(repository, manifest, runtime.current().now())
    return manifest


def _get(repository: Repository, reference: Tag | Digest) -> ManifestBody:
    mirror = runtime.current()
    answer = mirror.upstream_of(repository).get_manifest(repository.name, reference)
    mirror.tally.count(repository, Counts(fetched=len(answer.body)))
    meters.add(families.FETCHED, repository.upstream, amount=len(answer.body))
    return answer


def _read(
    upstream: str, reference: Tag | Digest, answer: ManifestBody, digest: Digest | None
) -> Manifest:
    try:
        return read_manifest(answer.body, answer.content_type, digest)
    except BadManifest as error:
        meters.add(families.VERIFICATION_FAILURES, upstream, "manifest")
        raise errors.BadAnswer(f"upstream's manifest {reference} is not usable: {error}") from error


def _as_stored(manifest: Manifest) -> StoredManifest:
    return StoredManifest(manifest.digest, manifest.media_type, manifest.body)
