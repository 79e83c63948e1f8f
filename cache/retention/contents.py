"""What the mirror holds, read from the database a page at a time: images, and blobs of their own.

Everything is in the order of the last pull, the longest ago first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from cache import models
from cache.catalog.pulls import chunks
from cache.oci.manifest import DEEPEST_INDEX
from cache.retention.policy import Image, LoneBlob, Policy

Dated = TypeVar("Dated", models.ManifestLink, models.Blob)

PAGE = 500

#: Digests in one statement, of which SQLite takes 32,766 at least.
_CHUNK = 2000

_COLUMNS = (
    "id",
    "manifest_id",
    "repository_id",
    "repository__upstream",
    "repository__name",
    "manifest__digest",
    "pulled_at",
)

Cutoffs = tuple[dict[str, datetime | None], datetime | None]


@dataclass(frozen=True, slots=True)
class HeldBlob:
    """A blob that is needed by so many manifests (``users``)."""

    digest: str
    size: int
    pulled_at: datetime
    users: int


@dataclass(slots=True)
class Page:
    """Images, and all that must be known to say what goes with each of them.

    children: by an image's link, the images of the same repository that it lists as an index.
    parents: by repository and digest, how many indexes of that repository list it.
    needs: by manifest, the blobs that it needs and that are held; missing: those that are not.
    links: by manifest, how many repositories contain it.
    """

    images: list[Image]
    children: dict[int, list[Image]] = field(default_factory=dict)
    parents: Counter[tuple[int, str]] = field(default_factory=Counter)
    needs: dict[int, list[HeldBlob]] = field(default_factory=dict)
    missing: dict[int, list[str]] = field(default_factory=dict)
    links: dict[int, int] = field(default_factory=dict)


def expired_images(cutoffs: Cutoffs) -> Iterator[Page]:
    """The images that no index of their repository holds, in pages, with what belongs to them.

    Only those last pulled at ``cutoffs`` (by upstream, and for all others) at the latest.
    """
    yield from _pages(roots().filter(_expired(cutoffs)))


def images(until: datetime) -> Iterator[Page]:
    """The same, of all that was last pulled at ``until`` at the latest.

    What is pulled while the pages are read comes after that: there would be no end of pages.
    """
    yield from _pages(roots().filter(pulled_at__lte=until))


def _pages(rows: QuerySet[models.ManifestLink]) -> Iterator[Page]:
    place: tuple[datetime, int] | None = None
    while found := [Image(*row) for row in _after(rows, place).values_list(*_COLUMNS)[:PAGE]]:
        place = found[-1].pulled_at, found[-1].link
        yield complete(found)


def find_images(rows: QuerySet[models.ManifestLink]) -> list[Image]:
    """The images of these links, with their tags."""
    return _tagged([Image(*row) for row in rows.values_list(*_COLUMNS)])


def find_again(found: list[Image]) -> list[Image]:
    """These images as they are here now, in the same order: some may have gone, or come anew."""
    wanted = {(image.repository, image.digest): place for place, image in enumerate(found)}
    rows = models.ManifestLink.objects.filter(
        repository_id__in={image.repository for image in found},
        manifest__digest__in={image.digest for image in found},
    )
    here = [image for image in find_images(rows) if (image.repository, image.digest) in wanted]
    return sorted(here, key=lambda image: wanted[image.repository, image.digest])


def holders(digests: Iterable[str]) -> dict[str, list[Image]]:
    """By digest, the images whose manifests name it: as a blob, or as a manifest of an index."""
    naming: dict[str, list[str]] = {}
    for chunk in chunks(digests, _CHUNK):
        rows = models.ManifestReference.objects.filter(digest__in=chunk)
        for digest, holder in rows.values_list("digest", "manifest__digest"):
            naming.setdefault(holder, []).append(digest)
    held: dict[str, list[Image]] = {}
    for chunk in chunks(naming, _CHUNK):
        for image in find_images(models.ManifestLink.objects.filter(manifest__digest__in=chunk)):
            for digest in naming[image.digest]:
                held.setdefault(digest, []).append(image)
    return held


def complete(found: list[Image]) -> Page:
    """A page of these images."""
    page = Page(_tagged(found))
    level = {image.link: image for image in page.images}
    everything = dict(level)
    for _ in range(DEEPEST_INDEX):
        _add_children(page, list(level.values()))
        below = {child.link: child for image in level for child in page.children.get(image, ())}
        level = {link: child for link, child in below.items() if link not in everything}
        everything |= level
        if not level:
            break
    _add_parents(page)
    _add_needs(page, {image.manifest for image in everything.values()})
    return page


def lone_blobs(until: datetime | None = None) -> Iterator[LoneBlob]:
    """The blobs that no manifest needs; only those last pulled at ``until`` at the latest."""
    rows = models.Blob.objects.filter(~Exists(needs().filter(digest=OuterRef("digest"))))
    if until is not None:
        rows = rows.filter(pulled_at__lte=until)
    place: tuple[datetime, int] | None = None
    while True:
        found = list(
            _after(rows, place).values_list("digest", "size", "pulled_at", "id")[: PAGE * 4]
        )
        if not found:
            return
        place = found[-1][2], found[-1][3]
        yield from with_repositories([LoneBlob(*row[:3]) for row in found])


def with_repositories(blobs: list[LoneBlob]) -> list[LoneBlob]:
    """The same, with the repositories that contain them."""
    known: dict[str, list[tuple[str, str]]] = {}
    for chunk in chunks([blob.digest for blob in blobs], _CHUNK):
        rows = models.BlobLink.objects.filter(digest__in=chunk)
        for digest, upstream, name in rows.values_list(
            "digest", "repository__upstream", "repository__name"
        ):
            known.setdefault(digest, []).append((upstream, name))
    return [replace(blob, repositories=tuple(known.get(blob.digest, ()))) for blob in blobs]


def kept_blobs(policy: Policy, blobs: Iterable[HeldBlob | LoneBlob]) -> set[str]:
    """The digests of those that the policy keeps for themselves, whatever needs them."""
    if all(each.tag is not None for each in policy.keep):
        return set()
    lone = {blob.digest: LoneBlob(blob.digest, blob.size, blob.pulled_at) for blob in blobs}
    return {
        blob.digest
        for blob in with_repositories(list(lone.values()))
        if policy.keeps_blob(blob.digest, blob.repositories)
    }


def needs() -> QuerySet[models.ManifestReference]:
    """What manifests need, of those that some repository contains.

    An import may leave others, of which nobody knows yet whose they are: they keep nothing.
    """
    links = models.ManifestLink.objects.filter(manifest_id=OuterRef("manifest_id"))
    return models.ManifestReference.objects.filter(Exists(links), is_manifest=False)


def roots() -> QuerySet[models.ManifestLink]:
    """The links of the manifests that no index of their repository lists."""
    held_by_index = models.ManifestReference.objects.filter(
        digest=OuterRef("manifest__digest"),
        is_manifest=True,
        manifest__links__repository_id=OuterRef("repository_id"),
    )
    return models.ManifestLink.objects.filter(~Exists(held_by_index))


def _expired(cutoffs: Cutoffs) -> Q:
    by_upstream, others = cutoffs
    latest = max((each for each in (*by_upstream.values(), others) if each), default=None)
    if latest is None:
        return Q(pk__in=())
    expired = Q(pk__in=())
    for upstream, cutoff in by_upstream.items():
        if cutoff is not None:
            expired |= Q(repository__upstream=upstream, pulled_at__lte=cutoff)
    if others is not None:
        expired |= ~Q(repository__upstream__in=by_upstream) & Q(pulled_at__lte=others)
    return Q(pulled_at__lte=latest) & expired


def _after(rows: QuerySet[Dated], place: tuple[datetime, int] | None) -> QuerySet[Dated]:
    """What comes after a place in the order of the last pull."""
    if place is not None:
        at, key = place
        rows = rows.filter(pulled_at__gte=at).filter(Q(pulled_at__gt=at) | Q(pk__gt=key))
    return rows.order_by("pulled_at", "pk")


def _tagged(found: list[Image]) -> list[Image]:
    tags: dict[tuple[int, int], list[str]] = {}
    for chunk in chunks({image.manifest for image in found}, _CHUNK):
        rows = models.Tag.objects.filter(manifest_id__in=chunk)
        for repository, manifest, name in rows.values_list("repository_id", "manifest_id", "name"):
            tags.setdefault((repository, manifest), []).append(name)
    return [
        replace(image, tags=tuple(tags.get((image.repository, image.manifest), ())))
        for image in found
    ]


def _add_children(page: Page, parents: list[Image]) -> None:
    listed: dict[int, list[str]] = {}
    for manifests in chunks({image.manifest for image in parents}, _CHUNK):
        rows = models.ManifestReference.objects.filter(manifest_id__in=manifests, is_manifest=True)
        for manifest, digest in rows.values_list("manifest_id", "digest"):
            listed.setdefault(manifest, []).append(digest)
    if not listed:
        return
    known: dict[tuple[int, str], Image] = {}
    for chunk in chunks({digest for digests in listed.values() for digest in digests}, _CHUNK):
        links = models.ManifestLink.objects.filter(
            manifest__digest__in=chunk, repository_id__in={each.repository for each in parents}
        )
        known |= {(child.repository, child.digest): child for child in find_images(links)}
    for parent in parents:
        held = [known.get((parent.repository, each)) for each in listed.get(parent.manifest, ())]
        page.children[parent.link] = [child for child in held if child is not None]


def _add_parents(page: Page) -> None:
    digests = {child.digest for children in page.children.values() for child in children}
    for chunk in chunks(digests, _CHUNK):
        rows = models.ManifestReference.objects.filter(
            digest__in=chunk, is_manifest=True, manifest__links__isnull=False
        )
        page.parents.update(rows.values_list("manifest__links__repository_id", "digest"))


def _add_needs(page: Page, manifests: Iterable[int]) -> None:
    every = list(manifests)
    named: list[tuple[int, str]] = []
    for chunk in chunks(every, _CHUNK):
        rows = models.ManifestReference.objects.filter(manifest_id__in=chunk, is_manifest=False)
        named += rows.values_list("manifest_id", "digest")
        links = models.ManifestLink.objects.filter(manifest_id__in=chunk).values("manifest_id")
        page.links.update(links.annotate(count=Count("pk")).values_list("manifest_id", "count"))
    held = held_blobs({digest for _, digest in named})
    for manifest, digest in named:
        blob = held.get(digest)
        if blob is not None:
            page.needs.setdefault(manifest, []).append(blob)
        else:
            page.missing.setdefault(manifest, []).append(digest)


def held_blobs(digests: Iterable[str]) -> dict[str, HeldBlob]:
    """Those of the digests that are recorded as held, with the number of their users."""
    held: dict[str, HeldBlob] = {}
    for chunk in chunks(digests, _CHUNK):
        rows = needs().filter(digest__in=chunk)
        users = dict(
            rows.values("digest").annotate(count=Count("pk")).values_list("digest", "count")
        )
        blobs = models.Blob.objects.filter(digest__in=chunk)
        for digest, size, pulled_at in blobs.values_list("digest", "size", "pulled_at"):
            held[digest] = HeldBlob(digest, size, pulled_at, users.get(digest, 0))
    return held
