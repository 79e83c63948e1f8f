"""Pulls through a real nginx and a real Caddy with the example files."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from cache.oci.digest import Digest
from tests.deploy.proxies import FILES, Proxy
from tests.e2e import skopeo
from tests.e2e.mirror import Mirror
from tests.e2e.parts import require
from tests.e2e.processes import environment, scratch
from tests.fakes.faults import Fault, Gate
from tests.fakes.images import build_image
from tests.fakes.upstream import FakeUpstream

pytestmark = pytest.mark.e2e

NAME = "acme/image"
MIB = 1024 * 1024
LAYER = random.Random(1).randbytes(24 * MIB)


@pytest.fixture(scope="module")
def mirror(upstream: FakeUpstream) -> Iterator[Mirror]:
    with scratch("mirror") as home, Mirror(home / "data", upstream.url) as mirror:
        yield mirror


@pytest.fixture
def client(front: Proxy) -> Iterator[httpx.Client]:
    # It accepts compressed answers, as clients do that ask for anything.
    with httpx.Client(
        base_url=front.url, verify=front.trust, trust_env=False, timeout=60
    ) as client:
        yield client


@pytest.fixture
def folder() -> Iterator[Path]:
    with scratch("pulled") as path:
        yield path


def test_a_client_pulls_over_tls_and_http2(
    front: Proxy, upstream: FakeUpstream, folder: Path
) -> None:
    require("skopeo")
    image = build_image((LAYER,))
    upstream.add_image(NAME, "v1", [LAYER])

    skopeo.copy(front.address, f"{NAME}:v1", folder / "image")

    assert LAYER in skopeo.copied(folder / "image").values()
    assert image.manifest == (folder / "image/manifest.json").read_bytes()


def test_http2_is_spoken(front: Proxy) -> None:
    require("curl")
    asked = subprocess.run(
        (
            "curl",
            "-sk",
            "-o",
            "/dev/null",
            "-w",
            "%{http_version} %{http_code}",
            f"{front.url}/v2/",
        ),
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert asked.stdout == "2 200"


def test_a_cold_layers_first_bytes_do_not_wait_for_its_last(
    client: httpx.Client, front: Proxy, upstream: FakeUpstream
) -> None:
    data = LAYER + front.address.encode()
    digest = upstream.add_blob(NAME, data)
    gate = Gate()
    upstream.misbehave(Fault(stall=gate, stall_at=8 * MIB), method="GET", path=f"/blobs/{digest}")

    with client.stream("GET", f"/v2/{NAME}/blobs/{digest}") as answer:
        pieces = answer.iter_raw()
        first = next(pieces)
        # Upstream has stopped in the middle, and what is there has come through both.
        gate.wait_until_reached(1)
        gate.open()
        body = first + b"".join(pieces)

    assert answer.headers["Content-Length"] == str(len(data))
    assert "Content-Encoding" not in answer.headers
    assert Digest.of(body) == digest


def test_what_a_slow_client_has_not_taken_is_not_written_to_a_disk(
    client: httpx.Client, front: Proxy, upstream: FakeUpstream
) -> None:
    data = LAYER + b"slowly"
    digest = upstream.add_blob(NAME, data)
    assert client.get(f"/v2/{NAME}/blobs/{digest}").content == data

    with (
        client.stream("GET", f"/v2/{NAME}/blobs/{digest}") as answer,
        httpx.Client(base_url=front.url, verify=front.trust, trust_env=False) as other,
    ):
        pieces = answer.iter_raw()
        first = next(pieces)
        # It goes on working for others meanwhile, and could read ahead for this one.
        for _ in range(200):
            assert other.get("/v2/").is_success
        assert Digest.of(first + b"".join(pieces)) == digest

    # nginx makes folders for its files and leaves them; Caddy has no such place.
    assert list((front.home / "proxy").glob("*")) == []


def test_a_range_is_a_range(client: httpx.Client, upstream: FakeUpstream) -> None:
    digest = upstream.add_blob(NAME, LAYER)

    part = client.get(f"/v2/{NAME}/blobs/{digest}", headers={"Range": "bytes=1000000-1000099"})

    assert (part.status_code, part.content) == (206, LAYER[1_000_000:1_000_100])
    assert part.headers["Content-Range"] == f"bytes 1000000-1000099/{len(LAYER)}"
    assert part.headers["Docker-Content-Digest"] == str(digest)


def test_a_refusal_is_the_mirrors_own(client: httpx.Client) -> None:
    refused = client.get(f"/v2/{NAME}/manifests/absent")

    assert refused.status_code == 404
    assert refused.json()["errors"][0]["code"] == "MANIFEST_UNKNOWN"
    assert client.get("/readyz").json()["status"] == "ok"


def test_a_compressible_manifest_is_not_compressed(
    client: httpx.Client, upstream: FakeUpstream
) -> None:
    layers = [b"%d" % number for number in range(200)]
    image = upstream.add_image(NAME, "many", layers)

    answer = client.get(
        f"/v2/{NAME}/manifests/many", headers={"Accept": "*/*", "Accept-Encoding": "gzip, br, zstd"}
    )

    assert "Content-Encoding" not in answer.headers
    assert answer.content == image.manifest
    assert json.loads(answer.content)["layers"]


def test_traefiks_file_is_one_that_names_the_mirror() -> None:
    # Traefik is in no Debian package: its file is only read here.
    http = yaml.safe_load((FILES / "traefik.yaml").read_text())["http"]

    router = http["routers"]["mirrorsite"]
    balancer = http["services"][router["service"]]["loadBalancer"]
    assert balancer["servers"] == [{"url": "http://127.0.0.1:5000"}]
    assert balancer["serversTransport"] in http["serversTransports"]
    assert "middlewares" not in router
