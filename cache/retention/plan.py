"""What is to go, in order: what has expired; then, as long as limits ask for more, the oldest.

A plan is made in steps, and each step knows what the ones before it have decided. Whoever carries
a step out says so, since from then on the database knows it too.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from cache.retention import contents
from cache.retention.contents import HeldBlob, Page
from cache.retention.policy import Image, LoneBlob, Policy, Reason, goes_along
from cache.retention.words import ago, readable, short

K = TypeVar("K")

#: Blobs of their own in one step.
_BLOBS = 2000


@dataclass(frozen=True, slots=True)
class Unit:
    """An image, or a blob of its own (``blob``), that goes as a whole; sizes in bytes.

    links: the image, and the images of an index that go with it. blobs: what nothing else needs.
    missing: what the image needs and what is not here: somebody may be filling it.
    """

    subject: Image | LoneBlob
    reason: Reason
    detail: str
    links: tuple[Image, ...] = ()
    blobs: tuple[HeldBlob | LoneBlob, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """What it frees."""
        return sum(blob.size for blob in self.blobs)


@dataclass(slots=True)
class Target:
    """The bytes that still have to go: over the largest size, and short of the free space."""

    over: int
    short: int
    policy: Policy
    now: datetime
    over_at_first: int = field(init=False)
    short_at_first: int = field(init=False)

    def __post_init__(self) -> None:
        self.over_at_first, self.short_at_first = self.over, self.short

    def is_met(self) -> bool:
        """Whether nothing has to go."""
        return self.over <= 0 and self.short <= 0

    def take(self, size: int) -> None:
        """So many bytes go; or, when negative, stay after all."""
        self.over -= size
        self.short -= size

    def why(self, pulled_at: datetime) -> tuple[Reason, str]:
        """The reason for the next one that goes."""
        since = f"last pulled {ago(pulled_at, self.now)}"
        if self.over > 0:
            allowed = readable(self.policy.max_size or 0)
            detail = f"{since}, the store was {readable(self.over_at_first)} over {allowed}"
            return Reason.MAX_SIZE, detail
        return Reason.MIN_FREE, f"{since}, the disk was {readable(self.short_at_first)} too full"


def _anything(_subject: Image | LoneBlob) -> bool:
    return True


class Planner:
    """Decides what goes under a policy at ``now``; writes nothing.

    Of what is not ``may_go`` nothing is evicted but what goes along with something else.
    """

    def __init__(
        self,
        policy: Policy,
        now: datetime,
        may_go: Callable[[Image | LoneBlob], bool] = _anything,
    ) -> None:
        self.policy = policy
        self.now = now
        self._may_go = may_go
        self._gone_links: Counter[int] = Counter()
        self._gone_users: Counter[str] = Counter()
        self._gone_parents: Counter[tuple[int, str]] = Counter()
        # Links, and hashes of the digests of blobs of their own: there may be a million of them.
        self._gone: set[int] = set()
        self._gone_blobs: set[int] = set()
        # What has lost its index, or its manifests, and stays for having been pulled since.
        self._loose: list[tuple[datetime, str, Image | LoneBlob]] = []
        self._seen_loose: set[str] = set()

    def carried_out(self) -> None:
        """What was decided so far has been done, or was left: the database tells from now on."""
        self._gone_links.clear()
        self._gone_users.clear()
        self._gone_parents.clear()
        self._gone.clear()
        self._gone_blobs.clear()

    def expired(self) -> Iterator[list[Unit]]:
        """What was last pulled longer ago than its upstream's ttl."""
        cutoffs = self.policy.cutoffs(self.now)
        times = [each for each in (*cutoffs[0].values(), cutoffs[1]) if each is not None]
        if not times:
            return
        for page in contents.expired_images(cutoffs):
            kept = self.kept_blobs(page)
            yield [
                self._image(image, page, kept, *self._why_expired(image.upstream, image.pulled_at))
                for image in page.images
                if not self._is_seen(image) and not self._keeps(image)
            ]
        yield from self._expired_loose()
        yield from self._expired_blobs(max(times))

    def oldest(self, target: Target) -> Iterator[list[Unit]]:
        """What was pulled longest ago, until the target is met or nothing is left that may go."""
        if target.is_met():
            return
        lone = _Peekable(contents.lone_blobs(self.now))
        for page in contents.images(self.now):
            kept = self.kept_blobs(page)
            step: list[Unit] = []
            for image in page.images:
                step += self._smaller_until(image.pulled_at, lone, target)
                if target.is_met():
                    break
                if not self._is_seen(image) and not self._keeps(image):
                    unit = self._image(image, page, kept, *target.why(image.pulled_at))
                    target.take(unit.size)
                    step.append(unit)
            yield step
            if target.is_met():
                return
        while rest := self._smaller_until(None, lone, target):
            yield rest

    def purge(self, page: Page, detail: str) -> list[Unit]:
        """All of a page's images, whatever keeps them, and all that nothing else needs.

        What goes along with one of them is in that one's unit alone.
        """
        return [
            self._image(image, page, set(), Reason.PURGED, detail)
            for image in page.images
            if image.link not in self._gone
        ]

    def _image(self, image: Image, page: Page, kept: set[str], reason: Reason, detail: str) -> Unit:
        links = self._with_children(image, page, reason)
        blobs: list[HeldBlob] = []
        missing: list[str] = []
        for link in links:
            self._gone.add(link.link)
            missing += page.missing.get(link.manifest, ())
            if not _is_last(self._gone_links, link.manifest, page.links.get(link.manifest, 0)):
                continue
            for blob in page.needs.get(link.manifest, ()):
                if not _is_last(self._gone_users, blob.digest, blob.users) or blob.digest in kept:
                    continue
                if reason is Reason.PURGED or goes_along(blob.pulled_at, image):
                    blobs.append(blob)
                else:
                    self._let_loose(LoneBlob(blob.digest, blob.size, blob.pulled_at))
        return Unit(image, reason, detail, tuple(links), tuple(blobs), tuple(missing))

    def _with_children(self, image: Image, page: Page, reason: Reason) -> list[Image]:
        """The image, and what it lists that no other index holds and was not pulled since."""
        links, left = [], [image]
        while left:
            link = left.pop()
            links.append(link)
            for child in page.children.get(link.link, ()):
                key = child.repository, child.digest
                self._gone_parents[key] += 1
                if page.parents[key] > self._gone_parents[key] or self._is_seen(child):
                    continue
                if reason is Reason.PURGED or (
                    goes_along(child.pulled_at, image) and not self.policy.keeps_image(child)
                ):
                    left.append(child)
                else:
                    self._let_loose(child)
        return links

    def kept_blobs(self, page: Page) -> set[str]:
        """What is kept of the blobs that the page's images need, if they lose the images."""
        needed = (blob for needs in page.needs.values() for blob in needs)
        return contents.kept_blobs(self.policy, needed)

    def _why_expired(self, upstream: str, pulled_at: datetime) -> tuple[Reason, str]:
        ttl = short(self.policy.ttl_of(upstream))
        return Reason.EXPIRED, f"last pulled {ago(pulled_at, self.now)}, ttl {ttl}"

    def _expired_loose(self) -> Iterator[list[Unit]]:
        """What has expired of what was let loose; the rest is still the oldest's business."""
        waiting = []
        while self._loose:
            entry = heapq.heappop(self._loose)
            found = entry[2]
            if isinstance(found, Image):
                if self.policy.has_expired(found.upstream, found.pulled_at, self.now):
                    why = self._why_expired(found.upstream, found.pulled_at)
                    yield self._loose_image(found, *why)
                else:
                    waiting.append(entry)
                continue
            (blob,) = contents.with_repositories([found])
            if self.policy.has_blob_expired(blob, self.now):
                yield self._expired_of([blob])
            else:
                waiting.append(entry)
        self._loose = waiting
        heapq.heapify(self._loose)

    def _expired_blobs(self, latest: datetime) -> Iterator[list[Unit]]:
        step: list[LoneBlob] = []
        for blob in contents.lone_blobs(latest):
            if blob.digest not in self._seen_loose:
                step.append(blob)
            if len(step) >= _BLOBS:
                yield self._expired_of(step)
                step = []
        yield self._expired_of(step)

    def _expired_of(self, blobs: list[LoneBlob]) -> list[Unit]:
        return [
            self._blob(blob, *self._why_expired(_longest(self.policy, blob), blob.pulled_at))
            for blob in blobs
            if self.policy.has_blob_expired(blob, self.now) and not self._keeps(blob)
        ]

    def _blob(self, blob: LoneBlob, reason: Reason, detail: str) -> Unit:
        self._gone_blobs.add(hash(blob.digest))
        return Unit(blob, reason, detail, (), (blob,))

    def _smaller_until(self, until: datetime | None, lone: _Peekable, target: Target) -> list[Unit]:
        """What is no image of its own, and was pulled before ``until``."""
        step: list[Unit] = []
        while not target.is_met() and len(step) < _BLOBS:
            blob = lone.head
            if blob is not None and self._is_seen_blob(blob):
                lone.advance()
                continue
            found = self._next_smaller(until, lone)
            if found is None:
                break
            units = self._smaller(found, target)
            target.take(sum(unit.size for unit in units))
            step += units
        return step

    def _next_smaller(self, until: datetime | None, lone: _Peekable) -> Image | LoneBlob | None:
        """What was pulled first of what is loose and of the blobs of their own."""
        blob, loose = lone.head, self._loose[0] if self._loose else None
        if loose is not None and (blob is None or loose[0] <= blob.pulled_at):
            if until is not None and loose[0] > until:
                return None
            return heapq.heappop(self._loose)[2]
        if blob is not None and (until is None or blob.pulled_at <= until):
            lone.advance()
            return blob
        return None

    def _smaller(self, found: Image | LoneBlob, target: Target) -> list[Unit]:
        why = target.why(found.pulled_at)
        if isinstance(found, Image):
            return self._loose_image(found, *why)
        if found.digest in self._seen_loose:
            (found,) = contents.with_repositories([found])
        if self._keeps(found):
            return []
        return [self._blob(found, *why)]

    def _loose_image(self, image: Image, reason: Reason, detail: str) -> list[Unit]:
        if self._keeps(image):
            return []
        page = contents.complete([image])
        return [self._image(image, page, self.kept_blobs(page), reason, detail)]

    def _let_loose(self, found: Image | LoneBlob) -> None:
        key = _key(found)
        if key not in self._seen_loose:
            self._seen_loose.add(key)
            heapq.heappush(self._loose, (found.pulled_at, key, found))

    def _keeps(self, subject: Image | LoneBlob) -> bool:
        if not self._may_go(subject):
            return True
        if isinstance(subject, Image):
            return self.policy.keeps_image(subject)
        return self.policy.keeps_blob(subject.digest, subject.repositories)

    def _is_seen(self, image: Image) -> bool:
        """Whether it was decided on already, or is to be looked at in its turn."""
        return image.link in self._gone or (
            bool(self._seen_loose) and _key(image) in self._seen_loose
        )

    def _is_seen_blob(self, blob: LoneBlob) -> bool:
        return blob.digest in self._seen_loose or hash(blob.digest) in self._gone_blobs


class _Peekable:
    """Blobs of their own, of which the next one can be looked at."""

    def __init__(self, blobs: Iterator[LoneBlob]) -> None:
        self._blobs = blobs
        self.head: LoneBlob | None = None
        self.advance()

    def advance(self) -> None:
        """Go to the next one."""
        self.head = next(self._blobs, None)


def _key(found: Image | LoneBlob) -> str:
    return str(found.link) if isinstance(found, Image) else found.digest


def _is_last(gone: Counter[K], key: K, count: int) -> bool:
    """Whether one more of the ``count`` that hold the key is the last of them; ``gone`` counts.

    It counts no longer than it must: there may be a million keys, most of which one alone holds.
    """
    if count > gone[key] + 1:
        gone[key] += 1
        return False
    gone.pop(key, None)
    return True


def _longest(policy: Policy, blob: LoneBlob) -> str:
    """The upstream whose ttl keeps the blob longest."""
    upstreams = {upstream for upstream, _ in blob.repositories} or {""}
    return max(upstreams, key=lambda each: policy.ttl_of(each) or timedelta.max)
