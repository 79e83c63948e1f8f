"""The token endpoint: who gets a token for what, and who is refused."""

from __future__ import annotations

import base64
import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import jwt
import pytest
from axes.models import AccessAttempt
from django.contrib.auth import get_user_model
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext

from cache import runtime
from cache.access import machine_tokens, passwords, users
from cache.access.decision import Reach
from cache.models import AccessTokenLimit
from cache.oci.pattern import Pattern
from cache.runtime import Runtime
from tests.access.conftest import PASSWORD, PRIVATE, PUBLIC, UNKNOWN, changed_to
from tests.access.hasher import Counting
from tests.fakes.upstream import FakeUpstream

PULL = f"repository:{PRIVATE}:pull"


def _basic(name: str, password: str) -> dict[str, str]:
    pair = base64.b64encode(f"{name}:{password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


def _ask(client: Browser, *scopes: str, who: tuple[str, str] | None = None, **more: str) -> Any:
    query: dict[str, Any] = {"service": "mirrorsite", "scope": list(scopes), **more}
    return client.get("/v2/token", query, headers=_basic(*who) if who else {})


def _post(client: Browser, **fields: str) -> Any:
    body = "&".join(f"{name}={value.replace(' ', '+')}" for name, value in fields.items())
    return client.post("/v2/token", body, content_type="application/x-www-form-urlencoded")


def _granted(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    claims = jwt.decode(answer.json()["token"], options={"verify_signature": False})
    entries = [(e["type"], e["name"], ",".join(e["actions"])) for e in claims["access"]]
    assert answer.json()["scope"] == " ".join(":".join(entry) for entry in entries)
    return [":".join(entry) for entry in entries]


ALICE = ("alice", PASSWORD)


@pytest.mark.parametrize(
    ("scopes", "anonymous", "granted"),
    [
        ([], [], []),
        ([PULL], [], [PULL]),
        ([f"repository:{PUBLIC}:pull"], [f"repository:{PUBLIC}:pull"], None),
        ([f"repository:{PRIVATE}:pull,push"], [], [PULL]),
        ([f"repository:{PRIVATE}:*"], [], [PULL]),
        ([f"repository:{PRIVATE}:push"], [], []),
        ([f"repository:{PRIVATE}:delete,push"], [], []),
        ([PULL, f"repository:{PUBLIC}:pull"], [f"repository:{PUBLIC}:pull"],
         [PULL, f"repository:{PUBLIC}:pull"]),
        ([f"{PULL} repository:{PUBLIC}:pull"], [f"repository:{PUBLIC}:pull"],
         [PULL, f"repository:{PUBLIC}:pull"]),
        ([PULL, PULL], [], [PULL]),
        (["repository:acme/*:pull"], [], []),
        (["repository:*:*"], [], []),
        ([f"repository(plugin):{PRIVATE}:pull"], [], [PULL]),
        ([f"registry:{PRIVATE}:pull"], [], []),
        (["registry:catalog:*"], ["registry:catalog:*"], ["registry:catalog:*"]),
        (["registry:catalog:read"], [], []),
        (["aws:secret:*"], [], []),
        ([f"repository:{UNKNOWN}x:pull"], [], [f"repository:{UNKNOWN}x:pull"]),
        (["repository:ACME/app:pull"], [], []),
        (["repository:../../etc/passwd:pull"], [], []),
        (["repository::pull", "repository", ":::", "repository:a", " ", "\x00"], [], []),
        (["repository:" + "a" * 5000 + ":pull"], [], []),
        ([f"repository:x/{n}:push" for n in range(200)], [], []),
    ],
)  # fmt: skip
def test_a_token_is_for_what_was_granted(
    here: Runtime,
    client: Browser,
    alice: int,
    scopes: list[str],
    anonymous: list[str],
    granted: list[str] | None,
) -> None:
    assert _granted(_ask(client, *scopes)) == anonymous
    assert _granted(_ask(client, *scopes, who=ALICE)) == (anonymous if granted is None else granted)


def test_what_a_token_is_like(here: Runtime, client: Browser, alice: int) -> None:
    answer = _ask(client, PULL, who=ALICE)

    body = answer.json()
    assert body["token"] == body["access_token"]
    assert body["expires_in"] == 300 >= 60, "Docker's daemon wants a minute"
    assert "refresh_token" not in body
    assert answer.headers["Cache-Control"] == "no-store"
    claims = jwt.decode(body["token"], here.keys.signing().secret, ["HS256"], audience="mirrorsite")
    assert {"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "access"} <= set(claims)
    assert claims["exp"] - claims["iat"] == 300
    assert jwt.get_unverified_header(body["token"])["kid"] == here.keys.signing().kid
    assert PASSWORD not in str(claims)


def test_a_pull_with_a_password_in_a_form(here: Runtime, client: Browser, alice: int) -> None:
    answer = _post(
        client, grant_type="password", username="alice", password=PASSWORD, scope=PULL,
        service="mirrorsite", client_id="containerd",
    )  # fmt: skip

    assert _granted(answer) == [PULL]


def test_a_login_that_is_to_last(here: Runtime, client: Browser, alice: int) -> None:
    given = [
        _ask(client, who=ALICE, offline_token="true"),
        _post(client, grant_type="password", username="alice", password=PASSWORD,
              access_type="offline"),
    ]  # fmt: skip
    for answer in given:
        refresh = answer.json()["refresh_token"]
        renewed = _post(client, grant_type="refresh_token", refresh_token=refresh, scope=PULL)

        assert _granted(renewed) == [PULL]
        assert renewed.json()["refresh_token"] == refresh


@pytest.mark.parametrize("end", ["password", "deactivated", "deleted"])
def test_a_refresh_token_ends_with(here: Runtime, client: Browser, alice: int, end: str) -> None:
    refresh = _ask(client, who=ALICE, offline_token="true").json()["refresh_token"]
    user = get_user_model().objects.get(pk=alice)
    if end == "password":
        user.set_password("another horse, same battery")
        user.save()
    elif end == "deactivated":
        users.set_active(alice, is_active=False)
    else:
        user.delete()

    answer = _post(client, grant_type="refresh_token", refresh_token=refresh)

    assert answer.status_code == 401


def test_an_access_token_does_not_refresh(here: Runtime, client: Browser, alice: int) -> None:
    access = _ask(client, who=ALICE).json()["token"]

    assert _post(client, grant_type="refresh_token", refresh_token=access).status_code == 401


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, 400),
        ({"grant_type": "authorization_code"}, 400),
        ({"grant_type": "password"}, 401),
        ({"grant_type": "password", "username": "alice"}, 401),
        ({"grant_type": "refresh_token"}, 401),
        ({"grant_type": "refresh_token", "refresh_token": "a" * 20_000}, 401),
        ({f"field{n}": "x" for n in range(200)}, 400),
        ({"grant_type": "password", "username": "%ff%fe", "password": "x"}, 400),
        ({"grant_type": "x" * 100_000}, 413),
    ],
)
def test_a_form_that_is_no_use(
    here: Runtime, client: Browser, alice: int, fields: dict[str, str], status: int
) -> None:
    answer = _post(client, **fields)

    assert answer.status_code == status
    assert answer.json()["errors"]


def test_a_body_that_is_no_form(here: Runtime, client: Browser) -> None:
    answer = client.post("/v2/token", {"grant_type": "password"}, content_type="application/json")

    assert answer.status_code == 400


def test_a_login_with_a_wrong_password_is_refused(
    here: Runtime, client: Browser, alice: int
) -> None:
    for who in (("alice", "wrong"), ("nobody", "wrong"), ("alice", "")):
        answer = _ask(client, who=who)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="mirrorsite"'
        assert client.get("/v2/", headers=_basic(*who)).status_code == 401
    one, other = _ask(client, who=("alice", "no")), _ask(client, who=("nobody", "no"))
    assert one.content == other.content


def test_a_daemon_that_is_logged_in_to_hub_goes_on_pulling_what_is_public(
    here: Runtime, client: Browser, alice: int, caplog: pytest.LogCaptureFixture
) -> None:
    """It offers Hub's credentials to us: they are kept nowhere, and sent to nobody."""
    caplog.set_level(logging.DEBUG)
    hub = ("hubuser", "hub's secret")

    answer = _ask(client, f"repository:{PUBLIC}:pull", who=hub, account="hubuser")

    assert _granted(answer) == [f"repository:{PUBLIC}:pull"]
    pulled = client.get(
        f"/v2/{PUBLIC}/manifests/v1", headers={"Authorization": f"Bearer {answer.json()['token']}"}
    )
    assert pulled.status_code == 200
    assert _granted(_ask(client, PULL, who=hub)) == []
    assert _granted(_ask(client, PULL, who=("alice", "hub's secret"))) == []
    kept = str(list(AccessAttempt.objects.values()))
    assert "hubuser" not in kept + caplog.text
    assert "hub's secret" not in kept + caplog.text


def test_hubs_credentials_go_nowhere_else(
    here: Runtime, client: Browser, upstream: FakeUpstream
) -> None:
    _ask(client, f"repository:{PUBLIC}:pull", who=("hubuser", "hub's secret"))

    sent = [base64.b64decode(each.partition(" ")[2]) for seen in upstream.requests
            if (each := seen.header("authorization") or "").startswith("Basic")]  # fmt: skip
    assert not any(b"hubuser" in each for each in sent)


def test_with_nothing_for_anybody_hubs_credentials_are_refused(
    here: Runtime, client: Browser
) -> None:
    with changed_to(here, anonymous="none"):
        scope = f"repository:{PUBLIC}:pull"
        assert _ask(client, scope, who=("hubuser", "hub's secret")).status_code == 401
        assert _ask(client, scope).status_code == 401
        assert client.get("/v2/").status_code == 401


def test_a_password_is_verified_once(here: Runtime, client: Browser, alice: int) -> None:
    before = _hashings(lambda: _ask(client, PULL, who=ALICE))
    after = _hashings(lambda: [_ask(client, PULL, who=ALICE) for _ in range(20)])

    assert (before, after) == (1, 0)


def _hashings(work: Callable[[], object]) -> int:
    """How often a password was hashed slowly meanwhile."""
    counted = len(Counting.verified)
    work()
    return len(Counting.verified) - counted


@pytest.fixture(autouse=True)
def _count_hashings(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["tests.access.hasher.Counting"]


@pytest.mark.django_db(transaction=True)
def test_a_hundred_at_once_cost_one_verification(here: Runtime, alice: int) -> None:
    answers: list[int] = []

    def ask() -> None:
        answers.append(_ask(Browser(), PULL, who=ALICE).status_code)

    threads = [threading.Thread(target=ask) for _ in range(30)]
    spent = _hashings(lambda: _run(threads))

    assert answers == [200] * 30
    assert spent <= passwords.MOST_AT_ONCE


def _run(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_changed_password_ends_the_old_one_at_once(
    here: Runtime, client: Browser, alice: int
) -> None:
    assert _ask(client, who=ALICE).status_code == 200
    user = get_user_model().objects.get(pk=alice)
    user.set_password("another horse, same battery")
    user.save()

    assert _ask(client, who=ALICE).status_code == 401
    assert _ask(client, who=("alice", "another horse, same battery")).status_code == 200


def test_guessing_is_limited_for_an_account_and_address(
    here: Runtime, client: Browser, alice: int
) -> None:
    for n in range(10):
        assert _ask(client, who=("alice", f"guess {n}")).status_code in (401, 429)

    locked = _ask(client, who=ALICE)
    assert locked.status_code == 429
    assert locked.json()["errors"][0]["code"] == "TOOMANYREQUESTS"
    assert int(locked.headers["Retry-After"]) > 0
    assert client.get("/v2/", headers=_basic(*ALICE)).status_code == 429
    elsewhere = client.get("/v2/token", headers=_basic(*ALICE), REMOTE_ADDR="192.0.2.7")
    assert elsewhere.status_code == 200, "nobody can lock out somebody else"
    assert _granted(_ask(client, f"repository:{PUBLIC}:pull", who=ALICE)), "pulls go on"


def test_names_that_do_not_exist_are_locked_alike(here: Runtime, client: Browser) -> None:
    statuses = [_ask(client, who=("nobody", f"guess {n}")).status_code for n in range(12)]

    assert statuses[:9] == [401] * 9
    assert statuses[10:] == [429, 429]


def test_the_same_wrong_password_counts_once(here: Runtime, client: Browser, alice: int) -> None:
    for _ in range(30):
        assert _ask(client, who=("alice", "the old one")).status_code == 401

    assert _ask(client, who=ALICE).status_code == 200
    assert not AccessAttempt.objects.exists(), "who knows the password begins anew"


def test_an_access_token_is_a_password(here: Runtime, client: Browser, alice: int) -> None:
    token = machine_tokens.create(alice, "ci")

    for name in ("alice", "whatever", ""):
        assert _granted(_ask(client, PULL, who=(name, token))) == [PULL]
    assert client.get("/v2/", headers=_basic("ci", token)).status_code == 200


def test_an_access_token_is_worth_its_limits_and_no_more_than_its_user(
    here: Runtime, client: Browser, alice: int
) -> None:
    bob = users.create("bob", PASSWORD)
    wide = [Reach("", Pattern("**"))]
    narrow = [Reach("", Pattern("other/*"))]

    def granted(user: int, name: str, limits: list[Reach]) -> list[str]:
        token = machine_tokens.create(user, name, None, limits)
        return _granted(_ask(client, PULL, who=("", token)))

    assert granted(bob, "wide", wide) == []
    assert granted(alice, "narrow", narrow) == []
    assert granted(alice, "wide", wide) == [PULL]


def test_a_limited_token_whose_limits_are_gone_is_good_for_nothing(
    here: Runtime, client: Browser, alice: int
) -> None:
    token = machine_tokens.create(alice, "narrow", None, [Reach("", Pattern("acme/*"))])
    AccessTokenLimit.objects.all().delete()

    assert _granted(_ask(client, PULL, who=("", token))) == []


Queries = Callable[[int], AbstractContextManager[CaptureQueriesContext]]


def test_a_warm_pull_of_a_signed_in_user_costs_one_query(
    here: Runtime, client: Browser, alice: int, django_assert_max_num_queries: Queries
) -> None:
    token = {"Authorization": f"Bearer {_ask(client, PULL, who=ALICE).json()['token']}"}
    digest = client.get(f"/v2/{PRIVATE}/manifests/v1", headers=token).headers[
        "Docker-Content-Digest"
    ]
    for headers in (token, _basic(*ALICE), _basic("", machine_tokens.create(alice, "ci"))):
        path = f"/v2/{PRIVATE}/manifests/{digest}"
        client.get(path, headers=headers)
        with django_assert_max_num_queries(1) as captured:
            assert client.get(path, headers=headers).status_code == 200
        assert all(query["sql"].startswith("SELECT") for query in captured.captured_queries)


def test_a_warm_pull_of_what_was_found_public_costs_one_query(
    here: Runtime, client: Browser, django_assert_max_num_queries: Queries
) -> None:
    answer = client.get(f"/v2/{PUBLIC}/manifests/v1")
    path = f"/v2/{PUBLIC}/manifests/{answer.headers['Docker-Content-Digest']}"
    with django_assert_max_num_queries(1) as captured:
        assert client.get(path).status_code == 200
    assert all(query["sql"].startswith("SELECT") for query in captured.captured_queries)


def test_where_there_is_nothing_to_protect_nobody_is_asked(here: Runtime, client: Browser) -> None:
    proxy = replace(here.config.proxy, username="", password="")
    with runtime.using(replace(here, config=replace(here.config, proxy=proxy))):
        for path in ("/v2/", "/v2"):
            answer = client.get(path)
            assert answer.status_code == 200
            assert "WWW-Authenticate" not in answer.headers


def test_where_there_is_something_everybody_is_asked_at_the_beginning(
    here: Runtime, client: Browser, alice: int
) -> None:
    for path in ("/v2/", "/v2"):
        answer = client.get(path)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == (
            'Bearer realm="http://mirror.example:5000/v2/token",service="mirrorsite"'
        )
        assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"
        for who in (None, ALICE):
            token = _ask(client, who=who).json()["token"]
            bearer = {"Authorization": f"Bearer {token}"}
            assert client.get(path, headers=bearer).status_code == 200
