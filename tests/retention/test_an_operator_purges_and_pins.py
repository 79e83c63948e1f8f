"""`purge`, `pin`, `unpin` and `du`, as processes of their own beside the mirror that serves."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import httpx
import pytest

from cache.oci.digest import Digest
from tests.e2e.mirror import Mirror
from tests.e2e.processes import scratch
from tests.fakes.images import Image
from tests.fakes.plain import NO_AUTHORITY
from tests.fakes.upstream import FakeUpstream
from tests.retention.operator import call, call_on_terminal, held, pull, recorded, removals

SHARED = b"s" * 1_000_000


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def mirror(upstream: FakeUpstream) -> Iterator[Mirror]:
    with scratch("purges") as home, Mirror(home / "root", upstream.url) as running:
        yield running


@pytest.fixture
def images(mirror: Mirror, upstream: FakeUpstream) -> dict[str, Image]:
    """Two images that share a layer, and one of another repository."""
    found = {}
    for name in ("acme/a:1", "acme/a:2", "other/b:1"):
        path, _, tag = name.partition(":")
        layers = [name.encode() * 10_000, *([SHARED] if path == "acme/a" else [])]
        found[name] = upstream.add_image(path, tag, layers)
        pull(mirror, path, tag, found[name])
    return found


def _manage(mirror: Mirror, upstream: FakeUpstream, *words: str) -> tuple[int, str, str]:
    return call(mirror.root, *words, REGISTRY_PROXY_REMOTEURL=upstream.url)


def test_one_bad_image_is_fetched_anew(
    mirror: Mirror, upstream: FakeUpstream, images: dict[str, Image]
) -> None:
    code, out, err = _manage(mirror, upstream, "purge", "acme/a:1")

    assert (code, err) == (0, "")
    first, last = out.splitlines()
    assert re.fullmatch(r"acme/a:1 — 78\.\d KiB — purged by \S+", first)
    assert re.fullmatch(r"purged 1 image, 0 lone blobs, 78\.\d KiB", last)
    assert held(mirror.root) == recorded(mirror.root)
    assert str(Digest.of(SHARED)) in held(mirror.root)
    assert removals(mirror.root)[-1][1:3] == ("acme/a", "purged")
    upstream.reset()
    pull(mirror, "acme/a", "1", images["acme/a:1"])
    assert upstream.count("GET", "/manifests/") == 1
    assert upstream.count("GET", "/blobs/") == 2


def test_a_bad_blob_is_fetched_anew_whatever_needs_it(
    mirror: Mirror, upstream: FakeUpstream, images: dict[str, Image]
) -> None:
    code, out, _ = _manage(mirror, upstream, "purge", str(Digest.of(SHARED)))

    assert code == 0
    assert "purged 0 images, 1 lone blob, 976.6 KiB" in out
    upstream.reset()
    pull(mirror, "acme/a", "1", images["acme/a:1"])
    pull(mirror, "acme/a", "2", images["acme/a:2"])
    assert upstream.count("GET") == 1


def test_a_pattern_asks_first(
    mirror: Mirror, upstream: FakeUpstream, images: dict[str, Image]
) -> None:
    before = held(mirror.root)
    code, out, err = _manage(mirror, upstream, "purge", "acme/**", "--json")
    assert (code, "add --yes" in err) == (2, True)
    assert out == "", "there is only JSON, of what was removed"
    assert err.startswith("acme/a:1\nacme/a:2\n")
    code, shown = call_on_terminal(mirror.root, "purge", "acme/**", says="n\n")
    assert (code, "nothing was purged" in shown) == (1, True)
    assert held(mirror.root) == before

    code, shown = call_on_terminal(mirror.root, "purge", "acme/**", says="y\n")
    assert (code, "purged 2 images" in shown) == (0, True)
    assert len(held(mirror.root)) == 2
    pull(mirror, "acme/a", "1", images["acme/a:1"])
    code, out, _ = _manage(mirror, upstream, "purge", "**", "--yes")
    assert (code, "purged 2 images" in out) == (0, True)
    assert held(mirror.root) == recorded(mirror.root) == {}


def test_what_is_pinned_stays_and_a_purge_of_it_asks(
    mirror: Mirror, upstream: FakeUpstream, images: dict[str, Image]
) -> None:
    assert _manage(mirror, upstream, "pin", "acme/a:1")[:2] == (0, "pinned acme/a:1\n")
    assert _manage(mirror, upstream, "pin", "acme/a:1")[1] == "acme/a:1 was pinned already\n"
    code, out, _ = _manage(mirror, upstream, "pin")
    assert re.fullmatch(r"acme/a:1  pinned by \S+, \d{4}-\d\d-\d\d \d\d:\d\d UTC\n", out)

    code, out, err = _manage(mirror, upstream, "purge_expired", "--max-size", "1B")
    assert (code, "the rest is pinned or in use" in err) == (0, True)
    assert len(held(mirror.root)) == 3

    code, _, err = _manage(mirror, upstream, "purge", "acme/a:1")
    assert (code, "acme/a:1 is pinned. Purge it all the same?" in err) == (2, True)
    code, shown = call_on_terminal(mirror.root, "purge", "acme/a:1", says="no\n")
    assert code == 1
    assert len(held(mirror.root)) == 3
    code, shown = call_on_terminal(mirror.root, "purge", "acme/a:1", says="yes\n")
    assert (code, "purged 1 image" in shown) == (0, True)
    assert held(mirror.root) == {}

    assert _manage(mirror, upstream, "unpin", "acme/a:1")[:2] == (0, "unpinned acme/a:1\n")
    code, _, err = _manage(mirror, upstream, "unpin", "acme/a:1")
    assert (code, "there is no pin acme/a:1" in err) == (1, True)


def test_while_it_is_sent(mirror: Mirror, upstream: FakeUpstream, images: dict[str, Image]) -> None:
    """A purge does not wait for readers, and does not cut them off."""
    data = b"long" * 5_000_000
    digest = upstream.add_blob("acme/a", data)
    url = f"{mirror.url}/v2/acme/a/blobs/{digest}"
    httpx.get(url, timeout=30, trust_env=False, verify=NO_AUTHORITY)
    with httpx.stream("GET", url, timeout=30, trust_env=False, verify=NO_AUTHORITY) as answer:
        pieces = answer.iter_raw(65536)
        received = next(pieces)
        code, _, _ = _manage(mirror, upstream, "purge_expired", "--max-size", "1MiB")
        assert code == 0
        assert str(digest) in held(mirror.root), "what is pulled is not evicted"
        assert held(mirror.root) == recorded(mirror.root)
        assert _manage(mirror, upstream, "purge", str(digest))[0] == 0
        assert str(digest) not in held(mirror.root)
        received += b"".join(pieces)
    assert received == data


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("purge", "no/such"), 1, "nothing here is no/such"),
        (("purge", "Bad Name"), 2, "found 'Bad Name', which is no REPOSITORY"),
        (("pin", "sha256:12"), 2, "found 'sha256:12', which is no REPOSITORY"),
        (("purge",), 2, "arguments are required"),
        (("du", "--by", "colour"), 2, "invalid choice"),
    ],
)
def test_mistakes(
    mirror: Mirror, upstream: FakeUpstream, words: tuple[str, ...], code: int, said: str
) -> None:
    found, out, err = _manage(mirror, upstream, *words)

    assert (found, out) == (code, "")
    assert said in err


def test_where_the_space_is(
    mirror: Mirror, upstream: FakeUpstream, images: dict[str, Image]
) -> None:
    upstream.add_blob("other/b", SHARED)
    url = f"{mirror.url}/v2/other/b/blobs/{Digest.of(SHARED)}"
    httpx.get(url, timeout=30, trust_env=False, verify=NO_AUTHORITY)
    _manage(mirror, upstream, "purge", "acme/a:2")
    third = upstream.add_image("other/b", "2", [SHARED])
    pull(mirror, "other/b", "2", third)

    code, out, err = _manage(mirror, upstream, "du")
    assert (code, err) == (0, "")
    own = {"acme/a": r"\d+\.\d KiB", "other/b": r"\d+\.\d KiB"}
    for name, size in own.items():
        assert re.search(rf"^{name} +{size}  \d blobs  and 976\.6 KiB shared$", out, re.MULTILINE)
    total = sum(recorded(mirror.root).values())
    assert out.endswith(
        f"in all {total / 1024**2:.1f} MiB in 6 blobs, of which 976.6 KiB are shared\n"
    )

    code, out, _ = _manage(mirror, upstream, "du", "--json")
    found = json.loads(out)
    assert (found["by"], found["blobs"], found["size"]) == ("repository", 6, total)
    assert found["shared"] == len(SHARED)
    assert sum(row["own"] for row in found["rows"]) + found["shared"] == total

    found = json.loads(_manage(mirror, upstream, "du", "--json", "--by", "upstream")[1])
    (row,) = found["rows"]
    assert row == {
        "name": f"127.0.0.1:{upstream.port}",
        "blobs": 6,
        "own": total,
        "shared": 0,
    }
    found = json.loads(_manage(mirror, upstream, "du", "--json", "--by", "age")[1])
    assert [(row["name"], row["own"]) for row in found["rows"]] == [("less than a day", total)]
