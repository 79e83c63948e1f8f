"""One mirror of one fake upstream for all these tests; each test has a repository of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.mirror import Mirror
from tests.fakes.plain import NO_AUTHORITY
from tests.fakes.upstream import FakeUpstream


@pytest.fixture(scope="package")
def shared_upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream() as upstream:
        yield upstream


@pytest.fixture
def upstream(shared_upstream: FakeUpstream) -> Iterator[FakeUpstream]:
    """The upstream, with nothing asked of it yet."""
    shared_upstream.record.reset()
    yield shared_upstream
    shared_upstream.behave()


@pytest.fixture(scope="package")
def mirror(
    shared_upstream: FakeUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mirror]:
    root = tmp_path_factory.mktemp("mirror") / "root"
    # Tests put things upstream that were not there when another client asked for them.
    with Mirror(root, shared_upstream.url, REGISTRY_PROXY_NEGATIVE_TTL="0s") as running:
        yield running


@pytest.fixture(scope="package")
def client(mirror: Mirror) -> Iterator[httpx.Client]:
    """Speaks to the mirror's `/v2/`; asks for nothing in particular."""
    with httpx.Client(
        base_url=f"{mirror.url}/v2", timeout=30, trust_env=False, verify=NO_AUTHORITY
    ) as client:
        client.headers.pop("Accept")
        yield client


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A repository for this test alone."""
    return "t/" + re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
