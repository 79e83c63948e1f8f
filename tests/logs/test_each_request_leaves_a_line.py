"""One line for each request, when all of its answer has left, which says what it was and became."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from cache.oci.digest import Digest
from tests.e2e.processes import eventually
from tests.fakes.faults import Fault
from tests.fakes.plain import NO_AUTHORITY
from tests.faults.clients import Client, Scene, scene
from tests.logs.conftest import access_line, lines, of_request

NAME = "library/tool"


@pytest.fixture
def http(house: Scene) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=house.mirror.url, timeout=30, trust_env=False, verify=NO_AUTHORITY
    ) as client:
        client.headers["User-Agent"] = "a test/1"
        yield client


def said_of(house: Scene, answer: httpx.Response) -> dict[str, Any]:
    return access_line(house.mirror, answer.headers["X-Request-Id"])


def test_a_manifest(house: Scene, http: httpx.Client) -> None:
    image = house.upstream.add_image(NAME, "v1")

    for outcome in ("MISS", "REVALIDATED"):
        answer = http.get(f"/v2/{NAME}/manifests/v1", params={"ns": "docker.io"})
        line = said_of(house, answer)
        assert line.pop("time")
        assert 0 < float(line.pop("duration")) < 30
        assert line == {
            "level": "info",
            "msg": "response completed",
            "logger": "mirrorsite.requests",
            "method": "GET",
            "path": f"/v2/{NAME}/manifests/v1",
            "repository": f"127.0.0.1:{house.upstream.port}/{NAME}",
            "reference": "v1",
            "status": 200,
            "bytes": len(image.manifest),
            "cache": outcome,
            "client": "127.0.0.1",
            "agent": "a test/1",
            "request": answer.headers["X-Request-Id"],
        }


def test_a_blob_and_a_part_of_it(house: Scene, http: httpx.Client) -> None:
    path, data = house.held_blob(NAME, 3_000_000)
    digest = str(Digest.of(data))
    eventually(lambda: http.head(path).headers["X-Cache"] == "HIT", "it is on record, too")

    whole = said_of(house, http.get(path))
    part = said_of(house, http.get(path, headers={"Range": "bytes=7-1006"}))
    head = said_of(house, http.head(path))

    assert (whole["bytes"], whole["status"], whole["cache"]) == (len(data), 200, "HIT")
    assert (part["bytes"], part["status"]) == (1000, 206)
    assert (head["bytes"], head["method"]) == (0, "HEAD")
    assert whole["reference"] == part["reference"] == digest


def test_an_arriving_blob(house: Scene, http: httpx.Client) -> None:
    path, data = house.blob("library/cold", 2_000_000)

    line = said_of(house, http.get(path))

    assert (line["bytes"], line["cache"]) == (len(data), "MISS")


def test_an_arriving_blob_of_unknown_length(house: Scene, http: httpx.Client) -> None:
    path, data = house.blob("library/chunked", 1_000_000)
    house.upstream.misbehave(Fault(chunked=True), path="library/chunked/blobs")

    answer = http.get(path)
    house.upstream.behave()

    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert said_of(house, answer)["bytes"] == len(answer.content) == len(data)


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("GET", f"/v2/{NAME}/manifests/none", 404, "MANIFEST_UNKNOWN"),
        ("GET", "/v2/A/manifests/v1", 400, "NAME_INVALID"),
        ("POST", f"/v2/{NAME}/blobs/uploads/", 405, "UNSUPPORTED"),
        ("GET", "/v2/nothing", 404, "UNSUPPORTED"),
        ("GET", "/v2", 200, None),
        ("GET", "/v2/", 200, None),
        ("GET", "/v2/token?scope=x", 200, None),
        ("GET", "/healthz", 200, None),
        ("POST", "/healthz", 405, None),
        ("GET", "/", 302, None),
        ("GET", "/elsewhere", 404, None),
        ("GET", "/dashboard/", 302, None),
        ("GET", "/static/nothing.css", 404, None),
        ("GET", "/t/nobody/v2/", 401, "UNAUTHORIZED"),
    ],
)
def test_any_other(
    house: Scene, http: httpx.Client, method: str, path: str, status: int, error: str | None
) -> None:
    answer = http.request(method, path)

    line = said_of(house, answer)

    assert answer.status_code == line["status"] == status
    assert line["path"] == path.partition("?")[0].removeprefix("/t/nobody")
    assert line["bytes"] == len(answer.content)
    assert line.get("error") == error
    assert line["level"] == "info"


@pytest.mark.parametrize(
    ("said", "status"),
    [(b"nonsense\r\n\r\n", 400), (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: m\r\n\r\n", 414)],
)
def test_what_is_no_request(house: Scene, said: bytes, status: int) -> None:
    with Client(house.mirror) as client:
        client.say(said)
        head, _, body = client.rest().partition(b"\r\n\r\n")
    fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])

    line = access_line(house.mirror, fields["X-Request-Id"])

    assert (line["status"], line["bytes"]) == (status, len(body))
    assert line["client"] == "127.0.0.1"
    assert all(line["level"] == "info" for line in of_request(house.mirror, line["request"]))


def test_connections_that_stay_have_a_line_for_each(house: Scene, http: httpx.Client) -> None:
    names = [http.get("/v2/").headers["X-Request-Id"] for _ in range(20)]

    assert len(set(names)) == 20
    assert all(access_line(house.mirror, name)["path"] == "/v2/" for name in names)


@pytest.mark.parametrize(
    "environ", [{"REGISTRY_LOG_ACCESSLOG_DISABLED": "true"}, {"REGISTRY_LOG_LEVEL": "warn"}]
)
def test_it_can_be_switched_off(environ: dict[str, str]) -> None:
    with scene(REGISTRY_LOG_FORMATTER="json", **environ) as quiet:
        for path in ("/v2/", "/v2/library/none/manifests/v1", "/elsewhere"):
            assert httpx.get(f"{quiet.mirror.url}{path}").headers["X-Request-Id"]
        quiet.mirror.stop()

        assert [line for line in lines(quiet.mirror) if "status" in line] == []
