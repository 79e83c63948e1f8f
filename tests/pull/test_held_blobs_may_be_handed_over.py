"""`http.accel`: which answers leave the bytes to the proxy in front, and which never do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from django.test import Client as Browser

from cache import runtime
from cache.runtime import Runtime
from tests.fakes.upstream import FakeUpstream
from tests.pull.holding import hold_blob

NAME = "acme/image"
BLOB = b"a layer" * 1000
PROXY = "10.0.0.5"
STRANGER = "192.0.2.9"
WISH = {"X-Sendfile-Type": "X-Accel-Redirect"}

Ask: TypeAlias = Callable[..., Any]


@pytest.fixture
def behind(mirror: Runtime) -> Iterator[Runtime]:
    """The mirror behind a proxy that it may hand blobs over to."""
    http = replace(
        mirror.config.http, trusted_proxies=(ip_network(f"{PROXY}/32"),), accel_prefix="/_store/"
    )
    config = replace(mirror.config, http=http)
    with runtime.using(replace(mirror, config=config)) as built:
        yield built


@pytest.fixture
def path(behind: Runtime) -> str:
    """The address of a blob that is held."""
    return f"/v2/{NAME}/blobs/{hold_blob(behind, NAME, BLOB)}"


def get(path: str, sender: str = PROXY, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Browser().get(path, headers=named, REMOTE_ADDR=sender)


def target(answer: Any) -> str | None:
    found: str | None = answer.headers.get("X-Accel-Redirect")
    return found


def test_the_file_is_named_below_the_prefix(path: str) -> None:
    answer = get(path, **WISH)

    algorithm, _, digits = path.rpartition("/")[2].partition(":")
    assert target(answer) == f"/_store/{algorithm}/{digits[:2]}/{digits}"
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Docker-Content-Digest"] == f"{algorithm}:{digits}"
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["X-Cache"] == "HIT"


def test_who_is_no_trusted_proxy_gets_the_bytes(path: str) -> None:
    answer = get(path, STRANGER, **WISH)

    assert target(answer) is None
    assert b"".join(answer) == BLOB


@pytest.mark.parametrize("wish", [{}, {"X-Sendfile-Type": "X-Sendfile"}, {"X-Sendfile-Type": ""}])
def test_a_proxy_that_does_not_ask_for_it_gets_the_bytes(path: str, wish: dict[str, str]) -> None:
    answer = get(path, **wish)

    assert target(answer) is None
    assert b"".join(answer) == BLOB


def test_without_the_option_it_is_not_done(path: str, behind: Runtime) -> None:
    http = replace(behind.config.http, accel_prefix="")
    with runtime.using(replace(behind, config=replace(behind.config, http=http))):
        assert b"".join(get(path, **WISH)) == BLOB


def test_a_missing_blob_is_streamed(behind: Runtime, upstream: FakeUpstream) -> None:
    digest = upstream.add_blob(NAME, BLOB + b"missing")

    answer = get(f"/v2/{NAME}/blobs/{digest}", **WISH)

    assert target(answer) is None
    assert b"".join(answer) == BLOB + b"missing"


def test_a_refusal_is_ours(path: str) -> None:
    answer = get(path, Range="bytes=999999-", **WISH)

    assert (answer.status_code, target(answer)) == (416, None)
    assert answer.json()["errors"][0]["code"] == "RANGE_INVALID"


def test_another_repository_is_no_way_to_it(path: str) -> None:
    answer = get(path.replace(NAME, "acme/other"), **WISH)

    assert (answer.status_code, target(answer)) == (404, None)


def test_what_was_handed_over_is_counted(path: str, behind: Runtime) -> None:
    get(path, **WISH)
    get(path, Range="bytes=10-19", **WISH)

    [counts] = behind.tally.take().values()
    assert (counts.served, counts.hits, counts.requests) == (len(BLOB) + 10, 2, 2)


def test_its_file_is_closed(path: str) -> None:
    def is_open() -> bool:
        links = (path for path in Path("/proc/self/fd").iterdir() if path.is_symlink())
        return any(digits in str(link.readlink()) for link in links)

    digits = path.rpartition(":")[2]
    get(path, **WISH)

    assert not is_open(), "otherwise no eviction could take it"
