"""PostgreSQL as the database: the same pulls; when it is gone, a clear 503 and a quick recovery."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import httpx
import pytest

from mirrorsite.settings import DATABASE_PATIENCE, POOL
from tests.e2e.mirror import WORKERS, Mirror
from tests.e2e.processes import eventually, scratch
from tests.e2e.raw import Download
from tests.fakes.faults import Fault, Gate
from tests.fakes.plain import NO_AUTHORITY
from tests.fakes.upstream import FakeUpstream
from tests.faults.postgres import Postgres

pytestmark = pytest.mark.one_database

NAME = "pg/image"
LAYER = bytes(300_000)
HELD_AT = 200_000
#: So many, one after another, make the outage long enough for a pool to lose its patience.
REFUSALS = 4
POOLED = WORKERS * POOL["max_size"]


@dataclass(frozen=True, slots=True)
class Place:
    postgres: Postgres
    upstream: FakeUpstream
    mirror: Mirror

    def get(self, path: str) -> httpx.Response:
        url = f"{self.mirror.url}/v2/{NAME}/{path}"
        return httpx.get(
            url, headers={"Accept": "*/*"}, timeout=30, trust_env=False, verify=NO_AUTHORITY
        )

    def outcome(self, path: str) -> str:
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return str(answer.headers["X-Cache"])


@pytest.fixture(scope="module")
def shared_place() -> Iterator[Place]:
    with (
        scratch("pg") as base,
        scratch("mirror") as home,
        Postgres(base) as postgres,
        FakeUpstream() as upstream,
        Mirror(home / "data", upstream.url, DATABASE_URL=postgres.url) as mirror,
    ):
        yield Place(postgres, upstream, mirror)


@pytest.fixture
def place(shared_place: Place) -> Iterator[Place]:
    shared_place.upstream.reset()
    yield shared_place
    shared_place.upstream.behave()
    if not shared_place.postgres.runs:
        shared_place.postgres.start()


def test_cold_warm_and_moved(place: Place) -> None:
    first = place.upstream.add_image(NAME, "v1", [LAYER])
    blob = f"blobs/{first.layer_digests[0]}"

    cold = [place.outcome("manifests/v1"), place.outcome(blob)]
    eventually(lambda: place.outcome(blob) == "HIT", "the blob is held")
    warm = [place.outcome("manifests/v1"), place.outcome(f"manifests/{first.digest}")]
    second = place.upstream.add_image(NAME, "v1", [b"moved"])
    moved = place.get("manifests/v1")

    assert (cold, warm) == (["MISS", "MISS"], ["REVALIDATED", "HIT"])
    assert moved.content == second.manifest
    moves = place.postgres.query("SELECT from_digest, to_digest FROM cache_tagmove ORDER BY id")
    assert moves == [("", str(first.digest)), (str(first.digest), str(second.digest))]


def test_streams_hold_no_connection(place: Place) -> None:
    image = place.upstream.add_image(NAME, "streams", [b"streams"])
    assert place.outcome("manifests/streams") == "MISS"
    digest = place.upstream.add_blob(NAME, LAYER + b"streams")
    gate = Gate()
    place.upstream.misbehave(Fault(stall=gate, stall_at=HELD_AT), method="GET", path="/blobs/")

    with ExitStack() as stack:
        streams = [
            stack.enter_context(Download(place.mirror.address, NAME, digest))
            for _ in range(POOLED + WORKERS)
        ]
        begun = time.monotonic()
        assert place.outcome(f"manifests/{image.digest}") == "HIT"
        assert time.monotonic() - begun < DATABASE_PATIENCE / 2
        gate.open()
        assert {stream.read_all() for stream in streams} == {str(digest)}


def test_who_waits_for_upstream_holds_no_connection(place: Place) -> None:
    image = place.upstream.add_image(NAME, "waits", [b"waits"])
    assert place.outcome("manifests/waits") == "MISS"
    gate = Gate()
    place.upstream.misbehave(Fault(hold=gate), path="/manifests/slow")
    place.upstream.add_image(NAME, "slow", [b"slow"])
    # Those who ask for one tag share one question; `slow-1` and so on do not exist.
    tags = [f"slow-{n}" for n in range(POOLED + WORKERS)]

    with ThreadPoolExecutor(len(tags)) as pool:
        waiting = [pool.submit(place.get, f"manifests/{tag}") for tag in tags]
        gate.wait_until_reached(len(tags))
        begun = time.monotonic()
        assert place.outcome(f"manifests/{image.digest}") == "HIT"
        assert time.monotonic() - begun < DATABASE_PATIENCE / 2
        gate.open()
        assert {each.result().status_code for each in waiting} == {404}


def test_while_it_is_gone_and_after(place: Place) -> None:
    image = place.upstream.add_image(NAME, "gone", [b"gone"])
    data = LAYER + b"on its way"
    arriving = place.upstream.add_blob(NAME, data)
    assert place.outcome("manifests/gone") == "MISS"
    gate = Gate()
    place.upstream.misbehave(Fault(stall=gate, stall_at=HELD_AT), method="GET", path="/blobs/")

    with Download(place.mirror.address, NAME, arriving) as download:
        download.read(100_000)
        place.postgres.stop()

        for _ in range(REFUSALS):
            begun = time.monotonic()
            refused = place.get(f"manifests/{image.digest}")
            assert time.monotonic() - begun < DATABASE_PATIENCE * 1.6
            assert refused.status_code == 503
            assert json.loads(refused.content)["errors"][0]["code"] == "UNAVAILABLE"
            assert int(refused.headers["Retry-After"]) > 0
        # What does not need it: the ping, upstream's list, and the fill under way.
        assert (
            httpx.get(f"{place.mirror.url}/v2/", trust_env=False, verify=NO_AUTHORITY).status_code
            == 200
        )
        assert "gone" in place.get("tags/list").json()["tags"]
        gate.open()
        assert download.read_all() == str(arriving)

    place.postgres.start()
    answers = [place.outcome(f"manifests/{image.digest}") for _ in range(4 * WORKERS)]
    assert set(answers) == {"HIT"}
    assert place.get(f"blobs/{arriving}").content == data
    assert place.outcome(f"blobs/{arriving}") == "HIT"
    assert place.upstream.count("GET", f"/blobs/{arriving}") == 1
    held = place.postgres.query("SELECT size FROM cache_blob WHERE digest = %s", str(arriving))
    assert held == [(len(data),)]


def test_a_restart_that_nobody_was_there_to_see_costs_nobody_an_answer(place: Place) -> None:
    image = place.upstream.add_image(NAME, "idle", [b"idle"])
    assert place.outcome("manifests/idle") == "MISS"
    path = f"manifests/{image.digest}"
    with ThreadPoolExecutor(POOLED) as pool:
        assert set(pool.map(place.outcome, [path] * POOLED * 4)) == {"HIT"}

    place.postgres.stop()
    place.postgres.start()

    begun = time.monotonic()
    assert {place.outcome(path) for _ in range(4 * WORKERS)} == {"HIT"}
    assert time.monotonic() - begun < DATABASE_PATIENCE
