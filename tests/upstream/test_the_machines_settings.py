"""Proxies come from the environment; passwords, cookies and everything else do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from cache.upstream.client import Endpoint, Upstream
from cache.upstream.errors import Denied, Unreachable
from tests.fakes.faults import Fault
from tests.fakes.upstream import FakeUpstream
from tests.upstream.conftest import Connect
from tests.upstream.names import ALPINE, LATEST


def test_netrc_is_not_read(
    registry: FakeUpstream, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text(f"machine {registry.host} login bob password pw\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    registry.require_basic({"bob": "pw"})

    with pytest.raises(Denied):
        connect(registry).head_manifest(ALPINE, LATEST)

    assert all(seen.header("authorization") is None for seen in registry.requests)


def test_cookies_are_not_kept(registry: FakeUpstream, connect: Connect) -> None:
    registry.misbehave(Fault(headers={"Set-Cookie": "session=1; Path=/"}))
    upstream = connect(registry)

    for _ in range(2):
        upstream.ping()

    assert all(seen.header("cookie") is None for seen in registry.requests)


def test_the_environments_proxy_is_used(
    registry: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("http_proxy", registry.url)
    registry.misbehave(Fault(status=200, body=b"{}"))
    upstream = Upstream(Endpoint("http://registry.example"))

    upstream.ping()
    upstream.close()

    assert registry.requests[0].target == "http://registry.example/v2/"


@pytest.mark.parametrize("proxy", ["socks5://bob:secret@127.0.0.1:1", "gopher://bob:secret@x"])
def test_a_proxy_that_cannot_be_used_is_told_without_its_password(
    proxy: str, registry: FakeUpstream, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("http_proxy", proxy)

    with pytest.raises(Unreachable, match="proxy") as raised:
        connect(registry).ping()

    assert "secret" not in str(raised.value)


def test_the_agent_is_named(registry: FakeUpstream, connect: Connect) -> None:
    connect(registry, user_agent="mirrorsite/9.9").ping()

    assert registry.requests[0].header("user-agent") == "mirrorsite/9.9"


def test_an_upstream_may_be_below_a_path(registry: FakeUpstream) -> None:
    registry.misbehave(Fault(status=200, body=b"{}"))
    for url in (f"{registry.url}/mirror/hub", f"{registry.url}/mirror/hub/"):
        upstream = Upstream(Endpoint(url))
        upstream.ping()
        upstream.close()

    assert [seen.target for seen in registry.requests] == ["/mirror/hub/v2/"] * 2
