"""`--dry-run`: what would be fetched, and what asking has cost."""

from __future__ import annotations

from tests.fakes.faults import Fault
from tests.fakes.images import LINUX_ARM64, build_image, build_index
from tests.fakes.upstream import FakeUpstream
from tests.warm.commands import Warm

SHARED = b"s" * 300_000
OWN = b"o" * 100_000


def test_shared_blobs_once_and_held_ones_not_at_all(upstream: FakeUpstream, warm: Warm) -> None:
    upstream.put_image("library/held", build_image((OWN,)), "1")
    assert warm("held:1").code == 0
    one, other = build_image((SHARED, OWN)), build_image((SHARED, b"x" * 50_000))
    index = build_index((one, build_image((b"y" * 9_000_000,), platform=LINUX_ARM64)))
    upstream.put_index("library/one", index, "1")
    upstream.put_image("library/other", other, "1")
    upstream.reset()
    missing = len(SHARED) + 50_000 + len(one.config) + len(other.config)

    ended = warm("one:1", "other:1", "--dry-run", "--json")

    assert ended.code == 0
    assert ended.summary["bytes_missing_before"] == missing
    assert ended.summary["bytes"] == missing + len(OWN)
    assert ended.summary["priced"] == 2
    assert ended.summary["tags_checked"] == 2
    assert sum(ended.summary["manifests_fetched"].values()) == 3
    assert upstream.count(path="/blobs/") == 0
    assert (upstream.count("HEAD"), upstream.count("GET")) == (2, 3)
    assert sum(line["image"]["bytes_missing_before"] for line in ended.objects[:-1]) == missing


def test_the_warm_up_afterwards_costs_what_was_said(upstream: FakeUpstream, warm: Warm) -> None:
    image = upstream.put_image("library/tool", build_image((SHARED, OWN)), "1")

    priced = warm("tool:1", "--dry-run")
    upstream.reset()
    ended = warm("tool:1")

    size = len(SHARED) + len(OWN) + len(image.config)
    assert (
        f"tool:1: {size / 1024:.1f} KiB to fetch, 0 B of {size / 1024:.1f} KiB here" in priced.out
    )
    assert f"to fetch: {size / 1024:.1f} KiB in 3 blobs; here already: 0 B\n" in priced.out
    assert "has checked 1 tags and spent 1 manifests that count against a quota (1 of" in priced.out
    assert "they are kept, so that the warm-up need not fetch them again" in priced.out
    assert ended.code == 0
    assert upstream.count("GET", "/manifests/") == 0
    assert upstream.body_bytes == size


def test_what_cannot_be_priced_is_counted(upstream: FakeUpstream, warm: Warm) -> None:
    upstream.put_image("library/tool", build_image((OWN,)), "1")
    upstream.put_image("library/other", build_image((OWN,)), "1")
    upstream.misbehave(Fault(status=500), path="library/other")

    ended = warm("tool:1", "other:1", "--dry-run")

    assert ended.code == 1
    assert "1 images could not be priced: each costs one manifest at least" in ended.out
