"""Passwords: verified once, wrong ones refused and counted, another registry's kept nowhere."""

from __future__ import annotations

import base64
import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.test import Client as Browser

from cache import runtime
from cache.access import passwords, users
from cache.access.remembered import Remembered
from cache.runtime import Runtime
from tests.access.asking import ALICE, PULL, ask_token, basic, granted_by
from tests.access.conftest import PUBLIC, changed_to
from tests.access.hasher import Counting
from tests.fakes.upstream import FakeUpstream


def test_a_login_with_a_wrong_password_is_refused(
    here: Runtime, client: Browser, alice: int
) -> None:
    for who in (("alice", "wrong"), ("nobody", "wrong"), ("alice", "")):
        answer = ask_token(client, who=who)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="mirrorsite"'
        assert client.get("/v2/", headers=basic(*who)).status_code == 401
    one, other = ask_token(client, who=("alice", "no")), ask_token(client, who=("nobody", "no"))
    assert one.content == other.content


def test_a_daemon_that_is_logged_in_to_hub_goes_on_pulling_what_is_public(
    here: Runtime, client: Browser, alice: int, caplog: pytest.LogCaptureFixture
) -> None:
    """It offers Hub's credentials to us: they are kept nowhere, and sent to nobody."""
    caplog.set_level(logging.DEBUG)
    hub = ("hubuser", "hub's secret")

    answer = ask_token(client, f"repository:{PUBLIC}:pull", who=hub, account="hubuser")

    assert granted_by(answer) == [f"repository:{PUBLIC}:pull"]
    pulled = client.get(
        f"/v2/{PUBLIC}/manifests/v1", headers={"Authorization": f"Bearer {answer.json()['token']}"}
    )
    assert pulled.status_code == 200
    assert granted_by(ask_token(client, PULL, who=hub)) == []
    assert granted_by(ask_token(client, PULL, who=("alice", "hub's secret"))) == []
    kept = str(list(AccessAttempt.objects.values()))
    assert "hubuser" not in kept + caplog.text
    assert "hub's secret" not in kept + caplog.text


def test_hubs_credentials_go_nowhere_else(
    here: Runtime, client: Browser, upstream: FakeUpstream
) -> None:
    ask_token(client, f"repository:{PUBLIC}:pull", who=("hubuser", "hub's secret"))

    sent = [base64.b64decode(each.partition(" ")[2]) for seen in upstream.requests
            if (each := seen.header("authorization") or "").startswith("Basic")]  # fmt: skip
    assert not any(b"hubuser" in each for each in sent)


def test_with_nothing_for_anybody_hubs_credentials_are_refused(
    here: Runtime, client: Browser
) -> None:
    with changed_to(here, anonymous="none"):
        scope = f"repository:{PUBLIC}:pull"
        assert ask_token(client, scope, who=("hubuser", "hub's secret")).status_code == 401
        assert ask_token(client, scope).status_code == 401
        assert client.get("/v2/").status_code == 401


def test_a_password_is_verified_once(here: Runtime, client: Browser, alice: int) -> None:
    before = _hashings(lambda: ask_token(client, PULL, who=ALICE))
    after = _hashings(lambda: [ask_token(client, PULL, who=ALICE) for _ in range(20)])

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
        answers.append(ask_token(Browser(), PULL, who=ALICE).status_code)

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
    assert ask_token(client, who=ALICE).status_code == 200
    user = get_user_model().objects.get(pk=alice)
    user.set_password("another horse, same battery")
    user.save()

    assert ask_token(client, who=ALICE).status_code == 401
    assert ask_token(client, who=("alice", "another horse, same battery")).status_code == 200


def test_a_password_that_was_changed_behind_the_mirrors_back_ends_with_what_is_known_of_the_user(
    here: Runtime, client: Browser, alice: int
) -> None:
    """By another machine that shares the database, or in the database itself: nobody tells us."""
    passed = 0.0
    patient = replace(here, remembered=Remembered(here.memory, lambda: passed))
    with runtime.using(patient):
        assert ask_token(client, who=ALICE).status_code == 200
        changed = make_password("another horse, same battery")
        get_user_model().objects.filter(pk=alice).update(password=changed)
        passed = users.LONGEST + 1

        assert ask_token(client, who=ALICE).status_code == 401
        assert ask_token(client, who=("alice", "another horse, same battery")).status_code == 200


def test_guessing_is_limited_for_an_account_and_address(
    here: Runtime, client: Browser, alice: int
) -> None:
    for n in range(10):
        assert ask_token(client, who=("alice", f"guess {n}")).status_code in (401, 429)

    locked = ask_token(client, who=ALICE)
    assert locked.status_code == 429
    assert locked.json()["errors"][0]["code"] == "TOOMANYREQUESTS"
    assert int(locked.headers["Retry-After"]) > 0
    assert client.get("/v2/", headers=basic(*ALICE)).status_code == 429
    elsewhere = client.get("/v2/token", headers=basic(*ALICE), REMOTE_ADDR="192.0.2.7")
    assert elsewhere.status_code == 200, "nobody can lock out somebody else"
    assert granted_by(ask_token(client, f"repository:{PUBLIC}:pull", who=ALICE)), "pulls go on"


def test_names_that_do_not_exist_are_locked_alike(here: Runtime, client: Browser) -> None:
    statuses = [ask_token(client, who=("nobody", f"guess {n}")).status_code for n in range(12)]

    assert statuses[:9] == [401] * 9
    assert statuses[10:] == [429, 429]


def test_the_same_wrong_password_counts_once(here: Runtime, client: Browser, alice: int) -> None:
    for _ in range(30):
        assert ask_token(client, who=("alice", "the old one")).status_code == 401

    assert ask_token(client, who=ALICE).status_code == 200
    assert not AccessAttempt.objects.exists(), "who knows the password begins anew"
