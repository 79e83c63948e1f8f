"""Removing what an operator names, whatever the policy says: the next pull fetches it anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cache import models, runtime
from cache.catalog.pulls import chunks
from cache.oci.manifest import DEEPEST_INDEX
from cache.oci.selection import Selection
from cache.retention import contents, evict, reserve
from cache.retention.contents import PAGE
from cache.retention.evict import Removed
from cache.retention.plan import Planner, Unit
from cache.retention.policy import Image, LoneBlob, Policy, Reason
from cache.retention.run import alone


@dataclass(frozen=True, slots=True)
class Found:
    """What a selection names: images, and blobs by their digest, with those that are pinned."""

    images: tuple[Image, ...]
    blobs: tuple[LoneBlob, ...]
    pinned: frozenset[str]

    @property
    def digests(self) -> list[str]:
        """Of everything, images first."""
        return [image.digest for image in self.images] + [blob.digest for blob in self.blobs]

    def is_pinned(self, digest: str) -> bool:
        """Whether it is never evicted, so that a purge needs a second word."""
        return digest in self.pinned


def find(selection: Selection, policy: Policy) -> Found:
    """What there is to purge.

    A repository or a tag names images; a whole repository also the blobs that only it contains,
    and no manifest needs; a digest names a manifest or a blob.
    """
    fitting = [
        image
        for image in _candidates(selection)
        if selection.fits_manifest(image.upstream, image.name, image.tags, image.digest)
    ]
    roots = _roots(fitting)
    # What an index lists goes along with it, so the index has its turn first.
    images = sorted(
        fitting,
        key=lambda image: (
            image.link not in roots,
            image.upstream,
            image.name,
            sorted(image.tags),
            image.digest,
        ),
    )
    blobs = list(_blobs(selection))
    pinned = _pinned(images, blobs, policy) if policy.keep else set()
    return Found(tuple(images), tuple(blobs), frozenset(pinned))


def _pinned(images: list[Image], blobs: list[LoneBlob], policy: Policy) -> set[str]:
    """Of these, what is pinned, what something pinned needs, and with what such a thing goes."""
    pinned = {blob.digest for blob in blobs if policy.keeps_blob(blob.digest, blob.repositories)}
    planner = Planner(policy, runtime.current().now())
    for chunk in chunks(images, PAGE):
        page = contents.complete(chunk)
        kept = planner.kept_blobs(page)
        pinned |= {
            unit.subject.digest
            for unit in planner.purge(page, "")
            if any(policy.keeps_image(link) for link in unit.links)
            or not kept.isdisjoint(blob.digest for blob in unit.blobs)
        }
    for chunk in chunks(images, PAGE):
        for image in _needed_by_pinned(chunk, policy):
            pinned.add(image.digest)
    for lone in chunks(blobs, PAGE):
        for digest, holders in contents.holders(blob.digest for blob in lone).items():
            if any(map(policy.keeps_image, holders)) or any(_needed_by_pinned(holders, policy)):
                pinned.add(digest)
    return pinned


def _needed_by_pinned(
    images: list[Image], policy: Policy, depth: int = DEEPEST_INDEX
) -> Iterator[Image]:
    """Those that a pinned index of their repository lists, or one that such an index lists."""
    holders = contents.holders({image.digest for image in images}) if depth else {}
    for image in images:
        own = [h for h in holders.get(image.digest, ()) if h.repository == image.repository]
        if any(map(policy.keeps_image, own)) or any(_needed_by_pinned(own, policy, depth - 1)):
            yield image


def purge(
    found: Found,
    by: str,
    on_removed: Callable[[Removed], None] = lambda _removed: None,
    why: str = "",
) -> int:
    """Remove it, also while it is pulled: who has a blob open gets the rest of it. The bytes.

    ``why`` is the operator's reason, for the records. Raises :class:`Busy`, ``OSError``,
    :class:`~cache.retention.evict.NotTaken` and ``django.db.Error``.
    """
    mirror = runtime.current()
    size = 0
    with reserve.drawn_upon(), alone():
        for units in _units(found, f"purged by {by}: {why}" if why else f"purged by {by}"):
            for removed in evict.purge(units, mirror.store, by, mirror.now()):
                size += removed.size
                on_removed(removed)
    return size


def preview(found: Found) -> Iterator[list[Unit]]:
    """What :func:`purge` would remove, in the same order; nothing is removed."""
    return _units(found, "", is_carried_out=False)


def _units(found: Found, detail: str, *, is_carried_out: bool = True) -> Iterator[list[Unit]]:
    planner = Planner(Policy(), runtime.current().now())
    for chunk in chunks(found.images, PAGE):
        # An operator may have been asked meanwhile, for however long.
        yield planner.purge(contents.complete(contents.find_again(chunk)), detail)
        if is_carried_out:
            planner.carried_out()
    for blobs in chunks(found.blobs, PAGE):
        yield [Unit(blob, Reason.PURGED, detail, (), (blob,)) for blob in blobs]


def _roots(images: list[Image]) -> set[int]:
    """The links of those that no index of their repository lists."""
    found: set[int] = set()
    for chunk in chunks((image.link for image in images), PAGE):
        found.update(contents.roots().filter(pk__in=chunk).values_list("pk", flat=True))
    return found


def _candidates(selection: Selection) -> Iterator[Image]:
    rows = models.ManifestLink.objects.all()
    if selection.digest is not None:
        rows = rows.filter(manifest__digest=str(selection.digest))
    repositories = models.Repository.objects.values_list("pk", "upstream", "name")
    fitting = [
        key
        for key, upstream, name in repositories.iterator()
        if selection.fits_repository(upstream, name)
    ]
    for chunk in chunks(fitting, PAGE):
        yield from contents.find_images(rows.filter(repository_id__in=chunk))


def _blobs(selection: Selection) -> Iterator[LoneBlob]:
    if selection.tag is not None:
        return
    if selection.digest is not None:
        rows = models.Blob.objects.filter(digest=str(selection.digest))
        named = [LoneBlob(*row) for row in rows.values_list("digest", "size", "pulled_at")]
        yield from (
            blob
            for blob in contents.with_repositories(named)
            if selection.fits_blob(blob.repositories, blob.digest)
        )
        return
    for blob in contents.lone_blobs():
        if blob.repositories and all(
            selection.fits_repository(upstream, name) for upstream, name in blob.repositories
        ):
            yield blob
