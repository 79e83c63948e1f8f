"""A tag is checked at every pull with one HEAD; only what is new is fetched."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx

from tests import database
from tests.e2e.mirror import Mirror
from tests.fakes.faults import Fault, Gate
from tests.fakes.upstream import FakeUpstream


def test_each_pull_asks_with_head_and_says_so(
    client: httpx.Client, upstream: FakeUpstream, name: str
) -> None:
    upstream.add_image(name, "v1", [name.encode()])
    outcomes = [client.get(f"/{name}/manifests/v1").headers["X-Cache"] for _ in range(3)]
    assert outcomes == ["MISS", "REVALIDATED", "REVALIDATED"]
    assert [seen.method for seen in upstream.seen(path=name)] == ["HEAD", "GET", "HEAD", "HEAD"]


def test_a_moved_tag_is_followed_and_the_move_recorded(
    client: httpx.Client, upstream: FakeUpstream, name: str, mirror: Mirror
) -> None:
    old = upstream.add_image(name, "v1", [b"old", name.encode()])
    client.get(f"/{name}/manifests/v1")
    new = upstream.add_image(name, "v1", [b"new", name.encode()])

    answer = client.get(f"/{name}/manifests/v1")

    assert (answer.content, answer.headers["X-Cache"]) == (new.manifest, "MISS")
    assert _moves(mirror, name) == [("", str(old.digest)), (str(old.digest), str(new.digest))]


def test_a_tag_that_moves_back_is_not_fetched_again(
    client: httpx.Client, upstream: FakeUpstream, name: str
) -> None:
    old = upstream.add_image(name, "v1", [b"old", name.encode()])
    client.get(f"/{name}/manifests/v1")
    upstream.add_image(name, "v1", [b"new", name.encode()])
    client.get(f"/{name}/manifests/v1")
    upstream.tag(name, "v1", old.digest)
    upstream.record.reset()

    answer = client.get(f"/{name}/manifests/v1")

    assert (answer.content, answer.headers["X-Cache"]) == (old.manifest, "HIT")
    assert [seen.method for seen in upstream.seen(path=name)] == ["HEAD"]


def test_a_tag_that_upstream_dropped_is_gone(
    client: httpx.Client, upstream: FakeUpstream, name: str, mirror: Mirror
) -> None:
    image = upstream.add_image(name, "v1", [name.encode()])
    client.get(f"/{name}/manifests/v1")
    del upstream.repository(name).tags["v1"]

    assert client.get(f"/{name}/manifests/v1").status_code == 404
    assert _moves(mirror, name)[-1] == (str(image.digest), "")


def test_an_upstream_without_a_digest_header_is_asked_with_get(
    client: httpx.Client, upstream: FakeUpstream, name: str
) -> None:
    image = upstream.add_image(name, "v1", [name.encode()])
    upstream.misbehave(Fault(without=("Docker-Content-Digest",)), path=name)
    answer = client.get(f"/{name}/manifests/v1")
    assert answer.content == image.manifest
    assert answer.headers["Docker-Content-Digest"] == str(image.digest)
    again = client.get(f"/{name}/manifests/v1")
    assert (again.content, again.headers["X-Cache"]) == (image.manifest, "REVALIDATED")


def test_many_cold_pulls_of_one_tag_cost_one_get(
    client: httpx.Client, upstream: FakeUpstream, name: str
) -> None:
    image = upstream.add_image(name, "v1", [name.encode()])
    gate = Gate()
    upstream.misbehave(Fault(hold=gate), method="GET", path=name)
    with ThreadPoolExecutor(20) as pool:
        pulls = [pool.submit(client.get, f"/{name}/manifests/v1") for _ in range(20)]
        gate.wait_until_reached()
        gate.open()
        assert {pull.result(30).content for pull in pulls} == {image.manifest}
    assert len(upstream.seen("GET", name)) == 1


def _moves(mirror: Mirror, name: str) -> list[tuple[str, str]]:
    return database.rows(
        mirror.root,
        "SELECT from_digest, to_digest FROM cache_tagmove JOIN cache_repository r "
        "ON r.id = repository_id WHERE r.name = ? ORDER BY moved_at",
        name,
    )
