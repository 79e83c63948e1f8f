"""Behind a reverse proxy: `X-Forwarded-…` and the identity header, from trusted addresses only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network

import pytest
from django.test import Client as Browser
from django.test import RequestFactory

from cache import runtime
from cache.access import users
from cache.api.forwarding import client_address, own_address
from cache.runtime import Runtime
from tests.access.conftest import PASSWORD, PRIVATE

PROXY = "10.0.0.5"
STRANGER = "192.0.2.9"


@pytest.fixture
def behind(here: Runtime, alice: int) -> Iterator[Runtime]:
    config = here.config
    http = replace(config.http, trusted_proxies=(ip_network("10.0.0.0/24"), ip_network("::1")))
    access = replace(config.access, identity_header="X-Client-Subject")
    with runtime.using(replace(here, config=replace(config, http=http, access=access))) as mirror:
        yield mirror


@pytest.mark.parametrize(
    ("sender", "forwarded", "expected"),
    [
        (STRANGER, "", STRANGER),
        (STRANGER, "198.51.100.1", STRANGER),
        (PROXY, "", PROXY),
        (PROXY, "198.51.100.1", "198.51.100.1"),
        (PROXY, "6.6.6.6, 198.51.100.1", "198.51.100.1"),
        (PROXY, "6.6.6.6, 198.51.100.1, 10.0.0.7", "198.51.100.1"),
        (PROXY, "198.51.100.1, nonsense", PROXY),
        (PROXY, "2001:db8::1", "2001:db8::1"),
        ("::1", "198.51.100.1", "198.51.100.1"),
        ("::ffff:10.0.0.5", "198.51.100.1", "198.51.100.1"),
        (PROXY, ", ".join(["10.0.0.6"] * 10_000), "10.0.0.6"),
    ],
)
def test_the_clients_address(behind: Runtime, sender: str, forwarded: str, expected: str) -> None:
    request = RequestFactory().get(
        "/v2/", headers={"X-Forwarded-For": forwarded}, REMOTE_ADDR=sender
    )

    assert client_address(request) == expected


@pytest.mark.parametrize(
    ("sender", "headers", "expected"),
    [
        (STRANGER, {"Host": "mirror.example"}, "http://mirror.example"),
        (STRANGER, {"Host": "[2001:db8::1]:5000"}, "http://[2001:db8::1]:5000"),
        (
            STRANGER,
            {"Host": "mirror.example", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil"},
            "http://mirror.example",
        ),
        (
            PROXY,
            {"Host": "inner:5000", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "m.example"},
            "https://m.example",
        ),
        (PROXY, {"Host": "m.example", "X-Forwarded-Proto": "https"}, "https://m.example"),
        (PROXY, {"Host": "m.example", "X-Forwarded-Proto": "javascript"}, "http://m.example"),
    ],
)
def test_the_mirrors_own_address(
    behind: Runtime, sender: str, headers: dict[str, str], expected: str
) -> None:
    request = RequestFactory().get("/v2/", headers=headers, REMOTE_ADDR=sender)

    assert own_address(request) == expected


@pytest.mark.parametrize("host", ['a"b', "a b", "a,b", "", "a\r\nb", "x" * 300, "[::1", "é"])
def test_a_host_that_is_none_stands_in_no_answer(behind: Runtime, host: str) -> None:
    request = RequestFactory().get("/v2/", headers={"Host": host}, REMOTE_ADDR=STRANGER)

    assert own_address(request).endswith(":5000")


SUBJECTS = {
    "alice": True,
    "CN=alice,O=Acme": True,
    "O=Acme, CN=alice": True,
    "/O=Acme/CN=alice": True,
    "CN=bob,O=Acme": False,
    "O=alice": False,
    "CN=alice,CN=bob": False,
    "O=x\\,CN=alice": False,
    'O="x,CN=alice"': False,
    "ALICE": False,
    "": False,
    "a" * 5000: False,
}


@pytest.mark.parametrize(("subject", "is_alice"), SUBJECTS.items(), ids=lambda each: str(each)[:20])
def test_who_a_trusted_proxy_says_it_is(
    behind: Runtime, client: Browser, subject: str, is_alice: bool
) -> None:
    answer = client.get(
        f"/v2/{PRIVATE}/tags/list", headers={"X-Client-Subject": subject}, REMOTE_ADDR=PROXY
    )

    assert answer.status_code == (200 if is_alice else 401)


def test_who_anybody_else_says_it_is_does_not_matter(behind: Runtime, client: Browser) -> None:
    headers = {"X-Client-Subject": "alice", "X-Forwarded-For": PROXY}

    answer = client.get(f"/v2/{PRIVATE}/tags/list", headers=headers, REMOTE_ADDR=STRANGER)

    assert answer.status_code == 401


def test_a_deactivated_user_is_nobody(behind: Runtime, client: Browser, alice: int) -> None:
    users.set_active(alice, is_active=False)

    answer = client.get(
        f"/v2/{PRIVATE}/tags/list", headers={"X-Client-Subject": "alice"}, REMOTE_ADDR=PROXY
    )

    assert answer.status_code == 401


def test_without_a_header_configured_none_is_believed(behind: Runtime, client: Browser) -> None:
    access = replace(behind.config.access, identity_header="")
    with runtime.using(replace(behind, config=replace(behind.config, access=access))):
        answer = client.get(
            f"/v2/{PRIVATE}/tags/list", headers={"X-Client-Subject": "alice"}, REMOTE_ADDR=PROXY
        )

    assert answer.status_code == 401
    assert PASSWORD not in answer.content.decode()
