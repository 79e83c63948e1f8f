from __future__ import annotations

import pytest

from cache.upstream.client import Endpoint, Upstream
from cache.upstream.errors import NotFound, UpstreamError
from tests.fakes.upstream import FakeUpstream
from tests.upstream.names import ALPINE, LATEST

PASSWORD = "hunter2"


def test_the_operators_proxy_is_asked_in_place_of_upstream() -> None:
    with FakeUpstream() as proxy:
        upstream = Upstream(Endpoint("http://registry.invalid", proxy=proxy.url))
        try:
            # The fake is no proxy: it knows nothing of the address that it is asked for.
            with pytest.raises(NotFound):
                upstream.head_manifest(ALPINE, LATEST)
        finally:
            upstream.close()

    assert [seen.target for seen in proxy.requests] == [
        "http://registry.invalid/v2/library/alpine/manifests/latest"
    ]


def test_the_proxys_password_is_nowhere_to_be_seen() -> None:
    with FakeUpstream() as closed:
        port = closed.port
    endpoint = Endpoint("https://registry.invalid", proxy=f"http://bob:{PASSWORD}@127.0.0.1:{port}")
    upstream = Upstream(endpoint)
    try:
        with pytest.raises(UpstreamError) as failed:
            upstream.head_manifest(ALPINE, LATEST)
    finally:
        upstream.close()

    assert PASSWORD not in str(failed.value) + repr(endpoint)
