"""The hot path: at most one query and no write for what is here already."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta

import pytest
from django.http.response import HttpResponseBase
from django.test import Client
from django.test.utils import CaptureQueriesContext

from cache import catalog, runtime, upkeep
from cache.oci.reference import RepositoryName, Tag
from cache.oci.repository import Repository
from cache.runtime import Runtime
from tests.fakes.upstream import FakeUpstream
from tests.pull.holding import hold_blob

NAME = "library/thing"

CountQueries = Callable[[int], AbstractContextManager[CaptureQueriesContext]]


@pytest.fixture
def get(
    client: Client, django_assert_max_num_queries: CountQueries
) -> Callable[[str], HttpResponseBase]:
    """GET of a path below `/v2/`, which fails if it costs more than one query or writes."""

    def ask(path: str) -> HttpResponseBase:
        client.get("/v2/")  # as every client begins; from now on, the process knows its rules
        with django_assert_max_num_queries(1) as captured:
            answer = client.get(f"/v2/{NAME}/{path}")
            answer.close()
        assert all(query["sql"].startswith("SELECT") for query in captured.captured_queries)
        assert answer.status_code == 200
        return answer

    return ask


def test_a_manifest_by_digest(
    mirror: Runtime, upstream: FakeUpstream, client: Client, get: Callable[[str], HttpResponseBase]
) -> None:
    image = upstream.add_image(NAME)
    client.get(f"/v2/{NAME}/manifests/{image.digest}")
    upstream.record.reset()
    assert get(f"manifests/{image.digest}").headers["X-Cache"] == "HIT"
    assert upstream.seen() == []


def test_a_manifest_by_tag(
    mirror: Runtime, upstream: FakeUpstream, client: Client, get: Callable[[str], HttpResponseBase]
) -> None:
    upstream.add_image(NAME, "v1")
    client.get(f"/v2/{NAME}/manifests/v1")
    upstream.record.reset()
    assert get("manifests/v1").headers["X-Cache"] == "REVALIDATED"
    assert [seen.method for seen in upstream.seen()] == ["HEAD"]


def test_a_blob(
    mirror: Runtime, upstream: FakeUpstream, get: Callable[[str], HttpResponseBase]
) -> None:
    digest = hold_blob(mirror, NAME, b"some bytes")
    assert get(f"blobs/{digest}").headers["X-Cache"] == "HIT"
    assert upstream.seen() == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_access_changed", [False, True])
def test_a_blob_that_was_pulled_lately_costs_none(
    mirror: Runtime,
    client: Client,
    django_assert_max_num_queries: CountQueries,
    *,
    is_access_changed: bool,
) -> None:
    digest = hold_blob(mirror, NAME, b"some bytes")
    mirror.remembered.changed()
    if not is_access_changed:
        mirror.memory.forget("access")
    client.get(f"/v2/{NAME}/blobs/{digest}").close()
    with django_assert_max_num_queries(0):
        assert client.get(f"/v2/{NAME}/blobs/{digest}").getvalue() == b"some bytes"


def test_a_range_reads_no_further_than_it_goes(mirror: Runtime, client: Client) -> None:
    """As over TLS, where the server reads the file by itself instead of having it sent."""
    digest = hold_blob(mirror, NAME, b"some bytes")
    answer = client.get(f"/v2/{NAME}/blobs/{digest}", headers={"Range": "bytes=2-5"})
    assert answer.status_code == 206
    assert answer.getvalue() == b"me b"


# A body that is closed early ends the request, and with it what a test transaction needs.
@pytest.mark.django_db(transaction=True)
def test_when_a_tag_was_confirmed_is_written_later(
    mirror: Runtime, upstream: FakeUpstream, client: Client, get: Callable[[str], HttpResponseBase]
) -> None:
    upstream.add_image(NAME, "v1")
    client.get(f"/v2/{NAME}/manifests/v1")
    repository = Repository(mirror.config.proxy.name, RepositoryName.parse(NAME))
    later = mirror.now() + timedelta(hours=1)
    with runtime.using(replace(mirror, now=lambda: later)):
        get("manifests/v1")
        upkeep.flush()
    known = catalog.find_tag(repository, Tag("v1"))
    assert known is not None
    assert known.checked_at == later
