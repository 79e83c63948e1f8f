"""The database is locked or gone: whoever looks at the dashboard is told so, and what to do."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.e2e.mirror import Mirror
from tests.e2e.processes import eventually, scratch
from tests.fakes.plain import NO_AUTHORITY
from tests.fakes.upstream import FakeUpstream
from tests.faults.postgres import Postgres

pytestmark = pytest.mark.one_database

PASSWORD = "a long enough one"
PLACE = "/dashboard/"
TITLE = "The database does not answer"


@pytest.fixture(scope="module")
def mirror(upstream: FakeUpstream) -> Iterator[Mirror]:
    with scratch("locked") as home, _mirror(home, upstream) as mirror:
        yield mirror


def _mirror(home: Path, upstream: FakeUpstream, **extra: str) -> Mirror:
    """One that `admin` may sign in to."""
    return Mirror(home / "data", upstream.url, DJANGO_SUPERUSER_PASSWORD=PASSWORD, **extra)


@contextmanager
def _browser(mirror: Mirror) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=mirror.url,
        headers={"Origin": mirror.url},
        trust_env=False,
        verify=NO_AUTHORITY,
        timeout=60,
    ) as client:
        yield client


@contextmanager
def _locked(mirror: Mirror) -> Iterator[None]:
    with closing(
        sqlite3.connect(mirror.root / "mirror.sqlite3", timeout=30, isolation_level=None)
    ) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.rollback()


def _post(client: httpx.Client, path: str, **fields: str) -> httpx.Response:
    page = client.get(f"{PLACE}login/" if path == "login/" else PLACE)
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
    fields["csrfmiddlewaretoken"] = token[1] if token else client.cookies["mirrorsite_csrf"]
    return client.post(PLACE + path, data=fields)


def _sign_in(client: httpx.Client) -> httpx.Response:
    return _post(client, "login/", username="admin", password=PASSWORD)


def _assert_told(answer: httpx.Response) -> None:
    assert answer.status_code == 503
    assert answer.headers["Retry-After"].isdecimal()
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert TITLE in answer.text


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("pins/pin/", {"what": "acme/shop"}),
        ("logs/levels/change/", {"logger": "cache.x", "level": "debug", "for": "always"}),
        ("purge/ask/", {"what": "acme/**"}),
        ("login/", {"username": "admin", "password": PASSWORD}),
    ],
)
def test_what_a_lock_keeps_from_being_done_is_told(
    mirror: Mirror, path: str, fields: dict[str, str]
) -> None:
    with _browser(mirror) as client:
        if path != "login/":
            assert _sign_in(client).status_code == 302
        before = len(mirror.log)
        with _locked(mirror):
            answer = _post(client, path, **fields)
            assert client.get(f"{PLACE}login/").status_code in (200, 302), "who only reads goes on"

    _assert_told(answer)
    assert "look whether it was done" in answer.text
    said = mirror.log[before:]
    assert said.count(f"The database failed at {PLACE}{path}: database is locked") == 1
    assert "Traceback" not in said


def test_a_level_whose_change_is_not_on_record_is_not_changed(mirror: Mirror) -> None:
    with _browser(mirror) as client:
        assert _sign_in(client).status_code == 302
        fields = {"logger": "cache.unrecorded", "level": "debug", "for": "always"}
        with _locked(mirror):
            assert _post(client, "logs/levels/change/", **fields).status_code == 503

        assert "cache.unrecorded" not in client.get(f"{PLACE}logs/levels/").text
        assert _post(client, "logs/levels/change/", **fields).status_code == 302
        assert "cache.unrecorded" in client.get(f"{PLACE}logs/levels/").text


def test_without_postgresql_each_page_says_so(upstream: FakeUpstream) -> None:
    with (
        scratch("pg") as base,
        scratch("mirror") as home,
        Postgres(base) as postgres,
        _mirror(home, upstream, DATABASE_URL=postgres.url) as mirror,
        _browser(mirror) as client,
    ):
        assert _sign_in(client).status_code == 302
        assert client.get(PLACE).status_code == 200
        before = len(mirror.log)
        postgres.stop()

        for path in ("", "logs/", "overview/now/"):
            answer = client.get(PLACE + path)
            _assert_told(answer)
            assert f'href="{PLACE}{path}"' in answer.text
            assert "127.0.0.1" not in answer.text
        assert "Traceback" not in mirror.log[before:]

        postgres.start()
        eventually(lambda: client.get(PLACE).status_code == 200, "it is back")
