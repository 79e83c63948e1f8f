from __future__ import annotations

import json
from typing import Any

import pytest

from cache.oci.digest import Digest
from cache.oci.manifest import Descriptor, Platform, read_manifest
from cache.oci.media_types import (
    DOCKER_CONFIG,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_ARTIFACT,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
)
from tests.oci.bodies import LAYER, body, child, image, name_of, pointer

OWN_TYPE = "application/vnd.example.thing+json"
INDEX = {"schemaVersion": 2, "manifests": [child("a", "linux", "amd64")]}


def digests(descriptors: tuple[Descriptor, ...]) -> list[str]:
    return [str(descriptor.digest) for descriptor in descriptors]


@pytest.mark.parametrize("media_type", [OCI_MANIFEST, DOCKER_MANIFEST])
def test_an_image_points_to_its_config_and_layers(media_type: str) -> None:
    manifest = read_manifest(body(image()), media_type)

    assert manifest.media_type == media_type
    assert manifest.config == Descriptor(OCI_CONFIG, Digest.of(b"config"), 6)
    assert digests(manifest.blobs) == [name_of("config"), name_of("one"), name_of("two")]
    assert manifest.blobs[1] == Descriptor(LAYER, Digest.of(b"one"), 3)
    assert manifest.children == ()


@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_LIST])
def test_an_index_points_to_its_children(media_type: str) -> None:
    document = {
        "schemaVersion": 2,
        "manifests": [
            child("a", "linux", "amd64"),
            child("b", "linux", "arm", variant="v7"),
            child("b", "linux", "arm", variant="v6"),
            pointer("nested", OCI_INDEX),
        ],
    }

    manifest = read_manifest(body(document), media_type)

    assert digests(manifest.children) == [name_of(text) for text in ("a", "b", "b", "nested")]
    assert [found.platform for found in manifest.children] == [
        Platform("linux", "amd64"),
        Platform("linux", "arm", "v7"),
        Platform("linux", "arm", "v6"),
        None,
    ]
    assert manifest.children[3].media_type == OCI_INDEX
    assert manifest.blobs == ()


def test_an_artifact_manifest_points_to_its_blobs() -> None:
    document = {"mediaType": OCI_ARTIFACT, "artifactType": "a/b", "blobs": [pointer("one")]}

    manifest = read_manifest(body(document), "application/json")

    assert (manifest.media_type, manifest.artifact_type) == (OCI_ARTIFACT, "a/b")
    assert digests(manifest.blobs) == [name_of("one")]


def test_what_refers_to_a_subject_says_so() -> None:
    document = image(
        subject=pointer("subject", OCI_MANIFEST),
        artifactType="application/vnd.example.signature",
        annotations={"made": "today", "by": "us"},
    )

    manifest = read_manifest(body(document), OCI_MANIFEST)

    assert manifest.subject == Descriptor(OCI_MANIFEST, Digest.of(b"subject"), 7)
    assert manifest.artifact_type == "application/vnd.example.signature"
    assert manifest.annotations == (("made", "today"), ("by", "us"))


def test_the_body_is_kept_byte_for_byte() -> None:
    raw = b" \n" + body(image(extra="\u00e9")) + b"\n\n"

    manifest = read_manifest(raw, OCI_MANIFEST)

    assert manifest.body == raw
    assert manifest.digest == Digest.of(raw)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_the_digest_asked_for_decides_the_algorithm(algorithm: str) -> None:
    raw = body(image())
    digest = Digest.of(raw, algorithm)
    assert read_manifest(raw, OCI_MANIFEST, digest).digest == digest


def test_sha512_descriptors_are_read() -> None:
    layer = pointer("one") | {"digest": name_of("one", "sha512")}
    manifest = read_manifest(body(image(layers=[layer])), OCI_MANIFEST)
    assert manifest.blobs[1].digest == Digest.of(b"one", "sha512")


@pytest.mark.parametrize(
    ("content_type", "document", "expected"),
    [
        (f"{DOCKER_MANIFEST}; charset=utf-8", image(), DOCKER_MANIFEST),
        (DOCKER_MANIFEST, image(mediaType=OCI_MANIFEST), DOCKER_MANIFEST),
        (DOCKER_LIST.upper(), INDEX, DOCKER_LIST),
        ("application/json", image(mediaType=DOCKER_MANIFEST), DOCKER_MANIFEST),
        ("text/plain; charset=utf-8", INDEX | {"mediaType": DOCKER_LIST}, DOCKER_LIST),
        (None, {"mediaType": OWN_TYPE}, OWN_TYPE),
        ("application/json", INDEX, OCI_INDEX),
        (None, image(), OCI_MANIFEST),
        (None, image(config=pointer("config", DOCKER_CONFIG)), DOCKER_MANIFEST),
        (None, image(mediaType=17), OCI_MANIFEST),
        (OWN_TYPE, {"anything": 1}, OWN_TYPE),
        (OWN_TYPE, image(mediaType=OCI_MANIFEST), OCI_MANIFEST),
    ],
)
def test_the_media_type_is_the_headers_the_bodys_or_the_shapes(
    content_type: str | None, document: dict[str, Any], expected: str
) -> None:
    assert read_manifest(body(document), content_type).media_type == expected


def test_a_blob_that_is_there_twice_is_listed_once() -> None:
    # Images repeat their empty layers.
    document = image(layers=[pointer("empty"), pointer("one"), pointer("empty")])
    manifest = read_manifest(body(document), OCI_MANIFEST)
    assert digests(manifest.blobs) == [name_of("config"), name_of("empty"), name_of("one")]


def test_layers_that_live_elsewhere_are_blobs_too() -> None:
    foreign = pointer("foreign", urls=["https://cdn.example/layer"])
    manifest = read_manifest(body(image(layers=[foreign])), DOCKER_MANIFEST)
    assert digests(manifest.blobs) == [name_of("config"), name_of("foreign")]


@pytest.mark.parametrize("more", [{"layers": None}, {"layers": []}])
def test_no_layers_is_an_empty_list(more: dict[str, Any]) -> None:
    assert digests(read_manifest(body(image(**more)), OCI_MANIFEST).blobs) == [name_of("config")]


def test_a_size_may_be_missing() -> None:
    layer = {"mediaType": LAYER, "digest": name_of("one")}
    assert read_manifest(body(image(layers=[layer])), OCI_MANIFEST).blobs[1].size is None


def test_an_artifact_of_an_unknown_type_gives_what_looks_like_descriptors() -> None:
    document = {
        "mediaType": OWN_TYPE,
        "config": {"not": "a descriptor"},
        "layers": [pointer("one"), {"digest": "sha256:short"}, 3],
        "blobs": [pointer("two"), pointer("one")],
        "manifests": [child("a", "linux", "amd64"), "b"],
        "subject": "none",
        "artifactType": ["x"],
        "annotations": {"kept": "yes", "left out": 1},
    }

    manifest = read_manifest(body(document), None)

    assert digests(manifest.blobs) == [name_of("one"), name_of("two")]
    assert digests(manifest.children) == [name_of("a")]
    assert (manifest.config, manifest.subject, manifest.artifact_type) == (None, None, None)
    assert manifest.annotations == (("kept", "yes"),)


def test_annotations_that_no_database_can_hold_are_left_out() -> None:
    document = image(annotations={"a": "\0", "b": "\ud800", "c\0": "c", "d": "\u00e9\n"})
    manifest = read_manifest(body(document), OCI_MANIFEST)
    assert manifest.annotations == (("d", "\u00e9\n"),)


@pytest.mark.parametrize("digest", ["sha384:" + "a" * 96, "blake3:" + "b" * 64, "x+y:AbC_=-"])
def test_an_entry_with_an_unknown_algorithm_is_left_out(digest: str) -> None:
    known = {"mediaType": OCI_MANIFEST, "digest": str(Digest.of(b"x")), "size": 1}
    unknown = {"mediaType": OCI_MANIFEST, "digest": digest, "size": 1}
    body = json.dumps({"schemaVersion": 2, "manifests": [unknown, known]}).encode()

    manifest = read_manifest(body, OCI_INDEX)

    assert manifest.body == body
    assert [child.digest for child in manifest.children] == [Digest.of(b"x")]
