"""From an image to all that belongs to it: its manifests, and through them its blobs."""

from __future__ import annotations

from dataclasses import dataclass, field

from cache.access.decision import OPERATOR
from cache.oci.digest import Digest
from cache.oci.errors import RegistryError
from cache.oci.manifest import DEEPEST_INDEX, BadManifest, Descriptor, Manifest, read_manifest
from cache.oci.reference import Tag
from cache.pull import (
    ManifestAnswer,
    Outcome,
    is_manifest_here,
    last_known,
    resolve_manifest,
)
from cache.warm.allowance import Allowance, Stopped
from cache.warm.images import Image
from cache.warm.platforms import Selection, offered


@dataclass(slots=True)
class Survey:
    """What was found so far, and what it has cost.

    blobs: by digest, each once. fetched: manifests that came from upstream, which a quota counts.
    checked: tags that upstream was asked for. stale: seconds since upstream has confirmed the tag,
    if it could not be asked now. missing: platforms that the index does not have, as a sentence.
    """

    blobs: dict[Digest, Descriptor] = field(default_factory=dict)
    manifests: int = 0
    fetched: int = 0
    checked: int = 0
    stale: int | None = None
    missing: str = ""


def survey(image: Image, selection: Selection, allowance: Allowance, found: Survey) -> None:
    """Fill in ``found``; raises :class:`RegistryError` and :class:`~cache.warm.allowance.Stopped`.

    It is right as far as it goes, also when it is ended by one of them.
    """
    top = _manifest(image, image.reference, allowance, found)
    _descend(image, top, selection, allowance, found, DEEPEST_INDEX)


def _descend(
    image: Image,
    manifest: Manifest,
    selection: Selection,
    allowance: Allowance,
    found: Survey,
    levels: int,
) -> None:
    for blob in manifest.blobs:
        found.blobs.setdefault(blob.digest, blob)
    if not manifest.children:
        return
    if not levels:
        raise RegistryError("MANIFEST_INVALID", f"{image} nests its indexes too deep", status=502)
    children, missing = selection.choose(manifest.children)
    if missing:
        there = offered(manifest.children) or "none by name"
        found.missing = f"there is no {', '.join(missing)} of it: its platforms are {there}"
    for child in children:
        inner = _manifest(image, child.digest, allowance, found)
        _descend(image, inner, selection, allowance, found, levels - 1)


def _manifest(
    image: Image, reference: Tag | Digest, allowance: Allowance, found: Survey
) -> Manifest:
    answer = _answer(image, reference, allowance)
    found.manifests += 1
    found.fetched += answer.outcome is Outcome.MISS
    if isinstance(reference, Tag):
        found.checked += answer.outcome in (Outcome.MISS, Outcome.REVALIDATED)
        found.stale = answer.age
    held = answer.manifest
    try:
        return read_manifest(held.body, held.media_type, held.digest)
    except BadManifest as error:
        message = f"its manifest {held.digest} is not usable: {error}"
        raise RegistryError("MANIFEST_INVALID", message, status=502) from error


def _answer(image: Image, reference: Tag | Digest, allowance: Allowance) -> ManifestAnswer:
    """As a client gets it; when nothing may be asked, a tag is what it was last known to be."""
    if isinstance(reference, Digest) and is_manifest_here(image.repository, reference):
        return resolve_manifest(OPERATOR, image.repository, reference, None)
    try:
        with allowance.one_manifest(image.repository):
            return resolve_manifest(OPERATOR, image.repository, reference, None)
    except Stopped:
        known = None
        if isinstance(reference, Tag):
            known = last_known(OPERATOR, image.repository, reference)
        if known is None:
            raise
        return known
