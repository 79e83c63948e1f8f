"""The folder of a real docker-registry is taken over, and pulled from without asking for bytes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.e2e import skopeo
from tests.e2e.images import BIG_LAYER, busybox_image, push, two_platform_index
from tests.e2e.importing import (
    data_of,
    folder_of,
    imported,
    pulled_through,
    started,
    stored,
    summary,
)
from tests.e2e.kernel import lock_holder
from tests.e2e.mirror import Mirror
from tests.e2e.parts import require
from tests.e2e.processes import PATIENCE, eventually, scratch
from tests.e2e.registry import Registry
from tests.fakes.plain import NO_AUTHORITY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cache.oci.digest import Digest
    from tests.e2e.counting import CountingProxy

pytestmark = pytest.mark.e2e

INDEX = two_platform_index("pulled through the old cache")
IMAGE = busybox_image("also pulled through the old cache", docker=True)
BLOBS = [
    digest
    for image in (*INDEX.images, IMAGE)
    for digest in (image.config_digest, *image.layer_digests)
]
TWO_DAYS = 2 * 24 * 3600


@pytest.fixture(scope="module")
def cached(registry: str, upstream: CountingProxy) -> Iterator[Path]:
    """What a pull-through registry left in its folder; never changed."""
    require("docker-registry", "skopeo")
    push(registry, "library/index", "1", INDEX)
    push(registry, "acme/image", "v2", IMAGE)
    with pulled_through(upstream.url, "library/index:1", "acme/image:v2") as folder:
        yield folder


@pytest.fixture
def home() -> Iterator[Path]:
    with scratch("import") as path:
        yield path


@pytest.fixture
def old(cached: Path, home: Path) -> Path:
    """A copy of the folder, for a test that changes it."""
    return Path(shutil.copytree(cached, home / "old"))


def behind(upstream: CountingProxy) -> dict[str, str]:
    """The setting that the mirror has as well: an upstream is known by its address."""
    return {"REGISTRY_PROXY_REMOTEURL": upstream.url}


def _distinct(digests: list[Digest]) -> int:
    return len(set(digests))


def test_what_was_pulled_there_is_pulled_here_without_a_byte_from_upstream(
    cached: Path, home: Path, upstream: CountingProxy
) -> None:
    code, out, err = imported(home / "data", cached, **behind(upstream))

    assert (code, err) == (0, "")
    assert f"took over {_distinct(BLOBS)} blobs linked (" in out
    assert "4 manifests and 2 tags of 2 repositories; 0 blobs were here before" in out
    with Mirror(home / "data", upstream.url) as mirror:
        upstream.forget()
        skopeo.copy(mirror.address, "library/index:1", home / "index", "--all")
        skopeo.copy(mirror.address, "acme/image:v2", home / "image")

    assert upstream.seen("GET", "/(manifests|blobs)/") == []
    asked = [exchange.target for exchange in upstream.seen("HEAD")]
    assert sorted(asked) == ["/v2/acme/image/manifests/v2", "/v2/library/index/manifests/1"]
    expected = {"manifest.json": IMAGE.manifest, **skopeo.blobs(IMAGE)}
    assert skopeo.copied(home / "image") == expected
    assert (home / "index/manifest.json").read_bytes() == INDEX.manifest


def test_the_files_are_shared_where_they_can_be_and_the_folder_can_go(
    old: Path, home: Path, upstream: CountingProxy
) -> None:
    assert imported(home / "data", old, **behind(upstream))[0] == 0
    for digest in BLOBS:
        assert stored(home / "data", digest).samefile(data_of(old, digest))
    shutil.rmtree(old)

    with Mirror(home / "data", upstream.url) as mirror:
        upstream.forget()
        skopeo.copy(mirror.address, "acme/image:v2", home / "image")

    assert upstream.gets("acme/image") == []


def test_copies_keep_the_time_of_last_writing(old: Path, home: Path) -> None:
    digest = BLOBS[0]
    os.utime(data_of(old, digest), (1_700_000_000, 1_700_000_000))

    code, out, _ = imported(home / "data", old, "--copy", "--json")

    assert code == 0
    assert summary(out)["copied"] == _distinct(BLOBS)
    ours = stored(home / "data", digest)
    assert not ours.samefile(data_of(old, digest))
    assert ours.stat().st_mtime == 1_700_000_000
    assert ours.stat().st_mode & 0o077 == 0
    assert list((home / "data/parts").iterdir()) == []


def test_a_tag_is_as_old_as_the_folder_says(old: Path, home: Path, upstream: CountingProxy) -> None:
    link = folder_of(old, "acme/image") / "_manifests/tags/v2/current/link"
    before = time.time() - TWO_DAYS
    os.utime(link, (before, before))
    assert imported(home / "data", old, **behind(upstream))[0] == 0

    with Mirror(home / "data", upstream.url) as mirror, upstream.switched_off():
        answer = httpx.get(
            f"{mirror.url}/v2/acme/image/manifests/v2",
            trust_env=False,
            verify=NO_AUTHORITY,
            timeout=30,
        )

    assert answer.status_code == 200
    assert answer.content == IMAGE.manifest
    assert answer.headers["X-Cache"] == "STALE"
    assert int(answer.headers["Age"]) >= TWO_DAYS


def test_a_damaged_blob_is_left_out_named_and_fetched_again(
    old: Path, home: Path, upstream: CountingProxy
) -> None:
    digest = IMAGE.layer_digests[1]
    data = bytearray(data_of(old, digest).read_bytes())
    data[BIG_LAYER // 2] ^= 1
    data_of(old, digest).write_bytes(data)

    code, out, _ = imported(home / "data", old, **behind(upstream))

    assert code == 1
    assert f"damaged {digest}: its bytes have another digest\n" in out
    assert f"took over {_distinct(BLOBS) - 1} blobs linked" in out
    assert not stored(home / "data", digest).exists()
    assert list((home / "data/parts").iterdir()) == []
    with Mirror(home / "data", upstream.url) as mirror:
        upstream.forget()
        skopeo.copy(mirror.address, "acme/image:v2", home / "image")
    assert upstream.gets("acme/image") == [f"blobs/{digest}"]
    assert skopeo.copied(home / "image") == {
        "manifest.json": IMAGE.manifest,
        **skopeo.blobs(IMAGE),
    }


def test_a_tag_whose_manifest_is_gone_is_named(old: Path, home: Path) -> None:
    data_of(old, IMAGE.digest).unlink()

    code, out, _ = imported(home / "data", old, "--json")

    finding = json.loads(out.splitlines()[0])["finding"]
    assert code == 1
    assert finding == {
        "kind": "dangling",
        "name": "acme/image:v2",
        "detail": f"it points to {IMAGE.digest}, which is not there as a whole",
    }
    assert summary(out)["tags"] == 1


def test_an_expired_blob_is_nothing_wrong(old: Path, home: Path, upstream: CountingProxy) -> None:
    digest = IMAGE.layer_digests[0]
    data_of(old, digest).unlink()

    code, out, _ = imported(home / "data", old, **behind(upstream))

    assert code == 0
    assert "1 contents have expired there: a pull fetches them again" in out
    with Mirror(home / "data", upstream.url) as mirror:
        upstream.forget()
        skopeo.copy(mirror.address, "acme/image:v2", home / "image")
    assert upstream.gets("acme/image") == [f"blobs/{digest}"]


def test_a_dry_run_says_as_much_and_does_nothing(cached: Path, home: Path) -> None:
    code, out, err = imported(home / "data", cached, "--dry-run")

    assert (code, err) == (0, "")
    assert f"would take over {_distinct(BLOBS)} blobs (" in out
    assert "4 manifests and 2 tags of 2 repositories" in out
    assert not (home / "data").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_import_goes_on_when_repeated(
    cached: Path, home: Path, number: signal.Signals
) -> None:
    blobs = home / "data" / "blobs"
    with started(home / "data", cached, "--copy", "--rate", "2MiB") as process:
        eventually(lambda: len(list(blobs.glob("*/*/*"))) > 1, "some blobs are taken over")
        process.send_signal(number)
        _, err = process.communicate(timeout=PATIENCE)
    taken = len(list(blobs.glob("*/*/*")))
    assert 1 < taken < _distinct(BLOBS)
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert "the same command goes on from here" in err
    with started(home / "data", cached, "--copy", "--rate", "64KiB") as slow:
        lock = home / "data/locks/import_registry.lock"
        eventually(lambda: lock.exists() and lock_holder(lock) == slow.pid, "it has begun")
        code, _, err = imported(home / "data", cached)
        slow.kill()
        slow.communicate(timeout=PATIENCE)
    assert code == 2
    assert "another import_registry is at work" in err

    code, out, _ = imported(home / "data", cached, "--copy", "--json")

    assert code == 0
    assert summary(out)["held"] >= taken
    assert summary(out)["held"] + summary(out)["copied"] == _distinct(BLOBS)
    assert summary(out)["tags"] == 2
    assert list((home / "data/parts").iterdir()) == []


def test_a_mirror_that_runs_meanwhile_is_not_disturbed(
    cached: Path, home: Path, upstream: CountingProxy
) -> None:
    with Mirror(home / "data", upstream.url) as mirror:
        skopeo.copy(mirror.address, "acme/image:v2", home / "before")
        with started(
            home / "data", cached, "--rate", "4MiB", "--json", **behind(upstream)
        ) as process:
            # Whatever the import has brought by then: the same blobs from both sides.
            skopeo.copy(mirror.address, "library/index:1", home / "during", "--all")
            out, err = process.communicate(timeout=PATIENCE)
        upstream.forget()
        skopeo.copy(mirror.address, "library/index:1", home / "after", "--all")
        skopeo.copy(mirror.address, "acme/image:v2", home / "again")

    assert (process.returncode, err) == (0, "")
    assert summary(out)["held"] >= len(skopeo.blobs(IMAGE))
    assert upstream.seen("GET", "/(manifests|blobs)/") == []
    assert skopeo.copied(home / "during") == skopeo.copied(home / "after")
    assert skopeo.copied(home / "again") == skopeo.copied(home / "before")


@pytest.fixture
def pushed(home: Path) -> Path:
    """The folder of a registry that was pushed to, with an upload that was not finished."""
    require("docker-registry", "skopeo")
    (home / "pushed").mkdir()
    with Registry(home / "pushed") as registry:
        push(registry.url, "acme/image", "v2", IMAGE)
        base = f"{registry.url}/v2/acme/image/blobs/uploads/"
        begun = httpx.post(base, trust_env=False, verify=NO_AUTHORITY).raise_for_status()
        httpx.patch(begun.headers["Location"], content=b"half of", trust_env=False)
    assert list(folder_of(registry.root, "acme/image").glob("_uploads/*/data"))
    return registry.root


def test_what_was_pushed_there_is_served_once_upstream_vouches_for_it(
    pushed: Path, cached: Path, home: Path, upstream: CountingProxy
) -> None:
    code, out, _ = imported(home / "data", pushed, **behind(upstream))

    assert code == 0
    assert f"took over {len(skopeo.blobs(IMAGE))} blobs linked" in out
    assert "1 manifests and 0 tags of 1 repositories" in out
    assert "the folder was pushed to" in out
    with Mirror(home / "data", upstream.url) as mirror:
        url = f"{mirror.url}/v2/acme/image"
        with upstream.switched_off():
            for path in (f"manifests/{IMAGE.digest}", f"blobs/{IMAGE.config_digest}"):
                refused = httpx.get(
                    f"{url}/{path}", trust_env=False, verify=NO_AUTHORITY, timeout=30
                )
                assert refused.status_code in (502, 503, 504), path
        upstream.forget()
        eventually(
            lambda: (
                httpx.head(
                    f"{url}/manifests/v2", trust_env=False, verify=NO_AUTHORITY, timeout=30
                ).is_success
            ),
            "upstream is believed to be back",
        )
        skopeo.copy(mirror.address, "acme/image:v2", home / "image")

    assert upstream.gets("acme/image") == []
    assert {exchange.target for exchange in upstream.seen("HEAD", "/blobs/")} == {
        f"/v2/acme/image/blobs/{digest}" for digest in (IMAGE.config_digest, *IMAGE.layer_digests)
    }


def test_the_operator_may_vouch_for_what_was_pushed(
    pushed: Path, home: Path, upstream: CountingProxy
) -> None:
    code, out, _ = imported(home / "data", pushed, "--trust-links", "--json", **behind(upstream))

    assert code == 0
    assert summary(out)["tags"] == 1
    assert summary(out)["unproved"] == 0
    with Mirror(home / "data", upstream.url) as mirror, upstream.switched_off():
        skopeo.copy(mirror.address, "acme/image:v2", home / "image")
    assert skopeo.copied(home / "image") == {
        "manifest.json": IMAGE.manifest,
        **skopeo.blobs(IMAGE),
    }


def test_the_content_of_another_upstream_goes_under_its_name(cached: Path, home: Path) -> None:
    settings = {"REGISTRY_UPSTREAMS": "{ghcr.io: {remoteurl: 'http://127.0.0.1:1'}}"}

    code, _, err = imported(home / "data", cached, "--upstream", "quay.io", **settings)
    assert code == 2
    assert "this mirror serves docker.io, ghcr.io" in err
    assert imported(home / "data", cached, "--upstream", "ghcr.io", **settings)[0] == 0

    with Mirror(home / "data", "http://127.0.0.1:1", **settings) as mirror:
        path = f"acme/image/manifests/{IMAGE.digest}"
        with httpx.Client(
            base_url=f"{mirror.url}/v2/", trust_env=False, verify=NO_AUTHORITY, timeout=30
        ) as client:
            found, missed = client.get(f"ghcr.io/{path}"), client.get(path)
    assert found.content == IMAGE.manifest
    assert missed.status_code == 502


def test_a_folder_that_is_none(home: Path) -> None:
    code, out, err = imported(home / "data", home)

    assert (code, out) == (2, "")
    assert f"there is no registry's storage in {home}" in err
    assert "Traceback" not in err
    assert not (home / "data").exists()
