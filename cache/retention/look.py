"""What a purge that was asked for would remove, written down item by item, to be shown first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import MappingProxyType

from cache import models, runtime
from cache.catalog.pulls import chunks
from cache.models import PurgeItem, PurgeOrder
from cache.oci.selection import Selection
from cache.retention import contents
from cache.retention.evict import Removed
from cache.retention.plan import Unit
from cache.retention.policy import NOTHING, Image, Policy
from cache.retention.purge import Found, find, preview
from cache.retention.run import Run, current_policy, gather_pulls
from cache.retention.words import name_of

#: More than that nobody reads before saying yes to it.
MOST_ITEMS = 50_000

#: So many of the images that share blobs with one that goes are named.
NAMED = 5

#: So many of them are looked at; what is shared by more is shared by "very many".
MOST_SHARERS = 2000

_CHUNK = 500


class NothingToPurge(Exception):
    """Nothing here is what was asked for; the message is a sentence."""


class TooMuch(Exception):
    """More than anybody would read through; the message is a sentence."""


@dataclass(slots=True)
class _Seen:
    """What goes, so far: its links, and by item's place the blobs that others may need."""

    links: set[int] = field(default_factory=set)
    shared: dict[int, tuple[str, ...]] = field(default_factory=dict)
    place: int = 0


def policy_for(order: PurgeOrder) -> Policy:
    """The policy that an order by age, or by size, amounts to; pins are kept as always."""
    ttl = None if order.unused_for is None else timedelta(seconds=order.unused_for)
    return replace(
        current_policy(),
        ttls=MappingProxyType({}),
        default_ttl=ttl,
        max_size=order.leave,
        min_free=NOTHING,
    )


def look(order: PurgeOrder) -> None:
    """Write down what would go, in place of what an attempt before has written.

    Raises :class:`NothingToPurge`, :class:`TooMuch` and what a dry run raises.
    """
    order.items.all().delete()
    seen = _Seen()
    units = _named(order) if order.what else _unused(order)
    for chunk in chunks(units, _CHUNK):
        _write_down(order, chunk, seen)
    if not seen.place:
        raise NothingToPurge(_nothing(order))
    _name_sharers(order, seen)
    items = list(order.items.values_list("is_image", "blobs", "size"))
    models.PurgeOrder.objects.filter(pk=order.pk).update(
        images=sum(is_image for is_image, _, _ in items),
        blobs=sum(blobs for _, blobs, _ in items),
        size=sum(size for _, _, size in items),
    )


def _named(order: PurgeOrder) -> Iterator[Unit]:
    """What a purge of the selection would remove."""
    gather_pulls()
    found = find(Selection.parse(order.what), current_policy())
    if order.unused_for is not None:
        latest = runtime.current().now() - timedelta(seconds=order.unused_for)
        found = Found(
            tuple(image for image in found.images if image.pulled_at <= latest),
            tuple(blob for blob in found.blobs if blob.pulled_at <= latest),
            found.pinned,
        )
    _check_number(len(found.images) + len(found.blobs))
    for units in preview(found):
        yield from units


def _unused(order: PurgeOrder) -> Iterator[Unit]:
    """What an eviction under such a policy would remove."""
    units: list[Unit] = []

    def keep(removed: Removed) -> None:
        units.append(removed.unit)
        _check_number(len(units))

    Run(policy_for(order), order.by, dry_run=True, on_removed=keep).now()
    yield from units


def _check_number(number: int) -> None:
    if number > MOST_ITEMS:
        raise TooMuch(
            f"more than {MOST_ITEMS} images would go, which nobody reads through: narrow it, or "
            f"have the limits of the configuration do it"
        )


def _write_down(order: PurgeOrder, units: list[Unit], seen: _Seen) -> None:
    policy = current_policy()
    needed = _needed({link.manifest for unit in units for link in unit.links})
    held = contents.held_blobs({digest for digests in needed.values() for digest in digests})
    rows = []
    for unit in units:
        seen.links.update(link.link for link in unit.links)
        going = {blob.digest for blob in unit.blobs}
        all_digests = {one for link in unit.links for one in needed.get(link.manifest, ())}
        stay = sorted(one for one in all_digests - going if one in held)
        if stay:
            seen.shared[seen.place] = tuple(stay)
        rows.append(_item(order, unit, seen.place, sum(held[one].size for one in stay), policy))
        seen.place += 1
    models.PurgeItem.objects.bulk_create(rows)


def _item(order: PurgeOrder, unit: Unit, place: int, shared: int, policy: Policy) -> PurgeItem:
    subject = unit.subject
    if isinstance(subject, Image):
        upstream, name, tags = subject.upstream, subject.name, subject.tags
        is_pinned = any(policy.keeps_image(link) for link in unit.links)
    else:
        upstream, name = subject.repositories[0] if subject.repositories else ("", "")
        tags = ()
        is_pinned = policy.keeps_blob(subject.digest, subject.repositories)
    return models.PurgeItem(
        order=order,
        place=place,
        is_image=isinstance(subject, Image),
        upstream=upstream,
        repository=name,
        tags=" ".join(sorted(tags)),
        digest=subject.digest,
        pulled_at=subject.pulled_at,
        blobs=len(unit.blobs),
        size=unit.size,
        shared=shared,
        is_pinned=is_pinned,
    )


def _needed(manifests: Iterable[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for chunk in chunks(manifests, _CHUNK):
        rows = models.ManifestReference.objects.filter(manifest_id__in=chunk, is_manifest=False)
        for manifest, digest in rows.values_list("manifest_id", "digest"):
            found.setdefault(manifest, []).append(digest)
    return found


def _name_sharers(order: PurgeOrder, seen: _Seen) -> None:
    """Say of each item which images that stay need some of its blobs."""
    default = runtime.current().config.proxy.name
    known: dict[str, tuple[int, ...]] = {}
    for chunk in chunks(seen.shared.items(), _CHUNK):
        by_place = {place: _sharers(digests, seen.links, known) for place, digests in chunk}
        named = {link for links in by_place.values() for link in sorted(links)[:NAMED]}
        rows = models.ManifestLink.objects.filter(pk__in=named)
        names = {image.link: name_of(image, default) for image in contents.find_images(rows)}
        items = list(order.items.filter(place__in=by_place))
        for item in items:
            links = by_place[item.place]
            item.sharers = len(links)
            item.shared_with = "\n".join(
                names[link] for link in sorted(links)[:NAMED] if link in names
            )
        models.PurgeItem.objects.bulk_update(items, ["sharers", "shared_with"], batch_size=_CHUNK)


def _sharers(
    digests: Iterable[str], going: set[int], known: dict[str, tuple[int, ...]]
) -> set[int]:
    """The links that stay, of manifests that need one of the blobs."""
    links: set[int] = set()
    for digest in digests:
        if digest not in known:
            known[digest] = tuple(_links_that_stay(digest, going))
        links.update(known[digest])
    return links


def _links_that_stay(digest: str, going: set[int]) -> list[int]:
    rows = models.ManifestLink.objects.filter(
        manifest__references__digest=digest, manifest__references__is_manifest=False
    ).order_by("pk")
    found: list[int] = []
    last = 0
    while len(found) < MOST_SHARERS:
        page = list(rows.filter(pk__gt=last).values_list("pk", flat=True)[:MOST_SHARERS])
        if not page:
            break
        last = page[-1]
        found += [link for link in page if link not in going]
    return found[:MOST_SHARERS]


def _nothing(order: PurgeOrder) -> str:
    if order.what and order.unused_for is None:
        return f"nothing here is {order.what}"
    if order.what:
        return f"nothing that is {order.what} was last pulled so long ago"
    if order.unused_for is not None:
        return "everything that is not pinned was pulled since"
    return "nothing here may go: what there is is pinned"
