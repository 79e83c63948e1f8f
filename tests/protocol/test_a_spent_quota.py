"""What one worker was refused, none asks for before its time, whatever becomes of the mirror."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.e2e.mirror import Mirror
from tests.e2e.processes import eventually
from tests.e2e.workers import client_of_each_worker
from tests.fakes.faults import Fault
from tests.fakes.images import Image
from tests.fakes.upstream import FakeUpstream

HALF_AN_HOUR = 1800


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream() as upstream:
        yield upstream


@pytest.fixture
def mirror(upstream: FakeUpstream, tmp_path: Path) -> Iterator[Mirror]:
    with Mirror(tmp_path / "root", upstream.url) as mirror:
        yield mirror


def _pull_known(client: httpx.Client, image: Image) -> httpx.Response:
    """The tag, and a blob."""
    digest = image.layer_digests[0]
    assert client.get(f"library/known/blobs/{digest}").content == image.layers[0]
    tag = client.get("library/known/manifests/v1")
    assert tag.content == image.manifest
    return tag


def _time_to_wait(client: httpx.Client, path: str) -> int:
    answer = client.get(path)
    assert answer.status_code == 429
    assert answer.json()["errors"][0]["code"] == "TOOMANYREQUESTS"
    return int(answer.headers["Retry-After"])


def test_nobody_asks_before_the_time_also_after_a_restart(
    mirror: Mirror, upstream: FakeUpstream
) -> None:
    # given a mirror that holds one image, and an upstream that takes no more
    known = upstream.add_image("library/known", "v1", [b"known"])
    cold = upstream.add_image("library/cold", "v1", [b"cold"])
    with client_of_each_worker(mirror) as (one, other):
        _pull_known(one, known)
        spent = Fault(status=429, headers={"Retry-After": str(HALF_AN_HOUR)})
        upstream.misbehave(spent, path="/manifests/")
        upstream.reset()
        first = _time_to_wait(one, "library/cold/manifests/v1")

        # then its workers serve what they hold, and keep the rest back
        waits = [first]
        for client in (one, other):
            assert _pull_known(client, known).headers["X-Cache"] == "STALE"
            waits.append(_time_to_wait(client, "library/cold/manifests/v1"))
            waits.append(_time_to_wait(client, f"library/cold/manifests/{cold.digest}"))
            waits.append(_time_to_wait(client, "library/cold/tags/list"))

    # when it is started anew, that does not change
    mirror.stop()
    mirror.start()
    with client_of_each_worker(mirror) as clients:
        for client in clients:
            assert _pull_known(client, known).headers["X-Cache"] == "STALE"
            waits.append(_time_to_wait(client, "library/cold/manifests/v1"))

        # and the time is counted down all along
        assert waits == sorted(waits, reverse=True)
        assert HALF_AN_HOUR - 120 < waits[-1] <= waits[0] <= HALF_AN_HOUR
        for client in clients:
            eventually(partial(_waits_less, client, waits[0]), "the time gets shorter")
    assert [(seen.method, seen.path) for seen in upstream.requests] == [
        ("HEAD", "/v2/library/cold/manifests/v1")
    ]


def _waits_less(client: httpx.Client, before: int) -> bool:
    return _time_to_wait(client, "library/cold/manifests/v1") < before


def test_without_a_time_it_is_a_minute(mirror: Mirror, upstream: FakeUpstream) -> None:
    digest = upstream.add_blob("library/cold", b"cold")
    upstream.misbehave(Fault(status=429))
    with client_of_each_worker(mirror) as clients:
        waits = [_time_to_wait(client, f"library/cold/blobs/{digest}") for client in clients]
        waits += [_time_to_wait(client, "library/cold/manifests/v1") for client in clients]

    assert waits[0] == 60
    assert waits == sorted(waits, reverse=True)
    assert upstream.count() == 1
