"""Asking the token endpoint, as clients do."""

from __future__ import annotations

import base64
from typing import Any

import jwt
from django.test import Client as Browser

from tests.access.conftest import PASSWORD, PRIVATE

PULL = f"repository:{PRIVATE}:pull"
ALICE = ("alice", PASSWORD)


def basic(name: str, password: str) -> dict[str, str]:
    pair = base64.b64encode(f"{name}:{password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


def ask_token(
    client: Browser, *scopes: str, who: tuple[str, str] | None = None, **more: str
) -> Any:
    query: dict[str, Any] = {"service": "mirrorsite", "scope": list(scopes), **more}
    return client.get("/v2/token", query, headers=basic(*who) if who else {})


def post_form(client: Browser, **fields: str) -> Any:
    body = "&".join(f"{name}={value.replace(' ', '+')}" for name, value in fields.items())
    return client.post("/v2/token", body, content_type="application/x-www-form-urlencoded")


def granted_by(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    claims = jwt.decode(answer.json()["token"], options={"verify_signature": False})
    entries = [(e["type"], e["name"], ",".join(e["actions"])) for e in claims["access"]]
    assert answer.json()["scope"] == " ".join(":".join(entry) for entry in entries)
    return [":".join(entry) for entry in entries]
