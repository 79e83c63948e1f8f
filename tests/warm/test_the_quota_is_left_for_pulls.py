"""A warm-up stops before an upstream's quota is down to its reserve, or when upstream says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cache import runtime
from cache.config import load
from cache.oci.reference import RepositoryName
from cache.oci.repository import Repository
from cache.warm.allowance import Allowance, Stopped
from tests.fakes.faults import Fault
from tests.fakes.images import build_image, build_index
from tests.fakes.upstream import FakeUpstream
from tests.warm.commands import Warm

HUB = Repository("docker.io", RepositoryName("library/a"))
GHCR = Repository("ghcr.io", RepositoryName("o/a"))


@dataclass(frozen=True, slots=True)
class Left:
    """What an upstream says: so many of a hundred."""

    remaining: int | None = None
    limit: int | None = 100
    renews_at: datetime | None = None


@pytest.fixture(autouse=True)
def mirror(tmp_path: Path) -> Iterator[None]:
    environ = {
        "MIRROR_CONFIG": "/dev/null",
        "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(tmp_path),
        "REGISTRY_UPSTREAMS": "{ghcr.io: {}}",
    }
    with runtime.using(runtime.build(load(None, environ))) as built:
        yield
        built.close()


def of_hub(left: Left) -> Callable[[str], Left]:
    return lambda upstream: left if upstream == "docker.io" else Left()


@pytest.mark.parametrize("left", [Left(), Left(5, limit=None), Left(11), Left(100)])
def test_what_is_more_than_the_reserve_may_be_spent(left: Left) -> None:
    with Allowance(of_hub(left)).one_manifest(HUB):
        pass


@pytest.mark.parametrize("remaining", [0, 9, 10])
def test_the_reserve_is_not_touched(remaining: int) -> None:
    renews = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    allowance = Allowance(of_hub(Left(remaining, renews_at=renews)))

    with pytest.raises(Stopped) as caught, allowance.one_manifest(HUB):
        pytest.fail("it was allowed")

    assert str(caught.value) == (
        f"the quota of docker.io is kept for pulls: {remaining} of 100 manifests are left, "
        "the reserve is 10, until 2026-01-02 03:04 UTC"
    )
    with allowance.one_manifest(GHCR):
        pass


def test_those_who_ask_at_the_same_time_do_not_touch_it_together() -> None:
    allowance = Allowance(of_hub(Left(13)))

    with ExitStack() as under_way:
        for _ in range(3):
            under_way.enter_context(allowance.one_manifest(HUB))
        with pytest.raises(Stopped), allowance.one_manifest(HUB):
            pytest.fail("it was allowed")
    with allowance.one_manifest(HUB):
        pass


def test_an_upstream_that_refuses_is_asked_for_no_more(upstream: FakeUpstream, warm: Warm) -> None:
    held = upstream.put_image("library/held", build_image((b"held" * 100,)), "1")
    index = build_index((build_image((b"a" * 100,)), held))
    for number in range(5):
        upstream.put_index("library/tool", index, f"v{number}")
    refusal = Fault(status=429, headers={"Retry-After": "77"})
    upstream.misbehave(refusal, method="GET", path="/manifests/", skip=2)

    ended = warm("held:1", *(f"tool:v{n}" for n in range(5)), "--jobs", "1")

    assert ended.code == 1
    assert "library/held:1: here" in ended.out, "blobs do not count"
    assert ended.out.count("not all here: ") == 5
    assert ended.out.count("Try again in 77 seconds.") == 5
    assert "5 were left alone: try them again later" in ended.out
    assert upstream.count("GET", "/manifests/") == 3


def test_the_count_of_a_real_upstream_is_followed(upstream: FakeUpstream, warm: Warm) -> None:
    """What it says on the way counts, and what it has said to others before."""
    upstream.put_image("library/known", build_image((b"k" * 100,)), "1")
    for number in range(4):
        upstream.put_image("library/tool", build_image((bytes([number]),)), f"v{number}")
    upstream.manifest_headers = says(50)
    assert warm("known:1").code == 0
    upstream.manifest_headers = says(10)

    ended = warm(*(f"tool:v{n}" for n in range(4)), "--jobs", "1")

    assert ended.code == 1
    assert ended.out.count("the quota of 127.0.0.1") == 3
    assert "10 of 100 manifests are left, the reserve is 10, until " in ended.out
    assert "1 of 4 images are here" in ended.out
    assert "3 were left alone" in ended.out
    upstream.reset()

    ended = warm("known:1", "tool:v1")

    assert "library/known:1: here" in ended.out, "what is here costs nothing"
    assert "1 of 2 images are here" in ended.out
    assert upstream.requests == []


def says(remaining: int) -> dict[str, str]:
    return {"RateLimit-Limit": "100;w=21600", "RateLimit-Remaining": f"{remaining};w=21600"}
