"""A mirror that people use moves to PostgreSQL: it goes on serving, and nobody notices."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from cache import which_database
from tests.access.conftest import (
    MIRRORS_OWN,
    PASSWORD,
    PRIVATE,
    PUBLIC,
    bearer,
    hiding_upstream,
    token_for,
)
from tests.e2e.mirror import PROJECT, Mirror
from tests.e2e.processes import environment, eventually, scratch
from tests.fakes.images import Image
from tests.fakes.plain import NO_AUTHORITY
from tests.fakes.upstream import FakeUpstream
from tests.moving.conftest import asked
from tests.retention.operator import call

pytestmark = pytest.mark.one_database

#: A token is for these, as far as who asks may have them.
SCOPES = [f"repository:{name}:pull" for name in (PRIVATE, PUBLIC)]

#: What the database keeps for itself.
OWN = {"django_migrations", "sqlite_sequence"}


@dataclass(frozen=True, slots=True)
class Before:
    """A mirror that has served, and was stopped; what its clients and people had of it."""

    root: Path
    upstream: FakeUpstream
    images: dict[str, Image]
    access_token: str
    bearer_token: str
    session: str
    environ: dict[str, str]

    @property
    def file(self) -> Path:
        return self.root / "mirror.sqlite3"


@pytest.fixture(scope="module")
def before() -> Iterator[Before]:
    with scratch("moves") as home, FakeUpstream() as upstream:
        images = hiding_upstream(upstream)
        root = home / "root"
        environ = environment(
            MIRROR_CONFIG="/dev/null",
            REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=str(root),
            REGISTRY_PROXY_REMOTEURL=upstream.url,
            **MIRRORS_OWN,
        )
        given = {**MIRRORS_OWN, "DJANGO_SUPERUSER_PASSWORD": PASSWORD}
        with Mirror(root, upstream.url, **given) as mirror:
            registry = f"{upstream.host}:{upstream.port}"
            _manage(environ, "user", "create", "alice", "--password-stdin")
            _manage(environ, "user", "create", "bob", "--password-stdin")
            _manage(environ, "grant", "create", "--user", "alice", "acme/*", "--upstream", registry)
            said = _manage(environ, "token", "create", "alice", "ci", "--json")
            access_token = json.loads(said.splitlines()[-1])["token"]
            _manage(environ, "pin", f"{PUBLIC}:v1")
            with httpx.Client(
                base_url=mirror.url, timeout=30, trust_env=False, verify=NO_AUTHORITY
            ) as client:
                token = token_for(client, *SCOPES, auth=("alice", PASSWORD))
                for name, image in images.items():
                    _pull(client, name, image, bearer(token))
                moved = upstream.add_image(PUBLIC, "v2", [b"first"])
                _pull(client, PUBLIC, moved, bearer(token), tag="v2")
                moved = upstream.add_image(PUBLIC, "v2", [b"second"])
                _pull(client, PUBLIC, moved, bearer(token), tag="v2")
                session = _sign_in(client)
            _manage(environ, "purge", f"{PUBLIC}@{moved.digest}", "--yes")
        yield Before(root, upstream, images, access_token, token, session, environ)


@pytest.fixture(autouse=True)
def not_moved_yet(before: Before) -> None:
    """Each test moves the same mirror, which has not been moved before."""
    which_database.leave(before.root, which_database.Database())


def _manage(environ: dict[str, str], *words: str) -> str:
    ended = subprocess.run(
        (sys.executable, "manage.py", *words),
        cwd=PROJECT,
        env=environ,
        input=f"{PASSWORD}\n",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def _pull(
    client: httpx.Client, name: str, image: Image, headers: dict[str, str], tag: str = "v1"
) -> None:
    """Whole and right."""
    manifest = client.get(f"/v2/{name}/manifests/{tag}", headers=headers)
    assert (manifest.status_code, manifest.content) == (200, image.manifest)
    for digest, data in zip(image.layer_digests, image.layers, strict=True):
        assert client.get(f"/v2/{name}/blobs/{digest}", headers=headers).content == data


def _sign_in(client: httpx.Client) -> str:
    """The cookie of somebody who has signed in at the dashboard."""
    page = client.get("/dashboard/login/")
    fields = {
        "username": "admin",
        "password": PASSWORD,
        "csrfmiddlewaretoken": page.text.partition('name="csrfmiddlewaretoken" value="')[2][:64],
    }
    answer = client.post("/dashboard/login/", data=fields, headers={"Origin": str(client.base_url)})
    assert answer.status_code == 302, answer.text
    return answer.cookies["mirrorsite_session"]


def _tables(file: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All that an SQLite database holds, as it is in there."""
    with closing(sqlite3.connect(file)) as database:
        names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {
            name: database.execute(f"SELECT * FROM {name}").fetchall()  # noqa: S608
            for (name,) in names
            if name not in OWN
        }


def test_a_dry_run_says_what_there_is_and_makes_nothing(before: Before, url: str) -> None:
    code, out, err = call(before.root, "migrate_database", url, "--dry-run", "--json")

    *each, last = map(json.loads, out.splitlines())
    assert (code, err) == (0, "")
    held = {name: len(rows) for name, rows in _tables(before.file).items()}
    assert {one["table"]["name"]: one["table"]["rows"] for one in each} == held
    assert last["summary"] == {"rows": sum(held.values()), "tables": len(held), "is_dry": True}
    assert asked(url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]
    assert which_database.left_in(before.root) == which_database.Database()


def test_everything_is_there_afterwards(before: Before, url: str) -> None:
    held = _tables(before.file)

    code, out, err = call(before.root, "migrate_database", url)

    assert (code, err) == (0, "")
    assert "moved " in out
    assert "next: set DATABASE_URL" in out
    assert which_database.left_in(before.root) == which_database.by_address(url)
    code, _, err = call(before.root, "user", "deactivate", "alice")
    assert code == 2, "commands act on the old file no more"
    assert "set DATABASE_URL to it" in err
    assert _tables(before.file) == held
    for name, rows in held.items():
        assert asked(url, f"SELECT count(*) FROM {name}") == [(len(rows),)], name  # noqa: S608
    some = ("cache_tagmove", "cache_removal", "cache_pin", "cache_grant", "cache_accesstoken")
    assert all(held[name] for name in (*some, "django_session", "cache_traffic")), "a true test"
    assert {bytes(body) for (body,) in asked(url, "SELECT body FROM cache_manifest")} == {
        row[3] for row in held["cache_manifest"]
    }
    assert asked(url, "SELECT name, secret_digest FROM cache_accesstoken") == [
        (row[1], row[2]) for row in held["cache_accesstoken"]
    ]


def test_pulls_and_people_go_on_with_the_same_store(before: Before, url: str) -> None:
    assert call(before.root, "migrate_database", url)[0] == 0
    before.upstream.reset()

    with (
        Mirror(before.root, before.upstream.url, DATABASE_URL=url, **MIRRORS_OWN) as mirror,
        httpx.Client(
            base_url=mirror.url, timeout=30, trust_env=False, verify=NO_AUTHORITY
        ) as client,
    ):
        client.headers.pop("Accept")
        for headers in (
            bearer(before.bearer_token),
            bearer(token_for(client, *SCOPES, auth=("alice", PASSWORD))),
            bearer(token_for(client, *SCOPES, auth=("alice", before.access_token))),
        ):
            for name, image in before.images.items():
                _pull(client, name, image, headers)
        _pull(client, PUBLIC, before.images[PUBLIC], bearer(token_for(client, *SCOPES)))
        for nobody in (None, ("bob", PASSWORD)):
            refused = bearer(token_for(client, *SCOPES, auth=nobody))
            digest = before.images[PRIVATE].layer_digests[0]
            for path in ("manifests/v1", f"blobs/{digest}"):
                answer = client.get(f"/v2/{PRIVATE}/{path}", headers=refused)
                assert answer.status_code in {401, 404}, answer.text
        assert before.upstream.count("GET", "/manifests/") == 0
        assert before.upstream.count("GET", "/blobs/") == 0

        page = client.get("/dashboard/", headers={"Cookie": f"mirrorsite_session={before.session}"})
        assert page.status_code == 200, "who was signed in at the dashboard still is"

        # What is new gets numbers of its own.
        fresh = before.upstream.add_image(PUBLIC, "v3", [b"after the move"])
        _pull(client, PUBLIC, fresh, bearer(token_for(client, *SCOPES)), tag="v3")
        new = str(fresh.layer_digests[0])
        is_there = "SELECT 1 FROM cache_blob WHERE digest = %s"
        eventually(lambda: asked(url, is_there, new) == [(1,)], "it is recorded")


def test_a_number_is_never_given_twice(before: Before, url: str) -> None:
    """Of who was deleted last, tokens may be about: they name their user by its number."""
    _manage(before.environ, "user", "create", "gone", "--password-stdin")
    with closing(sqlite3.connect(before.file)) as database, database:
        ((last,),) = database.execute("SELECT max(id) FROM auth_user").fetchall()
        database.execute("DELETE FROM auth_user WHERE id = ?", (last,))
    assert call(before.root, "migrate_database", url)[0] == 0

    _manage({**before.environ, "DATABASE_URL": url}, "user", "create", "next", "--password-stdin")

    assert asked(url, "SELECT id > %s FROM auth_user WHERE username = 'next'", last) == [(True,)]
