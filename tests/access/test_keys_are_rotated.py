"""The keys that sign: made once, readable by nobody else, replaced without logging anybody out."""

from __future__ import annotations

import stat
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client as Browser

from cache import runtime
from cache.access.keys import Key
from cache.runtime import Runtime
from tests.access.conftest import PASSWORD, PRIVATE, changed_to

ROTATE = "rotate_keys"


@pytest.fixture
def login(here: Runtime, client: Browser, alice: int) -> Callable[[], dict[str, Any]]:
    """Sign in, for long; the answer."""

    def sign_in() -> dict[str, Any]:
        fields = f"grant_type=password&username=alice&password={PASSWORD.replace(' ', '+')}"
        answer: dict[str, Any] = client.post(
            "/v2/token",
            f"{fields}&access_type=offline&scope=repository:{PRIVATE}:pull",
            content_type="application/x-www-form-urlencoded",
        ).json()
        return answer

    return sign_in


def _status(client: Browser, login: dict[str, Any]) -> int:
    headers = {"Authorization": f"Bearer {login['token']}"}
    return client.get(f"/v2/{PRIVATE}/manifests/v1", headers=headers).status_code


def _renewed(client: Browser, login: dict[str, Any]) -> int:
    body = f"grant_type=refresh_token&refresh_token={login['refresh_token']}"
    form = "application/x-www-form-urlencoded"
    return client.post("/v2/token", body, content_type=form).status_code


def _file(here: Runtime) -> Path:
    return here.config.storage.root / "token_keys.json"


def test_the_file_is_for_the_mirrors_user_alone(here: Runtime) -> None:
    here.keys.signing()

    assert stat.S_IMODE(_file(here).stat().st_mode) == 0o600
    here.keys.rotate(here.now(), timedelta(hours=1))
    assert stat.S_IMODE(_file(here).stat().st_mode) == 0o600


def test_a_key_is_not_shown(here: Runtime) -> None:
    key = here.keys.signing()

    assert key.secret.hex() not in repr(key) + repr(here.keys)
    assert repr(key.secret) not in repr(key)


def test_all_who_come_at_once_find_one_key(here: Runtime) -> None:
    found: list[Key] = []
    threads = [
        threading.Thread(target=lambda: found.append(runtime.keys(here.config).signing()))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({key.kid for key in found}) == 1


def test_nobody_is_logged_out(
    here: Runtime, client: Browser, login: Callable[[], dict[str, Any]]
) -> None:
    before = login()
    old = here.keys.signing().kid

    call_command(ROTATE)

    assert here.keys.signing().kid != old
    after = login()
    for each in (before, after):
        assert (_status(client, each), _renewed(client, each)) == (200, 200)


def test_a_stolen_key_is_worth_nothing_at_once(
    here: Runtime, client: Browser, login: Callable[[], dict[str, Any]]
) -> None:
    before = login()

    call_command(ROTATE, "--revoke")

    assert (_status(client, before), _renewed(client, before)) == (401, 401)
    assert _status(client, login()) == 200


def test_old_keys_are_forgotten_when_nothing_of_theirs_is_good(here: Runtime) -> None:
    old = here.keys.signing().kid
    with changed_to(here, refresh_lifetime=timedelta(hours=2)) as mirror:
        call_command(ROTATE)
        later = mirror.now() + timedelta(hours=3)
        assert here.keys.find(old) is not None
        with runtime.using(replace(mirror, now=lambda: later)):
            call_command(ROTATE)

    assert here.keys.find(old) is None


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"keys": [7]}', b"\xff", b'{"keys": []}'])
def test_a_file_that_holds_no_keys_is_told(
    here: Runtime, client: Browser, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    _file(here).write_bytes(content)

    answer = client.get("/v2/token")

    assert answer.status_code == 503
    assert answer.json()["errors"][0]["code"] == "UNAVAILABLE"
    if content != b'{"keys": []}':
        with pytest.raises(CommandError, match="remove it"):
            call_command(ROTATE)


def test_it_can_be_done_from_the_shell(house: Any) -> None:
    ended: subprocess.CompletedProcess[str] = house.try_to_manage(ROTATE, "--json")

    assert ended.returncode == 0, ended.stderr
    assert '"older_keys"' in ended.stdout
