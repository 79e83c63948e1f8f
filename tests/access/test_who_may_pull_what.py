"""The table: who, of which repository, gets what; over real sockets, with all that is cached here.

The private repository has been pulled by somebody who may before anybody else asks: what other
mirrors leak is then on the mirror's own disk.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeAlias

import httpx
import pytest

from tests.access.conftest import PASSWORD, PRIVATE, PUBLIC, UNKNOWN, House, bearer, token_for
from tests.e2e.processes import eventually
from tests.fakes.images import Image

#: Sends a request for a path below `/v2/` as somebody.
Ask: TypeAlias = Callable[..., httpx.Response]

THINGS: dict[str, Callable[[Image], tuple[str, str, dict[str, str]]]] = {
    "manifest by tag": lambda _: ("GET", "manifests/v1", {}),
    "manifest by digest": lambda image: ("GET", f"manifests/{image.digest}", {}),
    "manifest's head": lambda image: ("HEAD", f"manifests/{image.digest}", {}),
    "blob": lambda image: ("GET", f"blobs/{image.layer_digests[0]}", {}),
    "blob's head": lambda image: ("HEAD", f"blobs/{image.layer_digests[0]}", {}),
    "blob's range": lambda image: (
        "GET",
        f"blobs/{image.layer_digests[0]}",
        {"Range": "bytes=2-"},
    ),
    "tag list": lambda _: ("GET", "tags/list", {}),
    "referrers": lambda image: ("GET", f"referrers/{image.digest}", {}),
}

#: What each may see of the private repository; the unknown one is beyond the sight of the others.
MAY_SEE = {
    "anonymous": False,
    "anonymous with a token": False,
    "user without a grant": False,
    "user without a grant, Basic": False,
    "user with a grant": True,
    "user with a grant, Basic": True,
    "user by a group": True,
    "user with an expired grant": False,
    "superuser": True,
    "access token": True,
    "access token, Bearer": True,
    "access token, limited to others": False,
    "path token": True,
    "path token, limited to others": False,
    "certificate, by a proxy": True,
}


@pytest.fixture(scope="module")
def somebody(house: House, http: httpx.Client) -> Callable[[str], Ask]:
    """Make whoever is asked for; each is a function that sends requests."""
    tokens = _populate(house)

    def as_user(name: str) -> Ask:
        def ask(method: str, repository: str, rest: str, headers: dict[str, str]) -> httpx.Response:
            scope = f"repository:{repository}:pull" if repository else "registry:catalog:*"
            token = token_for(http, scope, auth=(name, PASSWORD))
            return _send(http, method, repository, rest, headers | bearer(token))

        return ask

    def with_header(header: Callable[[], dict[str, str]], prefix: str = "") -> Ask:
        def ask(method: str, repository: str, rest: str, headers: dict[str, str]) -> httpx.Response:
            return _send(http, method, repository, rest, headers | header(), prefix)

        return ask

    def anonymous_token(
        method: str, repository: str, rest: str, headers: dict[str, str]
    ) -> httpx.Response:
        scope = f"repository:{repository}:pull" if repository else "registry:catalog:*"
        return _send(http, method, repository, rest, headers | bearer(token_for(http, scope)))

    def basic(name: str, password: str) -> Ask:
        return with_header(lambda: _basic(name, password))

    everybody: dict[str, Ask] = {
        "anonymous": with_header(dict),
        "anonymous with a token": anonymous_token,
        "user without a grant": as_user("without"),
        "user without a grant, Basic": basic("without", PASSWORD),
        "user with a grant": as_user("with"),
        "user with a grant, Basic": basic("with", PASSWORD),
        "user by a group": as_user("grouped"),
        "user with an expired grant": as_user("expired"),
        "superuser": as_user("root"),
        "access token": basic("anything", tokens["whole"]),
        "access token, Bearer": with_header(lambda: bearer(tokens["whole"])),
        "access token, limited to others": basic("with", tokens["limited"]),
        "path token": with_header(dict, f"/t/{tokens['whole']}"),
        "path token, limited to others": with_header(dict, f"/t/{tokens['limited']}"),
        "certificate, by a proxy": with_header(lambda: {"X-Client-Subject": "CN=with,O=Acme"}),
    }
    # The private repository is here, all of it, before anybody else asks for anything.
    for thing in THINGS.values():
        method, rest, headers = thing(house.images[PRIVATE])
        answer = everybody["user with a grant"](method, PRIVATE, rest, headers)
        assert answer.status_code in (200, 206), answer.text
    return everybody.__getitem__


@pytest.mark.parametrize("who", MAY_SEE)
@pytest.mark.parametrize("what", THINGS)
def test_the_private_repository(
    house: House, somebody: Callable[[str], Ask], who: str, what: str
) -> None:
    method, rest, headers = THINGS[what](house.images[PRIVATE])

    answer = somebody(who)(method, PRIVATE, rest, headers)

    if MAY_SEE[who]:
        assert answer.status_code == (206 if headers else 200), answer.text
        return
    _is_refused(answer, who)


@pytest.mark.parametrize("who", MAY_SEE)
@pytest.mark.parametrize("what", THINGS)
def test_the_public_repository(
    house: House, somebody: Callable[[str], Ask], who: str, what: str
) -> None:
    method, rest, headers = THINGS[what](house.images[PUBLIC])

    answer = somebody(who)(method, PUBLIC, rest, headers)

    assert answer.status_code == (206 if headers else 200), answer.text


@pytest.mark.parametrize("who", [who for who, may in MAY_SEE.items() if not may])
@pytest.mark.parametrize("what", THINGS)
def test_an_unknown_repository_looks_like_the_private_one(
    house: House, somebody: Callable[[str], Ask], who: str, what: str
) -> None:
    method, rest, headers = THINGS[what](house.images[PRIVATE])
    ask = somebody(who)

    private = ask(method, PRIVATE, rest, headers)
    unknown = ask(method, UNKNOWN, rest, headers)

    assert _whole(unknown).replace(UNKNOWN.encode(), PRIVATE.encode()) == _whole(private)
    _is_refused(unknown, who)


@pytest.mark.parametrize("who", ["user with a grant", "superuser", "path token"])
@pytest.mark.parametrize("what", THINGS)
def test_an_unknown_repository_is_not_found_by_who_might_see_it(
    house: House, somebody: Callable[[str], Ask], who: str, what: str
) -> None:
    method, rest, headers = THINGS[what](house.images[PRIVATE])

    answer = somebody(who)(method, UNKNOWN, rest, headers)

    assert (answer.status_code == 404) or what == "referrers"


@pytest.mark.parametrize("who", MAY_SEE)
def test_the_catalog_lists_what_the_client_may_pull(
    house: House, somebody: Callable[[str], Ask], who: str
) -> None:
    somebody("anonymous")("GET", PUBLIC, "manifests/v1", {})

    answer = somebody(who)("GET", "", "_catalog", {})

    assert answer.status_code == 200
    assert answer.json()["repositories"] == ([PRIVATE, PUBLIC] if MAY_SEE[who] else [PUBLIC])


def test_a_blob_of_the_private_repository_is_not_served_under_a_public_name(
    house: House, somebody: Callable[[str], Ask]
) -> None:
    held = house.images[PRIVATE].layer_digests[0]

    answer = somebody("anonymous")("GET", PUBLIC, f"blobs/{held}", {})

    assert answer.status_code == 404
    assert json.loads(answer.content)["errors"][0]["code"] == "BLOB_UNKNOWN"


def test_what_both_repositories_have_is_served_where_it_is_public(
    house: House, somebody: Callable[[str], Ask]
) -> None:
    shared = b"in both of them"
    for name in (PRIVATE, PUBLIC):
        digest = house.upstream.add_blob(name, shared)
    somebody("superuser")("GET", PRIVATE, f"blobs/{digest}", {})

    assert somebody("anonymous")("GET", PUBLIC, f"blobs/{digest}", {}).content == shared
    assert somebody("anonymous")("GET", PRIVATE, f"blobs/{digest}", {}).status_code == 401


def _is_refused(answer: httpx.Response, who: str) -> None:
    if who == "anonymous":
        assert answer.status_code == 401
        assert "error=" not in answer.headers["WWW-Authenticate"]
        code = "UNAUTHORIZED"
    elif "Basic" in who or "limited" in who:
        assert answer.status_code == 403
        assert "WWW-Authenticate" not in answer.headers
        code = "DENIED"
    else:
        assert answer.status_code == 401
        assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]
        code = "DENIED"
    if answer.content:
        assert answer.json()["errors"][0]["code"] == code


def _whole(answer: httpx.Response) -> bytes:
    """Everything that the client sees, but the time and the request's own name."""
    others = {b"date", b"x-request-id"}
    headers = [(name, value) for name, value in answer.headers.raw if name.lower() not in others]
    return repr((answer.status_code, headers, answer.content)).encode()


def _send(
    client: httpx.Client,
    method: str,
    repository: str,
    rest: str,
    headers: dict[str, str],
    prefix: str = "",
) -> httpx.Response:
    path = f"{prefix}/v2/{repository}/{rest}" if repository else f"{prefix}/v2/{rest}"
    return client.request(method, path, headers=headers)


def _basic(name: str, password: str) -> dict[str, str]:
    request = httpx.Request("GET", "http://mirror.example")
    signed = next(httpx.BasicAuth(name, password).sync_auth_flow(request))
    return {"Authorization": signed.headers["Authorization"]}


def _populate(house: House) -> dict[str, str]:
    """The users, their grants and their access tokens, which are returned by what they are for."""
    for name in ("without", "with", "expired"):
        house.add_user(name)
    house.add_user("grouped", "--group", "pullers")
    house.add_superuser("root")
    upstream = f"127.0.0.1:{house.upstream.port}"
    grants: tuple[tuple[str, ...], ...] = (
        ("--user", "with", "acme/*"),
        ("--group", "pullers", "acme/**"),
        ("--user", "expired", "acme/app", "--expires", "1s"),
        ("--user", "without", "other/*"),
    )
    made = [house.manage("grant", "create", *each, "--upstream", upstream) for each in grants]
    ends = datetime.fromisoformat(made[2]["expires_at"])
    eventually(lambda: datetime.now(UTC) > ends, "a grant had expired")
    tokens: dict[str, Any] = {
        "whole": house.manage("token", "create", "with", "whole"),
        "limited": house.manage("token", "create", "with", "limited", "--limit", "other/*"),
    }
    return {name: each["token"] for name, each in tokens.items()}
