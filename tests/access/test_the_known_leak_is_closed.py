"""What other mirrors leak: a private repository that is cached, asked for by somebody unknown.

A mirror with credentials fetches it for those who may; then it lies there, for everyone who knows
its name or a digest. Here it does not, whatever upstream does meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client as Browser

from cache import pull
from cache.access.decision import OPERATOR
from cache.oci.reference import RepositoryName, Tag
from cache.oci.repository import Repository
from cache.runtime import Runtime
from tests.access.conftest import PRIVATE, PUBLIC
from tests.fakes.faults import Fault, Gate
from tests.fakes.images import Image, build_image
from tests.fakes.upstream import FakeUpstream

LAYER = b"a layer of acme/app"


@pytest.fixture
def cached(here: Runtime, upstream: FakeUpstream) -> Image:
    """The private image, all of which is here."""
    repository = Repository(here.config.proxy.name, RepositoryName.parse(PRIVATE))
    image = upstream.put_image(PRIVATE, build_image([LAYER]), "v1")
    pull.resolve_manifest(OPERATOR, repository, Tag("v1"), None)
    for digest in (image.config_digest, *image.layer_digests):
        with pull.open_blob(OPERATOR, repository, digest) as blob:
            if isinstance(blob, pull.Arriving):
                body = pull.read_blob(blob, 0, None)
                assert b"".join(body)
                body.close()
            else:
                blob.file.close()
    assert here.coalescer.drain(30)
    return image


def _paths(image: Image) -> Iterator[str]:
    for name in (PRIVATE, PUBLIC, "other/name"):
        for digest in (image.config_digest, *image.layer_digests):
            yield f"{name}/blobs/{digest}"
        yield f"{name}/manifests/{image.digest}"
        yield f"{name}/referrers/{image.digest}"
    yield f"{PRIVATE}/manifests/v1"
    yield f"{PRIVATE}/tags/list"
    yield f"127.0.0.1/{PRIVATE}/manifests/v1"


@pytest.mark.parametrize("upstream_is", ["there", "off", "failing"])
def test_an_anonymous_client(
    client: Browser, upstream: FakeUpstream, cached: Image, upstream_is: str
) -> None:
    if upstream_is == "off":
        upstream.stop()
    elif upstream_is == "failing":
        upstream.misbehave(Fault(status=503))
    for path in _paths(cached):
        for headers in ({}, {"Range": "bytes=0-3"}, {"Authorization": "Basic Og=="}):
            for method in (client.get, client.head):
                answer = method(f"/v2/{path}", headers=headers)
                body = answer.getvalue()
                assert answer.status_code >= 400 or path.startswith(f"{PUBLIC}/referrers/"), path
                assert LAYER not in body
                assert cached.manifest not in body
                named = str(cached.layer_digests[0])
                assert named in path or named not in body.decode()
    assert PRIVATE.encode() not in client.get("/v2/_catalog").content


@pytest.mark.django_db(transaction=True)
def test_a_blob_that_arrives_for_somebody_who_may_have_it(
    here: Runtime, client: Browser, upstream: FakeUpstream
) -> None:
    """Whoever asks for the same bytes meanwhile, under a public name, would share the transfer."""
    repository = Repository(here.config.proxy.name, RepositoryName.parse(PRIVATE))
    layer = LAYER * 50_000
    digest = upstream.put_image(PRIVATE, build_image([layer]), "v1").layer_digests[0]
    pull.resolve_manifest(OPERATOR, repository, Tag("v1"), None)
    gate = Gate()
    upstream.misbehave(Fault(stall=gate, stall_at=500_000), method="GET", path=f"{PRIVATE}/blobs")

    with pull.open_blob(OPERATOR, repository, digest) as blob:
        gate.wait_until_reached()
        answers = [
            method(f"/v2/{PUBLIC}/blobs/{digest}", headers=headers)
            for method in (client.get, client.head)
            for headers in ({}, {"Range": "bytes=0-0"})
        ]
        gate.open()
        assert isinstance(blob, pull.Arriving)
        body = pull.read_blob(blob, 0, None)
        assert b"".join(body) == layer
        body.close()

    assert [answer.status_code for answer in answers] == [404] * 4
    assert not any(LAYER in answer.getvalue() for answer in answers)
