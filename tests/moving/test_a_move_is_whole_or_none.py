"""Whatever goes wrong on the way: all of the records are there, or none; the file is as it was."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bench.synthetic import Shape, write_sqlite
from tests.e2e.mirror import PROJECT, Mirror
from tests.e2e.processes import NOWHERE, environment, scratch
from tests.fakes.upstream import FakeUpstream
from tests.faults.postgres import Postgres
from tests.moving.conftest import Administer, asked, tables_in
from tests.retention.operator import call, call_on_terminal

pytestmark = pytest.mark.one_database

SHAPE = Shape(manifests=500, repositories=50)
KILLS = 8

#: Seconds that a whole move may take here, on a machine that is busy with other tests.
PATIENCE = 120.0


def _given(root: Path) -> dict[str, str]:
    return environment(
        MIRROR_CONFIG="/dev/null", REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=str(root)
    )


def _migrated(root: Path) -> Path:
    """The file of a mirror that has the tables and nothing in them."""
    root.mkdir(mode=0o700)
    command = (sys.executable, "manage.py", "migrate", "-v0")
    subprocess.run(command, cwd=PROJECT, env=_given(root), check=True, timeout=60)
    return root / "mirror.sqlite3"


@pytest.fixture(scope="module")
def new() -> Iterator[Path]:
    """The file of a new mirror, to be copied."""
    with scratch("new") as home:
        yield _migrated(home / "root")


@pytest.fixture(scope="module")
def filled(new: Path) -> Iterator[Path]:
    """The root of a mirror with some thousand blobs, to be read only."""
    with scratch("filled") as root:
        write_sqlite(SHAPE, Path(shutil.copy(new, root)))
        yield root


@pytest.fixture
def root(new: Path, tmp_path: Path) -> Path:
    """The root of a mirror of this test's own, with nothing in it but the tables."""
    shutil.copy(new, tmp_path)
    return tmp_path


def _change(root: Path, *statements: str) -> None:
    with closing(sqlite3.connect(root / "mirror.sqlite3")) as database, database:
        for statement in statements:
            database.execute(statement)


def _print(root: Path) -> str:
    """What the file holds, as one text."""
    with closing(sqlite3.connect(root / "mirror.sqlite3")) as database:
        whole = hashlib.sha256()
        for line in database.iterdump():
            whole.update(line.encode())
    return whole.hexdigest()


def _refused(root: Path, *words: str, **extra: str) -> str:
    """The sentence with which the command ends."""
    code, out, err = call(root, "migrate_database", *words, **extra)
    assert (code, out) == (2, "")
    assert "Traceback" not in err
    return err


@pytest.mark.timeout(10 * PATIENCE)
def test_kills_at_any_moment(filled: Path, new_database: Callable[[], str]) -> None:
    before = _print(filled)
    command = (sys.executable, "manage.py", "migrate_database")
    began = time.monotonic()
    subprocess.run(
        (*command, new_database()),
        cwd=PROJECT,
        env=_given(filled),
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=PATIENCE,
    )
    whole = time.monotonic() - began

    url = new_database()
    ends = []
    for number in range(KILLS):
        with subprocess.Popen(
            (*command, url),
            cwd=PROJECT,
            env=_given(filled),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                process.wait(whole * (number + 1) / (KILLS + 1))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
        ends.append(process.returncode)
        # A kill may come between the end of the transaction and that of the program.
        moved = len(tables_in(url))
        assert moved in ({0, _all_tables(filled)} if process.returncode else {_all_tables(filled)})
        assert _print(filled) == before
        if moved:
            url = new_database()

    assert ends.count(-signal.SIGKILL) >= KILLS / 2, ends
    ended = subprocess.run(
        (*command, url, "--json"),
        cwd=PROJECT,
        env=_given(filled),
        capture_output=True,
        check=True,
        timeout=PATIENCE,
    )
    summary = json.loads(ended.stdout.splitlines()[-1])["summary"]
    assert summary["tables"] == _all_tables(filled) - 1
    assert asked(url, "SELECT count(*) FROM cache_blob") == [(SHAPE.blobs,)]
    assert _print(filled) == before


def _all_tables(root: Path) -> int:
    query = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
    with closing(sqlite3.connect(root / "mirror.sqlite3")) as database:
        ((count,),) = database.execute(query).fetchall()
    return int(count)


def test_a_terminal_shows_how_far_it_is(filled: Path, url: str) -> None:
    code, shown = call_on_terminal(filled, "migrate_database", url)

    assert code == 0
    assert "rows of " in shown
    assert "rows/s" in shown
    assert "0 findings" not in shown


def test_what_comes_out_is_compared(root: Path, url: str, administer: Administer) -> None:
    """A server that changes what it is given, here on its own initiative, is found out."""
    _change(
        root,
        "INSERT INTO cache_blob (digest, size, stored_at, pulled_at) "
        "VALUES ('sha256:aa', 5, '2026-01-01', '2026-01-01')",
    )
    administer(
        "CREATE SCHEMA meddling",
        "CREATE FUNCTION meddling.meddle() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN NEW.size = NEW.size + 1; RETURN NEW; END'",
        "CREATE FUNCTION meddling.watch() RETURNS event_trigger LANGUAGE plpgsql AS "
        "$$BEGIN IF to_regclass('public.cache_blob') IS NOT NULL AND NOT EXISTS "
        "(SELECT 1 FROM pg_trigger WHERE tgname = 'meddler') THEN CREATE TRIGGER meddler BEFORE "
        "INSERT ON public.cache_blob FOR EACH ROW EXECUTE FUNCTION meddling.meddle(); "
        "END IF; END$$",
        "CREATE EVENT TRIGGER watcher ON ddl_command_end WHEN TAG IN ('CREATE TABLE') "
        "EXECUTE FUNCTION meddling.watch()",
        database=url,
    )

    said = _refused(root, url)

    assert "cache_blob does not come out as it went in (1 rows of 1). Nothing was moved" in said
    assert tables_in(url) == []


#: A pin of each kind that SQLite takes; its columns are the selection, its time, and its maker.
PIN = "INSERT INTO cache_pin (selection, created_at, created_by) VALUES "
LOST_TAG = "INSERT INTO cache_tag (repository_id, name, manifest_id, checked_at) VALUES "


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (f"{LOST_TAG} (7, 'v1', 8, '2026-01-01')", "cache_tag"),
        (f"{PIN} ('a' || char(0), '2026-01-01', 'x')", "cache_pin"),
        (f"{PIN} ('a', '2026-01-01', printf('%.200c', 'x'))", "cache_pin: value too long"),
        (f"{PIN} ('a', 'yesterday', 'x')", "cache_pin: null value"),
    ],
    ids=["points nowhere", "NUL", "too long", "no time"],
)
def test_rows_that_postgresql_does_not_take(
    root: Path, url: str, statement: str, said: str
) -> None:
    _change(root, statement)
    before = _print(root)

    refused = _refused(root, url)

    assert said in refused
    assert "Nothing was moved" in refused
    assert tables_in(url) == []
    assert _print(root) == before


def test_a_database_in_which_there_is_something(
    root: Path, url: str, administer: Administer
) -> None:
    administer("CREATE TABLE invoices (id int)", database=url)

    assert "is not empty: it has 1 tables or views (invoices)" in _refused(root, url)
    assert tables_in(url) == ["invoices"]


def test_a_second_move_to_the_same_place(root: Path, url: str) -> None:
    assert call(root, "migrate_database", url)[0] == 0
    _change(root, "DELETE FROM auth_group")

    assert "is not empty" in _refused(root, url)
    assert len(asked(url, "SELECT 1 FROM auth_group")) == 3


def test_a_mirror_that_runs(tmp_path: Path, url: str) -> None:
    with FakeUpstream() as upstream, Mirror(tmp_path / "root", upstream.url) as mirror:
        said = _refused(mirror.root, url)
        assert "runs: stop it first" in said
        # Also if it is found by its file alone.
        file = str(mirror.root / "mirror.sqlite3")
        assert "is in use: stop the mirror" in _refused(tmp_path / "other", url, "--from", file)
    assert tables_in(url) == []
    assert call(tmp_path / "other", "migrate_database", url, "--from", file)[0] == 0


def test_addresses_that_lead_nowhere(root: Path, postgres: Postgres) -> None:
    at = urlsplit(postgres.url).netloc
    for url, said in (
        (f"postgresql://me:hunter2@{NOWHERE}/m", "PostgreSQL m on 127.0.0.1: connection failed"),
        (f"postgresql://{at}/nothere", 'database "nothere" does not exist'),
        ("mysql://me:hunter2@127.0.0.1/m", "allowed postgresql://user:password@host:port/database"),
        (f"postgresql://{at}/postgres?nonsense=1", "nonsense"),
    ):
        refused = _refused(root, url)
        assert said in refused
        assert "hunter2" not in refused
        # As a variable, which the users of `ps` do not see.
        again = _refused(root, DATABASE_URL=url)
        assert "hunter2" not in again
    assert "found no address" in _refused(root)


def test_a_user_who_may_make_no_tables(
    root: Path, url: str, administer: Administer, postgres: Postgres
) -> None:
    administer("CREATE ROLE guest LOGIN")
    port = urlsplit(postgres.url).port
    name = urlsplit(url).path

    said = _refused(root, f"postgresql://guest@127.0.0.1:{port}{name}")

    assert "the user guest may not make tables in PostgreSQL" in said
    assert "GRANT CREATE ON SCHEMA public TO guest" in said


def test_a_database_that_cannot_hold_every_text(
    root: Path, administer: Administer, postgres: Postgres
) -> None:
    administer(
        "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' "
        "LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C'"
    )

    said = _refused(root, f"{postgres.url.rpartition('/')[0]}/latin")

    assert "is in LATIN1: make one with ENCODING 'UTF8'" in said


def test_files_that_are_no_source(root: Path, tmp_path: Path, url: str) -> None:
    (tmp_path / "none").write_bytes(b"not a database, but long enough" * 100)
    assert "file is not a database" in _refused(root, url, "--from", str(tmp_path / "none"))
    assert "there is no database" in _refused(root, url, "--from", str(tmp_path / "nowhere"))

    _change(root, "DELETE FROM django_migrations WHERE app = 'cache' AND name > '0011'")
    assert "is of an older program" in _refused(root, url)
    _change(root, "INSERT INTO django_migrations (app, name, applied) VALUES ('cache', '9999', 0)")
    assert "is of a newer program (cache.9999)" in _refused(root, url)
