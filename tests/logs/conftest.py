"""A mirror that logs as JSON, and its lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.mirror import Mirror
from tests.e2e.processes import eventually
from tests.faults.clients import Scene, scene, whole_log


@pytest.fixture(scope="module")
def house() -> Iterator[Scene]:
    with scene(REGISTRY_LOG_FORMATTER="json", REGISTRY_PROXY_NEGATIVE_TTL="0s") as house:
        yield house


def lines(mirror: Mirror) -> list[dict[str, Any]]:
    """All records so far, the access lines too."""
    return [json.loads(line) for line in whole_log(mirror).splitlines() if line.startswith("{")]


def of_request(mirror: Mirror, name: str) -> list[dict[str, Any]]:
    """What was logged of the request of that name, the access line last; waits for that."""

    def found() -> list[dict[str, Any]]:
        return [line for line in lines(mirror) if line.get("request") == name]

    eventually(lambda: any("status" in line for line in found()), f"{name} left its line")
    return sorted(found(), key=lambda line: "status" in line)


def access_line(mirror: Mirror, name: str) -> dict[str, Any]:
    """The one line that a request leaves at its end."""
    (line,) = [line for line in of_request(mirror, name) if "status" in line]
    return line
