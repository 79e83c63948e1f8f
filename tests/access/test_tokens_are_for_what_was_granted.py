"""The token endpoint: what a token is for, and in which forms it may be asked for."""

from __future__ import annotations

import jwt
import pytest
from django.contrib.auth import get_user_model
from django.test import Client as Browser

from cache.access import users
from cache.runtime import Runtime
from tests.access.asking import ALICE, PULL, ask_token, granted_by, post_form
from tests.access.conftest import PASSWORD, PRIVATE, PUBLIC, UNKNOWN


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
    assert granted_by(ask_token(client, *scopes)) == anonymous
    assert granted_by(ask_token(client, *scopes, who=ALICE)) == (
        anonymous if granted is None else granted
    )


def test_what_a_token_is_like(here: Runtime, client: Browser, alice: int) -> None:
    answer = ask_token(client, PULL, who=ALICE)

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
    answer = post_form(
        client, grant_type="password", username="alice", password=PASSWORD, scope=PULL,
        service="mirrorsite", client_id="containerd",
    )  # fmt: skip

    assert granted_by(answer) == [PULL]


def test_a_login_that_is_to_last(here: Runtime, client: Browser, alice: int) -> None:
    given = [
        ask_token(client, who=ALICE, offline_token="true"),
        post_form(client, grant_type="password", username="alice", password=PASSWORD,
              access_type="offline"),
    ]  # fmt: skip
    for answer in given:
        refresh = answer.json()["refresh_token"]
        renewed = post_form(client, grant_type="refresh_token", refresh_token=refresh, scope=PULL)

        assert granted_by(renewed) == [PULL]
        assert renewed.json()["refresh_token"] == refresh


@pytest.mark.parametrize("end", ["password", "deactivated", "deleted"])
def test_a_refresh_token_ends_with(here: Runtime, client: Browser, alice: int, end: str) -> None:
    refresh = ask_token(client, who=ALICE, offline_token="true").json()["refresh_token"]
    user = get_user_model().objects.get(pk=alice)
    if end == "password":
        user.set_password("another horse, same battery")
        user.save()
    elif end == "deactivated":
        users.set_active(alice, is_active=False)
    else:
        user.delete()

    answer = post_form(client, grant_type="refresh_token", refresh_token=refresh)

    assert answer.status_code == 401


def test_an_access_token_does_not_refresh(here: Runtime, client: Browser, alice: int) -> None:
    access = ask_token(client, who=ALICE).json()["token"]

    assert post_form(client, grant_type="refresh_token", refresh_token=access).status_code == 401


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
    answer = post_form(client, **fields)

    assert answer.status_code == status
    assert answer.json()["errors"]


def test_a_body_that_is_no_form(here: Runtime, client: Browser) -> None:
    answer = client.post("/v2/token", {"grant_type": "password"}, content_type="application/json")

    assert answer.status_code == 400
