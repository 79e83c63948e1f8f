"""A mirror that cannot start says why in a sentence, without a traceback."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests import database
from tests.serve.conftest import PATIENCE, Mirror, Start


def refused(mirror: Mirror, code: int) -> str:
    """What was said on standard error; nothing was served."""
    assert mirror.process.wait(PATIENCE) == code
    assert mirror.output == ""
    assert "Traceback" not in mirror.errors
    return mirror.errors


def test_mistakes_in_the_configuration_are_one_line_each(start: Start, tmp_path: Path) -> None:
    (tmp_path / "config.yml").write_text("version: 0.1\nlog: {level: loud}\nproxxy: {}\n")

    mirror = start(REGISTRY_PROXY_TTL="soon")

    assert [line.split(": found")[0] for line in refused(mirror, 2).splitlines()] == [
        "config.yml: proxxy",
        "config.yml: log.level",
        "REGISTRY_PROXY_TTL: proxy.ttl",
    ]
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("name", ["WEB_CONCURRENCY", "MIRROR_THREADS"])
@pytest.mark.parametrize("value", ["0", "many", "-1", "1000000"])
def test_impossible_numbers_are_refused(start: Start, name: str, value: str) -> None:
    assert f"{name}: found '{value}'; allowed a whole number" in refused(start(**{name: value}), 2)


def test_a_port_in_use_is_told(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        said = refused(start(REGISTRY_HTTP_ADDR=f"127.0.0.1:{port}"), 1)

    assert f"port {port} is in use" in said


def test_a_port_in_use_where_metrics_are_to_be_is_told(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        said = refused(
            start(
                REGISTRY_HTTP_DEBUG_ADDR=f"127.0.0.1:{port}",
                REGISTRY_HTTP_DEBUG_PROMETHEUS_ENABLED="true",
            ),
            1,
        )

    assert f"port {port} is in use" in said
    assert "set http.debug.addr to another port" in said


def test_an_address_of_another_machine_is_told(start: Start) -> None:
    said = refused(start(REGISTRY_HTTP_ADDR="192.0.2.1:5000"), 1)

    assert "this machine has no address 192.0.2.1" in said


@pytest.mark.parametrize("root", ["file", "file/below", "/proc/nowhere"])
def test_a_root_that_cannot_be_made_is_told(start: Start, tmp_path: Path, root: str) -> None:
    (tmp_path / "file").touch()

    said = refused(start(REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=root), 1)

    assert "set storage.filesystem.rootdirectory" in said
    assert said.count("\n") == 1


def test_a_root_that_cannot_be_written_is_told(start: Start) -> None:
    said = refused(start(REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY="/proc"), 1)

    assert "the folder /proc cannot be written to" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("folder", ["blobs", "parts", "locks"])
def test_a_store_that_cannot_be_made_is_told(start: Start, tmp_path: Path, folder: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / folder).touch()

    said = refused(start(), 1)

    assert said.startswith("CommandError: the store in ")
    assert f"data/{folder}" in said
    assert said.count("\n") == 1


def test_a_newer_database_is_left_alone(start: Start, tmp_path: Path) -> None:
    first = start()
    first.wait_until_it_answers()
    first.end()
    database.change(
        tmp_path / "data",
        "INSERT INTO django_migrations (app, name, applied) "
        "VALUES ('cache', '9999_later', '2030-01-01')",
    )

    said = refused(start(), 1)

    assert "the database is newer than this program (it has cache.9999_later)" in said


@pytest.mark.one_database
def test_a_database_that_is_none_is_told(start: Start, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mirror.sqlite3").write_bytes(b"not a database, but long enough" * 100)

    said = refused(start(), 1)

    assert "mirror.sqlite3 cannot be used: file is not a database" in said


@pytest.mark.one_database
def test_an_unreachable_database_is_told_without_its_password(start: Start) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]

        said = refused(start(DATABASE_URL=f"postgresql://me:hunter2@127.0.0.1:{port}/m"), 1)

    assert "the database PostgreSQL m on 127.0.0.1 cannot be used" in said
    assert "Connection refused" in said
    assert said.count("\n") == 1
    assert "hunter2" not in said
