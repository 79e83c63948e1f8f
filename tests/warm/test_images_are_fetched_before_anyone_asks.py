"""`manage.py warm` fetches what is missing, once, and nothing else."""

from __future__ import annotations

import os
import random
from pathlib import Path

import httpx
import pytest

from cache.oci.digest import Digest
from tests.e2e.mirror import Mirror
from tests.e2e.parts import require_root
from tests.fakes.faults import Fault
from tests.fakes.images import (
    LINUX_AMD64,
    LINUX_ARM64,
    Image,
    Index,
    Platform,
    build_image,
    build_index,
)
from tests.fakes.plain import NO_AUTHORITY
from tests.fakes.upstream import FakeUpstream
from tests.warm.commands import Warm

BASE = random.Random(0).randbytes(300_000)


def image(seed: int, platform: Platform = LINUX_AMD64) -> Image:
    """An image with a layer of its own, over the one that all have."""
    return build_image((BASE, random.Random(seed).randbytes(200_000)), platform=platform)


def held(root: Path) -> set[str]:
    """The digests of the blobs in the store."""
    blobs = root / "blobs" / "sha256"
    return {f"sha256:{path.name}" for path in blobs.glob("*/*")} if blobs.exists() else set()


def blobs_of(*images: Image) -> set[str]:
    return {str(digest) for one in images for digest in (one.config_digest, *one.layer_digests)}


def put_index(upstream: FakeUpstream, name: str) -> Index:
    attestation = build_image((b"in-toto",), platform=Platform("unknown", "unknown"))
    index = build_index((image(1), image(2, LINUX_ARM64), attestation))
    return upstream.put_index(name, index, "v1")


def test_all_that_the_image_needs_and_nothing_twice(upstream: FakeUpstream, warm: Warm) -> None:
    index = put_index(upstream, "library/tool")
    other = upstream.put_image("library/other", image(3), "latest")

    ended = warm("tool:v1", "other", "docker.io/library/tool:v1")

    assert (ended.code, ended.err) == (0, "")
    assert "library/tool:v1: here, 488." in ended.out
    assert "2 of 2 images are here: 684.5 KiB fetched, 3 manifests" in ended.out
    assert held(warm.root) == blobs_of(index.images[0], other)
    blobs = [seen.path for seen in upstream.seen("GET", "/blobs/")]
    assert len(blobs) == len({path.rpartition("/")[2] for path in blobs}) == 5
    manifests = [seen.path.rpartition("/")[2] for seen in upstream.seen("GET", "/manifests/")]
    assert sorted(manifests) == sorted(
        map(str, (index.digest, index.images[0].digest, other.digest))
    )


def test_what_is_here_is_not_fetched(upstream: FakeUpstream, warm: Warm) -> None:
    put_index(upstream, "library/tool")
    assert warm("tool:v1").code == 0
    upstream.reset()

    ended = warm("tool:v1")

    assert ended.code == 0
    assert "it was here already" in ended.out
    assert "1 of 1 images are here: 0 B fetched, no manifests" in ended.out
    assert [seen.method for seen in upstream.requests] == ["HEAD"]


def test_the_mirror_serves_it_without_upstream(
    upstream: FakeUpstream, warm: Warm, tmp_path: Path
) -> None:
    index = put_index(upstream, "library/tool")
    assert warm("tool:v1").code == 0
    upstream.stop()

    with Mirror(warm.root, upstream.url) as mirror:
        base = f"{mirror.url}/v2/library/tool"
        tag = httpx.get(f"{base}/manifests/v1", trust_env=False, verify=NO_AUTHORITY)
        layers = [
            httpx.get(f"{base}/blobs/{digest}", trust_env=False, verify=NO_AUTHORITY)
            for digest in index.images[0].layer_digests
        ]

    assert Digest.of(tag.content) == index.digest
    assert [answer.content for answer in layers] == list(index.images[0].layers)


@pytest.mark.parametrize(
    ("options", "taken"),
    [
        (("--platform", "linux/arm64"), (1,)),
        (("--platform", "linux/amd64, linux/arm64"), (0, 1)),
        (("--platform", "all"), (0, 1)),
        (("--platform", "all", "--attestations"), (0, 1, 2)),
    ],
)
def test_the_platforms_that_are_asked_for(
    upstream: FakeUpstream, warm: Warm, options: tuple[str, ...], taken: tuple[int, ...]
) -> None:
    index = put_index(upstream, "library/tool")

    assert warm("tool:v1", *options).code == 0
    assert held(warm.root) == blobs_of(*(index.images[number] for number in taken))


def test_a_platform_that_is_missing_is_named_and_the_others_come(
    upstream: FakeUpstream, warm: Warm
) -> None:
    index = put_index(upstream, "library/tool")

    ended = warm("tool:v1", "--platform", "linux/s390x,linux/amd64")

    assert ended.code == 1
    assert (
        "not all here: there is no linux/s390x of it: its platforms are linux/amd64, linux/arm64/v8"
        in ended.out
    )
    assert held(warm.root) == blobs_of(index.images[0])


def test_a_mistake_is_told_and_the_other_images_come(upstream: FakeUpstream, warm: Warm) -> None:
    good = upstream.put_image("library/good", image(4), "1")
    upstream.put_image("library/cut", image(5), "1")
    upstream.repository("library/cut").blobs.pop(str(image(5).layer_digests[1]))

    ended = warm("quay.io/o/i", "Bad", "none:1", "cut:1", "good:1")

    assert ended.code == 1
    assert "quay.io/o/i: mistake: no upstream is configured for the registry 'quay.io'" in ended.err
    assert "Bad: mistake: 'library/Bad' is not a repository name" in ended.err
    assert "library/none:1: not all here: " in ended.out
    assert "library/cut:1: not all here: " in ended.out
    assert "library/good:1: here" in ended.out
    assert "1 of 3 images are here" in ended.out
    assert "besides: 2 names that no image here can have, 0 skipped" in ended.out
    assert blobs_of(good) <= held(warm.root)


def test_a_stale_tag_says_so(upstream: FakeUpstream, warm: Warm) -> None:
    upstream.put_image("library/tool", image(1), "1")
    assert warm("tool:1").code == 0
    upstream.misbehave(Fault(status=503))

    ended = warm("tool:1")

    assert ended.code == 0
    assert "(upstream last confirmed the tag " in ended.out


def test_files_and_the_standard_input(upstream: FakeUpstream, warm: Warm, tmp_path: Path) -> None:
    for number, name in enumerate(("listed", "composed", "built")):
        upstream.put_image(f"library/{name}", image(number), "1")
    compose = tmp_path / "compose.yml"
    compose.write_text("services: {a: {image: 'composed:1'}, b: {image: 'x:$TAG'}}\n")
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text("FROM built:1 AS one\nFROM one\nFROM scratch\n")

    ended = warm(
        *("--from", "-", "--from", str(compose), "--from", str(dockerfile), "--json"),
        given="listed:1  # every morning\n",
    )

    assert ended.code == 0, "what holds a variable is skipped, and no failure"
    skipped, *images, last = ended.objects
    assert skipped["skipped"]["where"] == f"{compose}:1"
    assert {each["image"]["name"].rpartition("/")[2] for each in images} == {
        "listed:1",
        "composed:1",
        "built:1",
    }
    assert last["summary"]["here"] == 3
    assert last["summary"]["skipped"] == 1
    assert last["summary"]["bytes_here"] == last["summary"]["bytes"]
    assert last["summary"]["manifests_fetched"] == {f"127.0.0.1:{upstream.port}": 3}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "no image is named"),
        (("--from", "/proc/missing"), "/proc/missing: it cannot be read: No such file"),
        (("--from", "/dev/null"), "no image is named"),
        (("x", "--platform", "amd64"), "'amd64' is no platform"),
        (("x", "--jobs", "0"), "allowed a number from 1 to 64"),
        (("x", "--jobs", "65"), "allowed a number from 1 to 64"),
    ],
)
def test_what_cannot_begin_does_not(warm: Warm, arguments: tuple[str, ...], sentence: str) -> None:
    ended = warm(*arguments)

    assert ended.code == 2
    assert sentence in ended.err
    assert not warm.root.exists()


def test_another_users_store_is_left_alone(upstream: FakeUpstream, warm: Warm) -> None:
    require_root()
    upstream.put_image("library/tool", image(1), "1")
    warm.root.mkdir()

    os.chown(warm.root, 12345, 12345)

    ended = warm("tool:1")

    assert ended.code == 2
    assert "belongs to the user 12345: run this as that user" in ended.err
    assert list(warm.root.iterdir()) == []
    assert upstream.requests == []
