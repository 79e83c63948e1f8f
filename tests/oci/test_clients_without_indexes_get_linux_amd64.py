from __future__ import annotations

from typing import Any

from cache.oci.digest import Digest
from cache.oci.manifest import Manifest, child_for, read_manifest
from cache.oci.media_types import OCI_INDEX, OCI_MANIFEST
from tests.oci.bodies import body, child, image, pointer


def index(*children: dict[str, Any]) -> Manifest:
    return read_manifest(body({"schemaVersion": 2, "manifests": children}), OCI_INDEX)


def test_the_first_child_for_linux_amd64_is_chosen() -> None:
    found = child_for(
        index(
            pointer("no platform", OCI_MANIFEST),
            child("windows", "windows", "amd64"),
            child("arm", "linux", "arm64"),
            child("attestation", "unknown", "unknown"),
            child("first", "linux", "amd64", variant="v2"),
            child("second", "linux", "amd64"),
        )
    )
    assert found is not None
    assert found.digest == Digest.of(b"first")


def test_another_platform_can_be_asked_for() -> None:
    found = child_for(
        index(child("amd", "linux", "amd64"), child("arm", "linux", "arm64")),
        architecture="arm64",
    )
    assert found is not None
    assert found.digest == Digest.of(b"arm")


def test_without_such_a_child_there_is_none() -> None:
    assert child_for(index(child("arm", "linux", "arm64"))) is None
    assert child_for(index()) is None
    assert child_for(read_manifest(body(image()), OCI_MANIFEST)) is None
