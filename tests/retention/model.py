"""What a mirror's retention promises, said a second time and as simply as can be."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cache import models
from cache.oci.digest import Digest
from cache.oci.selection import Selection
from tests.fakes.images import Image, build_image, build_index

LAYERS = tuple(bytes([65 + n]) * (1000 * (n + 1)) for n in range(5))

#: Images that share layers in every way.
IMAGES = tuple(
    build_image([LAYERS[n] for n in chosen], command=(str(chosen),))
    for chosen in ((0,), (0, 1), (1, 2), (2, 3, 4), (4,))
)
INDEX = build_index([IMAGES[1], IMAGES[3]])

#: What a tag can point to, by digest: which manifests, and which blobs, a pull of it takes.
TARGETS: dict[str, tuple[Image, ...]] = {
    **{str(image.digest): (image,) for image in IMAGES},
    str(INDEX.digest): (IMAGES[1],),
}
BLOBS = {str(Digest.of(data)): data for image in IMAGES for data in (image.config, *image.layers)}
NEEDS = {
    str(image.digest): {str(Digest.of(data)) for data in (image.config, *image.layers)}
    for image in IMAGES
}
CHILDREN = {str(INDEX.digest): {str(IMAGES[1].digest), str(IMAGES[3].digest)}}

Link = tuple[str, str]


@dataclass
class Model:
    """Repositories and digests are texts; times are of the last pull."""

    links: dict[Link, datetime] = field(default_factory=dict)
    blobs: dict[str, datetime] = field(default_factory=dict)
    tags: dict[Link, str] = field(default_factory=dict)
    pins: set[str] = field(default_factory=set)

    def pull(self, name: str, tag: str, target: str, now: datetime) -> None:
        self.tags[name, tag] = target
        self.links[name, target] = now
        for image in TARGETS[target]:
            self.links[name, str(image.digest)] = now
            self.blobs.update(dict.fromkeys(NEEDS[str(image.digest)], now))

    def is_pinned(self, link: Link) -> bool:
        name, digest = link
        tags = [tag for (where, tag), target in self.tags.items() if (where, target) == link]
        return any(
            Selection.parse(pin).fits_manifest("an upstream", name, tags, digest)
            for pin in self.pins
        )

    def expire(self, now: datetime, ttl: timedelta) -> None:
        kept = {link for link, at in self.links.items() if now - at < ttl or self.is_pinned(link)}
        kept |= self.below(kept)
        self.keep_links(kept)
        needed = self.needed(kept)
        self.blobs = {
            digest: at
            for digest, at in self.blobs.items()
            if now - at < ttl or digest in needed or digest in self.pins
        }

    def below(self, links: set[Link]) -> set[Link]:
        """What the indexes among them hold."""
        held = {(n, child) for n, digest in links for child in CHILDREN.get(digest, ())}
        return held & set(self.links)

    def keep_links(self, kept: set[Link]) -> None:
        self.links = {link: at for link, at in self.links.items() if link in kept}
        self.tags = {
            (name, tag): target
            for (name, tag), target in self.tags.items()
            if (name, target) in kept
        }

    def needed(self, links: set[Link]) -> set[str]:
        return {blob for _, digest in links for blob in NEEDS.get(digest, ())}

    def pinned_blobs(self) -> set[str]:
        """What is here and must stay."""
        links = {link for link in self.links if self.is_pinned(link)}
        return (self.needed(links | self.below(links)) | self.pins) & set(self.blobs)

    def roots(self) -> set[Link]:
        """The images that no index of their repository holds."""
        return set(self.links) - self.below(set(self.links))

    def look(self) -> None:
        """Take over what has gone; nothing else changes by itself."""
        held = recorded_links()
        assert held <= set(self.links)
        self.keep_links(held)
        here = set(models.Blob.objects.values_list("digest", flat=True))
        assert here <= set(self.blobs)
        self.blobs = {digest: at for digest, at in self.blobs.items() if digest in here}


def recorded_links() -> set[Link]:
    """Which repositories contain which manifests."""
    rows = models.ManifestLink.objects.values_list("repository__name", "manifest__digest")
    return set(rows)
