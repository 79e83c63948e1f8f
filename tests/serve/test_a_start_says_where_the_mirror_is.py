"""The first lines of a start tell an operator everything needed to use the mirror."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.serve.conftest import Mirror, Start


@pytest.mark.one_database
def test_the_banner_names_address_upstream_store_database_and_docker(
    mirror: Mirror, tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{mirror.port}"

    assert mirror.output.splitlines()[:-1] == [
        f"Mirrorsite listens on 127.0.0.1:{mirror.port}: {url}",
        "  upstream  docker.io (https://registry-1.docker.io)",
        f"  store     {tmp_path / 'data'}",
        f"  database  {tmp_path / 'data' / 'mirror.sqlite3'}",
        f"  dashboard {url}/dashboard/",
        f'  /etc/docker/daemon.json: {{"registry-mirrors": ["{url}"]}}',
    ]


def test_the_banner_names_every_upstream_the_default_one_first(start: Start) -> None:
    mirror = start(
        REGISTRY_PROXY_REMOTEURL="https://registry.example.com",
        REGISTRY_UPSTREAMS="{quay.io: , docker.io: , r.corp.example: {remoteurl: 'http://r:81'}}",
    )

    mirror.wait_until_it_answers()

    assert mirror.output.splitlines()[1:5] == [
        "  upstream  registry.example.com (https://registry.example.com)",
        "            quay.io (https://quay.io)",
        "            docker.io (https://registry-1.docker.io)",
        "            r.corp.example (http://r:81)",
    ]


def test_the_mirror_answers(mirror: Mirror) -> None:
    head, _, body = mirror.get("/somewhere").partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 404 ")
    assert b"text/plain" in head
    assert b"<" not in body


@pytest.mark.one_database
def test_everything_is_kept_for_its_owner_only(mirror: Mirror, tmp_path: Path) -> None:
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0
    assert (tmp_path / "data" / "mirror.sqlite3").is_file()


def test_warnings_come_before_the_start(start: Start) -> None:
    mirror = start(REGISTRY_REDIS_ADDR="localhost:6379")

    mirror.wait_until_it_answers()

    first, _, _ = mirror.errors.partition("\n")
    assert ' level=warning msg="REGISTRY_REDIS_ADDR: redis: ignored: ' in first


def test_warnings_are_in_the_logs_format(start: Start) -> None:
    mirror = start(REGISTRY_REDIS_ADDR="localhost:6379", REGISTRY_LOG_FORMATTER="json")

    mirror.wait_until_it_answers()

    first, *_ = map(json.loads, mirror.errors.splitlines())
    assert first["level"] == "warning"
    assert first["msg"].startswith("REGISTRY_REDIS_ADDR: redis: ignored: ")


def test_a_second_start_finds_everything_ready(start: Start) -> None:
    first = start()
    first.wait_until_it_answers()
    assert first.end() == 0

    second = start()
    second.wait_until_it_answers()

    assert second.get("/somewhere").startswith(b"HTTP/1.1 404 ")


def test_the_log_has_the_configured_form(start: Start) -> None:
    mirror = start(REGISTRY_LOG_FORMATTER="json", REGISTRY_LOG_FIELDS_SITE="north")

    mirror.wait_until_it_answers()

    lines = mirror.errors.splitlines()
    assert lines
    assert all(line.startswith("{") and '"site": "north"' in line for line in lines)


def test_the_operators_headers_are_on_every_answer_of_the_registry(start: Start) -> None:
    mirror = start(REGISTRY_HTTP_HEADERS="{X-Site: [north, south]}")
    mirror.wait_until_it_answers()

    for path in ("/v2/", "/v2/nothing"):
        head = mirror.get(path).partition(b"\r\n\r\n")[0]
        assert b"\r\nX-Site: north, south" in head
