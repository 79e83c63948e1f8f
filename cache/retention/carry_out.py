"""Carrying out a purge that was confirmed: what was shown goes, or it is said why it does not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from cache import models
from cache.catalog.pulls import chunks
from cache.models import PurgeItem, PurgeOrder
from cache.retention import contents
from cache.retention.evict import Removed
from cache.retention.look import policy_for
from cache.retention.policy import Image, Key, LoneBlob, Policy, key_of
from cache.retention.purge import Found, preview, purge
from cache.retention.run import Run, current_policy, gather_pulls

Outcome = PurgeItem.Outcome

#: So many items go, and are written down as gone, at a time.
_CHUNK = 50

_SECOND = 2


class Stopped(Exception):
    """An operator wants no more of it to go."""


def carry_out(order: PurgeOrder) -> None:
    """Remove what was shown, as far as it was not removed by an attempt before.

    Raises :class:`Stopped` and what a purge, or an eviction, raises; what has gone by then is
    written down.
    """
    if order.what:
        _purge(order)
    else:
        _evict(order)


def _purge(order: PurgeOrder) -> None:
    """By name: whether it is pulled or not, unless the operator cared when it was."""
    while waiting := list(order.items.filter(outcome="").order_by("place")[:_CHUNK]):
        _check_stop(order)
        if order.unused_for is not None:
            gather_pulls()
        there = _there(waiting)
        policy = current_policy()
        pinned = _pinned(there, policy)
        chosen: list[Image | LoneBlob] = []
        removed: dict[Key, int] = {}
        for item in waiting:
            subject = there.get(_key(item))
            if subject is None:
                continue
            if not _is_confirmed(item, order, is_pinned=_key(item) in pinned):
                item.outcome = Outcome.PINNED
            elif order.unused_for is not None and subject.pulled_at > item.pulled_at:
                item.outcome = Outcome.PULLED
            else:
                chosen.append(subject)
        _remove(chosen, order, removed)
        _settle(order, waiting, removed)


def _remove(chosen: list[Image | LoneBlob], order: PurgeOrder, removed: dict[Key, int]) -> None:
    def note(one: Removed) -> None:
        key = key_of(one.unit.subject)
        removed[key] = removed.get(key, 0) + one.size

    images = tuple(one for one in chosen if isinstance(one, Image))
    blobs = tuple(one for one in chosen if isinstance(one, LoneBlob))
    purge(Found(images, blobs, frozenset()), order.by, note, order.why)


def _evict(order: PurgeOrder) -> None:
    """By age or by size: as the janitor would, but nothing that was not shown."""
    waiting = order.items.filter(outcome="")
    among = {_key(item): item.pulled_at for item in waiting.iterator()}
    removed: dict[Key, int] = {}

    def note(one: Removed) -> None:
        removed[key_of(one.unit.subject)] = one.size

    def write_down(_size: int) -> None:
        _note_gone(order, removed)
        removed.clear()

    Run(
        policy_for(order),
        order.by,
        among=among,
        on_removed=note,
        on_progress=write_down,
        pause=lambda: _check_stop(order),
    ).now()
    for chunk in chunks(order.items.filter(outcome="").order_by("place"), _CHUNK):
        _settle(order, chunk, {})


def _note_gone(order: PurgeOrder, removed: dict[Key, int]) -> None:
    for chunk in chunks(removed.items(), _CHUNK):
        freed = dict(chunk)
        rows = order.items.filter(outcome="", digest__in={digest for *_, digest in freed})
        items = [item for item in rows if _key(item) in freed]
        for item in items:
            item.outcome, item.freed = Outcome.GONE, freed[_key(item)]
        models.PurgeItem.objects.bulk_update(items, ["outcome", "freed"])


def _settle(order: PurgeOrder, items: list[PurgeItem], removed: dict[Key, int]) -> None:
    """Write down what has become of each."""
    there = _there(items)
    pinned = _pinned(there, current_policy())
    recorded = _recorded_since(order, items)
    for item in items:
        key = _key(item)
        subject = there.get(key)
        if key in removed:
            item.outcome, item.freed = Outcome.GONE, removed[key]
        elif item.outcome:
            pass
        elif subject is None:
            # By this very order, if a process has ended before it could say so.
            is_ours = key in recorded
            item.outcome = Outcome.GONE if is_ours else Outcome.MISSING
            item.freed = recorded.get(key, 0)
        elif subject.pulled_at > item.pulled_at:
            item.outcome = Outcome.PULLED
        elif key in pinned:
            item.outcome = Outcome.PINNED
        else:
            item.outcome = Outcome.LEFT
    models.PurgeItem.objects.bulk_update(items, ["outcome", "freed"])


def _recorded_since(order: PurgeOrder, items: list[PurgeItem]) -> dict[Key, int]:
    """What the records say that its operator has removed since the order was confirmed: bytes.

    Empty at the first attempt, which knows by itself what it has removed.
    """
    if order.attempts < _SECOND or order.confirmed_at is None:
        return {}
    rows = models.Removal.objects.filter(
        at__gte=order.confirmed_at, by=order.by, digest__in=[item.digest for item in items]
    )
    are_images = {item.digest: item.is_image for item in items}
    found: dict[Key, int] = defaultdict(int)
    for upstream, name, digest, size in rows.values_list(
        "upstream", "repository", "digest", "size"
    ):
        found[(upstream, name, digest) if are_images[digest] else ("", "", digest)] += size
    return found


def _there(items: Iterable[PurgeItem]) -> dict[Key, Image | LoneBlob]:
    """What is still here of the items, as it is now."""
    listed = list(items)
    links = models.ManifestLink.objects.filter(
        manifest__digest__in=[item.digest for item in listed if item.is_image],
        repository__name__in={item.repository for item in listed if item.is_image},
    )
    blobs = models.Blob.objects.filter(
        digest__in=[item.digest for item in listed if not item.is_image]
    )
    lone = [LoneBlob(*row) for row in blobs.values_list("digest", "size", "pulled_at")]
    found: list[Image | LoneBlob] = [*contents.find_images(links)]
    found += contents.with_repositories(lone)
    return {key_of(subject): subject for subject in found}


def _pinned(there: dict[Key, Image | LoneBlob], policy: Policy) -> set[Key]:
    """Those of which something is pinned that would go along."""
    images = tuple(one for one in there.values() if isinstance(one, Image))
    found = {
        key_of(unit.subject)
        for units in preview(Found(images, (), frozenset()))
        for unit in units
        if any(policy.keeps_image(link) for link in unit.links)
    }
    return found | {
        key
        for key, one in there.items()
        if isinstance(one, LoneBlob) and policy.keeps_blob(one.digest, one.repositories)
    }


def _is_confirmed(item: PurgeItem, order: PurgeOrder, *, is_pinned: bool) -> bool:
    """Whether the operator knew what they said yes to: not of what was pinned only since."""
    if not (is_pinned or item.is_pinned):
        return True
    return item.is_pinned and order.with_pinned


def _check_stop(order: PurgeOrder) -> None:
    if models.PurgeOrder.objects.filter(pk=order.pk, is_to_stop=True).exists():
        raise Stopped("an operator has stopped it; what had gone by then is gone")


def _key(item: PurgeItem) -> Key:
    return (item.upstream, item.repository, item.digest) if item.is_image else ("", "", item.digest)
