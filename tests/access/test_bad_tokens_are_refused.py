"""Tokens that are not good, and other bad input: refused with a challenge, never with a 500."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.test import Client as Browser

from cache import runtime
from cache.access import bearer, machine_tokens, users
from cache.access.bearer import SERVICE, Granted, Subject
from cache.access.keys import Key
from cache.runtime import Runtime
from tests.access.conftest import PASSWORD, PRIVATE, PUBLIC

Make: Any = Callable[[Runtime, int], str]

MANIFEST = f"/v2/{PRIVATE}/manifests/v1"


def _good(here: Runtime, user: int, **changes: Any) -> dict[str, Any]:
    """The claims of a token that would do, but for the changes; None leaves a claim out."""
    now = int(here.now().timestamp())
    signed = users.client_of(user, here.remembered, here.now())
    assert signed is not None
    claims = {
        "iss": SERVICE,
        "aud": SERVICE,
        "sub": str(user),
        "use": "access",
        "iat": now,
        "nbf": now,
        "exp": now + 300,
        "access": [{"type": "repository", "name": PRIVATE, "actions": ["pull"]}],
        "credential": signed.credential,
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not None}


def _signed(here: Runtime, claims: dict[str, Any], key: Key | None = None) -> str:
    used = key or here.keys.signing()
    return jwt.encode(claims, used.secret, algorithm="HS256", headers={"kid": used.kid})


def _unsigned(here: Runtime, user: int) -> str:
    return jwt.encode(_good(here, user), None, algorithm="none", headers={"kid": _kid(here)})


def _kid(here: Runtime) -> str:
    return here.keys.signing().kid


def _resigned(here: Runtime, user: int) -> str:
    """A good token's signature under other claims."""
    head, _, signature = _signed(here, _good(here, user)).split(".")
    body = json.dumps(_good(here, user, sub="1", exp=9_999_999_999)).encode()
    return f"{head}.{base64.urlsafe_b64encode(body).decode().rstrip('=')}.{signature}"


BAD: dict[str, Make] = {
    "expired": lambda here, user: _signed(here, _good(here, user, exp=1_000_000)),
    "expired this second": lambda here, user: _signed(
        here, _good(here, user, exp=int(here.now().timestamp()))
    ),
    "from the future": lambda here, user: _signed(here, _good(here, user, nbf=9_999_999_999)),
    "issued in the future": lambda here, user: _signed(here, _good(here, user, iat=9_999_999_999)),
    "signed by another key": lambda here, user: _signed(
        here, _good(here, user), Key(_kid(here), b"k" * 32)
    ),
    "signed by an unknown key": lambda here, user: _signed(
        here, _good(here, user), Key("other", b"k" * 32)
    ),
    "alg: none": _unsigned,
    "alg: HS512": lambda here, user: jwt.encode(
        _good(here, user), b"k" * 64, algorithm="HS512", headers={"kid": _kid(here)}
    ),
    "no kid": lambda here, user: jwt.encode(
        _good(here, user), here.keys.signing().secret, algorithm="HS256"
    ),
    "another's claims": _resigned,
    "for another service": lambda here, user: _signed(here, _good(here, user, aud="elsewhere")),
    "from another issuer": lambda here, user: _signed(here, _good(here, user, iss="elsewhere")),
    "a refresh token": lambda here, user: _signed(here, _good(here, user, use="refresh")),
    "without an end": lambda here, user: _signed(here, _good(here, user, exp=None)),
    "with an end that is no number": lambda here, user: _signed(
        here, _good(here, user, exp="tomorrow")
    ),
    "with an end beyond all numbers": lambda here, user: _signed(
        here, _good(here, user, exp=1e400)
    ),
    "for nobody": lambda here, user: _signed(here, _good(here, user, sub="4711")),
    "for a name": lambda here, user: _signed(here, _good(here, user, sub="alice")),
    "for a machine of no number": lambda here, user: _signed(
        here, _good(here, user, machine_token="1")
    ),
    "with another password": lambda here, user: _signed(here, _good(here, user, credential="x")),
    "truncated": lambda here, user: _signed(here, _good(here, user))[:-20],
    "without a signature": lambda here, user: _signed(here, _good(here, user)).rpartition(".")[0],
    "empty": lambda _here, _user: "",
    "of blanks": lambda _here, _user: "a b c",
    "no token at all": lambda _here, _user: "....",
    "not ASCII": lambda _here, _user: "\u00e9" * 40,
    "megabytes long": lambda _here, _user: "a" * 3_000_000,
    "megabytes of JSON": lambda _here, _user: (
        base64.urlsafe_b64encode(b"[" * 1_000_000).decode() + ".e30.e30"
    ),
    "an access token that nobody made": lambda _here, _user: machine_tokens.PREFIX + "a" * 43,
}


@pytest.mark.parametrize("make", BAD.values(), ids=BAD)
@pytest.mark.parametrize("path", ["/v2/", MANIFEST, f"/v2/{PUBLIC}/manifests/v1", "/v2/_catalog"])
def test_a_bad_token(here: Runtime, client: Browser, alice: int, make: Make, path: str) -> None:
    answer = client.get(path, headers={"Authorization": f"Bearer {make(here, alice)}"})

    _is_challenge(answer)
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_a_good_token_is_taken(here: Runtime, client: Browser, alice: int) -> None:
    token = _signed(here, _good(here, alice))

    assert _get(client, MANIFEST, token).status_code == 200


@pytest.mark.parametrize(
    "access",
    [
        [],
        [{"type": "repository", "name": PUBLIC, "actions": ["pull"]}],
        [{"type": "repository", "name": PRIVATE, "actions": ["push"]}],
        [{"type": "repository", "name": PRIVATE, "actions": []}],
        [{"type": "repository", "name": "*", "actions": ["*"]}],
        [{"type": "repository(plugin)", "name": PRIVATE, "actions": ["pull"]}],
        [{"type": "repository", "name": [PRIVATE], "actions": ["pull"]}],
        [{"type": "repository", "name": PRIVATE.upper(), "actions": ["pull"]}],
        [{"type": "registry", "name": "catalog", "actions": ["*"]}],
        ["repository:acme/app:pull"],
        "repository:acme/app:pull",
        {"type": "repository", "name": PRIVATE, "actions": ["pull"]},
        7,
    ],
)
def test_a_token_with_another_scope(
    here: Runtime, client: Browser, alice: int, access: object
) -> None:
    token = _signed(here, _good(here, alice, access=access))

    answer = _get(client, MANIFEST, token)

    _is_challenge(answer)
    asked = answer.headers["WWW-Authenticate"]
    assert 'error="insufficient_scope"' in asked
    assert f"{PRIVATE}:pull" in asked


@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic ====",
        "Basic not base64!",
        "Basic \u00e9",
        "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode(),
        "Basic " + base64.b64encode(b":").decode(),
        "Basic " + base64.b64encode(b"a\x00b:c").decode(),
        "Basic " + base64.b64encode(b"a" * 200 + b":c").decode(),
        "Basic " + base64.b64encode(b"alice:" + b"p" * 5000).decode(),
        "Basic " + "YTpi" * 1_000_000,
        "Digest username=alice",
        "Negotiate abc",
        "alice",
        ",",
    ],
)
@pytest.mark.parametrize("path", ["/v2/", MANIFEST])
def test_an_unusable_header(
    here: Runtime, client: Browser, alice: int, header: str, path: str
) -> None:
    _is_challenge(client.get(path, headers={"Authorization": header}))


def test_a_user_who_is_deactivated_in_mid_token(here: Runtime, client: Browser, alice: int) -> None:
    token = _signed(here, _good(here, alice))
    assert _get(client, MANIFEST, token).status_code == 200

    users.set_active(alice, is_active=False)

    _is_challenge(_get(client, MANIFEST, token))
    _is_challenge(client.get(MANIFEST, headers=_basic("alice", PASSWORD)))


def test_an_access_token_that_is_revoked_in_mid_token(
    here: Runtime, client: Browser, alice: int
) -> None:
    machine = machine_tokens.create(alice, "ci")
    answer = client.get(
        f"/v2/token?scope=repository:{PRIVATE}:pull", headers=_basic("alice", machine)
    )
    token = answer.json()["token"]
    assert _get(client, MANIFEST, token).status_code == 200

    assert machine_tokens.revoke(alice, "ci", here.now())

    _is_challenge(_get(client, MANIFEST, token))


def test_an_anonymous_tokens_claim_does_not_open_what_became_private(
    here: Runtime, client: Browser
) -> None:
    token = bearer.issue(
        here.keys, "access", Subject(), Granted((PRIVATE,)), here.now(), timedelta(minutes=5)
    )

    _is_challenge(_get(client, MANIFEST, token))


def test_a_token_outlives_no_lifetime(here: Runtime, client: Browser, alice: int) -> None:
    token = _signed(here, _good(here, alice))
    later = here.now() + timedelta(seconds=301)

    with runtime.using(replace(here, now=lambda: later)):
        _is_challenge(_get(client, MANIFEST, token))


def _get(client: Browser, path: str, token: str) -> Any:
    return client.get(path, headers={"Authorization": f"Bearer {token}"})


def _basic(name: str, password: str) -> dict[str, str]:
    pair = base64.b64encode(f"{name}:{password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


def _is_challenge(answer: Any) -> None:
    assert answer.status_code == 401
    assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"
    challenge = answer.headers["WWW-Authenticate"]
    assert challenge.startswith(
        'Bearer realm="http://mirror.example:5000/v2/token",service="mirrorsite"'
    )
    assert '=""' not in challenge
    assert answer.json()["errors"][0]["code"] in ("UNAUTHORIZED", "DENIED")
