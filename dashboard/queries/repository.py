"""One repository: its tags, how they moved, its pulls, and what a manifest is made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q, Sum

from cache import models, runtime
from cache.freshness import judge
from cache.oci.descriptor import BadManifest, Descriptor
from cache.oci.digest import Digest
from cache.oci.manifest import read_manifest
from cache.oci.reference import Tag as TagName
from dashboard.queries import pins
from dashboard.queries.pins import Kept, State
from dashboard.queries.repositories import DAYS

#: So many tags, and moves, stand on a page.
TAGS = 50
MOVES = 50

#: So many of the repositories that share a layer are named.
NAMED = 5


@dataclass(frozen=True, slots=True)
class Tag:
    """``platforms`` is empty for an image of one; ``size`` is of what its manifests here name.

    ``pin`` says whether it is never evicted, ``what`` how it is named for that.
    """

    name: str
    digest: str
    what: str
    platforms: tuple[str, ...]
    size: int
    pulled_at: datetime | None
    checked_at: datetime
    fresh: bool
    pin: State


@dataclass(frozen=True, slots=True)
class Tags:
    """A page of tags in the order of their names; ``after`` leads to the next, if there is one."""

    rows: list[Tag]
    after: str


@dataclass(frozen=True, slots=True)
class Day:
    """Pulls and bytes of a day."""

    start: datetime
    pulls: int = 0
    served: int = 0


@dataclass(frozen=True, slots=True)
class Layer:
    """A blob of a manifest: ``part`` is its share of all of them, from 0 to 1; ``number`` from 1.

    ``shared_with`` names some other repositories that have it, ``others`` says how many there are.
    """

    number: int
    kind: str
    digest: str
    size: int | None
    part: float
    here: bool
    others: int
    shared_with: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Child:
    """A manifest in an index."""

    platform: str
    digest: str
    size: int | None
    here: bool


@dataclass(frozen=True, slots=True)
class Contents:
    """What a manifest holds; of an index the ``children``, of an image the ``layers``."""

    digest: str
    media_type: str
    stored_at: datetime
    size: int
    layers: list[Layer]
    children: list[Child]
    tags: list[str]
    problem: str = ""


def tags(
    repository: models.Repository, text: str, after: str, now: datetime, kept: list[Kept]
) -> Tags:
    """Those that have the text in their name; ``kept`` is what is pinned."""
    rows = models.Tag.objects.filter(repository=repository, name__gt=after).order_by("name")
    if text:
        rows = rows.filter(name__icontains=text)
    found = list(rows.select_related("manifest")[: TAGS + 1])
    shown = found[:TAGS]
    children = {row.pk: _children(row.manifest) for row in shown}
    sizes = _sizes(
        {row.manifest.digest for row in shown}
        | {str(child.digest) for listed in children.values() for child in listed}
    )
    proxy = runtime.current().config.names.get(repository.upstream)
    links = models.ManifestLink.objects.filter(
        repository=repository, manifest__in=[row.manifest_id for row in shown]
    )
    pulled = dict(links.values_list("manifest_id", "pulled_at"))
    return Tags(
        rows=[
            Tag(
                name=row.name,
                digest=row.manifest.digest,
                what=pins.text_of(repository, tag=row.name),
                platforms=tuple(filter(None, (_platform(child) for child in children[row.pk]))),
                size=sum(
                    sizes.get(digest, 0)
                    for digest in (
                        row.manifest.digest,
                        *{str(child.digest) for child in children[row.pk]},
                    )
                ),
                pulled_at=pulled.get(row.manifest_id),
                checked_at=row.checked_at,
                fresh=proxy is not None
                and judge(row.checked_at, now, proxy.freshness.of(TagName(row.name))).value
                == "fresh",
                pin=pins.of_tag(repository, row.name, row.manifest.digest, kept),
            )
            for row in shown
        ],
        after=shown[-1].name if len(found) > TAGS else "",
    )


def moves(repository: models.Repository, tag: str) -> list[models.TagMove]:
    """The latest moves of one tag, or of all if it is empty."""
    rows = models.TagMove.objects.filter(repository=repository)
    if tag:
        rows = rows.filter(name=tag)
    return list(rows.order_by("-moved_at", "-pk")[:MOVES])


def days(repository: models.Repository, now: datetime) -> list[Day]:
    """The last 30 days, also those without a pull."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    starts = [today - timedelta(days=n) for n in range(DAYS - 1, -1, -1)]
    rows = models.Traffic.objects.filter(
        span=models.Traffic.Span.DAY,
        start__in=starts,
        upstream=repository.upstream,
        repository=repository.name,
    )
    found = {row.start: Day(row.start, row.pulls, row.served) for row in rows}
    return [found.get(start, Day(start)) for start in starts]


def contents(repository: models.Repository, digest: str) -> Contents | None:
    """What the manifest holds; None if this repository is not known to contain it."""
    row = models.Manifest.objects.filter(digest=digest, links__repository=repository).first()
    if row is None:
        return None
    body = bytes(row.body)
    problem = ""
    layers: list[Layer] = []
    children: list[Child] = []
    try:
        manifest = read_manifest(body, row.media_type, Digest.parse(row.digest))
    except BadManifest as error:
        problem = f"It cannot be taken apart: {error}."
    else:
        config = manifest.config.digest if manifest.config else None
        layers = _layers(repository, manifest.blobs, config)
        children = _as_children(manifest.children)
    names = models.Tag.objects.filter(repository=repository, manifest=row).order_by("name")
    return Contents(
        digest=row.digest,
        media_type=row.media_type,
        stored_at=row.stored_at,
        size=len(body),
        layers=layers,
        children=children,
        tags=list(names.values_list("name", flat=True)[:TAGS]),
        problem=problem,
    )


def _layers(
    repository: models.Repository, blobs: Iterable[Descriptor], config: Digest | None
) -> list[Layer]:
    found = list(blobs)
    digests = [str(blob.digest) for blob in found]
    here = set(models.Blob.objects.filter(digest__in=digests).values_list("digest", flat=True))
    elsewhere = models.BlobLink.objects.filter(digest__in=digests).exclude(repository=repository)
    counts = dict(elsewhere.values_list("digest").annotate(Count("pk")))
    total = sum(blob.size or 0 for blob in found) or 1
    number = 0
    layers = []
    for blob in found:
        digest, is_config = str(blob.digest), blob.digest == config
        number += not is_config
        layers.append(
            Layer(
                number=number,
                kind="config" if is_config else f"layer {number}",
                digest=digest,
                size=blob.size,
                part=(blob.size or 0) / total,
                here=digest in here,
                others=counts.get(digest, 0),
                shared_with=_sharers(repository, digest) if digest in counts else (),
            )
        )
    return layers


def _sharers(repository: models.Repository, digest: str) -> tuple[str, ...]:
    rows = models.BlobLink.objects.filter(digest=digest).exclude(repository=repository)
    names = rows.order_by("pk").values_list("repository__upstream", "repository__name")[:NAMED]
    return tuple(f"{upstream}/{name}" for upstream, name in names)


def _as_children(listed: Iterable[Descriptor]) -> list[Child]:
    children = list(listed)
    digests = [str(child.digest) for child in children]
    here = set(models.Manifest.objects.filter(digest__in=digests).values_list("digest", flat=True))
    return [
        Child(
            platform=_platform(child) or "unnamed",
            digest=str(child.digest),
            size=child.size,
            here=str(child.digest) in here,
        )
        for child in children
    ]


def _children(row: models.Manifest) -> tuple[Descriptor, ...]:
    try:
        return read_manifest(bytes(row.body), row.media_type, Digest.parse(row.digest)).children
    except BadManifest:
        return ()


def _platform(child: Descriptor) -> str:
    """`linux/arm64/v8`; empty if it is no platform's, as of what attests to another."""
    platform = child.platform
    if platform is None or platform.os in ("", "unknown"):
        return ""
    return "/".join(filter(None, (platform.os, platform.architecture, platform.variant)))


def _sizes(manifests: Iterable[str]) -> dict[str, int]:
    """What the manifests' blobs have together, by digest, as far as they are here."""
    rows = (
        models.ManifestReference.objects.filter(
            Q(manifest__digest__in=list(manifests)), is_manifest=False
        )
        .values_list("manifest__digest")
        .annotate(Sum("size"))
    )
    return {digest: total or 0 for digest, total in rows}
