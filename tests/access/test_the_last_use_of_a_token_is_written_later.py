"""When an access token was last used: kept in memory by pulls, and written in batches."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta

from django.test import Client as Browser

from cache import runtime, upkeep
from cache.access import machine_tokens
from cache.models import AccessToken
from cache.runtime import Runtime
from tests.access.conftest import PRIVATE, bearer


def test_a_pull_writes_nothing_and_the_batch_does(
    here: Runtime, client: Browser, alice: int
) -> None:
    token = machine_tokens.create(alice, "ci")
    later = here.now() + timedelta(hours=1)
    with runtime.using(replace(here, now=lambda: later)):
        client.get(f"/v2/{PRIVATE}/tags/list", headers=bearer(token))
        assert machine_tokens.list_tokens()[0].last_used_at is None

        upkeep.flush()

    assert machine_tokens.list_tokens()[0].last_used_at == later


def test_a_pull_with_a_bearer_token_is_a_use_of_what_it_was_given_for(
    here: Runtime, client: Browser, alice: int
) -> None:
    token = machine_tokens.create(alice, "ci")
    signed = client.get("/v2/token", headers={"Authorization": "Basic " + _pair(token)})
    upkeep.flush()
    later = here.now() + timedelta(hours=1)
    with runtime.using(replace(here, now=lambda: later)):
        headers = bearer(signed.json()["token"])
        # An hour later it has expired; a minute later it has not.
        assert client.get("/v2/", headers=headers).status_code == 401
    soon = here.now() + timedelta(minutes=1)
    with runtime.using(replace(here, now=lambda: soon)):
        assert client.get("/v2/", headers=headers).status_code == 200
        upkeep.flush()

    assert machine_tokens.list_tokens()[0].last_used_at == soon


def test_an_older_moment_does_not_replace_a_later_one(here: Runtime, alice: int) -> None:
    machine_tokens.create(alice, "ci")
    signed = machine_tokens.list_tokens()
    assert signed[0].last_used_at is None
    now = here.now()
    primary_key = _only_token()
    for at in (now, now - timedelta(hours=1)):
        machine_tokens.record_use({primary_key: at})

    assert machine_tokens.list_tokens()[0].last_used_at == now


def _only_token() -> int:
    return AccessToken.objects.get().pk


def _pair(token: str) -> str:
    return base64.b64encode(f"ci:{token}".encode()).decode()
