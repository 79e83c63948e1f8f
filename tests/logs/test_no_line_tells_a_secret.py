"""With everything that can be logged logged: no password, token, query or signed address is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.processes import eventually
from tests.fakes.plain import NO_AUTHORITY
from tests.fakes.upstream import FakeUpstream
from tests.faults.clients import Scene, scene, whole_log

PASSWORD = "upstreams-own-pass"


@pytest.fixture(params=["text", "json"])
def house(request: pytest.FixtureRequest) -> Iterator[tuple[Scene, FakeUpstream]]:
    with (
        FakeUpstream("127.0.0.2") as cdn,
        scene(
            REGISTRY_LOG_LEVEL="debug",
            REGISTRY_LOG_FORMATTER=request.param,
            REGISTRY_PROXY_USERNAME="mirror",
            REGISTRY_PROXY_PASSWORD=PASSWORD,
            REGISTRY_UPSTREAMS="{dead.example: {remoteurl: 'http://127.0.0.1:1'}}",
        ) as house,
    ):
        house.upstream.require_bearer().users = {"mirror": PASSWORD}
        house.upstream.redirect_blobs_to(cdn)
        yield house, cdn


def written(house: Scene) -> str:
    """On standard error and for the dashboard."""
    kept = [path.read_text() for path in Path(house.mirror.root / "logs").iterdir()]
    return whole_log(house.mirror) + "".join(kept)


def test_none_is(house: tuple[Scene, FakeUpstream]) -> None:
    here, cdn = house
    path, _ = here.blob("library/tool", 100_000)
    here.upstream.add_image("library/tool", "v1")
    asked = [
        (path, {}),
        ("/v2/library/tool/manifests/v1?token=in-a-query&password=in-a-query", {}),
        ("/v2/library/tool/manifests/v1", {"Authorization": "Bearer in-a-bearer"}),
        ("/v2/", {"Authorization": "Basic aW4tYS1iYXNpYzppbi1hLWJhc2lj"}),
        ("/v2/token?account=in-a-query&scope=repository:library/tool:pull", {}),
        ("/t/mirror_in-a-path-" + "x" * 40 + "/v2/", {}),
        ("/t/" + "in-a-short-path" + "/v2/", {}),
        ("/v2/library/tool/manifests/mirror_in-a-path-" + "x" * 40, {}),
        ("/elsewhere", {"User-Agent": "curl/8 mirror_in-an-agent-" + "x" * 40}),
        ("/elsewhere", {"User-Agent": "x password=in-an-agent"}),
        ("/elsewhere", {"Referer": "http://m/t/mirror_in-a-path-" + "x" * 40 + "/v2/"}),
        ("/elsewhere", {"X-Request-Id": "mirror_in-a-name-" + "x" * 40}),
        ("/dashboard/login/?next=/dashboard/&password=in-a-query", {}),
        ("/v2/library/none/manifests/v1?ns=dead.example&token=in-a-query", {}),
    ]
    for number, (where, headers) in enumerate(asked):
        httpx.get(
            f"{here.mirror.url}{where}",
            headers={"X-Request-Id": f"number-{number}", **headers},
            timeout=30,
            trust_env=False,
            verify=NO_AUTHORITY,
        )
    eventually(lambda: f"number-{len(asked) - 1}" in written(here), "all is written")
    eventually(lambda: "number-0" in written(here).partition('"id": ')[2], "also for the page")

    said = written(here)
    signed = [seen.query for seen in cdn.requests]
    sent = {seen.header("Authorization") for seen in here.upstream.requests} - {None}
    assert all(signed)
    assert sent
    for secret in (*signed, *(str(each).split()[1] for each in sent), PASSWORD):
        assert secret not in said
    assert "in-a" not in said
    assert "aW4tYS1i" not in said
