"""`X-Request-Id`: taken over if it is sane, in every answer, every record, and sent upstream."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from cache import request
from cache.access import machine_tokens
from cache.oci.digest import Digest
from tests import database
from tests.e2e.processes import eventually
from tests.fakes.faults import Fault, Gate
from tests.fakes.plain import NO_AUTHORITY
from tests.fakes.upstream import FakeUpstream
from tests.faults.clients import Client, Scene, scene
from tests.logs.conftest import access_line, lines, of_request

MADE = re.compile(r"[0-9a-f]{24}")


@pytest.fixture
def http(house: Scene) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=house.mirror.url, timeout=30, trust_env=False, verify=NO_AUTHORITY
    ) as client:
        yield client


@pytest.mark.parametrize(
    "given",
    [
        "7b5a3e0c-6f1f-4a5f-9f0e-1d2c3b4a5968",
        "Root=1-67891233-abcdef012345678912345678",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "a",
        "x" * 128,
    ],
)
def test_a_sane_name_is_taken_over(given: str) -> None:
    assert request.told_id(given) == given


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        "x" * 129,
        "two words",
        "a,b",
        'a"b',
        "a\nlevel=error",
        "\x1b[2J",
        "-rf",
        "grüße",
        machine_tokens.PREFIX + "x" * 43,
        "a" + machine_tokens.PREFIX + "x" * 43,
    ],
)
def test_any_other_is_made_anew(given: str | None) -> None:
    first, second = request.told_id(given), request.told_id(given)

    assert MADE.fullmatch(first)
    assert first != second


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v2/"),
        ("GET", "/v2"),
        ("GET", "/v2/library/none/manifests/v1"),
        ("PUT", "/v2/library/none/manifests/v1"),
        ("GET", "/v2/A"),
        ("GET", "/healthz"),
        ("POST", "/healthz"),
        ("GET", "/elsewhere"),
        ("GET", "/dashboard/login/"),
        ("GET", "/static/none"),
        ("GET", "/t/x/v2/"),
    ],
)
def test_every_answer_says_it(house: Scene, http: httpx.Client, method: str, path: str) -> None:
    name = f"{method}:{path}"

    answer = http.request(method, path, headers={"X-Request-Id": name})

    assert request.told_id(name) == name
    assert answer.headers.get_list("X-Request-Id") == [name]
    assert access_line(house.mirror, name)["status"] == answer.status_code


def test_two_names_are_none(http: httpx.Client) -> None:
    answer = http.get("/v2/", headers=[("X-Request-Id", "a"), ("X-Request-Id", "b")])

    assert MADE.fullmatch(answer.headers["X-Request-Id"])


def test_what_is_no_request_is_named_after_nobody(house: Scene) -> None:
    with Client(house.mirror) as client:
        client.say(b"GET /v2/ HTTP/1.1\r\nHost: m\r\nX-Request-Id: before\r\n\r\n")
        assert b"X-Request-Id: before\r\n" in client.head()
        client.socket.recv(2)
        client.say(b"nonsense\r\n\r\n")
        said = client.rest()

    assert b"400 Bad Request" in said
    assert b"X-Request-Id: " in said
    assert b"before" not in said


def test_it_goes_upstream_and_is_in_the_records_of_a_fill(house: Scene, http: httpx.Client) -> None:
    house.upstream.reset()
    path, _ = house.blob("library/named", 300_000)

    http.get(path, headers={"X-Request-Id": "fill-1"})

    assert {seen.header("X-Request-Id") for seen in house.upstream.requests} == {"fill-1"}
    records = of_request(house.mirror, "fill-1")
    assert any("is fetched for" in record["msg"] for record in records)


def test_checks_and_manifests_are_asked_for_under_it(house: Scene, http: httpx.Client) -> None:
    house.upstream.add_image("library/checked", "v1")
    house.upstream.reset()

    for name in ("check-1", "check-2"):
        http.get("/v2/library/checked/manifests/v1", headers={"X-Request-Id": name})

    named = [seen.header("X-Request-Id") for seen in house.upstream.requests]
    assert named == ["check-1", "check-1", "check-2"]


def test_a_fill_goes_on_under_the_name_of_who_ordered_it(house: Scene) -> None:
    """The second client's own order comes up when the first one's repository has no such blob."""
    path, data = house.blob("library/has", 200_000)
    hold = Gate()
    house.upstream.misbehave(Fault(hold=hold), path="library/hasnot/blobs")
    house.upstream.reset()
    with Client(house.mirror) as first, Client(house.mirror) as second:
        first.ask(path.replace("has/", "hasnot/"), "X-Request-Id: first", "Connection: close")
        hold.wait_until_reached()
        second.ask(path, "X-Request-Id: second", "Connection: close")
        hold.open()
        assert first.rest().startswith(b"HTTP/1.1 404 ")
        assert second.rest().endswith(data)
    house.upstream.behave()

    asked = {seen.path: seen.header("X-Request-Id") for seen in house.upstream.requests}
    digest = Digest.of(data)
    assert asked == {
        f"/v2/library/hasnot/blobs/{digest}": "first",
        f"/v2/library/has/blobs/{digest}": "second",
    }


def test_token_servers_are_told_and_storage_elsewhere_is_not() -> None:
    with FakeUpstream("127.0.0.2") as cdn, scene() as other:
        other.upstream.require_bearer()
        other.upstream.redirect_blobs_to(cdn)
        path, _ = other.blob("library/tool", 100_000)
        assert httpx.get(
            f"{other.mirror.url}{path}", headers={"X-Request-Id": "abc"}, timeout=30
        ).is_success

        assert {seen.header("X-Request-Id") for seen in other.upstream.requests} == {"abc"}
        assert cdn.requests
        assert not any(seen.header("X-Request-Id") for seen in cdn.requests)


def test_what_nobody_asked_for_has_no_name(house: Scene, http: httpx.Client) -> None:
    http.get("/v2/", headers={"X-Request-Id": "the-last"})
    access_line(house.mirror, "the-last")
    started = [line for line in lines(house.mirror) if "Booting worker" in line["msg"]]

    assert started
    assert not any("request" in line for line in started)


def test_a_broken_upstream_is_told_once_and_not_as_an_error(
    house: Scene, http: httpx.Client
) -> None:
    house.upstream.misbehave(Fault(status=500), path="library/broken")

    answer = http.get("/v2/library/broken/manifests/v1", headers={"X-Request-Id": "broken"})
    house.upstream.behave()

    assert answer.status_code == 502
    ours, access = of_request(house.mirror, "broken")
    assert (ours["level"], ours["logger"]) == ("warning", "cache.api.handlers")
    assert "/v2/library/broken/manifests/v1" in ours["msg"]
    assert (access["level"], access["error"]) == ("info", "UNAVAILABLE")


def test_a_clients_mistakes_are_no_errors(house: Scene, http: httpx.Client) -> None:
    asked = [
        ("GET", "/v2/x/../y", {}),
        ("GET", "/v2/", {"Host": "bad host"}),
        ("GET", "/dashboard/login/", {"Host": "bad host"}),
        ("POST", "/dashboard/login/", {}),
        ("GET", "/v2/library/none/manifests/v1", {}),
        ("GET", "/v2/library/none/blobs/sha256:zz", {}),
        ("DELETE", "/v2/library/none/manifests/v1", {}),
    ]
    for number, (method, path, headers) in enumerate(asked):
        http.request(method, path, headers={**headers, "X-Request-Id": f"mistake-{number}"})

    for number in range(len(asked)):
        found = of_request(house.mirror, f"mistake-{number}")
        assert {line["level"] for line in found} == {"info"}, found


def test_a_defect_is_told_with_its_traceback() -> None:
    """A database without a table that the dashboard cannot do without."""
    with scene(REGISTRY_LOG_FORMATTER="json") as other:
        database.change(other.mirror.root, "DROP TABLE django_session")
        cookies = {"mirrorsite_session": "x" * 32}
        answer = httpx.get(
            f"{other.mirror.url}/dashboard/", cookies=cookies, trust_env=False, verify=NO_AUTHORITY
        )

        assert answer.status_code == 500
        told, access = of_request(other.mirror, answer.headers["X-Request-Id"])
        assert (told["level"], told["logger"]) == ("error", "django.request")
        assert re.search(
            r"no such table: django_session|relation \"django_session\" does not exist",
            told["exception"],
        )
        assert access["level"] == "info"


def test_a_transfer_under_way_has_left_no_line_yet(house: Scene) -> None:
    path, data = house.blob("library/underway", 2_000_000)
    stall = Gate()
    house.upstream.misbehave(Fault(stall=stall, stall_at=1_000_000), path="library/underway")
    with Client(house.mirror) as client:
        client.ask(path, "Connection: close")
        client.head()
        stall.wait_until_reached()
        assert client.socket.recv(1000)
        assert not [line for line in lines(house.mirror) if line.get("path") == path]
        stall.open()
        client.rest()
    house.upstream.behave()

    eventually(
        lambda: (
            [line["bytes"] for line in lines(house.mirror) if line.get("path") == path]
            == [len(data)]
        ),
        "it left its line",
    )
