"""PostgreSQL orders texts by a language; the catalog's pages follow the characters' codes."""

from __future__ import annotations

import httpx

from tests.e2e.mirror import Mirror
from tests.e2e.processes import scratch
from tests.fakes.plain import NO_AUTHORITY
from tests.fakes.upstream import FakeUpstream
from tests.faults.postgres import Postgres

#: In English, "_" comes before digits; the code of "1" is the lower one.
NAMES = ["a1", "a_c", "o_b"]


def test_no_repository_is_left_out() -> None:
    with (
        scratch("pg") as base,
        scratch("mirror") as home,
        Postgres(base) as postgres,
        FakeUpstream() as hub,
        FakeUpstream() as other,
        Mirror(
            home / "data",
            hub.url,
            DATABASE_URL=postgres.url,
            REGISTRY_UPSTREAMS=f"{{o1.example: {{remoteurl: '{other.url}'}}}}",
        ) as mirror,
    ):
        for name in NAMES:
            hub.add_image(name, "v1")
            assert _get(mirror, f"/v2/{name}/manifests/v1").status_code == 200
        other.add_image("x", "v1")
        assert _get(mirror, "/v2/o1.example/x/manifests/v1").status_code == 200

        found, path = [], "/v2/_catalog?n=1"
        while path:
            page = _get(mirror, path)
            found += page.json()["repositories"]
            path = page.links.get("next", {}).get("url", "")

    assert found == ["a1", "a_c", "o1.example/x", "o_b"]


def _get(mirror: Mirror, path: str) -> httpx.Response:
    return httpx.get(f"{mirror.url}{path}", timeout=30, trust_env=False, verify=NO_AUTHORITY)
