"""What passes is counted in memory, and added in batches to rows by minute, hour and day."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from cache import catalog, report, runtime
from cache.models import Traffic
from cache.oci.reference import RepositoryName
from cache.oci.repository import Repository
from cache.runtime import Runtime
from cache.tally import Counts, Tally
from tests.fakes.images import Image
from tests.fakes.upstream import FakeUpstream

NAME = "library/thing"
LAYER = b"a layer" * 20_000
NOON = datetime(2026, 5, 4, 12, 0, 30, tzinfo=UTC)
ONE = Repository("docker.io", RepositoryName.parse("library/one"))
TWO = Repository("docker.io", RepositoryName.parse("library/two"))


def pull(client: Client, image: Image) -> int:
    """As containerd does; the bytes of all bodies."""
    client.head(f"/v2/{NAME}/manifests/v1")
    answers = [client.get(f"/v2/{NAME}/manifests/{image.digest}")]
    answers += [
        client.get(f"/v2/{NAME}/blobs/{digest}")
        for digest in (image.config_digest, *image.layer_digests)
    ]
    length = 0
    for answer in answers:
        length += len(answer.getvalue())
        answer.close()
    return length


def row(mirror: Runtime, span: str, repository: str = "") -> Traffic:
    upstream = mirror.config.proxy.name
    return Traffic.objects.get(span=span, upstream=upstream, repository=repository)


@pytest.mark.django_db(transaction=True)
def test_a_cold_pull_and_a_warm_one(
    mirror: Runtime, upstream: FakeUpstream, client: Client
) -> None:
    image = upstream.add_image(NAME, "v1", [LAYER])
    length = pull(client, image)
    assert mirror.coalescer.drain(30)
    with runtime.using(replace(mirror, now=lambda: NOON)):
        report.flush()
        for span, repository in (("m", ""), ("h", ""), ("h", NAME), ("d", ""), ("d", NAME)):
            cold = row(mirror, span, repository)
            # Docker's HEAD has the manifest fetched, so the GET that follows is a hit.
            assert (cold.pulls, cold.requests, cold.hits, cold.misses) == (1, 4, 1, 2)
            assert cold.served == length
            assert cold.fetched == length
        assert pull(client, image) == length
        report.flush()
        both = row(mirror, "d", NAME)
    assert (both.pulls, both.requests, both.hits, both.misses) == (2, 8, 4, 2)
    assert both.served == 2 * length
    assert both.fetched == length


@pytest.mark.django_db
def test_what_is_not_there_is_no_traffic(
    mirror: Runtime, upstream: FakeUpstream, client: Client
) -> None:
    assert client.get(f"/v2/{NAME}/manifests/v1").status_code == 404
    report.flush()
    assert not Traffic.objects.exists()


# A body that is closed early ends the request, and with it what a test transaction needs.
@pytest.mark.django_db(transaction=True)
def test_a_range_counts_what_was_sent(
    mirror: Runtime, upstream: FakeUpstream, client: Client
) -> None:
    image = upstream.add_image(NAME, "v1", [LAYER])
    pull(client, image)
    assert mirror.coalescer.drain(30)
    report.flush()
    before = row(mirror, "h", NAME).served
    answer = client.get(
        f"/v2/{NAME}/blobs/{image.layer_digests[0]}", headers={"Range": "bytes=10-19"}
    )
    assert len(answer.getvalue()) == 10
    answer.close()
    report.flush()
    assert row(mirror, "h", NAME).served - before == 10


@pytest.mark.django_db
def test_a_pull_by_a_tag_alone_is_a_pull_too(
    mirror: Runtime, upstream: FakeUpstream, client: Client
) -> None:
    upstream.add_image(NAME, "v1")
    client.get(f"/v2/{NAME}/manifests/v1", headers={"User-Agent": "containers/5"})
    (pulled,) = mirror.tally.last_pulls()
    assert (pulled.client, pulled.agent) == ("127.0.0.1", "containers/5")
    assert (pulled.repository, pulled.reference) == (f"{mirror.config.proxy.name}/{NAME}", "v1")
    report.flush()
    assert row(mirror, "h").pulls == 1


@pytest.mark.django_db
def test_each_span_has_its_rows() -> None:
    catalog.add_traffic({ONE: Counts(pulls=1), TWO: Counts(pulls=2)}, NOON)
    catalog.add_traffic({ONE: Counts(pulls=4)}, NOON + timedelta(minutes=1))
    catalog.add_traffic({ONE: Counts(pulls=8)}, NOON + timedelta(days=1))
    rows = Traffic.objects.order_by("span", "start", "repository")
    assert [(row.span, row.start.isoformat()[5:16], row.repository, row.pulls) for row in rows] == [
        ("d", "05-04T00:00", "", 7),
        ("d", "05-04T00:00", "library/one", 5),
        ("d", "05-04T00:00", "library/two", 2),
        ("d", "05-05T00:00", "", 8),
        ("d", "05-05T00:00", "library/one", 8),
        ("h", "05-04T12:00", "", 7),
        ("h", "05-04T12:00", "library/one", 5),
        ("h", "05-04T12:00", "library/two", 2),
        ("h", "05-05T12:00", "", 8),
        ("h", "05-05T12:00", "library/one", 8),
        ("m", "05-04T12:00", "", 3),
        ("m", "05-04T12:01", "", 4),
        ("m", "05-05T12:00", "", 8),
    ]


@pytest.mark.django_db
def test_old_rows_go() -> None:
    catalog.add_traffic({ONE: Counts(pulls=1)}, NOON)
    catalog.expire_traffic(NOON + timedelta(days=9))
    left = Traffic.objects.values_list("span", "repository").order_by("span", "repository")
    assert list(left) == [("d", ""), ("d", "library/one"), ("h", "")]


def test_what_the_database_did_not_take_waits() -> None:
    tally = Tally()
    tally.count(ONE, Counts(pulls=1))
    taken = tally.take()
    tally.count(ONE, Counts(pulls=2))
    tally.put_back(taken)
    assert tally.take() == {ONE: Counts(pulls=3)}


def test_each_sum_is_added() -> None:
    ones = Counts(*(1 for _ in fields(Counts)))
    sums = Counts()
    sums.add(ones)
    assert sums == ones
