from __future__ import annotations

import pytest

from cache.oci.digest import Digest
from cache.oci.media_types import OCI_MANIFEST
from cache.upstream.client import ManifestHead
from cache.upstream.errors import BadAnswer, NotFound
from tests.fakes.faults import Fault
from tests.fakes.upstream import FakeUpstream
from tests.upstream.conftest import Connect
from tests.upstream.names import ABSENT, ALPINE, LATEST


def test_a_tag_is_asked_for_without_taking_it(registry: FakeUpstream, connect: Connect) -> None:
    image = registry.add_image("library/alpine", "latest")

    head = connect(registry).head_manifest(ALPINE, LATEST)

    assert head == ManifestHead(image.digest, OCI_MANIFEST, len(image.manifest))
    assert [seen.method for seen in registry.requests] == ["HEAD"]


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_manifest_comes_byte_for_byte(
    registry: FakeUpstream, connect: Connect, algorithm: str
) -> None:
    body = b'{\n  "schemaVersion" :2 }\n'
    digest = registry.add_manifest(
        "library/alpine", body, "application/vnd.acme+json", "latest", algorithm
    )
    upstream = connect(registry)

    for reference in (LATEST, digest):
        answer = upstream.get_manifest(ALPINE, reference)

        assert answer.body == body
        assert answer.content_type == "application/vnd.acme+json"
        assert answer.digest == digest


def test_the_whole_accept_set_is_sent(registry: FakeUpstream, connect: Connect) -> None:
    registry.strict_accept = True
    registry.add_image("library/alpine", "latest")
    upstream = connect(registry)

    upstream.head_manifest(ALPINE, LATEST)
    upstream.get_manifest(ALPINE, LATEST)

    for seen in registry.requests:
        assert "application/vnd.docker.distribution.manifest.list.v2+json" in seen.headers["accept"]
        assert seen.header("accept-encoding") == "identity"


def test_headers_that_are_missing_or_unreadable_are_none(
    registry: FakeUpstream, connect: Connect
) -> None:
    registry.add_image("library/alpine", "latest")
    registry.misbehave(Fault(without=("Docker-Content-Digest", "Content-Type")), times=2)
    registry.misbehave(Fault(headers={"Docker-Content-Digest": "md5:0"}, chunked=True))
    upstream = connect(registry)

    assert upstream.head_manifest(ALPINE, LATEST).digest is None
    assert upstream.get_manifest(ALPINE, LATEST).content_type is None
    assert upstream.head_manifest(ALPINE, LATEST) == ManifestHead(None, OCI_MANIFEST, None)


def test_another_manifest_than_the_digest_asked_for_is_refused(
    registry: FakeUpstream, connect: Connect
) -> None:
    image = registry.add_image("library/alpine", "latest")
    registry.misbehave(Fault(headers={"Docker-Content-Digest": str(Digest.of(b"other"))}))

    with pytest.raises(BadAnswer, match="another manifest"):
        connect(registry).head_manifest(ALPINE, image.digest)


def test_a_registry_without_head_says_nothing(registry: FakeUpstream, connect: Connect) -> None:
    registry.add_image("library/alpine", "latest")
    registry.misbehave(Fault(status=405), method="HEAD")

    assert connect(registry).head_manifest(ALPINE, LATEST) == ManifestHead(None, None, None)


def test_an_unknown_manifest_is_told_from_an_unknown_repository(
    registry: FakeUpstream, connect: Connect
) -> None:
    upstream = connect(registry)

    with pytest.raises(NotFound) as no_repository:
        upstream.get_manifest(ALPINE, LATEST)
    registry.add_image("library/alpine", "other")
    with pytest.raises(NotFound) as no_manifest:
        upstream.get_manifest(ALPINE, ABSENT)

    assert no_repository.value.code == "NAME_UNKNOWN"
    assert no_manifest.value.code == "MANIFEST_UNKNOWN"
