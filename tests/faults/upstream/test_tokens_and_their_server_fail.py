"""A token that ends in mid-life is renewed once; a token server's trouble is upstream's."""

from __future__ import annotations

import random
from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.mirror import Mirror
from tests.e2e.processes import eventually
from tests.fakes.authentication import TokenService
from tests.fakes.faults import Fault
from tests.fakes.images import Image
from tests.fakes.plain import NO_AUTHORITY
from tests.fakes.upstream import FakeUpstream

NAME = "library/thing"
DATA = random.Random(3).randbytes(600_000)


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream() as upstream:
        yield upstream


@pytest.fixture
def tokens(upstream: FakeUpstream) -> TokenService:
    return upstream.require_bearer()


@pytest.fixture
def image(upstream: FakeUpstream) -> Image:
    return upstream.add_image(NAME, "v1", [DATA])


@pytest.fixture
def client(
    upstream: FakeUpstream, tokens: TokenService, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    root = tmp_path_factory.mktemp("tokens") / "root"
    with (
        Mirror(root, upstream.url) as mirror,
        httpx.Client(
            base_url=f"{mirror.url}/v2/{NAME}", timeout=60, trust_env=False, verify=NO_AUTHORITY
        ) as client,
    ):
        yield client


def test_a_token_refused_in_mid_life_is_renewed(
    client: httpx.Client, upstream: FakeUpstream, tokens: TokenService, image: Image
) -> None:
    assert client.get("/manifests/v1").status_code == 200
    tokens.revoke_all()
    assert client.get("/manifests/v1").headers["X-Cache"] == "REVALIDATED"
    assert len(upstream.seen(path="/token")) == 2


def test_a_token_that_ends_during_a_cut_transfer(
    client: httpx.Client, upstream: FakeUpstream, tokens: TokenService, image: Image
) -> None:
    digest = image.layer_digests[0]
    assert client.get("/manifests/v1").status_code == 200
    upstream.misbehave(Fault(cut_after=200_000), method="GET", path=str(digest), times=1)
    expired = Fault(status=401, headers={"WWW-Authenticate": _challenge(upstream, tokens)})
    upstream.misbehave(expired, method="GET", path=str(digest), times=1)
    assert client.get(f"/blobs/{digest}").content == DATA


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=500),
        Fault(status=503),
        Fault(status=429, headers={"Retry-After": "1"}),
        Fault(status=404),
        Fault(status=200, body=b"<html>"),
        Fault(status=200, body=b'{"token": 7}'),
        Fault(cut_after=-1),
    ],
)
def test_the_token_server_is_in_trouble(
    client: httpx.Client, upstream: FakeUpstream, tokens: TokenService, image: Image, fault: Fault
) -> None:
    assert client.get("/manifests/v1").status_code == 200
    tokens.revoke_all()
    upstream.misbehave(fault, path="/token")

    known = client.get("/manifests/v1")
    cold = client.get(f"/blobs/{image.layer_digests[0]}")

    assert (known.content, known.headers["X-Cache"]) == (image.manifest, "STALE")
    assert cold.status_code == (429 if fault.status == 429 else 502)
    upstream.behave()
    eventually(
        lambda: client.get(f"/blobs/{image.layer_digests[0]}").content == DATA,
        "the blob can be had again",
    )


def test_a_token_server_that_says_no_is_obeyed(
    client: httpx.Client, upstream: FakeUpstream, tokens: TokenService, image: Image
) -> None:
    assert client.get("/manifests/v1").status_code == 200
    tokens.revoke_all()
    upstream.misbehave(Fault(status=401), path="/token")
    assert client.get("/manifests/v1").status_code == 403


def _challenge(upstream: FakeUpstream, tokens: TokenService) -> str:
    return f'Bearer realm="{upstream.url}/token",service="{tokens.service}"'
