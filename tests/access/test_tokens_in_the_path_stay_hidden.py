"""`/t/<token>/v2/…`: what Docker's daemon can be given; never in a log, a header or an error."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator

import httpx
import pytest

from cache.access import machine_tokens
from tests.access.conftest import PRIVATE, PUBLIC, House
from tests.e2e.processes import eventually
from tests.fakes.plain import NO_AUTHORITY


@pytest.fixture(scope="module")
def talkative(start_house: Callable[..., House]) -> House:
    """A mirror that logs all it can."""
    house = start_house(REGISTRY_LOG_LEVEL="debug")
    house.add_user("alice")
    upstream = f"127.0.0.1:{house.upstream.port}"
    house.manage("grant", "create", "--user", "alice", "acme/*", "--upstream", upstream)
    return house


@pytest.fixture(scope="module")
def token(talkative: House) -> str:
    token: str = talkative.manage("token", "create", "alice", "path")["token"]
    return token


@pytest.fixture
def http(talkative: House) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=talkative.url, timeout=30, trust_env=False, verify=NO_AUTHORITY
    ) as client:
        yield client


def test_it_pulls(talkative: House, http: httpx.Client, token: str) -> None:
    image = talkative.images[PRIVATE]
    assert http.get(f"/t/{token}/v2/").status_code == 200
    for path in ("manifests/v1", f"blobs/{image.config_digest}", "tags/list"):
        assert http.get(f"/t/{token}/v2/{PRIVATE}/{path}").status_code == 200
        assert http.get(f"/v2/{PRIVATE}/{path}").status_code == 401


def test_the_next_page_is_named_without_it(http: httpx.Client, token: str) -> None:
    for name in (PRIVATE, PUBLIC):
        http.get(f"/t/{token}/v2/{name}/manifests/v1")

    answer = http.get(f"/t/{token}/v2/_catalog?n=1")

    assert token not in str(answer.headers)
    link = answer.headers["Link"]
    assert link.startswith("<?n=1&last=")
    following = http.get(answer.url.join(link[1 : link.index(">")]))
    assert following.json()["repositories"] == [PUBLIC]


@pytest.mark.parametrize(
    "path",
    [
        "v2/",
        "v2",
        f"v2/{PRIVATE}/manifests/v1",
        "",
        "v3/",
        "v2x",
        "admin/",
    ],
)
@pytest.mark.parametrize("given", ["unknown", "short", "escaped", "empty"])
def test_one_that_is_not_good(http: httpx.Client, path: str, given: str) -> None:
    wrong = {
        "unknown": machine_tokens.PREFIX + "x" * 43,
        "short": "abc",
        "escaped": "%6dirror_%2e%2e%0d%0a",
        "empty": "",
    }[given]

    answer = http.get(f"/t/{wrong}/{path}")

    if path == "v2" or path.startswith("v2/"):
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    else:
        assert answer.status_code == 404
    assert not wrong or wrong not in answer.text + str(answer.headers)


def test_a_revoked_one_ends_at_once(talkative: House, http: httpx.Client) -> None:
    token = talkative.manage("token", "create", "alice", "to revoke")["token"]
    assert http.get(f"/t/{token}/v2/").status_code == 200

    talkative.manage("token", "revoke", "alice", "to revoke")

    assert http.get(f"/t/{token}/v2/").status_code == 401


def test_an_error_does_not_show_it(http: httpx.Client, token: str) -> None:
    for path in (f"v2/{PRIVATE}/nothing", "v2/A/manifests/v1", "elsewhere", "v2/../.."):
        answer = http.get(f"/t/{token}/{path}")
        assert token not in answer.text + str(answer.headers)
        assert answer.headers.get("Referrer-Policy") == "no-referrer" or answer.status_code == 404


def test_an_error_does_not_show_it_where_it_does_not_belong(http: httpx.Client, token: str) -> None:
    for path in (
        f"/v2/t/{token}/",
        f"/v2/t/{token}/v2/{PRIVATE}/manifests/v1",
        f"/v2/{PUBLIC}/manifests/v1?ns={token}",
        f"/v2/{PUBLIC}/manifests/{token}%20",
    ):
        answer = http.get(path)
        assert 400 <= answer.status_code < 500
        assert answer.json()["errors"]
        assert token not in answer.text + str(answer.headers)


def test_no_log_shows_it(talkative: House, http: httpx.Client, token: str) -> None:
    http.get(f"/t/{token}/v2/{PRIVATE}/manifests/v1?ns=docker.io")
    http.get("/v2/", headers={"Referer": f"{talkative.url}/t/{token}/v2/"})
    http.get(f"/v2//t/{token}/v2/")
    http.get(f"//t/{token}/v2/")
    escaped = token.replace(machine_tokens.PREFIX, "mirror%5F")
    assert http.get(f"/t/{escaped}/v2/").status_code == 200
    http.get(f"/t/{token}/v2/{PRIVATE}/manifests/v1", headers={"Range": "x" * 17_000})
    http.get("/v2/", headers={"Authorization": f"Bearer {token}", "User-Agent": f"x {token}"})
    http.post(f"/t/{token}/v2/{PRIVATE}/blobs/uploads/")

    log = talkative.mirror.log
    assert 'path="/v2/acme/app/manifests/v1"' in log or "path=/v2/acme/app/manifests/v1" in log
    assert "user=alice" in log
    assert token not in log
    assert token.removeprefix(machine_tokens.PREFIX) not in log


def test_no_log_shows_what_others_sign_in_with_elsewhere(
    talkative: House, http: httpx.Client
) -> None:
    """A daemon offers the account that it has at Docker Hub, in the address of a token as well."""
    scope = f"repository:{PUBLIC}:pull"
    asked = {"account": "hub-in-query", "service": "mirrorsite", "scope": scope}
    http.get("/v2/token", params=asked, auth=("hub-in-header", "hub-secret"))
    form = {"grant_type": "password", "username": "hub-in-form", "password": "hub-secret"}
    http.post("/v2/token", data={**form, "scope": scope})
    for unusable in (b"hub-secret", b"hub-secret\xff:x"):
        pair = base64.b64encode(unusable).decode()
        http.get("/v2/", headers={"Authorization": f"Basic {pair}"})
    http.get("/v2/last/of/all")
    eventually(lambda: "path=/v2/last/of/all" in talkative.mirror.log, "all is logged")

    log = talkative.mirror.log
    assert "method=GET path=/v2/token" in log
    assert "method=POST path=/v2/token" in log
    assert "hub-" not in log
