"""Little of a quota is not spent on checks, and a spent one keeps nothing back that is here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.test import Client

from cache import runtime
from cache.config import load
from cache.memory import Memory, Record
from cache.oci.digest import Digest
from cache.pull import Outcome
from cache.runtime import Runtime
from cache.upstream.client import Endpoint, Upstream
from tests.fakes.clock import Clock
from tests.fakes.faults import Fault
from tests.fakes.images import Image
from tests.fakes.upstream import FakeUpstream
from tests.pull.holding import hold_blob

START = 1_700_000_000.0
HOUR = 3600.0


class WatchedMemory(Memory):
    """Counts how often somebody looks."""

    looks = 0

    def read(self, key: str) -> Record | None:
        self.looks += 1
        return super().read(key)


@pytest.fixture
def clock() -> Clock:
    return Clock(START)


@pytest.fixture
def memory(tmp_path: Path) -> WatchedMemory:
    return WatchedMemory(tmp_path / "memory", lambda _key, _timeout: nullcontext(True))


@pytest.fixture
def mirror(
    upstream: FakeUpstream, clock: Clock, memory: WatchedMemory, tmp_path: Path, db: None
) -> Iterator[Runtime]:
    """This process as a mirror that lives by the test's clock."""
    environ = {
        "MIRROR_CONFIG": "/dev/null",
        "REGISTRY_PROXY_REMOTEURL": upstream.url,
        "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(tmp_path),
    }
    built = runtime.build(load(None, environ))
    registry = Upstream(Endpoint(upstream.url), memory, clock=clock)
    clocked = replace(
        built,
        upstreams={built.config.proxy.name: registry},
        now=lambda: datetime.fromtimestamp(clock(), UTC),
    )
    with runtime.using(clocked):
        yield clocked
        assert clocked.coalescer.drain(30)
        clocked.close()


@pytest.fixture
def image(mirror: Runtime, upstream: FakeUpstream, client: Client) -> Image:
    """An image that was pulled once."""
    image = upstream.add_image("a/b", "v1", [b"layer"])
    assert client.get("/v2/a/b/manifests/v1").status_code == 200
    hold_blob(mirror, "a/b", b"layer")
    return image


def hub(remaining: int) -> Mapping[str, str]:
    return {"ratelimit-limit": "100;w=21600", "ratelimit-remaining": f"{remaining};w=21600"}


def leave(client: Client, upstream: FakeUpstream, remaining: int) -> None:
    """A pull after which so much of the quota is left; nothing is counted yet."""
    upstream.add_image("a/spender", "v1", [b"another layer"])
    upstream.misbehave(Fault(headers=hub(remaining)), method="GET", path="a/spender")
    assert client.get("/v2/a/spender/manifests/v1").status_code == 200
    upstream.reset()


@pytest.mark.usefixtures("image")
@pytest.mark.parametrize(
    ("remaining", "outcome"),
    [(10, Outcome.REVALIDATED), (9, Outcome.STALE), (1, Outcome.STALE), (0, Outcome.STALE)],
)
def test_below_the_reserve_a_known_tag_is_not_checked(
    upstream: FakeUpstream, client: Client, clock: Clock, remaining: int, outcome: Outcome
) -> None:
    leave(client, upstream, remaining)
    clock.seconds += 100

    answer = client.get("/v2/a/b/manifests/v1")

    assert answer.headers["X-Cache"] == outcome
    if outcome is Outcome.STALE:
        assert answer.headers["Warning"] == '110 - "Response is Stale"'
        assert answer.headers["Age"] == "100"
        assert upstream.count() == 0


@pytest.mark.usefixtures("image")
def test_what_is_not_here_may_use_the_reserve(upstream: FakeUpstream, client: Client) -> None:
    upstream.add_image("a/new", "v1", [b"new"])
    leave(client, upstream, 5)

    assert client.get("/v2/a/new/manifests/v1").headers["X-Cache"] == "MISS"


@pytest.mark.usefixtures("image")
@pytest.mark.parametrize(("hours", "outcome"), [(2, Outcome.STALE), (4, Outcome.REVALIDATED)])
def test_a_tag_that_was_checked_long_ago_is_checked(
    mirror: Runtime,
    upstream: FakeUpstream,
    client: Client,
    clock: Clock,
    hours: int,
    outcome: Outcome,
) -> None:
    proxy = replace(mirror.config.proxy, quota_freshness=timedelta(hours=3))
    with runtime.using(replace(mirror, config=replace(mirror.config, proxy=proxy))):
        clock.seconds += hours * HOUR
        leave(client, upstream, 5)

        assert client.get("/v2/a/b/manifests/v1").headers["X-Cache"] == outcome


@pytest.mark.usefixtures("image")
def test_the_operator_sets_the_reserve(
    mirror: Runtime, upstream: FakeUpstream, client: Client
) -> None:
    outcomes = []
    leave(client, upstream, 20)
    for reserve in (0.0, 0.1, 0.3):
        proxy = replace(mirror.config.proxy, quota_reserve=reserve)
        with runtime.using(replace(mirror, config=replace(mirror.config, proxy=proxy))):
            outcomes.append(client.get("/v2/a/b/manifests/v1").headers["X-Cache"])

    assert outcomes == ["REVALIDATED", "REVALIDATED", "STALE"]


@pytest.mark.usefixtures("image")
def test_tags_are_checked_again_once_the_quota_is_renewed(
    upstream: FakeUpstream, client: Client, clock: Clock
) -> None:
    leave(client, upstream, 0)
    clock.seconds += 6 * HOUR
    upstream.manifest_headers = hub(100)

    assert client.get("/v2/a/b/manifests/v1").headers["X-Cache"] == "REVALIDATED"


def test_a_spent_quota_keeps_back_only_what_is_not_here(
    upstream: FakeUpstream, client: Client, clock: Clock, image: Image
) -> None:
    new = upstream.add_image("a/new", "v1", [b"new"])
    upstream.misbehave(Fault(status=429, headers={"Retry-After": "1800"}), path="/manifests/")
    assert client.get("/v2/a/new/manifests/v1").status_code == 429
    upstream.reset()
    clock.seconds += 600

    cold = [client.get(f"/v2/a/new/manifests/{reference}") for reference in ("v1", new.digest)]
    tag = client.get("/v2/a/b/manifests/v1")
    by_digest = client.get(f"/v2/a/b/manifests/{image.digest}")
    layer = client.get(f"/v2/a/b/blobs/{image.layer_digests[0]}")
    tags = client.get("/v2/a/b/tags/list")

    for answer in cold:
        assert answer.status_code == 429
        assert answer.json()["errors"][0]["code"] == "TOOMANYREQUESTS"
        assert answer.headers["Retry-After"] == "1200"
    assert (tag.content, tag.headers["X-Cache"]) == (image.manifest, "STALE")
    assert by_digest.headers["X-Cache"] == "HIT"
    assert layer.getvalue() == b"layer"
    assert (tags.json()["tags"], tags.headers["X-Cache"]) == (["v1"], "STALE")
    assert client.get("/v2/a/new/tags/list").status_code == 429
    assert client.get(f"/v2/a/b/referrers/{image.digest}").headers["X-Cache"] == "STALE"
    assert upstream.count() == 0


def test_the_blobs_of_an_image_whose_manifest_is_here_still_come(
    mirror: Runtime, upstream: FakeUpstream, client: Client
) -> None:
    image = upstream.add_image("a/b", "v1", [b"cold layer"])
    assert client.get("/v2/a/b/manifests/v1").status_code == 200
    upstream.misbehave(Fault(status=429, headers=hub(0)), path="/manifests/")
    assert client.get("/v2/a/b/manifests/v1").headers["X-Cache"] == "STALE"
    upstream.reset()

    manifest = client.get("/v2/a/b/manifests/v1")
    layer = client.get(f"/v2/a/b/blobs/{image.layer_digests[0]}")

    assert manifest.content == image.manifest
    assert layer.getvalue() == b"cold layer"
    assert [seen.path for seen in upstream.requests] == [
        f"/v2/a/b/blobs/{Digest.of(b'cold layer')}"
    ]


# A body that is closed early ends the request, and with it what a test transaction needs.
@pytest.mark.django_db(transaction=True)
def test_what_needs_no_upstream_needs_no_look_at_the_quota(
    upstream: FakeUpstream, client: Client, memory: WatchedMemory, image: Image
) -> None:
    leave(client, upstream, 5)
    memory.looks = 0

    assert client.get(f"/v2/a/b/manifests/{image.digest}").headers["X-Cache"] == "HIT"
    blob = client.get(f"/v2/a/b/blobs/{image.layer_digests[0]}")
    blob.close()

    assert (blob.headers["X-Cache"], memory.looks) == ("HIT", 0)
    client.get("/v2/a/b/manifests/v1")
    assert memory.looks > 0
