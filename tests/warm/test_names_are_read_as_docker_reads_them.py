"""From what stands in a file to a repository of this mirror."""

from __future__ import annotations

import pytest

from cache.config import load
from cache.config.shape import Config
from cache.oci.errors import RegistryError
from cache.warm import find_image

DIGEST = f"sha256:{'d' * 64}"


@pytest.fixture
def config() -> Config:
    return load(None, {"MIRROR_CONFIG": "/dev/null", "REGISTRY_UPSTREAMS": UPSTREAMS})


UPSTREAMS = "{ghcr.io: {}, 'localhost:5000': {remoteurl: 'http://localhost:5000'}}"


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("busybox", "docker.io/library/busybox:latest"),
        ("busybox:1", "docker.io/library/busybox:1"),
        ("grafana/grafana", "docker.io/grafana/grafana:latest"),
        ("docker.io/busybox", "docker.io/library/busybox:latest"),
        ("index.docker.io/busybox:1", "docker.io/library/busybox:1"),
        ("GHCR.IO/o/i:t", "ghcr.io/o/i:t"),
        (f"busybox@{DIGEST}", f"docker.io/library/busybox@{DIGEST}"),
        (f"ghcr.io/o/i:t@{DIGEST}", f"ghcr.io/o/i@{DIGEST}"),
        ("localhost:5000/x", "localhost:5000/x:latest"),
        ("localhost:5000/x/y:2", "localhost:5000/x/y:2"),
    ],
)
def test_a_name_is_one_repository(config: Config, text: str, image: str) -> None:
    assert str(find_image(config, text)) == image


@pytest.mark.parametrize(
    ("text", "code", "sentence"),
    [
        ("quay.io/o/i", "NAME_UNKNOWN", "no upstream is configured for the registry 'quay.io'"),
        ("localhost/x", "NAME_UNKNOWN", "this mirror serves docker.io, ghcr.io, localhost:5000"),
        ("ghcr.io/Owner/i", "NAME_INVALID", "lower-case"),
        ("Busybox", "NAME_INVALID", "lower-case"),
        ("busybox:", "TAG_INVALID", "is not a tag"),
        ("busybox:a b", "TAG_INVALID", "is not a tag"),
        ("busybox@sha256:12", "DIGEST_INVALID", "digest"),
        ("ghcr.io/", "NAME_INVALID", "not a repository name"),
        ("https://ghcr.io/o/i", "NAME_INVALID", "is an address"),
        ("a" * 64, "NAME_INVALID", "image's id"),
        ("", "NAME_INVALID", "not a repository name"),
    ],
)
def test_a_mistake_is_a_sentence(config: Config, text: str, code: str, sentence: str) -> None:
    with pytest.raises(RegistryError) as caught:
        find_image(config, text)

    assert caught.value.code == code
    assert sentence in caught.value.message


def test_a_mirror_of_another_registry_is_asked_as_docker_asks_it() -> None:
    environ = {"MIRROR_CONFIG": "/dev/null", "REGISTRY_PROXY_REMOTEURL": "http://hub.corp:5000"}

    assert str(find_image(load(None, environ), "busybox")) == "hub.corp:5000/library/busybox:latest"
