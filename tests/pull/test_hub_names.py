"""Docker Hub keeps official images below `library/`; other registries have no such rule."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.test import RequestFactory

from cache import runtime
from cache.api.parsing import parse_repository
from cache.runtime import Runtime


@pytest.mark.parametrize(
    ("remoteurl", "name", "expected"),
    [
        ("https://registry-1.docker.io", "busybox", "docker.io/library/busybox"),
        ("https://registry-1.docker.io", "library/busybox", "docker.io/library/busybox"),
        ("https://registry-1.docker.io", "user/busybox", "docker.io/user/busybox"),
        ("https://ghcr.io", "busybox", "ghcr.io/busybox"),
    ],
)
def test_names(mirror: Runtime, remoteurl: str, name: str, expected: str) -> None:
    proxy = replace(mirror.config.proxy, remoteurl=remoteurl)
    config = replace(mirror.config, proxy=proxy)
    with runtime.using(replace(mirror, config=config)):
        assert str(parse_repository(RequestFactory().get("/v2/"), name)) == expected
