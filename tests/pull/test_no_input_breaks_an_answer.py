"""Whatever a client writes into a query, a form or its credentials: an answer, and never a 500."""

from __future__ import annotations

import base64

import pytest
from django.test import Client

#: `%ED%A0%80` is a lone surrogate. The longest line that gunicorn takes has some 8000 characters.
INPUTS = ("%00", "%ED%A0%80", "a" * 8000, "-1", "9" * 20, "9" * 5000, "%C2%B2")
#: The same as a name.
BYTES = (b"", b"\0", b"\xed\xa0\x80", b"a" * 5000)
FORM = "application/x-www-form-urlencoded"

QUERIES = (
    *(f"_catalog?{field}=" for field in ("n", "last", "n=1&last", "ns")),
    *(f"acme/shop/tags/list?{field}=" for field in ("n", "last", "n=1&last", "ns")),
    *("acme/shop/manifests/latest?ns=", f"acme/shop/referrers/sha256:{'a' * 64}?artifactType="),
    *(f"token?{field}=" for field in ("account", "service", "scope", "offline_token")),
    *(f"token?scope=repository:{name}:pull&account=" for name in ("acme/shop", "*")),
    *("token?scope=repository:", "token?scope=repository:acme/shop:"),
)
FORMS = (
    *("grant_type=", "grant_type=refresh_token&refresh_token=", "grant_type=password&scope="),
    *("grant_type=password&password=x&username=", "grant_type=password&username=&password="),
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("mirror")]


def test_no_query_breaks_an_answer(client: Client) -> None:
    for query in QUERIES:
        for given in INPUTS:
            answer = client.get(f"/v2/{query}{given}")
            assert answer.status_code < 500, f"{query}{given}"[:80]


def test_no_form_breaks_an_answer(client: Client) -> None:
    for form in FORMS:
        for given in INPUTS:
            answer = client.post("/v2/token", f"{form}{given}", content_type=FORM)
            assert answer.status_code < 500, f"{form}{given}"[:80]


@pytest.mark.parametrize("path", ["", "token"])
def test_no_credentials_break_an_answer(client: Client, path: str) -> None:
    for name in BYTES:
        basic = base64.b64encode(name + b":x").decode()
        for header in (f"Basic {basic}", f"Bearer {basic}", f"Bearer a.{basic}.{basic}"):
            answer = client.get(f"/v2/{path}", headers={"Authorization": header})
            assert answer.status_code < 500, header[:80]
