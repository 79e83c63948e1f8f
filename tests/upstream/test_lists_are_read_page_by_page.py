from __future__ import annotations

import json

import pytest

from cache.upstream.errors import BadAnswer, NotFound, TooLarge
from tests.fakes.faults import Fault
from tests.fakes.images import build_image, descriptor
from tests.fakes.upstream import FakeUpstream
from tests.upstream.conftest import Connect
from tests.upstream.names import ABSENT, ALPINE


@pytest.mark.parametrize("paging", [True, False])
def test_tags_are_followed_from_page_to_page(
    registry: FakeUpstream, connect: Connect, paging: bool
) -> None:
    tags = [f"v{number:04}" for number in range(2500)]
    registry.tags_paging = paging
    image = registry.add_image("library/alpine")
    for tag in reversed(tags):
        registry.tag("library/alpine", tag, image.digest)

    assert sorted(connect(registry).list_tags(ALPINE)) == tags
    assert len(registry.requests) == (3 if paging else 1)


def test_pages_named_by_upstreams_own_words(registry: FakeUpstream, connect: Connect) -> None:
    link = '</v2/library/alpine/tags/list?next_page=opaque>; rel="next"'
    first = Fault(status=200, body=b'{"tags": ["b", "a"]}', headers={"Link": link})
    registry.misbehave(first, times=1)
    registry.misbehave(Fault(status=200, body=b'{"tags": ["C"]}'), path="next_page=opaque")

    assert connect(registry).list_tags(ALPINE) == ("b", "a", "C")


def test_pages_without_end_are_refused(registry: FakeUpstream, connect: Connect) -> None:
    link = '</v2/library/alpine/tags/list?again>; rel="next"'
    registry.misbehave(Fault(status=200, body=b'{"tags": ["a"]}', headers={"Link": link}))

    with pytest.raises(TooLarge, match="too many pages"):
        connect(registry).list_tags(ALPINE)


@pytest.mark.parametrize(
    ("body", "tags"),
    [
        (b'{"name": "x", "tags": null}', ()),
        (b'{"tags": ["a", 7, "", "../x", "b\\u0000", {"c": 1}, "d"]}', ("a", "d")),
    ],
)
def test_what_is_no_tag_is_left_out(
    registry: FakeUpstream, connect: Connect, body: bytes, tags: tuple[str, ...]
) -> None:
    registry.misbehave(Fault(status=200, body=body))

    assert connect(registry).list_tags(ALPINE) == tags


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"tags": 3}', b"[" * 60_000])
def test_what_is_no_list_is_refused(registry: FakeUpstream, connect: Connect, body: bytes) -> None:
    registry.misbehave(Fault(status=200, body=body))

    with pytest.raises(BadAnswer):
        connect(registry).list_tags(ALPINE)


def test_referrers_come_as_sent(registry: FakeUpstream, connect: Connect) -> None:
    image = registry.add_image("library/alpine", "latest")
    subject = {"subject": descriptor(image.manifest, image.media_type)}
    for kind in ("application/vnd.a", "application/vnd.b"):
        signature = build_image([kind.encode()], extra={**subject, "artifactType": kind})
        registry.put_image("library/alpine", signature)
    upstream = connect(registry)

    everything = upstream.list_referrers(ALPINE, image.digest)
    some = upstream.list_referrers(ALPINE, image.digest, "application/vnd.a")

    assert len(json.loads(everything.body)["manifests"]) == 2
    assert not everything.filtered
    (only,) = json.loads(some.body)["manifests"]
    assert only["artifactType"] == "application/vnd.a"
    assert some.filtered


def test_a_registry_that_does_not_filter_says_so(registry: FakeUpstream, connect: Connect) -> None:
    image = registry.add_image("library/alpine", "latest")
    registry.referrers_filtering = False

    assert not connect(registry).list_referrers(ALPINE, image.digest, "application/x").filtered


@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_registry_without_referrers(
    registry: FakeUpstream, connect: Connect, status: int
) -> None:
    registry.misbehave(Fault(status=status))

    with pytest.raises(NotFound):
        connect(registry).list_referrers(ALPINE, ABSENT)


def test_the_pages_of_referrers_are_joined(registry: FakeUpstream, connect: Connect) -> None:
    first = {"schemaVersion": 2, "manifests": [{"digest": "a"}]}
    link = {"Link": '</v2/library/alpine/referrers/x?page=2>; rel="next"'}
    registry.misbehave(Fault(status=200, body=json.dumps(first).encode(), headers=link), times=1)
    second = {"manifests": [{"digest": "b"}]}
    registry.misbehave(Fault(status=200, body=json.dumps(second).encode()), path="page=2")

    answer = connect(registry).list_referrers(ALPINE, ABSENT)

    assert json.loads(answer.body) == {
        "schemaVersion": 2,
        "manifests": [{"digest": "a"}, {"digest": "b"}],
    }


def test_pages_without_end_are_too_many(registry: FakeUpstream, connect: Connect) -> None:
    link = {"Link": '<?page>; rel="next"'}
    registry.misbehave(Fault(status=200, body=b'{"manifests": []}', headers=link))

    with pytest.raises(TooLarge):
        connect(registry).list_referrers(ALPINE, ABSENT)

    assert registry.count() == 50


def test_all_pages_share_one_bound(registry: FakeUpstream, connect: Connect) -> None:
    body = json.dumps({"manifests": ["x" * 1_500_000]}).encode()
    registry.misbehave(Fault(status=200, body=body, headers={"Link": '<?page>; rel="next"'}))

    with pytest.raises(TooLarge):
        connect(registry).list_referrers(ALPINE, ABSENT)

    assert registry.count() == 3


def test_the_next_page_is_on_the_same_host(
    registry: FakeUpstream, elsewhere: FakeUpstream, connect: Connect
) -> None:
    link = {"Link": f'<{elsewhere.url}/v2/>; rel="next"'}
    registry.misbehave(Fault(status=200, body=b'{"manifests": []}', headers=link))

    with pytest.raises(BadAnswer):
        connect(registry).list_referrers(ALPINE, ABSENT)

    assert elsewhere.count() == 0


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"manifests": 1}', b'{"a":1,"a":2}'])
def test_what_is_no_index_is_refused(registry: FakeUpstream, connect: Connect, body: bytes) -> None:
    registry.misbehave(Fault(status=200, body=body))

    with pytest.raises(BadAnswer):
        connect(registry).list_referrers(ALPINE, ABSENT)
