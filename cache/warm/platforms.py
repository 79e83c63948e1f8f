"""Which of an index's images a machine of a platform would pull."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from cache.oci.errors import quote
from cache.oci.manifest import Descriptor, Platform

ALL = "all"

_PLATFORM = re.compile(r"[a-z0-9]+(?:/[a-z0-9_-]+(?:/[a-z0-9.]+)?)")
_ARCHITECTURES = {
    "x86_64": "amd64",
    "x86-64": "amd64",
    "aarch64": "arm64",
    "i386": "386",
    "armhf": "arm",
}
# What a machine is that names no variant.
_PLAIN_VARIANTS = {"amd64": 1, "arm64": 8, "arm": 7}
_VARIANT = re.compile(r"v?(\d)")

_ATTESTATION = "attestation-manifest"
_REFERENCE_TYPE = "vnd.docker.reference.type"
_REFERENCE_DIGEST = "vnd.docker.reference.digest"


class NoPlatform(ValueError):
    """A word that names no platform; the text is a sentence."""


def parse_platform(text: str) -> Platform:
    """`linux/amd64`, `linux/arm/v6`; raises :class:`NoPlatform`."""
    if not _PLATFORM.fullmatch(text):
        raise NoPlatform(
            f"{quote(text)} is no platform: allowed are os/architecture and "
            f"os/architecture/variant, such as linux/arm64, and {ALL}"
        )
    os, architecture, variant, *_ = (*text.split("/"), "")
    return Platform(os, _ARCHITECTURES.get(architecture, architecture), variant)


@dataclass(frozen=True, slots=True)
class Selection:
    """What is taken of each index: the images for ``platforms`` (None: every one).

    ``attestations`` takes, for each of them, what its builder attests of it.
    """

    platforms: tuple[Platform, ...] | None
    attestations: bool = False

    def choose(self, children: tuple[Descriptor, ...]) -> tuple[tuple[Descriptor, ...], list[str]]:
        """The children to take, each once, and the platforms that the index does not have."""
        images = [child for child in children if not _is_attestation(child)]
        chosen: dict[str, Descriptor] = {}
        missing = []
        if self.platforms is None:
            chosen = {str(child.digest): child for child in images}
        for wanted in self.platforms or ():
            fitting = _fitting(images, wanted)
            chosen.update((str(child.digest), child) for child in fitting)
            if not fitting:
                missing.append(shown(wanted))
        attested = [child for child in children if self.attestations and _is_attestation(child)]
        about = [child for child in attested if _subject(child) in {"", *chosen}]
        return tuple({**chosen, **{str(child.digest): child for child in about}}.values()), missing


def offered(children: Iterable[Descriptor]) -> str:
    """The platforms of an index, for a sentence."""
    names = {
        shown(child.platform) for child in children if child.platform and not _is_attestation(child)
    }
    return ", ".join(sorted(names)[:20])


def shown(platform: Platform) -> str:
    parts = (platform.os, platform.architecture, platform.variant)
    return "/".join(part for part in parts if part)


def _fitting(images: list[Descriptor], wanted: Platform) -> list[Descriptor]:
    """The best image for a machine of this platform: its variant, or else the next lower one.

    containerd's rule. Of Windows images all are taken, since machines choose by the version of
    the system, which the name of a platform does not tell.
    """
    ranked = [
        (rank, child) for child in images if (rank := _rank(child.platform, wanted)) is not None
    ]
    if not ranked:
        return []
    best = max(rank for rank, _ in ranked)
    equal = [child for rank, child in ranked if rank == best]
    return equal if wanted.os == "windows" else equal[:1]


def _rank(platform: Platform | None, wanted: Platform) -> int | None:
    """How well a child serves; None: not at all. One without a platform is for any."""
    if platform is None:
        return -1
    architecture = _ARCHITECTURES.get(platform.architecture, platform.architecture)
    if (platform.os, architecture) != (wanted.os, wanted.architecture):
        return None
    if platform.variant == wanted.variant:
        return 100
    has, needs = (_level(architecture, variant) for variant in (platform.variant, wanted.variant))
    return None if has is None or needs is None or has > needs else has


def _level(architecture: str, variant: str) -> int | None:
    if not variant:
        return _PLAIN_VARIANTS.get(architecture, 0)
    match = _VARIANT.fullmatch(variant)
    return int(match[1]) if match else None


def _subject(attestation: Descriptor) -> str:
    """The digest of the image that it is about, empty if it does not say."""
    return dict(attestation.annotations).get(_REFERENCE_DIGEST, "")


def _is_attestation(child: Descriptor) -> bool:
    """What BuildKit lists beside its images, for the platform unknown/unknown."""
    if dict(child.annotations).get(_REFERENCE_TYPE) == _ATTESTATION:
        return True
    platform = child.platform
    return platform is not None and (platform.os, platform.architecture) == ("unknown", "unknown")
