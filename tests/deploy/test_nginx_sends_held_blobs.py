"""`http.accel`: a real nginx with the example file sends what is held, as if the mirror had.

Its workers run as a user of their own, who is of the mirror's group.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import httpx
import pytest

from cache.oci.digest import Digest
from tests.deploy.proxies import Proxy, nginx
from tests.e2e import skopeo
from tests.e2e.mirror import Mirror
from tests.e2e.parts import require, require_root
from tests.e2e.processes import eventually, scratch
from tests.fakes.plain import NO_AUTHORITY
from tests.fakes.upstream import FakeUpstream

pytestmark = pytest.mark.e2e

NAME = "acme/image"
BLOB = random.Random(3).randbytes(3 * 1024 * 1024 + 17)
PREFIX = "/_store/"

#: A user who is nobody, in the group that the tests' mirror runs in.
WORKERS = "www-data root"

#: What the connection and the server say of themselves.
_NOT_COMPARED = {"connection", "date", "keep-alive", "server", "x-request-id"}


@pytest.fixture(scope="module")
def mirror(upstream: FakeUpstream) -> Iterator[Mirror]:
    require_root()
    with scratch("mirror") as home:
        # On the way to the store, but for the store itself, anybody may pass.
        home.chmod(0o711)
        with Mirror(
            home / "data",
            upstream.url,
            REGISTRY_HTTP_TRUSTED_PROXIES="127.0.0.1",
            REGISTRY_HTTP_ACCEL_PREFIX=PREFIX,
        ) as mirror:
            yield mirror


@pytest.fixture(scope="module")
def front(mirror: Mirror) -> Iterator[Proxy]:
    with scratch("front") as home:
        home.chmod(0o711)
        with nginx(home, mirror.url, mirror.root / "blobs", WORKERS) as proxy:
            yield proxy


@pytest.fixture(scope="module")
def held(upstream: FakeUpstream, mirror: Mirror) -> str:
    """The address of a blob that is in the store."""
    digest = upstream.add_blob(NAME, BLOB)
    path = f"/v2/{NAME}/blobs/{digest}"
    assert httpx.get(f"{mirror.url}{path}", trust_env=False, verify=NO_AUTHORITY).content == BLOB
    return path


Ask: TypeAlias = Callable[..., httpx.Response]


def _asker(url: str, **options: object) -> Iterator[Ask]:
    with httpx.Client(base_url=url, trust_env=False, timeout=60, **options) as client:  # type: ignore[arg-type]

        def ask(path: str, method: str = "GET", **headers: str) -> httpx.Response:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return client.request(method, path, headers=named)

        yield ask


@pytest.fixture
def through(front: Proxy) -> Iterator[Ask]:
    yield from _asker(front.url, verify=front.trust)


@pytest.fixture
def direct(mirror: Mirror) -> Iterator[Ask]:
    yield from _asker(mirror.url)


def sent_by(front: Proxy, path: str) -> str:
    """Who has sent the last answer for `path`: nginx from its files, or the mirror."""
    rows: list[list[str]] = []

    def is_logged() -> bool:
        lines = (front.home / "access.log").read_text().splitlines()
        rows[:] = [row for row in (line.split() for line in lines) if row[1] == path]
        return bool(rows)

    eventually(is_logged, "nginx has logged the request")
    *_, uri, sends_files = rows[-1]
    return "nginx" if uri.startswith(PREFIX) and sends_files != '""' else "the mirror"


def headers(answer: httpx.Response) -> list[tuple[str, str]]:
    """All of them, the same one twice if it is there twice."""
    raw = ((name.decode().lower(), value.decode()) for name, value in answer.headers.raw)
    # Where a range was sent, nginx does not say besides that ranges are.
    passed = _NOT_COMPARED | ({"accept-ranges"} if answer.status_code == 206 else set())
    return sorted(each for each in raw if each[0] not in passed)


@pytest.mark.parametrize(
    ("asked", "sender"),
    [
        ({}, "nginx"),
        ({"Range": "bytes=0-0"}, "nginx"),
        ({"Range": "bytes=1000000-"}, "nginx"),
        ({"Range": "bytes=-17"}, "nginx"),
        ({"Range": "bytes=-999999999"}, "nginx"),
        ({"Range": "bytes=5-999999999"}, "nginx"),
        ({"Range": "bytes= 7 - 9"}, "nginx"),
        ({"Range": "bytes=0-0,5-6"}, "the mirror"),
        ({"Range": "bytes=9-8"}, "the mirror"),
        ({"Range": "lines=1-2"}, "the mirror"),
        ({"Range": "bytes=999999999-"}, "the mirror"),
        ({"Range": "bytes=-0"}, "the mirror"),
        ({"Range": "bytes=3-4", "If_Range": '"another"'}, "the mirror"),
        ({"If_None_Match": "*"}, "the mirror"),
        ({"If_None_Match": '"another"'}, "nginx"),
        ({"If_Match": '"another"'}, "the mirror"),
        ({"If_Modified_Since": "Fri, 01 Jan 2100 00:00:00 GMT"}, "the mirror"),
        ({"If_Unmodified_Since": "Fri, 01 Jan 1999 00:00:00 GMT"}, "the mirror"),
        ({"method": "HEAD"}, "the mirror"),
        ({"Accept_Encoding": "gzip, br"}, "nginx"),
    ],
    ids=str,
)
def test_nobody_sees_who_sent_it(
    through: Ask, direct: Ask, front: Proxy, held: str, asked: dict[str, str], sender: str
) -> None:
    # A query makes the request's line in the log this test's own.
    path = f"{held}?test={abs(hash(str(asked)))}"

    got, expected = through(path, **asked), direct(path, **asked)

    assert got.status_code == expected.status_code
    assert got.content == expected.content
    assert headers(got) == headers(expected)
    assert sent_by(front, path) == sender


def test_the_range_of_this_very_content_is_sent(through: Ask, direct: Ask, held: str) -> None:
    etag = through(held, method="HEAD").headers["ETag"]

    got = through(held, Range="bytes=10-19", If_Range=etag)

    assert (got.status_code, got.content) == (206, BLOB[10:20])


def test_what_arrives_comes_from_the_mirror_and_then_from_nginx(
    through: Ask, front: Proxy, upstream: FakeUpstream
) -> None:
    data = BLOB + b"cold"
    path = f"/v2/{NAME}/blobs/{upstream.add_blob(NAME, data)}"

    assert through(path).content == data
    assert sent_by(front, path) == "the mirror"
    assert through(f"{path}?again").content == data
    assert sent_by(front, f"{path}?again") == "nginx"


def test_a_client_pulls_an_image(front: Proxy, upstream: FakeUpstream, tmp_path: Path) -> None:
    require("skopeo")
    image = upstream.add_image(NAME, "v1", [BLOB, BLOB[::-1]])

    for folder in ("cold", "warm"):
        skopeo.copy(front.address, f"{NAME}:v1", tmp_path / folder)

        assert skopeo.copied(tmp_path / folder) == {
            "manifest.json": image.manifest,
            **skopeo.blobs(image),
        }
    for digest in image.layer_digests:
        assert sent_by(front, f"/v2/{NAME}/blobs/{digest}") == "nginx"


@pytest.mark.parametrize(
    "path",
    [
        "/_store/sha256/{prefix}/{hex}",
        "/_store/../mirror.sqlite3",
        "/_store/..%2fmirror.sqlite3",
        "/_store/%2e%2e/secret_key",
        "/_store../secret_key",
        "/v2/../_store/sha256/{prefix}/{hex}",
        "//_store/sha256/{prefix}/{hex}",
    ],
)
def test_the_store_is_not_reached_from_outside(
    through: Ask, front: Proxy, held: str, path: str
) -> None:
    digest = Digest.parse(held.rpartition("/")[2])
    asked = path.format(prefix=digest.hex[:2], hex=digest.hex)
    assert through(held).content == BLOB, "nginx may read it"

    # As it is written: httpx would take the dots out.
    with httpx.Client(verify=front.trust, trust_env=False) as client:
        url = httpx.URL(front.url).copy_with(raw_path=asked.encode())
        answer = client.get(url, headers={"X-Sendfile-Type": "X-Accel-Redirect"})

    assert answer.status_code in (400, 404)
    assert len(answer.content) < 2000


def test_the_group_may_pass_and_nobody_may_look_around(mirror: Mirror, held: str) -> None:
    digest = Digest.parse(held.rpartition("/")[2])
    file = mirror.root / "blobs" / digest.algorithm / digest.hex[:2] / digest.hex

    for folder in (mirror.root, mirror.root / "blobs", file.parent):
        assert folder.stat().st_mode & 0o777 == 0o710
    assert file.stat().st_mode & 0o777 == 0o640
    others = [path for path in mirror.root.iterdir() if path.name != "blobs"]
    assert {path.name for path in others if path.stat().st_mode & 0o070} <= {"static", "scrub.json"}
    assert "0710" not in mirror.manage("doctor")


@pytest.mark.parametrize("mode", [0o755, 0o000], ids=["evicted", "not readable"])
def test_what_nginx_does_not_find_the_mirror_sends(mirror: Mirror, held: str, mode: int) -> None:
    # As after an eviction between the mirror's answer and nginx's open: another folder.
    with scratch("front") as home:
        home.chmod(0o711)
        (home / "empty").mkdir()
        (home / "empty").chmod(mode)
        with nginx(home, mirror.url, home / "empty", WORKERS) as front:
            for through in _asker(front.url, verify=front.trust):
                whole = through(held)
                part = through(f"{held}?part", Range="bytes=100-199")

    assert (whole.status_code, whole.content) == (200, BLOB)
    assert (part.status_code, part.content) == (206, BLOB[100:200])
    assert whole.headers["Docker-Content-Digest"] == held.rpartition("/")[2]


def test_a_challenge_leads_to_the_address_that_the_client_used(
    front: Proxy, upstream: FakeUpstream
) -> None:
    # The proxy's word on it is believed, with its port.
    with (
        scratch("mirror") as home,
        Mirror(
            home / "data",
            upstream.url,
            REGISTRY_HTTP_TRUSTED_PROXIES="127.0.0.1",
            REGISTRY_ACCESS_ANONYMOUS="none",
        ) as closed,
        scratch("front") as place,
        nginx(place, closed.url) as proxy,
    ):
        answer = httpx.get(f"{proxy.url}/v2/", verify=proxy.trust, trust_env=False)

    assert answer.status_code == 401
    assert f'realm="{proxy.url}/v2/token"' in answer.headers["WWW-Authenticate"]
