"""Who is asked to sign in, and what signing in costs and is worth."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta

from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext

from cache import runtime
from cache.access import grants, machine_tokens, users
from cache.access.decision import Reach
from cache.models import AccessTokenLimit
from cache.oci.pattern import Pattern
from cache.runtime import Runtime
from tests.access.asking import ALICE, PULL, ask_token, basic, granted_by
from tests.access.conftest import PASSWORD, PRIVATE, PUBLIC, bearer


def test_an_access_token_is_a_password(here: Runtime, client: Browser, alice: int) -> None:
    token = machine_tokens.create(alice, "ci")

    for name in ("alice", "whatever", ""):
        assert granted_by(ask_token(client, PULL, who=(name, token))) == [PULL]
    assert client.get("/v2/", headers=basic("ci", token)).status_code == 200


def test_an_access_token_is_worth_its_limits_and_no_more_than_its_user(
    here: Runtime, client: Browser, alice: int
) -> None:
    bob = users.create("bob", PASSWORD)
    wide = [Reach("", Pattern("**"))]
    narrow = [Reach("", Pattern("other/*"))]

    def granted(user: int, name: str, limits: list[Reach]) -> list[str]:
        token = machine_tokens.create(user, name, None, limits)
        return granted_by(ask_token(client, PULL, who=("", token)))

    assert granted(bob, "wide", wide) == []
    assert granted(alice, "narrow", narrow) == []
    assert granted(alice, "wide", wide) == [PULL]


def test_a_limited_token_whose_limits_are_gone_is_good_for_nothing(
    here: Runtime, client: Browser, alice: int
) -> None:
    token = machine_tokens.create(alice, "narrow", None, [Reach("", Pattern("acme/*"))])
    AccessTokenLimit.objects.all().delete()

    assert granted_by(ask_token(client, PULL, who=("", token))) == []


def test_an_access_token_ends_when_it_expires_and_with_it_what_it_was_traded_for(
    here: Runtime, client: Browser, alice: int
) -> None:
    end = here.now() + timedelta(seconds=60)
    token = machine_tokens.create(alice, "ci", end)
    traded: str = ask_token(client, PULL, who=("", token)).json()["token"]

    def statuses() -> list[int]:
        path = f"/v2/{PRIVATE}/manifests/v1"
        given = (basic("", token), bearer(token), bearer(traded))
        return [client.get(path, headers=headers).status_code for headers in given]

    assert statuses() == [200, 200, 200]
    with runtime.using(replace(here, now=lambda: end)):
        assert statuses() == [401, 401, 401]
        assert granted_by(ask_token(client, PULL, who=("", token))) == []
        assert ask_token(client, who=("", token)).status_code == 401


def test_a_grant_that_expires_ends_what_a_token_says(
    here: Runtime, client: Browser, alice: int
) -> None:
    end = here.now() + timedelta(seconds=60)
    grants.create(Reach(here.config.proxy.name, Pattern("acme/*")), user=alice, expires_at=end)
    headers = bearer(ask_token(client, PULL, who=ALICE).json()["token"])
    path = f"/v2/{PRIVATE}/manifests/v1"

    assert client.get(path, headers=headers).status_code == 200
    with runtime.using(replace(here, now=lambda: end)):
        assert client.get(path, headers=headers).status_code == 403


Queries = Callable[[int], AbstractContextManager[CaptureQueriesContext]]


def test_a_warm_pull_of_a_signed_in_user_costs_one_query(
    here: Runtime, client: Browser, alice: int, django_assert_max_num_queries: Queries
) -> None:
    token = {"Authorization": f"Bearer {ask_token(client, PULL, who=ALICE).json()['token']}"}
    digest = client.get(f"/v2/{PRIVATE}/manifests/v1", headers=token).headers[
        "Docker-Content-Digest"
    ]
    for headers in (token, basic(*ALICE), basic("", machine_tokens.create(alice, "ci"))):
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
            token = ask_token(client, who=who).json()["token"]
            assert client.get(path, headers=bearer(token)).status_code == 200
