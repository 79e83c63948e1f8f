"""`manage.py user`, `grant`, `token`, `visibility`: what an operator needs, and what it is told."""

from __future__ import annotations

import io
import json
import stat
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from cache.access import grants, machine_tokens, visibility
from cache.access.decision import Visibility
from cache.runtime import Runtime
from tests.access.conftest import PASSWORD, House

UPSTREAM = settings.MIRROR.proxy.name

Run = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def run(here: Runtime) -> Run:
    """A command in this process: the objects that it prints."""
    settings.MIRROR.storage.root.mkdir(parents=True, exist_ok=True)

    def run(*words: str) -> list[dict[str, Any]]:
        printed = io.StringIO()
        call_command(*words, "--json", stdout=printed)
        return [json.loads(line) for line in printed.getvalue().splitlines()]

    return run


def test_a_grant_is_made_listed_and_removed(run: Run, alice: int) -> None:
    (made,) = run("grant", "create", "--user", "alice", "team/**", "--expires", "30d")

    listed = [each for each in run("grant", "list") if each["grant"] == made["grant"]]
    assert listed[0]["repositories"] == f"{UPSTREAM}/team/**"
    assert listed[0]["user"] == "alice"
    assert listed[0]["expires_at"] == made["expires_at"]
    run("grant", "remove", str(made["grant"]))
    assert made["grant"] not in [each.id for each in grants.list_grants()]


def test_the_same_grant_is_not_made_twice(run: Run, alice: int) -> None:
    first = run("grant", "create", "--user", "alice", "team/*", "--expires", "1d")
    second = run("grant", "create", "--user", "alice", "team/*")

    assert first[0]["grant"] == second[0]["grant"]
    assert second[0]["expires_at"] is None


def test_a_group_may_hold_a_grant(run: Run) -> None:
    run("user", "create", "bob", "--no-password", "--group", "pullers")

    (made,) = run("grant", "create", "--group", "pullers", "team/*", "--upstream", "*")

    assert made["repositories"] == "*/team/*"
    assert [each["group"] for each in run("grant", "list")] == ["pullers"]


def test_a_token_is_shown_once(run: Run, alice: int) -> None:
    (made,) = run("token", "create", "alice", "ci", "--limit", "acme/*", "--limit", "team/*")

    assert machine_tokens.looks_like_one(made["token"])
    assert made["mirror"].endswith(f"/t/{made['token']}/")
    (listed,) = run("token", "list")
    assert made["token"] not in str(listed)
    assert listed["limits"] == [f"{UPSTREAM}/acme/*", f"{UPSTREAM}/team/*"]
    (revoked,) = run("token", "revoke", "alice", "ci")
    assert revoked["revoked"]
    assert run("token", "list", "alice")[0]["revoked_at"] is not None
    run("token", "create", "alice", "ci")


def test_visibility_is_said_and_unsaid(run: Run) -> None:
    run("visibility", "set", "private", "**")
    run("visibility", "set", "public", "open/tool")
    assert [each["visibility"] for each in run("visibility", "list")] == ["public", "private"]

    run("visibility", "unset", "open/tool")
    assert [found for _, found in visibility.list_rules()] == [Visibility.PRIVATE]


def test_a_user_is_deactivated_and_let_in_again(run: Run, alice: int) -> None:
    run("user", "deactivate", "alice")
    assert [each["active"] for each in run("user", "list")] == [False]
    run("user", "activate", "alice")
    assert [each["active"] for each in run("user", "list")] == [True]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["grant", "create", "--user", "nobody", "acme/*"], "there is no user 'nobody'"),
        (["grant", "create", "--group", "none", "acme/*"], "there is no group 'none'"),
        (["grant", "create", "--user", "alice", "ACME/*"], "allowed a pattern of repositories"),
        (["grant", "create", "--user", "alice", "acme/app:1"], "without registry and tag"),
        (["grant", "create", "--user", "alice", "a/*", "--upstream", "x.y"], "no upstream is call"),
        (["grant", "create", "--user", "alice", "a/*", "--expires", "soon"], "such as 30d, 12h or"),
        (["grant", "create", "--user", "alice", "a/*", "--expires", "2001-01-01"], "over already"),
        (["grant", "create", "--user", "alice", "a/*", "--expires", "2030-13-01"], "allowed a"),
        (["grant", "remove", "4711"], "there is no grant 4711"),
        (["token", "create", "nobody", "ci"], "`manage.py user create` makes one"),
        (["token", "create", "alice", "x" * 101], "allowed 1 to 100 characters"),
        (["token", "revoke", "alice", "none"], "has no token 'none' in force"),
        (["user", "create", "alice", "--no-password"], "there is a user 'alice' already"),
        (["user", "create", "a b", "--no-password"], "valid username"),
        (["user", "deactivate", "nobody"], "there is no user"),
        (["visibility", "unset", "acme/*"], "nothing is said of exactly"),
        (["visibility", "set", "hidden", "acme/*"], "invalid choice"),
    ],
)
def test_a_mistake_gets_a_sentence(run: Run, alice: int, words: list[str], told: str) -> None:
    with pytest.raises(CommandError) as refused:
        run(*words)

    assert told in str(refused.value)


def test_a_second_token_of_a_name_is_refused(run: Run, alice: int) -> None:
    run("token", "create", "alice", "ci")

    with pytest.raises(CommandError, match="has a token 'ci' already"):
        call_command("token", "create", "alice", "ci")


def test_a_weak_password_is_refused(house: House) -> None:
    ended = house.try_to_manage("user", "create", "weak", "--password-stdin", said="12345\n")

    assert ended.returncode == 1
    assert "too short" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_people_are_told_in_sentences(house: House) -> None:
    house.manage("user", "create", "carol", "--password-stdin", said=f"{PASSWORD}\n")
    said: list[subprocess.CompletedProcess[str]] = [
        house.try_to_manage("token", "create", "carol", "laptop", "--expires", "1d"),
        house.try_to_manage("token", "list", "carol"),
        house.try_to_manage("grant", "create", "--user", "carol", "acme/app"),
        house.try_to_manage("rotate_keys"),
        house.try_to_manage("user", "list"),
    ]
    assert [each.returncode for each in said] == [0] * len(said)
    assert "docker login -u carol" in said[0].stdout
    assert "last used: never" in said[1].stdout
    assert "may pull" in said[2].stdout
    assert "new key" in said[3].stdout
    assert "carol" in said[4].stdout
    keys = house.mirror.root / "token_keys.json"
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
