from __future__ import annotations

import json

import pytest

from cache.oci.digest import Digest
from cache.oci.manifest import (
    Descriptor,
    Platform,
    descriptor_of,
    filter_referrers,
    read_manifest,
    referrers_index,
)
from cache.oci.media_types import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST
from tests.oci.bodies import body, image, pointer

SBOM = "application/vnd.example.sbom"
SIGNATURE = "application/vnd.example.signature"


def referrer(content: bytes, artifact_type: str | None) -> Descriptor:
    return Descriptor(OCI_MANIFEST, Digest.of(content), len(content), artifact_type)


def test_an_entry_says_what_the_referrer_is() -> None:
    raw = body(image(artifactType=SBOM, annotations={"made": "today"}))

    entry = descriptor_of(read_manifest(raw, OCI_MANIFEST))

    assert entry == Descriptor(
        OCI_MANIFEST, Digest.of(raw), len(raw), SBOM, annotations=(("made", "today"),)
    )


@pytest.mark.parametrize("own", [{}, {"artifactType": ""}, {"artifactType": None}])
def test_without_an_artifact_type_the_configs_media_type_stands_in(own: dict[str, str]) -> None:
    assert descriptor_of(read_manifest(body(image(**own)), OCI_MANIFEST)).artifact_type == (
        OCI_CONFIG
    )


def test_an_index_without_an_artifact_type_has_none() -> None:
    manifest = read_manifest(body({"manifests": [pointer("a")]}), OCI_INDEX)
    assert descriptor_of(manifest).artifact_type is None


def test_the_list_is_an_index_that_reads_back() -> None:
    entries = (
        Descriptor(
            OCI_MANIFEST,
            Digest.of(b"one"),
            3,
            SBOM,
            annotations=(("made", "caf\u00e9"),),
            platform=Platform("linux", "arm", "v7"),
        ),
        Descriptor(OCI_INDEX, Digest.of(b"two", "sha512"), 3, platform=Platform("linux", "amd64")),
        referrer(b"three", SIGNATURE),
    )

    raw = referrers_index(entries)

    assert json.loads(raw)["schemaVersion"] == 2
    manifest = read_manifest(raw, None)
    assert manifest.media_type == OCI_INDEX
    assert manifest.children == entries


def test_what_is_not_known_is_not_said() -> None:
    (entry,) = json.loads(referrers_index([referrer(b"one", None)]))["manifests"]
    assert set(entry) == {"mediaType", "digest", "size"}


def test_no_referrers_is_an_empty_list() -> None:
    assert json.loads(referrers_index([]))["manifests"] == []


def test_the_filter_keeps_one_artifact_type() -> None:
    entries = [referrer(b"one", SBOM), referrer(b"two", SIGNATURE), referrer(b"three", None)]

    assert filter_referrers(entries, SBOM) == (entries[0],)
    assert filter_referrers(entries, SBOM.upper()) == ()
    assert filter_referrers(entries, None) == tuple(entries)
    assert filter_referrers(entries, "") == tuple(entries)
