from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.oci.descriptor import MOST_DESCRIPTORS
from cache.oci.digest import Digest
from cache.oci.manifest import BadManifest, read_manifest
from cache.oci.media_types import (
    DOCKER_SCHEMA1_SIGNED,
    MANIFEST_TYPES,
    OCI_ARTIFACT,
    OCI_INDEX,
    OCI_MANIFEST,
)
from tests.oci.bodies import LAYER, body, image, name_of, pointer


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_other_bytes_than_asked_for(algorithm: str) -> None:
    raw = body(image())
    digest = Digest.of(raw, algorithm)
    with pytest.raises(BadManifest, match=str(digest)):
        read_manifest(raw + b"\n", OCI_MANIFEST, digest)


def test_a_body_longer_than_allowed() -> None:
    raw = body(image())
    assert read_manifest(raw, OCI_MANIFEST, max_bytes=len(raw)).body
    with pytest.raises(BadManifest, match="longer"):
        read_manifest(raw, OCI_MANIFEST, max_bytes=len(raw) - 1)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"42",
        b'"text"',
        b"<html></html>",
        b"{}{}",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1, "a": 1}',
        b'{"layers": [{"digest": "x", "digest": "y"}]}',
        b'{"a": "\xff"}',
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a": ' * 100_000,
        body(image())[:-1],
    ],
)
def test_what_is_no_unambiguous_json_object(raw: bytes) -> None:
    for content_type in (OCI_MANIFEST, DOCKER_SCHEMA1_SIGNED, "application/x-own", None):
        with pytest.raises(BadManifest):
            read_manifest(raw, content_type)


@pytest.mark.parametrize(
    "layer",
    [
        None,
        [],
        "text",
        {},
        {"digest": None},
        {"digest": 7},
        {"digest": "sha256:abc"},
        {"digest": "blake3:"},
        pointer("one", size=-1),
        pointer("one", size=2**63),
        pointer("one", size=10**400),
        pointer("one", size=1.5),
        pointer("one", size="1"),
        pointer("one", size=True),
        pointer("one", media_type="x" * 256),
        pointer("one", media_type="a/\0"),
        pointer("one", media_type="a/\ud800"),
        pointer("one", artifactType=1),
        pointer("one", platform="linux"),
        pointer("one", platform={"os": ["linux"]}),
    ],
)
def test_a_malformed_descriptor_in_a_known_kind(layer: object) -> None:
    with pytest.raises(BadManifest):
        read_manifest(body(image(layers=[layer])), OCI_MANIFEST)
    with pytest.raises(BadManifest):
        read_manifest(body({"manifests": [layer]}), OCI_INDEX)
    with pytest.raises(BadManifest):
        read_manifest(body({"blobs": [layer]}), OCI_ARTIFACT)
    if layer is not None:
        with pytest.raises(BadManifest):
            read_manifest(body(image(subject=layer)), OCI_MANIFEST)


@pytest.mark.parametrize(
    ("media_type", "document"),
    [
        (OCI_MANIFEST, {"layers": []}),
        (OCI_MANIFEST, image(config=None)),
        (OCI_MANIFEST, image(layers={"0": pointer("one")})),
        (OCI_MANIFEST, image(artifactType=1)),
        (OCI_INDEX, {}),
        (OCI_INDEX, image()),
        (OCI_INDEX, {"manifests": {}}),
    ],
)
def test_a_known_kind_without_its_parts(media_type: str, document: dict[str, Any]) -> None:
    with pytest.raises(BadManifest):
        read_manifest(body(document), media_type)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"message": "welcome to this hotel's network"},
        {"schemaVersion": 2},
        {"config": pointer("config")},
        image(manifests=[]),
    ],
)
def test_a_kind_that_nothing_tells(document: dict[str, Any]) -> None:
    with pytest.raises(BadManifest):
        read_manifest(body(document), "application/json")


@pytest.mark.parametrize(
    ("key", "media_type"),
    [("layers", OCI_MANIFEST), ("manifests", OCI_INDEX), ("blobs", "application/x-own")],
)
def test_more_descriptors_than_anyone_needs(key: str, media_type: str) -> None:
    entry = {"mediaType": LAYER, "digest": name_of("one"), "size": 3}
    allowed = image() | {key: [entry] * MOST_DESCRIPTORS}
    assert read_manifest(body(allowed), media_type).body
    with pytest.raises(BadManifest, match="more than"):
        read_manifest(body(allowed | {key: [entry] * (MOST_DESCRIPTORS + 1)}), media_type)


def test_the_reason_is_short_whatever_upstream_sent() -> None:
    layer = pointer("one") | {"digest": "\n" * 1_000_000}
    with pytest.raises(BadManifest) as caught:
        read_manifest(body(image(layers=[layer])), OCI_MANIFEST)
    assert len(str(caught.value)) < 300
    assert str(caught.value).isprintable()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
DESCRIPTORS = st.fixed_dictionaries(
    {"digest": st.just(name_of("one")) | JSON},
    optional={"mediaType": JSON, "size": JSON, "platform": JSON, "annotations": JSON},
)
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "schemaVersion": st.sampled_from([1, 2]) | JSON,
        "mediaType": st.sampled_from(sorted(MANIFEST_TYPES)) | JSON,
        "config": DESCRIPTORS | JSON,
        "layers": st.lists(DESCRIPTORS, max_size=3) | JSON,
        "blobs": st.lists(DESCRIPTORS, max_size=3) | JSON,
        "manifests": st.lists(DESCRIPTORS, max_size=3) | JSON,
        "fsLayers": st.lists(st.fixed_dictionaries({"blobSum": JSON}), max_size=2) | JSON,
        "subject": DESCRIPTORS | JSON,
        "annotations": JSON,
        "artifactType": JSON,
        "signatures": st.lists(st.fixed_dictionaries({"protected": JSON}), max_size=2) | JSON,
    },
)
CONTENT_TYPES = st.none() | st.sampled_from(sorted(MANIFEST_TYPES)) | st.text()


@given(document=DOCUMENTS, content_type=CONTENT_TYPES)
def test_no_document_causes_another_error(
    document: dict[str, Any], content_type: str | None
) -> None:
    raw = json.dumps(document).encode()
    with suppress(BadManifest):
        assert read_manifest(raw, content_type).body == raw


@given(raw=st.binary(), content_type=CONTENT_TYPES)
def test_no_bytes_cause_another_error(raw: bytes, content_type: str | None) -> None:
    with suppress(BadManifest):
        read_manifest(raw, content_type)
