"""While a blob arrives, those who come for it find all that there is to know with the first one."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
from django.db import connection
from django.http.response import HttpResponseBase
from django.test import Client
from django.test.utils import CaptureQueriesContext

from cache import database
from cache.runtime import Runtime
from tests.fakes.faults import Fault, Gate
from tests.fakes.upstream import FakeUpstream

NAME = "library/thing"
OTHER = "library/other"
BLOB = bytes(range(256)) * 4096

CountQueries = Callable[[int], AbstractContextManager[CaptureQueriesContext]]

# A body that is closed early ends the request, and with it what a test transaction needs.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def arriving(mirror: Runtime, upstream: FakeUpstream, client: Client) -> Iterator[str]:
    """The digest of a blob of which a client of NAME has the first bytes."""
    gate = Gate()
    digest = str(upstream.add_blob(NAME, BLOB))
    upstream.misbehave(Fault(stall=gate, stall_at=len(BLOB) // 2), path=f"{NAME}/blobs", times=1)
    client.get("/v2/")  # as every client begins; from now on, the process knows its rules
    first = client.get(f"/v2/{NAME}/blobs/{digest}")
    upstream.record.reset()
    yield digest
    gate.open()
    assert b"".join(first) == BLOB
    first.close()


def ask(client: Client, name: str, digest: str) -> HttpResponseBase:
    answer = client.get(f"/v2/{name}/blobs/{digest}")
    answer.close()
    return answer


def test_not_the_database_and_not_upstream(
    upstream: FakeUpstream,
    client: Client,
    arriving: str,
    django_assert_max_num_queries: CountQueries,
) -> None:
    with django_assert_max_num_queries(0):
        answer = ask(client, NAME, arriving)

    assert (answer.status_code, answer.headers["Content-Length"]) == (200, str(len(BLOB)))
    assert upstream.seen() == []


@pytest.mark.parametrize("has_it", [True, False])
def test_in_another_repository_it_is_proved_once(
    upstream: FakeUpstream, client: Client, arriving: str, has_it: bool
) -> None:
    if has_it:
        upstream.add_blob(OTHER, BLOB)

    for _ in range(2):
        assert ask(client, OTHER, arriving).status_code == (200 if has_it else 404)

    (seen,) = upstream.seen()
    assert seen.method == "HEAD"
    assert OTHER in seen.path


def test_nor_is_a_connection_kept_for_a_question(
    client: Client, arriving: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where as many threads as may do so keep SQLite's; PostgreSQL's are in a pool."""
    monkeypatch.setattr(database, "MOST_KEPT", 0)
    monkeypatch.setattr(database, "_keepers", weakref.WeakSet())
    connection.ensure_connection()

    answer = client.get(f"/v2/{NAME}/blobs/{arriving}")

    assert connection.vendor != "sqlite" or connection.connection is None
    answer.close()
